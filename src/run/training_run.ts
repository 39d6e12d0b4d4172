/** One run from its first iteration, or from where it stopped, to its test figures; all of it in its folder. */

import { clickRateBaseline, randomBaseline } from "../data/baselines.ts";
import { usersOf } from "../data/click_log.ts";
import type { ChoiceFigures, RankingFigures } from "../data/ranking.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weights } from "../tape/parameters.ts";
import { itemsShape } from "../model/item_features.ts";
import { modelParameters, UserModel } from "../model/user_model.ts";
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
  readonly seed: number;
  readonly iteration: number;
  /** Of this session alone, without set-up. */
  readonly sessionSeconds: number;
  /** Absent when the run was interrupted. */
  readonly test?: readonly SnapshotResult[];
  readonly baselines: Baselines;
}

export interface Baselines {
  readonly random: ChoiceFigures;
  /** Null without train users to count. */
  readonly clickRate: RankingFigures | null;
  /** What the truth itself scores, on data whose truth is known. */
  readonly attainable: ChoiceFigures | null;
}

export function baselinesOn(data: Dataset, users: Uint32Array<ArrayBuffer>): Baselines {
  const { prec1, prec2 } = clickRateBaseline(data.log, users);
  return {
    random: randomBaseline(data.log, users),
    clickRate: usersOf(data.log, "train").length > 0 ? { prec1, prec2 } : null,
    attainable: data.attainable?.(users) ?? null,
  };
}

/** What the runs of a command share. */
export interface RunContext {
  readonly gpu: Gpu;
  readonly data: Dataset;
  /** Weights to start from, instead of drawn ones. */
  readonly init: Weights | undefined;
  /** Ends the run after what is in flight. */
  readonly signal: AbortSignal;
}

/** Starts a run in a new folder. @throws UserError; a folder that nothing could be saved in is emptied again. */
export function startRun(context: RunContext, path: string, config: RunConfig, events: RunEvents) {
  const { init } = context;
  const initial = init ? { weights: init } : { seed: config.training.seed };
  return withTrainer(context, config, initial, async (trainer) => {
    const folder = await RunFolder.create(path, config);
    try {
      // At once: a folder that cannot be written is found out now, not after hours.
      await save(trainer, folder);
    } catch (error) {
      await folder.remove();
      throw error;
    }
    return await train(trainer, context, folder, events);
  });
}

/** Goes on with a run that was interrupted, as if it had never stopped. */
export async function resumeRun(context: RunContext, path: string, config: RunConfig, events: RunEvents) {
  const specs = modelParameters(itemsShape(context.data.log.items), config.model);
  const state = await readRunState(path, specs);
  return await withTrainer(context, config, { weights: state.weights }, async (trainer) => {
    trainer.restore(state);
    const folder = await RunFolder.resume(path, config, state.iteration);
    return await train(trainer, context, folder, events);
  });
}

async function withTrainer<T>(
  { gpu, data }: RunContext,
  config: RunConfig,
  initial: { seed: number } | { weights: Weights },
  use: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const model = new UserModel(gpu, data.log.items, config.model, initial);
  try {
    const trainer = await Trainer.create(model, data.log, config.training);
    try {
      return await use(trainer);
    } finally {
      trainer.destroy();
    }
  } finally {
    model.destroy();
  }
}

async function save(trainer: Trainer, folder: RunFolder): Promise<void> {
  const state = await trainer.state();
  // A loss is seen one step before the weights that made it: never write weights that are no numbers.
  for (const values of state.weights.values()) {
    if (!values.every(Number.isFinite)) throw new DivergedError(state.iteration + 1);
  }
  await folder.save(trainer.model.parameters.specs, trainer.model.shape, state);
}

async function train(
  trainer: Trainer,
  { data, signal }: RunContext,
  folder: RunFolder,
  events: RunEvents,
): Promise<RunResult> {
  const began = performance.now();
  let saved = began;
  try {
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
        await save(trainer, folder);
        saved = performance.now();
      },
    }, signal);
    await save(trainer, folder);
    const users = usersOf(data.log, "test");
    const finished = trainer.iteration >= trainer.config.iterations;
    const result: RunResult = {
      folder: folder.path,
      seed: trainer.config.seed,
      iteration: trainer.iteration,
      sessionSeconds: (performance.now() - began) / 1000,
      ...(finished ? { test: await testSnapshots(trainer, data, users) } : {}),
      baselines: baselinesOn(data, users),
    };
    if (finished) await folder.saveResult(result);
    return result;
  } catch (error) {
    if (error instanceof DivergedError) {
      await folder.saveBest(trainer.model.parameters.specs, trainer.model.shape, await trainer.state());
    }
    throw error;
  } finally {
    folder.close();
  }
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
