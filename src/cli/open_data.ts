/**
 * Opens the data of a command, with progress and with the cache folder for what stays on disk, and a model with the data set
 * that it is asked about: what predict, recommend and serve begin with.
 */

import { type Command, Option } from "commander";
import type { Split } from "../data/click_log.ts";
import type { OnProgress } from "../data/log_source.ts";
import { findShop, shops } from "../data/shops.ts";
import {
  type DataConfig,
  type Dataset,
  MEMORY_ROWS,
  openDataset,
  reopenDataset,
} from "../data/sets/dataset.ts";
import { DATA, getCacheFolder } from "./arguments.ts";
import { LARGEST_SEED, parseWholeNumber, path } from "./command_options.ts";
import { createDelayedProgress } from "./progress.ts";
import type { Gpu } from "../gpu/device.ts";
import { openGpu } from "../gpu/host/open_gpu.ts";
import type { UserModel } from "../model/user_model.ts";
import { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { type OpenedRun, openRun } from "../run/open_run.ts";
import { UserError } from "../user_error.ts";

export function createDataOption(): Option {
  return new Option(
    DATA,
    "a prepared data set (a folder made by deno task data), a tab-separated click log in the paper's layout, or a " +
      `made-up shop: ${shops.map(({ name, about }) => `"${name}" (${about})`).join(", ")}`,
  ).argParser(path).default("demo");
}

/** Which made-up shop of a kind. */
export interface ShopSeedOptions {
  dataSeed?: number;
  dataUsersSeed?: number;
}

/** Whose seed a shop has without one, where there is a model. */
export const MODEL_SEED = "the model's, else that of --seed";

/** @param seed that of a shop without one, in words. */
export function addShopSeeds(command: Command, seed = "that of --seed"): Command {
  return command
    .option(
      "--data-seed <n>",
      `seed of a made-up shop, of its items and its users (default: ${seed})`,
      parseWholeNumber(0, LARGEST_SEED),
    )
    .option(
      "--data-users-seed <n>",
      "seed of a made-up shop's users and their clicks alone: others visit the same items (default: the shop's seed)",
      parseWholeNumber(0, LARGEST_SEED),
    );
}

/** The group of options that say what is trained on, and how its users are split. */
export function addDataOptions(command: Command): Command {
  command.optionsGroup("Data:").addOption(createDataOption());
  return addShopSeeds(command)
    .addOption(createMemoryRowsOption())
    .option(...NO_ITEM_IDS)
    .option(...RESPLIT);
}

export const RESPLIT = [
  "--resplit",
  "split the users into the three parts anew, by --seed, instead of using the file's split",
  false,
] as const;

/** For whoever asks a model: its data are split as in its training. */
export function addSplitOptions(command: Command): Command {
  return command
    .option("--seed <n>", "seed of a made-up shop, and of --resplit", parseWholeNumber(0, LARGEST_SEED), 1)
    .option(...RESPLIT);
}

export function createMemoryRowsOption(): Option {
  return new Option(
    "--memory-rows <n>",
    "a prepared data set with more displayed items than this stays on disk, and is read from there as needed",
  ).argParser(parseWholeNumber(0)).default(MEMORY_ROWS);
}

export const NO_ITEM_IDS = [
  "--no-item-ids",
  "know the items by their features alone, though the data set has a token for each item, too",
] as const;

export function openData(
  { data, seed, resplit, memoryRows, itemIds, dataSeed, dataUsersSeed: usersSeed }:
    & {
      data: string;
      seed: number;
      resplit: boolean;
      memoryRows?: number;
      itemIds?: boolean;
    }
    & ShopSeedOptions,
  needed?: readonly Split[],
): Promise<Dataset> {
  return withProgress((onProgress) => {
    const more = { cache: getCacheFolder(), onProgress, needed, memoryRows, itemIds, dataSeed, usersSeed };
    return openDataset(data, seed, resplit, more);
  });
}

export function reopenData(config: DataConfig): Promise<Dataset> {
  return withProgress((onProgress) => reopenDataset(config, { cache: getCacheFolder(), onProgress }));
}

/** Work that says how far it is, where it takes a while. */
export async function withProgress<T>(work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  using progress = createDelayedProgress();
  return await work(progress.onProgress);
}

export interface ModelDataOptions extends ShopSeedOptions {
  model: string;
  data?: string;
  seed: number;
  resplit: boolean;
  memoryRows: number;
}

export function withModelAndData(command: Command): Command {
  command
    .requiredOption(
      "--model <run>",
      "a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
      path,
    )
    .addOption(
      new Option(DATA, "as of train; without it, what the run was trained on").argParser(path),
    )
    .addOption(createMemoryRowsOption());
  return addSplitOptions(addShopSeeds(command, MODEL_SEED));
}

export interface OpenedModel {
  readonly run: OpenedRun;
  /** Over the model's items. */
  readonly data: OpenedDataset;
  readonly gpu: Gpu;
  readonly model: UserModel;
}

/**
 * The model of a command, and its data set over the model's items.
 * @param recorded the data where the options name none, by default what the model was trained on.
 * @throws UserError for a model over other items.
 */
export async function openModel(
  options: ModelDataOptions,
  recorded?: DataConfig,
): Promise<{ run: OpenedRun; data: OpenedDataset }> {
  const run = await openRun(options.model);
  if (run.unfinished) console.error(run.unfinished);
  const own = await openData(
    { ...options, ...openModelData(run.path, recorded ?? run.trainedOn, options) },
    [],
  );
  const { users, items } = await withProgress((told) => OpenedDataset.of(own, told)); // before a model over more items widens the set
  return { run, data: new OpenedDataset(run.fit(own), users, items) };
}

/** Says which data a model is asked about. @param path its snapshot. @throws UserError where nothing says which data. */
export function openModelData(path: string, trainedOn: DataConfig | undefined, options: ModelDataOptions) {
  const { data, seed, resplit, dataSeed, dataUsersSeed } = options;
  // A made-up shop that is named is the model's, too: its seeds are not those of other things that are random.
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
    `Expected --data, or a model in its run's folder: ${path} stands in no run that says what it was trained on.`,
  );
}

/** Opens both, and the device, for as long as it is used. @throws UserError as {@link openModel}. */
export async function withModel<T>(
  options: ModelDataOptions,
  use: (opened: OpenedModel) => Promise<T>,
): Promise<T> {
  const { run, data } = await openModel(options);
  using gpu = await openGpu();
  using model = run.model(gpu, data);
  return await use({ run, data, gpu, model });
}
