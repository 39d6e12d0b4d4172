/** A model with the data set that it is asked about: what predict, recommend and serve begin with. */

import { type Command, Option } from "commander";
import type { Gpu } from "../gpu/device.ts";
import { openGpu } from "../gpu/host/open_gpu.ts";
import { shopNamed } from "../data/shops.ts";
import type { UserModel } from "../model/user_model.ts";
import { OpenedDataset } from "../data/sets/opened_dataset.ts";
import type { DataConfig } from "../data/sets/dataset.ts";
import { type OpenedRun, openRun } from "../run/open_run.ts";
import { UserError } from "../user_error.ts";
import { DATA } from "./arguments.ts";
import {
  addShopSeeds,
  addSplitOptions,
  memoryRowsOption,
  MODEL_SEED,
  openData,
  type ShopSeedOptions,
  withProgress,
} from "./open_data.ts";
import { path } from "./options.ts";

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
    .addOption(memoryRowsOption());
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
  const own = await openData({ ...options, ...dataOf(run.path, recorded ?? run.trainedOn, options) }, []);
  const { users, items } = await withProgress((told) => OpenedDataset.of(own, told)); // before a model over more items widens the set
  return { run, data: new OpenedDataset(run.fit(own), users, items) };
}

/** @throws UserError where nothing says which data. */
function dataOf(path: string, trainedOn: DataConfig | undefined, options: ModelDataOptions) {
  const { data, seed, resplit, dataSeed, dataUsersSeed } = options;
  // A made-up shop that is named is the model's, too: its seeds are not those of other things that are random.
  if (trainedOn?.kind === "demo" && shopNamed(data ?? trainedOn.shop ?? "demo")) {
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
