/** A run from its first iteration, or from where it stopped, to its test figures; all of it in its folder. */

import { type DataSizes, dataSizes, type OnProgress } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import { recordedShapes } from "../gpu/kernel_shapes.ts";
import { countedOn } from "../model/counted.ts";
import { modelParameters, UserModel, weightsOf } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import { DivergedError, type StepResult, type ValidationResult } from "../train/results.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { keepStart } from "./kept_start.ts";
import { readRunState } from "./run_state.ts";
import { RunFolder } from "./run_folder.ts";
import { hasConfig, removeConfig, type RunConfig, writeConfig } from "./run_config.ts";
import { readSnapshot } from "./snapshot.ts";
import { rowOf, type Stage, stageBefore, type StageFigures, type StageName, startOf } from "./stages.ts";
import { type StageTest, testStage } from "./test_stage.ts";

/** Seconds between two saves. A crash loses what was done since the last one. */
const SAVE_SECONDS = 20;

export interface RunEvents {
  /** Told before the first step, where batches are cut: into how many parts at most. */
  onParts?(parts: number): void;
  onStep?(result: StepResult<StageFigures>): void;
  onValidation?(result: ValidationResult<StageFigures>): void;
  /** Told what goes on after the last iteration. */
  readonly onProgress?: OnProgress;
}

/** Of one stage of a run. */
export interface RunResult extends Partial<StageTest> {
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
}

/** What the runs of a command share. */
export interface RunContext {
  readonly gpu: Gpu;
  readonly data: Dataset;
  /** Weights to start from, instead of drawn ones. */
  readonly init: Weights | undefined;
  /** Ends the run after what is in flight. */
  readonly signal: AbortSignal;
  /** For a command that chooses among runs by their validation: none of them gets test figures yet. */
  readonly untested?: boolean;
}

/**
 * Starts a stage in a new folder, from the best prec@1 of the stage before it, if there was one.
 * @param path the run's folder, which the caller owns.
 * @throws UserError; what was begun is taken back when nothing could be saved in it.
 */
export async function startStage(
  stage: Stage,
  context: RunContext,
  path: string,
  config: RunConfig,
  events: RunEvents,
): Promise<RunResult> {
  const before = stageBefore(stage, config)?.folder(path);
  const init = before === undefined
    ? context.init
    : (await readSnapshot(`${before}/best-prec1.safetensors`)).weights;
  return await withTrainer(stage, context, config, {
    init,
    begins: before === undefined,
    onProgress: events.onProgress,
  }, async (trainer, model) => {
    const folder = stage.folder(path);
    const game = stage.game(model.config, config);
    // A run without a Shannon stage still has its config in its own folder, where --resume looks for it.
    const alone = folder !== path && !await hasConfig(path);
    if (alone) await writeConfig(path, config);
    let files: RunFolder | undefined;
    try {
      files = await RunFolder.begin(folder, config, Object.keys(stage.columns), game, context.data.features);
      // At once: a folder that cannot be written is found out now, not after hours.
      await save(trainer, model, files);
    } catch (error) {
      await files?.takeBack();
      if (alone) await removeConfig(path);
      throw error;
    }
    return await train(stage, trainer, model, context, config, files, events);
  });
}

/** Goes on with a stage that was interrupted, as if it had never stopped. */
export async function resumeStage(
  stage: Stage,
  context: RunContext,
  path: string,
  config: RunConfig,
  events: RunEvents,
): Promise<RunResult> {
  const folder = stage.folder(path);
  return await withTrainer(
    stage,
    context,
    config,
    { init: undefined, begins: false },
    async (trainer, model) => {
      const state = await readRunState(folder, trainer.specs);
      trainer.restore(state);
      const game = stage.game(model.config, config);
      const files = await RunFolder.resume(
        folder,
        config,
        Object.keys(stage.columns),
        game,
        context.data.features,
      );
      // Only now, as nothing can be refused any more: the new config may ask for more iterations.
      for (const place of new Set([path, folder])) await writeConfig(place, config);
      return await train(stage, trainer, model, context, config, files, events);
    },
  );
}

/** What a stage starts from. */
interface Start {
  readonly init: Weights | undefined;
  /** Whether the run begins, so that its data are to be counted. */
  readonly begins: boolean;
  readonly onProgress?: OnProgress;
}

async function withTrainer<T>(
  stage: Stage,
  { gpu, data }: RunContext,
  config: RunConfig,
  start: Start,
  use: (trainer: ClickTrainer<StageFigures>, model: UserModel) => Promise<T>,
): Promise<T> {
  // The kernel shapes that the run began with, so that it goes on bit for bit.
  gpu.useShapes(recordedShapes(config.shapes, gpu.shapes));
  const { seed } = config.training;
  const { initial, generator } = startOf(start.init, seed, config.model);
  const counted = start.begins ? countedOn(data.source, config.model, initial, start.onProgress) : initial;
  const model = new UserModel(gpu, data.source.items, config.model, counted);
  try {
    const trainer = await stage.create(model, data, config, generator);
    try {
      return await use(trainer, model);
    } finally {
      trainer.destroy();
    }
  } finally {
    model.destroy();
  }
}

/** Whether it starts from a logit on counts: validations are then compared with that. */
function isFitted({ model, init }: RunConfig): boolean {
  return model.counts !== null && init === null;
}

/** What a run's first stage started from, in this session or in an earlier one. */
function fittedStart(
  { shape, config }: UserModel,
  { source }: Dataset,
  { training: { seed } }: RunConfig,
  onProgress?: OnProgress,
): Weights {
  return weightsOf(modelParameters(shape, config), countedOn(source, config, { seed }, onProgress));
}

async function save(
  trainer: ClickTrainer<StageFigures>,
  model: UserModel,
  folder: RunFolder,
): Promise<void> {
  const state = await trainer.state();
  // The last step may have broken the weights, which only the next loss would show: broken weights are never written.
  for (const values of state.weights.values()) {
    if (!values.every(Number.isFinite)) throw trainer.diverged(state.iteration + 1);
  }
  await folder.save(trainer.specs, model.shape, state);
}

async function train(
  stage: Stage,
  trainer: ClickTrainer<StageFigures>,
  model: UserModel,
  { data, signal, untested = false }: RunContext,
  config: RunConfig,
  folder: RunFolder,
  events: RunEvents,
): Promise<RunResult> {
  const began = performance.now();
  const first = trainer.iteration;
  const iterations = stage.iterations(config);
  let saved = began;
  if (trainer.batchParts > 1) events.onParts?.(trainer.batchParts);
  try {
    await trainer.run(iterations, {
      onStep: (result) => {
        folder.append("train", result.iteration, rowOf(stage, result));
        events.onStep?.(result);
      },
      onValidation: (result) => {
        folder.append("validation", result.iteration, rowOf(stage, result));
        events.onValidation?.(result);
      },
      wantsPause: () => performance.now() - saved > 1000 * SAVE_SECONDS,
      onPause: async () => {
        await save(trainer, model, folder);
        saved = performance.now();
      },
    }, signal);
    const tested = !untested && (trainer.iteration >= iterations || trainer.stopped);
    if (tested && stage.hasLikelihood && isFitted(config)) {
      await keepStart(trainer, fittedStart(model, data, config, events.onProgress));
    }
    await save(trainer, model, folder);
    const result: RunResult = {
      stage: stage.name,
      folder: folder.path,
      seed: config.training.seed,
      iteration: trainer.iteration,
      finished: new Date().toISOString(),
      sessionSeconds: (performance.now() - began) / 1000,
      resumed: first > 0,
      data: { ...dataSizes(data.source), warnings: data.warnings },
      ...(tested ? await testStage(stage, trainer, data, config, events.onProgress) : {}),
    };
    if (tested) await folder.saveResult(result);
    return result;
  } catch (error) {
    if (error instanceof DivergedError) {
      await folder.saveBest(trainer.specs, model.shape, await trainer.state());
    }
    throw error;
  } finally {
    folder.close();
  }
}
