/**
 * How much arithmetic an iteration takes, known before anything is on a device. The threads of the software driver are
 * chosen by it.
 */

import { listUsers } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { AdversarialConfig, TrainingConfig } from "./training_config.ts";

/** What is trained, of a run's config. */
export interface TrainingWorkload {
  readonly model: ModelConfig;
  readonly training: Pick<TrainingConfig, "batchSize" | "validateEvery" | "validationUsers">;
  readonly adversarial?:
    | Pick<AdversarialConfig, "batchSize" | "validateEvery" | "generator" | "behaviourDims">
    | null;
}

/** FLOPs of a step that a unit of the first layer is worth: an exponential, and sums. */
const FIRST_LAYER = 60;

/** FLOPs of the larger stage's iteration with its share of the validation, roughly. */
export function estimateIterationFlops(
  source: LogSource,
  { model, training, adversarial }: TrainingWorkload,
): number {
  const users = source.userSplit.length;
  const rowsEach = (source.userRows.at(-1) ?? 0) / Math.max(1, users);
  const validation = Math.min(listUsers(source, "validation").length, training.validationUsers ?? Infinity);
  // Forward, and two gradients of each product; a validation is forward alone.
  const flops = (
    flopsEach: number,
    { batchSize, validateEvery }: { batchSize: number; validateEvery: number },
  ) => flopsEach * rowsEach * (batchSize + validation / (3 * validateEvery));
  const own = flopsOfRow(model.dims);
  const shannon = flops(own, training);
  if (!adversarial) return shannon;
  const both = adversarial.generator === "network" ? own + flopsOfRow(adversarial.behaviourDims) : own;
  return Math.max(shannon, flops(both, adversarial));
}

/** Of a row in a step through hidden layers of these sizes. */
function flopsOfRow(dims: readonly number[]): number {
  return dims.reduce(
    (sum, units, layer) => sum + (layer === 0 ? FIRST_LAYER : 6 * (dims[layer - 1] ?? 0)) * units,
    0,
  );
}
