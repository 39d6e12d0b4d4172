/** A model with the data set that it is asked about: what predict, recommend and serve begin with. */

import { type Command, Option } from "commander";
import type { Gpu } from "../gpu/device.ts";
import { openGpu } from "../gpu/device.ts";
import { Made } from "../gpu/made.ts";
import type { UserModel } from "../model/user_model.ts";
import { OpenedDataset } from "../run/open_dataset.ts";
import { type OpenedRun, openRun } from "../run/open_run.ts";
import { dataOption, memoryRowsOption, openData } from "./open_data.ts";
import { LARGEST_SEED, path, wholeNumber } from "./options.ts";

export interface ModelDataOptions {
  model: string;
  data: string;
  seed: number;
  resplit: boolean;
  memoryRows: number;
}

export function modelOption(): Option {
  return new Option(
    "--model <run>",
    "a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
  ).argParser(path).makeOptionMandatory();
}

export function withModelAndData(command: Command): Command {
  return command
    .addOption(modelOption())
    .addOption(dataOption())
    .addOption(memoryRowsOption())
    .option("--seed <n>", "seed of the demo data, and of --resplit", wholeNumber(0, LARGEST_SEED), 1)
    .option("--resplit", "deal the users out anew, as in training with the same --seed", false);
}

export interface OpenedModel {
  readonly run: OpenedRun;
  /** Over the model's items. */
  readonly data: OpenedDataset;
  readonly gpu: Gpu;
  readonly model: UserModel;
}

/** Opens both, and the device, for as long as it is used. @throws UserError for a model over other items. */
export async function withModel<T>(
  options: ModelDataOptions,
  use: (opened: OpenedModel) => Promise<T>,
): Promise<T> {
  const run = await openRun(options.model);
  const own = await openData(options, []);
  const { users, items } = await OpenedDataset.of(own);
  const dataset = run.fit(own);
  const made = new Made();
  const gpu = await openGpu();
  try {
    const model = made.keep(run.modelOver(gpu, dataset));
    return await use({ run, data: new OpenedDataset(dataset, users, items), gpu, model });
  } finally {
    made.destroy();
    gpu.close();
  }
}
