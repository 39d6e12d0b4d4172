/** Estimates the FLOPs of a training iteration. */

import { listUsers } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { AdversarialConfig, TrainingConfig } from "./training_config.ts";

/** Part of a run's config that determines the FLOPs of an iteration. */
export interface TrainingWorkload {
  readonly model: ModelConfig;
  readonly training: Pick<TrainingConfig, "batchSize" | "validateEvery" | "validationUsers">;
  readonly adversarial?:
    | Pick<AdversarialConfig, "batchSize" | "validateEvery" | "generator" | "behaviourDims">
    | null;
}

/** Estimated FLOPs of a training step in the first layer, per displayed item (row) and unit of the layer. */
const FIRST_LAYER = 60;

/** Estimates the FLOPs per iteration, with validations, of the training stage that needs the most FLOPs. */
export function estimateIterationFlops(
  source: LogSource,
  { model, training, adversarial }: TrainingWorkload,
): number {
  const users = source.userSplit.length;
  const rowsPerUser = (source.userRows.at(-1) ?? 0) / Math.max(1, users);
  const validation = Math.min(listUsers(source, "validation").length, training.validationUsers ?? Infinity);
  // A step computes a forward pass and two gradients per product. A validation computes a forward pass.
  const flops = (
    flopsPerRow: number,
    { batchSize, validateEvery }: { batchSize: number; validateEvery: number },
  ) => flopsPerRow * rowsPerUser * (batchSize + validation / (3 * validateEvery));
  const own = countRowFlops(model.dims);
  const shannon = flops(own, training);
  if (!adversarial) return shannon;
  const both = adversarial.generator === "network" ? own + countRowFlops(adversarial.behaviourDims) : own;
  return Math.max(shannon, flops(both, adversarial));
}

function countRowFlops(dims: readonly number[]): number {
  return dims.reduce((sum, units, k) => sum + (k === 0 ? FIRST_LAYER : 6 * (dims[k - 1] ?? 0)) * units, 0);
}
