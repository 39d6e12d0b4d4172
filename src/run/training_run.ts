/** Trains a run in its folder, from the start or from the last save of the run, and computes test metrics. */

import { getHashSize, listItemFeatures } from "../data/item_ids.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { computeDataSizes, type DataSizes, type LogSource, type OnProgress } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import { reuseVariants } from "../gpu/kernel_variants.ts";
import { fitLogitWeights } from "../model/logit_weights.ts";
import { initializeOnLog } from "../model/model_counts.ts";
import { alignSourceToModel } from "../data/align_items.ts";
import { listModelParameters, resolveWeights, UserModel } from "../model/user_model.ts";
import { expectResumable, readLast, restoreState, settleBest } from "./run_state.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import { createDistributedContext } from "../train/distributed_context.ts";
import { DivergedError, type TrainingStepResult, type ValidationResult } from "../train/training_results.ts";
import { listContextColumns } from "../data/manifest.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { BestLossChoice, type RescaledBest } from "./best_loss_choice.ts";
import { nameResults } from "./name_results.ts";
import { type StageTest, testStage } from "./test_stage.ts";
import { expectUnbegun, RunFolder, type StageFiles } from "./run_folder.ts";
import { hasConfig, type RunConfig, writeConfig } from "./run_config.ts";
import { type CommunicationTimes, gatherTexts, type MpiRanks } from "./ranks/mpi.ts";
import { readSnapshot } from "./snapshot_file.ts";
import { buildRow, buildStart, findStageBefore } from "./stages.ts";
import type { StageMetrics, StageName, TrainingStage } from "./stages.ts";

/** Minimum number of seconds between two saves. A crash loses all work since the last save. */
const SAVE_SECONDS = 20;
/** Minimum time between two saves, divided by the duration of a save: saving large tables is slow. */
const SAVE_TIMES = 9;

export interface RunCallbacks {
  /** Called before training if batches are split. @param parts - maximum number of micro-batches per batch */
  onMicroBatches?(parts: number): void;
  onStep?(result: TrainingStepResult<StageMetrics>): void;
  onValidation?(result: ValidationResult<StageMetrics>): void;
  /** Called during preparation and tests, but not during training. */
  readonly onProgress?: OnProgress;
}

export interface StageRunResult extends Partial<StageTest> {
  readonly stage: StageName;
  readonly folder: string;
  readonly seed: number;
  readonly iteration: number;
  /** Time at which training ended, in ISO 8601. */
  readonly finished: string;
  /** Seconds of training in this session, without preparation. */
  readonly sessionSeconds: number;
  /** True if this session resumed the training of an earlier session. */
  readonly resumed: boolean;
  readonly data: DataSizes;
  /** MPI communication of this process (rank 0) during this session's training. */
  readonly ranks?: CommunicationTimes & { readonly size: number; readonly share: number };
}

export interface TrainingRun {
  readonly gpu: Gpu;
  readonly data: Dataset;
  readonly config: RunConfig;
  /** Path of the run's folder. The caller must lock the folder first. */
  readonly path: string;
  /** Initial weights; undefined for random weights. */
  readonly init: Weights | undefined;
  /** If aborted, the run ends after the training steps that were already submitted. */
  readonly signal: AbortSignal;
  /** MPI ranks, if several processes train the run together. */
  readonly ranks?: MpiRanks;
  /** True to skip the test on test users. */
  readonly untested?: boolean;
}

/** Settings that all runs of a command share. */
export type RunContext = Omit<TrainingRun, "config" | "path">;

interface Training {
  readonly stage: TrainingStage;
  readonly run: TrainingRun;
  readonly events: RunCallbacks;
  readonly trainer: ClickTrainer<StageMetrics>;
  readonly model: UserModel;
  /** Chooses the weights of best-loss; undefined if training does not start from a logit on counts. */
  readonly choice: BestLossChoice | undefined;
}

/**
 * Reads how many iterations are finished, and checks that a stage can begin or resume. Changes no file.
 * @param path - path of the run's folder. @returns the number of finished iterations; undefined without a
 * saved state. @throws UserError if files of the stage have changed.
 */
export async function countIterationsDone(stage: TrainingStage, path: string): Promise<number | undefined> {
  const folder = stage.folder(path);
  if (await RunFolder.hasState(folder)) return await expectResumable(folder);
  await expectUnbegun(folder, Object.keys(stage.columns));
}

/** Begins or resumes a stage. Interruptions do not change the result. */
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
 * Starts a stage in a new folder. The first stage starts from `run.init`, a later stage from the snapshot
 * best-prec1 of the previous stage. @throws UserError if the folder cannot be written.
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
  await sendItemsShape(run, run.data.source);
  return await withTrainer(stage, run, events, start, async (training) => {
    const folder = stage.folder(path);
    // --resume reads the config in the run's folder, so a run without a Shannon stage also has one there.
    if (folder !== path && !await hasConfig(path)) await writeConfig(path, config);
    return await train(training, await RunFolder.begin(folder, buildStageFiles(training)));
  });
}

async function resumeStage(
  stage: TrainingStage,
  run: TrainingRun,
  events: RunCallbacks,
): Promise<StageRunResult> {
  const folder = stage.folder(run.path);
  const last = await readLast(folder);
  // The run's data have not changed since its start, so only the shape of the items is aligned.
  const source = alignSourceToModel(run.data.source, last.info.items, `the run in ${run.path}`);
  const data = { ...run.data, source };
  // Initial weights from counts are computed again, for the comparison with the best validation.
  const start = { init: undefined, begins: isFitted(stage, run.config) };
  await sendItemsShape(run, source);
  return await withTrainer(stage, { ...run, data }, events, start, async (training) => {
    const { state, aside } = await restoreState(folder, last, training.trainer.specs);
    training.trainer.restore(state);
    await settleBest(folder, aside);
    const files = RunFolder.resume(folder, buildStageFiles(training), last);
    // The new config may have more iterations, so it is written only after all checks.
    for (const place of new Set([run.path, folder])) await writeConfig(place, run.config);
    return await train(training, files);
  });
}

/** Checks that the saved stages of a run can be restored. @throws UserError if a stage cannot be restored. */
export async function expectRestorable(stages: readonly TrainingStage[], run: TrainingRun): Promise<void> {
  for (const stage of stages) {
    const folder = stage.folder(run.path);
    if (!await RunFolder.hasState(folder)) continue;
    const last = await readLast(folder);
    const source = alignSourceToModel(run.data.source, last.info.items, `the run in ${run.path}`);
    const alone = { ...run, data: { ...run.data, source }, ranks: undefined };
    await withTrainer(stage, alone, {}, { init: undefined, begins: false }, async ({ trainer }) => {
      await restoreState(folder, last, trainer.specs);
    });
  }
}

async function sendItemsShape({ ranks }: TrainingRun, { items }: LogSource): Promise<void> {
  if (ranks) await gatherTexts(ranks, JSON.stringify(items.shape));
}

/** Trains a stage on an MPI rank above 0. @returns true if the stage was trained to its end */
export async function followStage(stage: TrainingStage, run: TrainingRun, ranks: MpiRanks): Promise<boolean> {
  const { data, signal } = run;
  const shape: ItemsShape = JSON.parse((await gatherTexts(ranks, ""))[0] ?? "");
  const source = alignSourceToModel(data.source, shape, "the run of rank 0");
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
  start: { readonly init: Weights | undefined; readonly begins: boolean },
  use: (training: Training) => Promise<T>,
): Promise<T> {
  const { gpu, data: { source }, config, ranks } = run;
  const joint = ranks && createDistributedContext(ranks, config.ranks?.syncEvery ?? 1);
  // With the recorded kernel variants, a resumed run gives the same bits.
  gpu.setVariants(reuseVariants(config.variants, gpu.variants));
  const { initial, generator } = buildStart(start.init, config.training.seed, config.model);
  const counted = start.begins ? initializeOnLog(source, config.model, initial, events.onProgress) : initial;
  using model = new UserModel(gpu, source.items, config.model, counted);
  using trainer = await stage.create(model, run.data, config, generator, joint);
  const choice = start.begins && isFitted(stage, config)
    ? new BestLossChoice(
      trainer,
      () => resolveWeights(listModelParameters(model.shape, config.model), counted),
      config.model,
      () => fitLogitWeights(source, config.model, events.onProgress),
    )
    : undefined;
  return await use({ stage, run, events, trainer, model, choice });
}

/** Returns true if the initial weights come from a logit (linear model) fitted to counts. */
function isFitted(stage: TrainingStage, config: RunConfig): boolean {
  return stage.hasLikelihood && config.model.counts !== null && config.init === null;
}

function buildStageFiles({ stage, run: { config, data }, model, trainer: { specs } }: Training): StageFiles {
  const { features } = data;
  const game = stage.game(model.config, config);
  return { config, specs, items: model.shape, columns: Object.keys(stage.columns), game, features };
}

async function save({ trainer, choice }: Training, folder: RunFolder): Promise<void> {
  const state = await trainer.state();
  // The last step may have made weights non-finite, and no loss was computed since. They are never saved.
  for (const values of state.weights.values()) {
    if (!values.every(Number.isFinite)) throw trainer.diverged(state.iteration + 1);
  }
  await folder.save(state, await choice?.choose());
}

/** Returns MPI's time, calls and bytes since `before`. @param of - seconds of training since `before` */
function computeSpent({ size, spent }: MpiRanks, before: CommunicationTimes | undefined, of: number) {
  const since = (what: keyof CommunicationTimes) => spent[what] - (before?.[what] ?? 0);
  const [seconds, calls, bytes] = [since("seconds"), since("calls"), since("bytes")];
  return { size, seconds, calls, bytes, share: seconds / of };
}

async function testWithNames(
  { stage, run: { config, data }, events, trainer }: Training,
  rescaled: RescaledBest | undefined,
): Promise<StageTest> {
  const found = await testStage(stage, trainer, data, config, events.onProgress, rescaled);
  return { ...found, test: await nameResults(found.test, data) };
}

async function train(training: Training, folder: RunFolder): Promise<StageRunResult> {
  const { stage, run: { config, data, signal, ranks, untested = false }, events, trainer } = training;
  const began = performance.now();
  const first = trainer.iteration;
  const iterations = stage.iterations(config);
  let saved = began;
  let pauseMs = 1000 * SAVE_SECONDS;
  const before = ranks?.spent;
  if (trainer.microBatches > 1) events.onMicroBatches?.(trainer.microBatches);
  try {
    // An unwritable folder should fail now, not after hours, so the state is saved at once.
    if (!await RunFolder.hasState(folder.path)) await save(training, folder);
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
    const rescaled = await training.choice?.choose();
    const context = listContextColumns(data.features?.context);
    const result: StageRunResult = {
      stage: stage.name,
      folder: folder.path,
      seed: config.training.seed,
      iteration: trainer.iteration,
      finished: new Date().toISOString(),
      sessionSeconds: (performance.now() - began) / 1000,
      resumed: first > 0,
      data: {
        ...computeDataSizes(data.source),
        hashed: getHashSize(data.features),
        warnings: data.warnings,
        timeSplit: data.timeSplit,
        features: data.features && listItemFeatures(data.features),
        ...(context.length > 0 && { context }),
      },
      ...(spent && { ranks: spent }),
      ...(tested ? await testWithNames(training, rescaled) : {}),
    };
    if (tested) await folder.saveResult(result);
    return result;
  } catch (error) {
    if (error instanceof DivergedError) {
      await folder.saveBest(await trainer.state(), await training.choice?.choose());
    }
    throw error;
  } finally {
    folder.close();
  }
}
