/**
 * Stores a training state in one file, for hosts without folders, such as a browser. The file is a snapshot
 * of the current weights, with the optimiser's moments, the best weights and the training's settings.
 */

import * as v from "../../schema.ts";
import { checkWeights } from "../../model/user_model.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import { criteria, type Criterion, formatBestRecords, parseBestRecords } from "../../train/best_records.ts";
import { stagesConfigSchema } from "../../train/training_config.ts";
import type { TrainerState } from "../../train/networks.ts";
import { UserError } from "../../user_error.ts";
import { encodeSafetensors } from "./safetensors.ts";
import { BEST_PREFIXES, buildSnapshot, MOMENT_PREFIXES, readBestWeights, readMoments } from "./snapshot.ts";
import type { Snapshot, SnapshotInfo } from "./snapshot.ts";

const settingSchema = v.strictObject({
  config: stagesConfigSchema,
  /** Stage that was being trained when the file was written. */
  stage: v.picklist(["shannon", "adversarial"]),
  /** Checksum of the training data. */
  data: v.string(),
  /** GPU adapter on which the model was trained, for information only. */
  adapter: v.string(),
});
export type TrainingSetting = v.InferOutput<typeof settingSchema>;

/** Encodes a training's state and settings. @param specs - parameters of all networks */
export function encodeTraining(
  specs: readonly ParameterSpec[],
  state: TrainerState,
  info: SnapshotInfo,
  setting: TrainingSetting,
): Uint8Array<ArrayBuffer> {
  const more = new Map<string, Weights>([[MOMENT_PREFIXES.m, state.m], [MOMENT_PREFIXES.v, state.v]]);
  for (const criterion of criteria) {
    const weights = state.snapshots[criterion];
    if (weights && Number.isFinite(state.best[criterion].value)) more.set(BEST_PREFIXES[criterion], weights);
  }
  const extra = { best: formatBestRecords(state.best), training: JSON.stringify(setting) };
  const { tensors, metadata } = buildSnapshot(specs, state.weights, info, more, extra);
  return encodeSafetensors(tensors, metadata);
}

/** Reads a training's settings; undefined if they are missing. @throws UserError if they are damaged. */
export function readTrainingSetting({ metadata }: Snapshot, path: string): TrainingSetting | undefined {
  if (metadata.training === undefined) return undefined;
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), settingSchema), metadata.training);
  if (parsed.success) return parsed.output;
  throw new UserError(
    `${path}: the training settings of the file are damaged: ${v.describeIssues(parsed.issues)}`,
  );
}

/** Reads a training's state. @param specs - all networks' parameters. @throws UserError if it is damaged. */
export function readTrainingState(
  snapshot: Snapshot,
  specs: readonly ParameterSpec[],
  path: string,
): TrainerState {
  const { info, metadata, weights } = snapshot;
  const best = parseBestRecords(metadata.best);
  if (!info || !best) {
    throw new UserError(
      `Expected the best validation metrics of a run in ${path}, found none. Use another copy of the file.`,
    );
  }
  checkWeights(specs, weights, `The weights of ${path}`);
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    if (!Number.isFinite(best[criterion].value)) continue;
    snapshots[criterion] = readBestWeights(snapshot, specs, criterion, path);
  }
  const { iteration } = info;
  return { iteration, weights, ...readMoments(snapshot, specs, path), best, snapshots };
}
