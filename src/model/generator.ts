/**
 * The generator pi: how users would act, a network of the reward's build whose outputs are the logits of a softmax over
 * what is displayed. See kernels/course/9-minimax.md.
 */

import type { ItemCatalogue } from "../data/item_catalogue.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ModelConfig } from "./config.ts";
import { initialWeights } from "./initial_weights.ts";
import { modelParameters, UserModel } from "./user_model.ts";

/** The generator beside a reward model: the same encoder, layers of its own, and nothing else. */
export function generatorConfig(
  reward: ModelConfig,
  { behaviourDims, behaviourSd }: { behaviourDims: number[]; behaviourSd: number },
): ModelConfig {
  return {
    ...reward,
    dims: behaviourDims,
    kernelSd: behaviourSd,
    batchNorm: false,
    wide: 0,
    counts: null,
    loss: "choice",
    positions: 0,
  };
}

/** @param initial a seed to draw the weights from, or the weights. */
export function createGenerator(
  gpu: Gpu,
  items: ItemCatalogue,
  config: ModelConfig,
  initial: { readonly seed: number } | { readonly weights: Weights },
): UserModel {
  const weights = "weights" in initial
    ? initial.weights
    : initialWeights(modelParameters(items.shape, config), initial.seed, "generator/");
  return new UserModel(gpu, items, config, { weights });
}
