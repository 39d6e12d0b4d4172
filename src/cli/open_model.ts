/** Opens the trained model of a command, and a data set with the model's items. */

import { type Command, Option } from "commander";
import { type Split, splits } from "../data/click_log.ts";
import { findShop } from "../data/shops.ts";
import type { DataConfig, Dataset } from "../data/sets/dataset.ts";
import { DATA } from "./arguments.ts";
import { createCommand, createOption, createSeedOption, path } from "./command_options.ts";
import { openBaseline } from "./open_baseline.ts";
import {
  addShopSeeds,
  MEMORY_LIMIT,
  MODEL_SEED,
  openData,
  reopenData,
  RESPLIT,
  withProgress,
} from "./open_data.ts";
import type { ShopSeedOptions } from "./open_data.ts";
import { openGpu } from "../gpu/host/open_gpu.ts";
import { readPositionEffects } from "../model/position_effect.ts";
import type { BaselineModel } from "../predict/baseline_model.ts";
import { baselineOptions } from "../metrics/baselines/baseline_names.ts";
import type { UserModel } from "../model/user_model.ts";
import { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { type OpenedRun, openRun } from "../run/open_run.ts";
import { trainingFields } from "../train/training_config.ts";
import { UserError } from "../user_error.ts";

export interface ModelDataOptions extends ShopSeedOptions {
  model: string;
  data?: string;
  seed: number;
  resplit: boolean;
  memoryRows: number;
  /** Name of the baseline that replaces the trained model. */
  baseline?: string;
}

/** Arguments for commander's method `option()`, which define --model. */
export const MODEL = [
  "--model <run>",
  "trained model: a run's folder (uses its best-loss snapshot), or a snapshot (.safetensors)",
  path,
] as const;

/** Adds options for data other than the training data. @param seed - see {@link addShopSeeds} */
export function addRunData(command: Command, seed: string): Command {
  command
    .option(DATA, "data set, as in train --data (default: the data of the run)", path)
    .option(...MEMORY_LIMIT);
  return addShopSeeds(command, seed);
}

/** Creates a command that opens a model and data, with options for both; see {@link createCommand}. */
export function createModelCommand(task: string, description: string): Command {
  // Without --resplit, the data are split as for the model's training.
  return addRunData(createCommand(task, description).requiredOption(...MODEL), MODEL_SEED)
    .addOption(createSeedOption("seed of a synthetic shop and of --resplit"))
    .option(...RESPLIT);
}

/** Adds --split and --evaluation-shards. @param about - use of the split's users, for the help */
export function addUserSplit(command: Command, about: string, standard: Split | "all"): Command {
  return command
    .addOption(new Option("--split <users>", about).choices([...splits, "all"]).default(standard))
    .addOption(createOption(trainingFields.evaluationShards.option!));
}

/** Creates the option --baseline of commands that call {@link openModel} or {@link fitBaseline}. */
export function createBaselineOption(): Option {
  return new Option(
    "--baseline <name>",
    "use a baseline of the test results, fitted to the run's train users, instead of the run's model",
  ).choices(Object.values(baselineOptions));
}

export function nameModel({ path }: OpenedRun, { baseline }: Pick<ModelDataOptions, "baseline">): string {
  return baseline === undefined ? path : `the baseline ${baseline}`;
}

export interface OpenedModel {
  readonly run: OpenedRun;
  /** Data set that the command reads; without item ids if the model does not use item ids. */
  readonly data: OpenedDataset;
  readonly model: UserModel;
  /** The model, or the baseline that replaces it. */
  readonly scorer: UserModel | BaselineModel;
  readonly effects: readonly number[] | undefined;
}

/**
 * Opens the model of a command, and a data set with the model's items.
 * @param recorded - data to open if no option names data; by default the data of the model's training.
 * @throws UserError if the data set and the model have different items.
 */
export async function openModel(
  options: ModelDataOptions,
  recorded?: DataConfig,
): Promise<{ run: OpenedRun; data: OpenedDataset; baseline: BaselineModel | undefined }> {
  const run = await openRun(options.model);
  if (run.unfinished) console.error(run.unfinished);
  const own = await openData(
    { ...options, ...openModelData(run.path, recorded ?? run.trainedOn, options), trainedOn: run.trainedOn },
    [],
  );
  // Users and items are read before run.fit adds the items that only the model has.
  const { users, items } = await withProgress((onProgress) => OpenedDataset.of(own, onProgress));
  const baseline = options.baseline === undefined ? undefined : await fitBaseline(run, own, options.baseline);
  return { run, data: new OpenedDataset(run.fit(own), users, items), baseline };
}

/** Fits a baseline to the run's train users: see {@link openBaseline}. @param own - data of the command */
export async function fitBaseline(run: OpenedRun, own: Dataset, option: string) {
  const { path, trainedOn } = run;
  if (!trainedOn) {
    throw new UserError(
      `Expected --baseline ${option} with a run (whose config.json names the training data), got ${path}.`,
    );
  }
  const isOwn = JSON.stringify(own.config) === JSON.stringify(trainedOn);
  const trained = run.fit(isOwn ? own : await reopenData(trainedOn));
  console.error(`Fitting the baseline ${option} to the train users of ${path}; it replaces the model.`);
  return await withProgress((onProgress) =>
    Promise.resolve(openBaseline(run, trained, own, option, onProgress))
  );
}

/**
 * Returns the options that name a command's data: those that the user typed, else those of the model's
 * training. @param path - path of the model's snapshot. @throws UserError if neither the options nor the
 * run's config name data.
 */
export function openModelData(path: string, trainedOn: DataConfig | undefined, options: ModelDataOptions) {
  const { data, seed, resplit, dataSeed, dataUsersSeed } = options;
  // A synthetic shop has the seeds of the model's data by default, not --seed.
  if (trainedOn?.kind === "demo" && findShop(data ?? trainedOn.shop ?? "demo")) {
    const { shop = "demo", seed: ofShop, usersSeed } = trainedOn;
    const seeds = { dataSeed: dataSeed ?? ofShop, dataUsersSeed: dataUsersSeed ?? (dataSeed ?? usersSeed) };
    return { data: data ?? shop, seed: ofShop, resplit: false, ...seeds };
  }
  if (data !== undefined) return { data, seed, resplit };
  if (trainedOn && trainedOn.kind !== "demo") {
    return { data: trainedOn.path, seed: trainedOn.resplit ?? seed, resplit: trainedOn.resplit !== null };
  }
  throw new UserError(
    `Expected --data, because no config.json next to ${path} names the training data. Add --data.`,
  );
}

/** Opens model, data and device, calls `use`, closes all three. @throws UserError, see {@link openModel} */
export async function withModel<T>(
  options: ModelDataOptions,
  use: (opened: OpenedModel) => Promise<T>,
): Promise<T> {
  const { run, data, baseline } = await openModel(options);
  using gpu = await openGpu();
  using model = run.model(gpu, data);
  const effects = baseline ? undefined : readPositionEffects(run.weights);
  return await use({ run, data, model, scorer: baseline ?? model, effects });
}
