/** One run from its first iteration, or from where it stopped, to its test figures; all of it in its folder. */

import { clickRateBaseline, randomBaseline } from "../data/baselines.ts";
import { usersOf } from "../data/click_log.ts";
import type { ChoiceFigures, RankingFigures } from "../data/ranking.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weights } from "../tape/parameters.ts";
import { UserModel } from "../model/user_model.ts";
import { criteria } from "../train/best_keeper.ts";
import { Evaluation, type EvaluationFigures } from "../train/evaluation.ts";
import { DivergedError, type StepResult, Trainer, type ValidationResult } from "../train/trainer.ts";
import type { Dataset } from "./dataset.ts";
import { readRunState, type RunConfig, RunFolder, type SnapshotName } from "./run_folder.ts";

/** Seconds between the snapshots that a crash would lose nothing but. */
const SAVE_SECONDS = 20;

export interface RunEvents {
  onStep?(result: StepResult): void;
  onValidation?(result: ValidationResult): void;
}

/** Test figures of one snapshot. */
export interface SnapshotResult extends EvaluationFigures {
  readonly snapshot: SnapshotName;
  /** Iteration that the snapshot is from. */
  readonly iteration: number;
}

export interface RunResult {
  readonly folder: string;
  /** Whether all iterations were done; otherwise the run was interrupted and has no test figures. */
  readonly finished: boolean;
  readonly iteration: number;
  readonly seconds: number;
  readonly test: readonly SnapshotResult[];
  readonly baselines: Baselines;
}

export interface Baselines {
  readonly random: ChoiceFigures;
  readonly clickRate: RankingFigures;
  /** What the truth itself scores, on data whose truth is known. */
  readonly attainable: ChoiceFigures | null;
}

export function baselinesOn(data: Dataset, users: Uint32Array<ArrayBuffer>): Baselines {
  const { prec1, prec2 } = clickRateBaseline(data.log, users);
  return {
    random: randomBaseline(data.log, users),
    clickRate: { prec1, prec2 },
    attainable: data.attainable?.(users) ?? null,
  };
}

/**
 * Starts a run in a new folder.
 * @param init weights to start from, instead of drawn ones.
 */
export async function startRun(
  gpu: Gpu,
  data: Dataset,
  path: string,
  config: RunConfig,
  init: Weights | undefined,
  events: RunEvents,
  signal: AbortSignal,
): Promise<RunResult> {
  const { seed } = config.training;
  const model = new UserModel(gpu, data.log.items, config.model, init ? { weights: init } : { seed });
  try {
    const trainer = await Trainer.create(model, data.log, config.training);
    try {
      const folder = await RunFolder.create(path, config);
      return await train(trainer, data, folder, events, signal);
    } finally {
      trainer.destroy();
    }
  } finally {
    model.destroy();
  }
}

/** Goes on with a run that was interrupted, as if it had never stopped. */
export async function resumeRun(
  gpu: Gpu,
  data: Dataset,
  path: string,
  config: RunConfig,
  events: RunEvents,
  signal: AbortSignal,
): Promise<RunResult> {
  const state = await readRunState(path);
  const model = new UserModel(gpu, data.log.items, config.model, { weights: state.weights });
  try {
    const trainer = await Trainer.create(model, data.log, config.training);
    try {
      trainer.restore(state);
      const folder = await RunFolder.resume(path, config, state.iteration);
      return await train(trainer, data, folder, events, signal);
    } finally {
      trainer.destroy();
    }
  } finally {
    model.destroy();
  }
}

async function train(
  trainer: Trainer,
  data: Dataset,
  folder: RunFolder,
  events: RunEvents,
  signal: AbortSignal,
): Promise<RunResult> {
  const { specs } = trainer.model.parameters;
  const { shape } = trainer.model;
  const began = performance.now();
  const save = async () => {
    const state = await trainer.state();
    // A loss is seen one step before the weights that made it: never write weights that are no numbers.
    for (const values of state.weights.values()) {
      if (!values.every(Number.isFinite)) throw new DivergedError(state.iteration + 1);
    }
    await folder.save(specs, shape, state);
  };
  try {
    // At the start too: a folder that cannot be written is found out now, not after hours.
    await save();
    let saved = performance.now();
    await trainer.run(trainer.config.iterations, {
      onStep: (result) => {
        folder.train.append([result.iteration, result.nll, result.prec1, result.prec2]);
        events.onStep?.(result);
      },
      onValidation: (result) => {
        folder.validation.append([result.iteration, result.nll, result.prec1, result.prec2]);
        events.onValidation?.(result);
      },
      wantsPause: () => performance.now() - saved > 1000 * SAVE_SECONDS,
      onPause: async () => {
        await save();
        saved = performance.now();
      },
    }, signal);
    await save();
  } catch (error) {
    if (error instanceof DivergedError) {
      const snapshots = (await trainer.state()).snapshots;
      await folder.saveBest(specs, shape, trainer.best, snapshots);
      folder.flush();
    }
    folder.close();
    throw error;
  }
  const finished = trainer.iteration >= trainer.config.iterations;
  const seconds = (performance.now() - began) / 1000;
  const users = usersOf(data.log, "test");
  const result: RunResult = {
    folder: folder.path,
    finished,
    iteration: trainer.iteration,
    seconds,
    test: finished ? await testSnapshots(trainer, data, users) : [],
    baselines: baselinesOn(data, users),
  };
  if (finished) await folder.saveResult(result);
  folder.close();
  return result;
}

async function testSnapshots(trainer: Trainer, data: Dataset, users: Uint32Array): Promise<SnapshotResult[]> {
  const { model, deviceLog, config } = trainer;
  const evaluation = await Evaluation.create(model, deviceLog, data.log, users, config.evaluationShards);
  const results: SnapshotResult[] = [];
  const test = async (snapshot: SnapshotName, iteration: number) => {
    results.push({ snapshot, iteration, ...await evaluation.figures() });
  };
  try {
    const last = await model.weights();
    for (const criterion of criteria) {
      const { value, iteration } = trainer.best[criterion];
      if (!Number.isFinite(value)) continue;
      model.setWeights(await trainer.snapshot(criterion));
      await test(`best-${criterion}`, iteration);
    }
    model.setWeights(last);
    await test("last", trainer.iteration);
  } finally {
    evaluation.destroy();
  }
  return results;
}
