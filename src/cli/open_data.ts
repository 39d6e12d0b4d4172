/** Opens the data set of a command, and shows the progress. */

import type { Command } from "commander";
import type { Split } from "../data/click_log.ts";
import type { OnProgress } from "../data/log_source.ts";
import { shops } from "../data/shops.ts";
import { MEMORY_ROWS, openDataset, reopenDataset } from "../data/sets/dataset.ts";
import type { DataConfig, Dataset } from "../data/sets/dataset.ts";
import { DATA, getCacheFolder } from "./arguments.ts";
import { createSeedOption, parseWholeNumber, path } from "./command_options.ts";
import { createDelayedProgress } from "./progress.ts";
import { expectNoRawLog } from "./raw_log.ts";

/** Arguments for commander's method `option()`, which define --data. */
export const TRAINING_DATA = [
  DATA,
  "a prepared data set (a folder made by deno task data), a click log in the paper's layout, or a " +
  `synthetic shop: ${shops.map(({ name, about }) => `"${name}" (${about})`).join(", ")}`,
  path,
  "demo",
] as const;

export interface ShopSeedOptions {
  dataSeed?: number;
  dataUsersSeed?: number;
}

/** Help text: default of --data-seed in commands that use a trained model. */
export const MODEL_SEED = "the seed of the model's data, else --seed";

/** Adds options for the seeds of a synthetic shop. @param seed - default of --data-seed, for the help text */
export function addShopSeeds(command: Command, seed = "--seed"): Command {
  const ofUsers =
    "seed of a synthetic shop's users and clicks, but not of its items (default: the shop's seed)";
  return command
    .addOption(
      createSeedOption(`seed of a synthetic shop's items and users (default: ${seed})`, "--data-seed"),
    )
    .addOption(createSeedOption(ofUsers, "--data-users-seed"));
}

/** Options for the training data, and for their split into train, validation and test users. */
export interface DataOptions extends ShopSeedOptions {
  data: string;
  resplit: boolean;
  memoryRows: number;
  itemIds: boolean;
}

export function addDataOptions(command: Command): Command {
  command.optionsGroup("Data:").option(...TRAINING_DATA);
  return addShopSeeds(command)
    .option(...MEMORY_LIMIT)
    .option(...NO_ITEM_IDS)
    .option(...RESPLIT);
}

export const RESPLIT = [
  "--resplit",
  "ignore the data's split into train, validation and test users, and split the users again by --seed",
  false,
] as const;

export const MEMORY_LIMIT = [
  "--memory-rows <n>",
  "keep a prepared data set with more impressions (displayed items) than this on disk instead of in memory",
  parseWholeNumber(0),
  MEMORY_ROWS,
] as const;

const NO_ITEM_IDS = ["--no-item-ids", "represent items by their features only, and ignore item ids"] as const;

/** Opens a data set. @param trainedOn - training data of the command's model, if it has one */
export async function openData(
  { data, seed, resplit, memoryRows, itemIds, dataSeed, dataUsersSeed: usersSeed, trainedOn }:
    & Pick<DataOptions, "data" | "resplit">
    & Partial<DataOptions>
    & { seed: number; trainedOn?: DataConfig },
  needed?: readonly Split[],
): Promise<Dataset> {
  await expectNoRawLog(data, { modelData: trainedOn?.kind === "prepared" ? trainedOn.path : undefined });
  return await withProgress((onProgress) => {
    const more = { cache: getCacheFolder(), onProgress, needed, memoryRows, itemIds, dataSeed, usersSeed };
    return openDataset(data, seed, resplit, more);
  });
}

export function reopenData(config: DataConfig): Promise<Dataset> {
  return withProgress((onProgress) => reopenDataset(config, { cache: getCacheFolder(), onProgress }));
}

/** Calls `work`, and shows its progress if it takes more than a second. */
export async function withProgress<T>(work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  using progress = createDelayedProgress();
  return await work(progress.onProgress);
}
