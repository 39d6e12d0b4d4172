/**
 * State from which a stage resumes: the snapshot `last`, the best snapshots that `last` names, and the
 * lengths and checksums (marks) of the logs. This file also defines the names of the snapshot files.
 */

import { requireWritable } from "../files/write_scope.ts";
import * as v from "../schema.ts";
import { pathExists, withFileErrors } from "../files/local_file.ts";
import { parseJson } from "../files/json_file.ts";
import { checkWeights } from "../model/user_model.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion, parseBestRecords } from "../train/best_records.ts";
import { UserError } from "../user_error.ts";
import { CsvLog, logMarkSchema } from "./csv_log.ts";
import { readSnapshot, readSnapshotHeader } from "./snapshot_file.ts";
import { BEST_PREFIXES, iterationSchema, readBestWeights, readMoments } from "./snapshot/snapshot.ts";
import type { Snapshot, SnapshotInfo } from "./snapshot/snapshot.ts";
import type { TrainerState } from "../train/networks.ts";

export type SnapshotName = `best-${Criterion}` | "last";

const logsSchema = v.strictObject({ train: logMarkSchema, validation: logMarkSchema });
type LogMarks = v.InferOutput<typeof logsSchema>;
export const LOGS = ["train", "validation"] as const;

export interface LastState {
  readonly snapshot: Snapshot;
  readonly info: SnapshotInfo;
  readonly iteration: number;
  readonly best: BestRecords;
  readonly logs: LogMarks;
}

export function logFile(path: string, log: typeof LOGS[number]): string {
  return `${path}/${log}.csv`;
}

export function getSnapshotPath(path: string, name: SnapshotName): string {
  return `${path}/${name}.safetensors`;
}

/** Returns the path at which `save` and `saveBest` of RunFolder store a best snapshot temporarily. */
export function getPendingSnapshotPath(path: string, criterion: Criterion): string {
  return `${path}/best-${criterion}.aside.safetensors`;
}

/** State of a stage, as in the header of the snapshot `last`. */
export interface SavedStage {
  readonly iteration: number;
  /** Best value so far and its iteration, for each validation criterion. */
  readonly best: BestRecords;
  /** True for the adversarial stage, false for the Shannon stage. */
  readonly isGame: boolean;
  /** Iteration of the weights in each best snapshot (0: initial weights); undefined if missing. */
  readonly kept: Readonly<Record<Criterion, number | undefined>>;
}

/** Reads the saved state of a stage. Returns undefined if the state is missing or unreadable. */
export function readSavedStage(path: string): SavedStage | undefined {
  try {
    const { metadata } = readSnapshotHeader(getSnapshotPath(path, "last"));
    const best = parseBestRecords(metadata.best);
    const iteration = v.safeParse(iterationSchema, metadata.iteration);
    const rescaled = v.safeParse(v.optional(iterationSchema), metadata.rescaled);
    if (!best || !iteration.success || !rescaled.success) return undefined;
    const readKept = (criterion: Criterion) => {
      const { value, iteration } = best[criterion];
      if (!Number.isFinite(value)) return undefined;
      return (criterion === "loss" ? rescaled.output : undefined) ?? iteration;
    };
    const kept = { loss: readKept("loss"), prec1: readKept("prec1"), prec2: readKept("prec2") };
    return { iteration: iteration.output, best, isGame: metadata.game !== undefined, kept };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * Returns the path of a stage's best snapshot; undefined if there is none. After a crash during a save, the
 * path may be temporary. If training diverged, the best snapshot may be newer than `last`.
 */
export async function findBest(path: string, criterion: Criterion): Promise<string | undefined> {
  const file = getSnapshotPath(path, `best-${criterion}`);
  const aside = getPendingSnapshotPath(path, criterion);
  const found = await pathExists(file) ? file : undefined;
  if (!await pathExists(aside)) return found;
  const saved = readSavedStage(path);
  if (!saved) return found;
  const readIteration = (path: string) => Number(readSnapshotHeader(path).metadata.iteration);
  const belongs = (iteration: number) => iteration === saved.kept[criterion];
  if (found) {
    const own = readIteration(found);
    if (belongs(own) || own > saved.iteration) return found;
  }
  return belongs(readIteration(aside)) ? aside : found;
}

/**
 * Checks that a stage can be resumed: its snapshot `last` is readable, and its logs are unchanged. @returns
 * the number of finished iterations. @throws UserError if a file is missing or has changed.
 */
export async function expectResumable(path: string): Promise<number> {
  const { iteration, logs } = await readLast(path);
  expectLogs(path, { iteration, logs });
  return iteration;
}

/** Checks a stage's logs. @throws UserError if a log has changed since the snapshot `last` was written. */
export function expectLogs(path: string, { iteration, logs }: Pick<LastState, "iteration" | "logs">): void {
  CsvLog.expectMarked(logFile(path, "train"), logs.train, iteration);
  CsvLog.expectMarked(logFile(path, "validation"), logs.validation);
}

/** Reads the snapshot `last` of a stage. @throws UserError if it is damaged or has no training state. */
export async function readLast(path: string): Promise<LastState> {
  const file = getSnapshotPath(path, "last");
  const snapshot = await readSnapshot(file);
  const best = parseBestRecords(snapshot.metadata.best);
  const logs = v.safeParse(logsSchema, parseJson(snapshot.metadata.logs));
  if (!snapshot.info || !best || !logs.success) {
    throw new UserError(
      `Expected the training state of a run in ${file}, found none. Restore the file that the run wrote, ` +
        "or start a new run from these weights with --init.",
    );
  }
  const { info } = snapshot;
  return { snapshot, info, iteration: info.iteration, best, logs: logs.output };
}

/**
 * Reads the training state of a stage and checks the state against the model. No file is changed.
 * @returns the training state, and `aside`: the criteria whose best snapshots have temporary paths
 * @throws UserError if a snapshot is missing or damaged, or does not have the model's shapes.
 */
export async function restoreState(
  path: string,
  { snapshot: last, iteration, best }: LastState,
  specs: readonly ParameterSpec[],
): Promise<{ state: TrainerState; aside: readonly Criterion[] }> {
  const file = getSnapshotPath(path, "last");
  checkWeights(specs, last.weights, file);
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  const aside: Criterion[] = [];
  for (const criterion of criteria) {
    const { value, iteration } = best[criterion];
    if (!Number.isFinite(value)) continue;
    if (criterion === "loss" && last.part(BEST_PREFIXES.loss).size > 0) {
      snapshots[criterion] = readBestWeights(last, specs, criterion, file);
      continue;
    }
    const found = await readBest(path, specs, criterion, iteration);
    snapshots[criterion] = found.weights;
    if (found.isAside) aside.push(criterion);
  }
  const { weights } = last;
  return { state: { iteration, best, snapshots, weights, ...readMoments(last, specs, file) }, aside };
}

/** Renames best snapshots from temporary to usual paths. @param aside - criteria of these snapshots */
export async function settleBest(path: string, aside: readonly Criterion[]): Promise<void> {
  for (const criterion of aside) {
    await replaceFile(getPendingSnapshotPath(path, criterion), getSnapshotPath(path, `best-${criterion}`));
  }
}

/** Reads a best snapshot from its usual or its temporary path; `iteration` is that of its weights. */
async function readBest(
  path: string,
  specs: readonly ParameterSpec[],
  criterion: Criterion,
  iteration: number,
): Promise<{ weights: Weights; isAside: boolean }> {
  const file = getSnapshotPath(path, `best-${criterion}`);
  const aside = getPendingSnapshotPath(path, criterion);
  for (const name of [file, aside]) {
    if (!await pathExists(name)) continue;
    const { info, weights } = await readSnapshot(name);
    if (info?.iteration !== iteration) continue;
    checkWeights(specs, weights, name);
    return { weights, isAside: name === aside };
  }
  throw new UserError(
    `Cannot resume the run: ${file} is missing, or is not the snapshot of iteration ${iteration}. ` +
      "Restore this snapshot.",
  );
}

export async function replaceFile(from: string, to: string): Promise<void> {
  await withFileErrors("write", to, () => Deno.rename(requireWritable(from), requireWritable(to)));
}
