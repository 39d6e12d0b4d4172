/** A run from its first iteration, or from where it stopped, to its test figures; all of it in its folder. */

import { getHashSize } from "../data/item_ids.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { computeDataSizes, type DataSizes, type LogSource, type OnProgress } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import { reuseVariants } from "../gpu/kernel_variants.ts";
import { initializeOnLog } from "../model/model_counts.ts";
import { alignSourceToModel } from "../model/item_features.ts";
import { listModelParameters, resolveWeights, UserModel } from "../model/user_model.ts";
import { expectResumable, readLast, restoreState, settleBest } from "./run_state.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import { createDistributedContext } from "../train/distributed_context.ts";
import { DivergedError, type TrainingStepResult, type ValidationResult } from "../train/training_results.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { StartChoice } from "./kept_start.ts";
import { type StageTest, testStage } from "./test_stage.ts";
import { expectUnbegun, RunFolder, type StageFiles } from "./run_folder.ts";
import { hasConfig, removeConfig, type RunConfig, writeConfig } from "./run_config.ts";
import { type CommunicationTimes, gatherTexts, type MpiRanks } from "./ranks/mpi.ts";
import { readSnapshot } from "./snapshot_file.ts";
import {
  buildRow,
  buildStart,
  findStageBefore,
  type StageMetrics,
  type StageName,
  type TrainingStage,
} from "./stages.ts";

/** Seconds between two saves, at least. A crash loses what was done since the last one. */
const SAVE_SECONDS = 20;
/** And so many times what a save takes: the tables of a million items are gigabytes. */
const SAVE_TIMES = 9;

export interface RunCallbacks {
  /** Told before the first step, where batches are cut: into how many parts at most. */
  onParts?(parts: number): void;
  onStep?(result: TrainingStepResult<StageMetrics>): void;
  onValidation?(result: ValidationResult<StageMetrics>): void;
  /** Told what goes on after the last iteration. */
  readonly onProgress?: OnProgress;
}

/** Of one stage of a run. */
export interface StageRunResult extends Partial<StageTest> {
  readonly stage: StageName;
  readonly folder: string;
  readonly seed: number;
  readonly iteration: number;
  /** When it was reached, ISO 8601. */
  readonly finished: string;
  /** Of this session alone, without set-up. */
  readonly sessionSeconds: number;
  /** Whether there were sessions before this one. */
  readonly resumed: boolean;
  readonly data: DataSizes;
  /** Of several ranks: what those of this session spent on each other, as rank 0 saw it while it trained. */
  readonly ranks?: CommunicationTimes & { readonly size: number; readonly share: number };
}

/** A run: all that its stages need. */
export interface TrainingRun {
  readonly gpu: Gpu;
  readonly data: Dataset;
  /** All that is needed to repeat it. */
  readonly config: RunConfig;
  /** Its folder, which the caller owns. */
  readonly path: string;
  /** Weights to start from, instead of drawn ones. */
  readonly init: Weights | undefined;
  /** Ends the run after what is in flight. */
  readonly signal: AbortSignal;
  /** Where several processes train it. */
  readonly ranks?: MpiRanks;
  /** For a command that chooses among runs by their validation: none of them gets test figures yet. */
  readonly untested?: boolean;
}

/** What the runs of a command share. */
export type RunContext = Omit<TrainingRun, "config" | "path">;

/** A stage of a run while it trains. */
interface Training {
  readonly stage: TrainingStage;
  readonly run: TrainingRun;
  readonly events: RunCallbacks;
  readonly trainer: ClickTrainer<StageMetrics>;
  readonly model: UserModel;
  /** Of a training that starts from a logit on counts: its best validation is compared with that. */
  readonly choice: StartChoice | undefined;
}

/**
 * Looks whether a stage can go on, or begin; changes nothing.
 * @param path the run's folder. @returns the iterations that are done; undefined where nothing was saved that it goes on from.
 * @throws UserError when its files are not what they were.
 */
export async function countIterationsDone(stage: TrainingStage, path: string): Promise<number | undefined> {
  const folder = stage.folder(path);
  if (await RunFolder.hasState(folder)) return await expectResumable(folder);
  await expectUnbegun(folder, Object.keys(stage.columns));
}

/** Begins a stage, or where it was interrupted goes on with it as if it had never stopped. */
export async function runStage(
  stage: TrainingStage,
  run: TrainingRun,
  events: RunCallbacks,
): Promise<StageRunResult> {
  return await RunFolder.hasState(stage.folder(run.path))
    ? await resumeStage(stage, run, events)
    : await startStage(stage, run, events);
}

/**
 * Starts a stage in a new folder, from the best prec@1 of the stage before it, if there was one.
 * @throws UserError; what was begun is taken back when nothing could be saved in it.
 */
async function startStage(
  stage: TrainingStage,
  run: TrainingRun,
  events: RunCallbacks,
): Promise<StageRunResult> {
  const { path, config } = run;
  const before = findStageBefore(stage, config)?.folder(path);
  const init = before === undefined
    ? run.init
    : (await readSnapshot(`${before}/best-prec1.safetensors`)).weights;
  const start = { init, begins: before === undefined };
  await tellItems(run, run.data.source);
  return await withTrainer(stage, run, events, start, async (training) => {
    const folder = stage.folder(path);
    // A run without a Shannon stage still has its config in its own folder, where --resume looks for it.
    const alone = folder !== path && !await hasConfig(path);
    if (alone) await writeConfig(path, config);
    let files: RunFolder | undefined;
    try {
      files = await RunFolder.begin(folder, buildStageFiles(training));
      // At once: a folder that cannot be written is found out now, not after hours.
      await save(training, files);
    } catch (error) {
      await files?.takeBack();
      if (alone) await removeConfig(path);
      throw error;
    }
    return await train(training, files);
  });
}

async function resumeStage(
  stage: TrainingStage,
  run: TrainingRun,
  events: RunCallbacks,
): Promise<StageRunResult> {
  const folder = stage.folder(run.path);
  const last = await readLast(folder);
  // The data are those that the run began with: only the shape is to be fitted.
  const source = alignSourceToModel(run.data.source, last.info.items, `The run in ${run.path}`);
  const data = { ...run.data, source };
  // What it began with is compared with its best validation.
  const start = { init: undefined, begins: isFitted(stage, run.config) };
  await tellItems(run, source);
  return await withTrainer(stage, { ...run, data }, events, start, async (training) => {
    const { state, aside } = await restoreState(folder, last, training.trainer.specs);
    training.trainer.restore(state);
    await settleBest(folder, aside);
    const files = RunFolder.resume(folder, buildStageFiles(training), last);
    // Only now, as nothing can be refused any more: the new config may ask for more iterations.
    for (const place of new Set([run.path, folder])) await writeConfig(place, run.config);
    return await train(training, files);
  });
}

/**
 * Looks whether the stages of a run that have begun could go on from their snapshots; changes nothing.
 * @throws UserError as resuming them does.
 */
export async function expectRestorable(stages: readonly TrainingStage[], run: TrainingRun): Promise<void> {
  for (const stage of stages) {
    const folder = stage.folder(run.path);
    if (!await RunFolder.hasState(folder)) continue;
    const last = await readLast(folder);
    const source = alignSourceToModel(run.data.source, last.info.items, `The run in ${run.path}`);
    const alone = { ...run, data: { ...run.data, source }, ranks: undefined };
    await withTrainer(stage, alone, {}, { init: undefined, begins: false }, async ({ trainer }) => {
      await restoreState(folder, last, trainer.specs);
    });
  }
}

/** To the ranks that follow: over which items the model is. */
async function tellItems({ ranks }: TrainingRun, { items }: LogSource): Promise<void> {
  if (ranks) await gatherTexts(ranks, JSON.stringify(items.shape));
}

/**
 * A stage on another rank than the first, which owns the run's folder, saves, tests and reports.
 * @returns whether the stage was trained to its end.
 */
export async function followStage(stage: TrainingStage, run: TrainingRun, ranks: MpiRanks): Promise<boolean> {
  const { data, signal } = run;
  const shape: ItemsShape = JSON.parse((await gatherTexts(ranks, ""))[0] ?? "");
  const source = alignSourceToModel(data.source, shape, "The run of rank 0");
  const start = { init: undefined, begins: false };
  return await withTrainer(stage, { ...run, data: { ...data, source } }, {}, start, async ({ trainer }) => {
    const iterations = stage.iterations(run.config);
    await trainer.run(iterations, {}, signal);
    return trainer.iteration >= iterations || trainer.stopped;
  });
}

async function withTrainer<T>(
  stage: TrainingStage,
  run: TrainingRun,
  events: RunCallbacks,
  /** Whether the run begins, so that its data are to be counted. */
  start: { readonly init: Weights | undefined; readonly begins: boolean },
  use: (training: Training) => Promise<T>,
): Promise<T> {
  const { gpu, data: { source }, config, ranks } = run;
  const joint = ranks && createDistributedContext(ranks, config.ranks?.syncEvery ?? 1);
  // The kernel variants that the run began with, so that it goes on bit for bit.
  gpu.setVariants(reuseVariants(config.variants, gpu.variants));
  const { initial, generator } = buildStart(start.init, config.training.seed, config.model);
  const counted = start.begins ? initializeOnLog(source, config.model, initial, events.onProgress) : initial;
  using model = new UserModel(gpu, source.items, config.model, counted);
  using trainer = await stage.create(model, run.data, config, generator, joint);
  const choice = start.begins && isFitted(stage, config)
    ? new StartChoice(trainer, () => resolveWeights(listModelParameters(model.shape, config.model), counted))
    : undefined;
  return await use({ stage, run, events, trainer, model, choice });
}

/** Whether a stage starts from a logit on counts. */
function isFitted(stage: TrainingStage, config: RunConfig): boolean {
  return stage.hasLikelihood && config.model.counts !== null && config.init === null;
}

/** What the stage's files say of it. */
function buildStageFiles({ stage, run: { config, data }, model }: Training): StageFiles {
  const game = stage.game(model.config, config);
  return { config, columns: Object.keys(stage.columns), game, features: data.features };
}

async function save({ trainer, model, choice }: Training, folder: RunFolder): Promise<void> {
  const state = await trainer.state();
  // The last step may have broken the weights, which only the next loss would show: broken weights are never written.
  for (const values of state.weights.values()) {
    if (!values.every(Number.isFinite)) throw trainer.diverged(state.iteration + 1);
  }
  await folder.save(trainer.specs, model.shape, state, await choice?.choose());
}

/** What was spent since then, in so many seconds of training. */
function computeSpent({ size, spent }: MpiRanks, before: CommunicationTimes | undefined, of: number) {
  const since = (what: keyof CommunicationTimes) => spent[what] - (before?.[what] ?? 0);
  const [seconds, calls, bytes] = [since("seconds"), since("calls"), since("bytes")];
  return { size, seconds, calls, bytes, share: seconds / of };
}

async function train(training: Training, folder: RunFolder): Promise<StageRunResult> {
  const { stage, run: { config, data, signal, ranks, untested = false }, events, trainer } = training;
  const began = performance.now();
  const first = trainer.iteration;
  const iterations = stage.iterations(config);
  let saved = began;
  let pauseMs = 1000 * SAVE_SECONDS;
  const before = ranks?.spent;
  if (trainer.microBatches > 1) events.onParts?.(trainer.microBatches);
  try {
    await trainer.run(iterations, {
      onStep: (result) => {
        folder.append("train", result.iteration, buildRow(stage, result));
        events.onStep?.(result);
      },
      onValidation: (result) => {
        folder.append("validation", result.iteration, buildRow(stage, result));
        events.onValidation?.(result);
      },
      wantsPause: () => performance.now() - saved > pauseMs,
      onPause: async () => {
        const before = performance.now();
        await save(training, folder);
        saved = performance.now();
        pauseMs = Math.max(1000 * SAVE_SECONDS, SAVE_TIMES * (saved - before));
      },
    }, signal);
    const spent = ranks && computeSpent(ranks, before, (performance.now() - began) / 1000);
    const tested = !untested && (trainer.iteration >= iterations || trainer.stopped);
    await save(training, folder);
    const kept = await training.choice?.choose();
    const result: StageRunResult = {
      stage: stage.name,
      folder: folder.path,
      seed: config.training.seed,
      iteration: trainer.iteration,
      finished: new Date().toISOString(),
      sessionSeconds: (performance.now() - began) / 1000,
      resumed: first > 0,
      data: { ...computeDataSizes(data.source), hashed: getHashSize(data.features), warnings: data.warnings },
      ...(spent && { ranks: spent }),
      ...(tested ? await testStage(stage, trainer, data, config, events.onProgress, kept) : {}),
    };
    if (tested) await folder.saveResult(result);
    return result;
  } catch (error) {
    if (error instanceof DivergedError) {
      const { choice, model } = training;
      await folder.saveBest(trainer.specs, model.shape, await trainer.state(), await choice?.choose());
    }
    throw error;
  } finally {
    folder.close();
  }
}
