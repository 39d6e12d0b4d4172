/**
 * The generator pi: how users would act, a network of the reward's build whose outputs are the logits of a softmax over
 * what is displayed. user-model section 4.2.
 */

import type { DeviceItems } from "../batch/device_log.ts";
import type { ItemFeatures } from "../data/click_log.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ModelConfig } from "./config.ts";
import { initialWeights } from "./initial_weights.ts";
import { itemsShape } from "./item_features.ts";
import { modelParameters, UserModel } from "./user_model.ts";

/** The generator beside a reward model: the same encoder, layers of its own. */
export function generatorConfig(
  reward: ModelConfig,
  { behaviourDims, behaviourSd }: { behaviourDims: number[]; behaviourSd: number },
): ModelConfig {
  return { ...reward, dims: behaviourDims, kernelSd: behaviourSd, batchNorm: false };
}

/** @param shared the reward's items. @param initial a seed to draw the weights from, or the weights. */
export function createGenerator(
  gpu: Gpu,
  items: ItemFeatures,
  config: ModelConfig,
  shared: DeviceItems,
  initial: { readonly seed: number } | { readonly weights: Weights },
): UserModel {
  const weights = "weights" in initial
    ? initial.weights
    : initialWeights(modelParameters(itemsShape(items), config), initial.seed, "generator/");
  return new UserModel(gpu, items, config, { weights }, shared);
}
