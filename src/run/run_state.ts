/**
 * State that a stage resumes from: its last snapshot, the best ones that belong to it, and marks of its logs; and the names
 * of these files.
 */

import { requireWritable } from "../files/write_scope.ts";
import * as v from "../schema.ts";
import { explainFileError, pathExists } from "../files/local_file.ts";
import { parseJson } from "../files/json_file.ts";
import { checkWeights } from "../model/user_model.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion, parseBestRecords } from "../train/best_records.ts";
import { UserError } from "../user_error.ts";
import { CsvLog, logMarkSchema } from "./csv_log.ts";
import { readSnapshot, readSnapshotHeader } from "./snapshot_file.ts";
import { BEST_PREFIXES, iterationSchema, MOMENT_PREFIXES, selectSnapshotSpecs } from "./snapshot/snapshot.ts";
import type { Snapshot, SnapshotInfo } from "./snapshot/snapshot.ts";
import type { TrainerState } from "../train/trainer_state.ts";

export type SnapshotName = `best-${Criterion}` | "last";

const logsSchema = v.strictObject({ train: logMarkSchema, validation: logMarkSchema });
type LogMarks = v.InferOutput<typeof logsSchema>;
export const LOGS = ["train", "validation"] as const;

/** State stored in `last`. */
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

/**
 * Returns the temporary path of a best snapshot that is newer than `last`, or that belongs to `last` while a newer one has
 * its name.
 */
export function getPendingSnapshotPath(path: string, criterion: Criterion): string {
  return `${path}/best-${criterion}.aside.safetensors`;
}

/** State of a stage according to the header of `last`. */
export interface SavedStage {
  /** Number of finished iterations. */
  readonly iteration: number;
  /** Best validations so far. */
  readonly best: BestRecords;
  /** True for the adversarial stage, false for the Shannon stage. */
  readonly isGame: boolean;
  /** Iterations of its best snapshots; undefined before the first validation. */
  readonly kept: Readonly<Record<Criterion, number | undefined>>;
}

/** Returns the saved state of a stage; undefined if there is none, or it cannot be read. */
export async function readSavedStage(path: string): Promise<SavedStage | undefined> {
  try {
    const { names, metadata } = await readSnapshotHeader(getSnapshotPath(path, "last"));
    const best = parseBestRecords(metadata.best);
    const iteration = v.safeParse(iterationSchema, metadata.iteration);
    if (!best || !iteration.success) return undefined;
    const keepsStart = names.some((name) => name.startsWith(BEST_PREFIXES.loss));
    const readKept = (criterion: Criterion) => {
      const { value, iteration } = best[criterion];
      if (!Number.isFinite(value)) return undefined;
      return criterion === "loss" && keepsStart ? 0 : iteration;
    };
    const kept = { loss: readKept("loss"), prec1: readKept("prec1"), prec2: readKept("prec2") };
    return { iteration: iteration.output, best, isGame: metadata.game !== undefined, kept };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * Returns the path of a stage's best snapshot: the one that belongs to `last` (under a temporary name after a crash), or a
 * newer one of a training that diverged. Undefined if there is none.
 */
export async function findBest(path: string, criterion: Criterion): Promise<string | undefined> {
  const file = getSnapshotPath(path, `best-${criterion}`);
  const aside = getPendingSnapshotPath(path, criterion);
  const found = await pathExists(file) ? file : undefined;
  if (!await pathExists(aside)) return found;
  const saved = await readSavedStage(path);
  if (!saved) return found;
  const readIteration = async (path: string) => Number((await readSnapshotHeader(path)).metadata.iteration);
  const belongs = (iteration: number) => iteration === saved.kept[criterion];
  if (found) {
    const own = await readIteration(found);
    if (belongs(own) || own > saved.iteration) return found;
  }
  return belongs(await readIteration(aside)) ? aside : found;
}

/**
 * Checks that a stage can be resumed: its last snapshot is readable and its logs are unchanged.
 * @returns the number of finished iterations. @throws UserError for missing or changed files.
 */
export async function expectResumable(path: string): Promise<number> {
  const { iteration, logs } = await readLast(path);
  expectLogs(path, { iteration, logs });
  return iteration;
}

/** @throws UserError for logs that have changed since `last` was written. */
export function expectLogs(path: string, { iteration, logs }: Pick<LastState, "iteration" | "logs">): void {
  CsvLog.expectMarked(logFile(path, "train"), logs.train, iteration);
  CsvLog.expectMarked(logFile(path, "validation"), logs.validation);
}

/** Reads `last`. @throws UserError for a snapshot that is damaged or lacks the state of a run. */
export async function readLast(path: string): Promise<LastState> {
  const file = getSnapshotPath(path, "last");
  const snapshot = await readSnapshot(file);
  const best = parseBestRecords(snapshot.metadata.best);
  const logs = v.safeParse(logsSchema, parseJson(snapshot.metadata.logs));
  if (!snapshot.info || !best || !logs.success) {
    throw new UserError(
      `Expected the state of a run in ${file}, found none. Put the run's own file back, or start a new run from these ` +
        "weights with --init.",
    );
  }
  const { info } = snapshot;
  return { snapshot, info, iteration: info.iteration, best, logs: logs.output };
}

/**
 * Reads the state of a stage and checks it against the model; changes nothing.
 * @param last result of {@link readLast}. @returns the state, and the best snapshots with temporary names for {@link
 * settleBest}
 * @throws UserError when a snapshot is missing, damaged or of another shape.
 */
export async function restoreState(
  path: string,
  { snapshot: last, iteration, best }: LastState,
  specs: readonly ParameterSpec[],
): Promise<{ state: TrainerState; aside: readonly Criterion[] }> {
  const file = getSnapshotPath(path, "last");
  checkWeights(specs, last.weights, file);
  const moments = (name: "m" | "v") => {
    const prefix = MOMENT_PREFIXES[name];
    const values = last.part(prefix);
    checkWeights(selectSnapshotSpecs(specs, prefix), values, `Adam's ${name} in ${file}`);
    return values;
  };
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  const aside: Criterion[] = [];
  for (const criterion of criteria) {
    const { value, iteration } = best[criterion];
    if (!Number.isFinite(value)) continue;
    const own = criterion === "loss" ? last.part(BEST_PREFIXES.loss) : undefined;
    if (own?.size) {
      snapshots[criterion] = withConstants(specs, own, last.weights, `The best loss in ${file}`);
      continue;
    }
    const found = await readBest(path, specs, criterion, iteration);
    snapshots[criterion] = found.weights;
    if (found.isAside) aside.push(criterion);
  }
  const state = { iteration, best, snapshots, weights: last.weights, m: moments("m"), v: moments("v") };
  return { state, aside };
}

/** Renames best snapshots from their temporary names. */
export async function settleBest(path: string, aside: readonly Criterion[]): Promise<void> {
  for (const criterion of aside) {
    await replaceFile(getPendingSnapshotPath(path, criterion), getSnapshotPath(path, `best-${criterion}`));
  }
}

/** Adds constants, which are the same throughout a training, to best weights. @throws UserError for other shapes. */
function withConstants(
  specs: readonly ParameterSpec[],
  best: Weights,
  last: Weights,
  what: string,
): Weights {
  const weights: Weights = new Map(best);
  for (const { name, constant } of specs) {
    if (constant) weights.set(name, last.get(name) ?? new Float32Array());
  }
  checkWeights(specs, weights, what);
  return weights;
}

/** Reads the best snapshot of an iteration, which may have its temporary name after a crash or divergence. */
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
    `Expected ${file} to be the snapshot of iteration ${iteration}, found none. The run cannot be resumed.`,
  );
}

export async function replaceFile(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(requireWritable(from), requireWritable(to));
  } catch (error) {
    throw explainFileError(error, "write", to);
  }
}
