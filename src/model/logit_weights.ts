/** Weights with which a user model computes the utilities of the baseline "logit on counts". */

import type { LogSource, OnProgress } from "../data/log_source.ts";
import { LOGIT_SEED } from "../metrics/baselines/scorers.ts";
import type { UtilityScale } from "../metrics/baselines/utility_scale.ts";
import type { Weights } from "../tape/parameters.ts";
import { BIAS, initializeFromCounts, KERNEL } from "./model_counts.ts";
import type { ModelConfig } from "./model_config.ts";
import { POSITION_BIAS } from "./position_effect.ts";
import { listModelParameters, resolveWeights } from "./user_model.ts";
import { HISTORY, OUTPUT_BIAS, PART } from "./utility.ts";

/** Fits the baseline "logit on counts" to a log. @returns weights for a user model with count features */
export function fitLogitWeights(source: LogSource, config: ModelConfig, onProgress?: OnProgress): Weights {
  const start = initializeFromCounts(source, config, LOGIT_SEED, onProgress);
  const parameters = listModelParameters(source.items.shape, config);
  const weights = resolveWeights(parameters, { seed: LOGIT_SEED, start });
  // The logit has no products of features and last clicks.
  for (const name of [HISTORY.kernel, HISTORY.tokenTable]) weights.get(name)?.fill(0);
  return weights;
}

/** Names of the weights that {@link scaleUtilities} multiplies by the slope. */
const LINEAR = [
  ...[KERNEL, BIAS, POSITION_BIAS, `${PART}/item_kernel`, `${PART}/token_table`, "utility/output/kernel"],
  OUTPUT_BIAS,
];

/** Returns changed weights: if `weights` give a utility u, the new weights give offset + slope * u. */
export function scaleUtilities(weights: Weights, { offset, slope }: UtilityScale): Weights {
  const scaled = LINEAR.flatMap((name) => {
    const values = weights.get(name);
    return values
      ? [[name, values.map((x) => slope * x + (name === OUTPUT_BIAS ? offset : 0))] as const]
      : [];
  });
  return new Map([...weights, ...scaled]);
}
