/**
 * What a stage goes on from: its last snapshot, the best ones that belong to it, and how long its logs were at that time;
 * and the names of these files.
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
import {
  BEST_PREFIXES,
  iterationSchema,
  MOMENT_PREFIXES,
  selectSnapshotSpecs,
  type Snapshot,
  type SnapshotInfo,
} from "./snapshot/snapshot.ts";
import type { TrainerState } from "../train/trainer_state.ts";

export type SnapshotName = `best-${Criterion}` | "last";

const logsSchema = v.strictObject({ train: logMarkSchema, validation: logMarkSchema });
type LogMarks = v.InferOutput<typeof logsSchema>;
export const LOGS = ["train", "validation"] as const;

/** What `last` says beside its tensors. */
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

/** Where a best snapshot stands that is newer than `last`, or that `last` belongs to while a newer one has its name. */
export function getPendingSnapshotPath(path: string, criterion: Criterion): string {
  return `${path}/best-${criterion}.aside.safetensors`;
}

/** What the header of `last` says of a stage. */
export interface SavedStage {
  /** Iterations that are done. */
  readonly iteration: number;
  /** The best validations among them. */
  readonly best: BestRecords;
  /** Whether the stage has a generator, or another's likelihood. */
  readonly isGame: boolean;
  /** Iterations of the best snapshots that belong to it; undefined before the first validation. */
  readonly kept: Readonly<Record<Criterion, number | undefined>>;
}

/** Returns what is saved of a stage; undefined where nothing is, or it cannot be read. */
export async function savedStage(path: string): Promise<SavedStage | undefined> {
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
 * Returns the file of a stage's best snapshot: the one that belongs to `last`, which stands aside after a crash, or a newer one
 * of a training that diverged. Undefined where there is none.
 */
export async function findBest(path: string, criterion: Criterion): Promise<string | undefined> {
  const file = getSnapshotPath(path, `best-${criterion}`);
  const aside = getPendingSnapshotPath(path, criterion);
  const found = await pathExists(file) ? file : undefined;
  if (!await pathExists(aside)) return found;
  const saved = await savedStage(path);
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
 * Looks whether a stage can go on: its last snapshot can be read and its logs are as they were then.
 * @returns the iterations that are done.
 * @throws UserError saying what is missing or was changed.
 */
export async function expectResumable(path: string): Promise<number> {
  const { iteration, logs } = await readLast(path);
  expectLogs(path, { iteration, logs });
  return iteration;
}

/** @throws UserError for logs that are not as they were when `last` was written. */
export function expectLogs(path: string, { iteration, logs }: Pick<LastState, "iteration" | "logs">): void {
  CsvLog.expectMarked(logFile(path, "train"), logs.train, iteration);
  CsvLog.expectMarked(logFile(path, "validation"), logs.validation);
}

/** What `last` holds. @throws UserError for a snapshot that is damaged, or does not say what a run needs to go on. */
export async function readLast(path: string): Promise<LastState> {
  const file = getSnapshotPath(path, "last");
  const snapshot = await readSnapshot(file);
  const best = parseBestRecords(snapshot.metadata.best);
  const logs = v.safeParse(logsSchema, parseJson(snapshot.metadata.logs));
  if (!snapshot.info || !best || !logs.success) {
    throw new UserError(
      `${file} does not hold the state of a run. Put the file back that the run wrote, or start a new run from this one's ` +
        "weights with --init.",
    );
  }
  const { info } = snapshot;
  return { snapshot, info, iteration: info.iteration, best, logs: logs.output };
}

/**
 * What a stage goes on from, checked against the model that the config describes; changes nothing.
 * @param last what {@link readLast} found. @returns with the best snapshots that stand aside: {@link settleBest} takes them
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

/** Gives best snapshots that stand aside their names. */
export async function settleBest(path: string, aside: readonly Criterion[]): Promise<void> {
  for (const criterion of aside) {
    await replaceFile(getPendingSnapshotPath(path, criterion), getSnapshotPath(path, `best-${criterion}`));
  }
}

/** Returns best weights with what is counted, which is the same in all of a training. @throws UserError for other variants. */
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

/** The best snapshot of an iteration, which may stand aside after a crash or a divergence. */
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
    `Expected ${file} to be the snapshot of iteration ${iteration}, found none. The run cannot go on.`,
  );
}

export async function replaceFile(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(requireWritable(from), requireWritable(to));
  } catch (error) {
    throw explainFileError(error, "write", to);
  }
}
