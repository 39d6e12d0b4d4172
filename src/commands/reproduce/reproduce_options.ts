/** Options of `reproduce`, and the models that the options select. */

import { type ItemFeatures, listUsers } from "../../data/click_log.ts";
import { type ExperimentModel, experimentModels, supportsItems } from "../../tune/experiment.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { defaultTraining, paperAdversarial } from "../../train/training_config.ts";
import { UserError } from "../../user_error.ts";
import { README, SAVE_DIR } from "../../cli/arguments.ts";
import { createJobsOption } from "../../cli/jobs.ts";
import { autotune } from "../../cli/choose_variants.ts";
import { addShopSeeds, RESPLIT, type ShopSeedOptions, TRAINING_DATA } from "../../cli/open_data.ts";
import {
  addOptions,
  createCommand,
  createSeedOption,
  folder,
  listSeeds,
  parse,
  parseWholeNumber,
  path,
} from "../../cli/command_options.ts";

export interface ReproduceOptions extends ShopSeedOptions {
  data: string;
  resplit: boolean;
  seeds: number;
  seed: number;
  jobs: number;
  saveDir?: string;
  iterations: number;
  adversarial: number;
  models?: string[];
  readme?: string;
  /** True to choose kernel variants by timing. Default: true on a GPU, false on a CPU. */
  autotune?: boolean;
}

/** @throws {UserError} for invalid options */
export function parseReproduceOptions(args: readonly string[]): ReproduceOptions {
  const command = createCommand(
    "reproduce",
    "Trains the models of the published experiments on a data set, each with several seeds. Tests each " +
      "published claim by paired differences over the seeds. An interrupted command is resumed by " +
      "repeating the same command.",
  )
    .option(...TRAINING_DATA);
  addShopSeeds(command)
    .option(...RESPLIT)
    .option(
      "--seeds <n>",
      "number of trainings per model, with consecutive seeds from --seed",
      parseWholeNumber(1, 1000),
      5,
    )
    .addOption(createSeedOption("first seed"))
    .addOption(createJobsOption("trainings"))
    .option(SAVE_DIR, "output folder (default: runs/reproduce-<data>)", folder)
    .option(
      "--iterations <n>",
      "iterations of the Shannon stage",
      parseWholeNumber(10, 2 ** 31),
      defaultTraining.iterations,
    )
    .option(
      "--adversarial <n>",
      "iterations of the adversarial stage",
      parseWholeNumber(10, 2 ** 31),
      paperAdversarial.iterations,
    )
    .option(
      "--models <names>",
      "train only these models, and the models from which they start; names joined by commas: " +
        experimentModels.map((m) => m.folder).join(", "),
      modelNames,
    )
    .option(README, "also write the table into this Markdown file, between the markers of the data set", path)
    .addHelpText(
      "after",
      "\nExamples:\n  deno task -q reproduce --data yelp.txt\n" +
        "  deno task -q reproduce --data yelp.txt --seeds 2 --models baseline-64-64,fine-tuned-64-64",
    );
  addOptions(command, [autotune]);
  const options = parse<ReproduceOptions>(command, args);
  listSeeds(options.seed, options.seeds); // throws for seeds that are too large
  return options;
}

function modelNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const known = experimentModels.map(({ folder }) => folder);
  const wrong = names.find((name) => !known.includes(name));
  if (names.length > 0 && wrong === undefined) return names;
  const got = wrong === undefined ? "none" : `"${wrong}"`;
  throw new UserError(`Expected --models among ${known.join(", ")}, got ${got}.`);
}

/**
 * Returns the requested models, and the models that provide their initial weights, in the order of training.
 * @throws UserError for a requested model that does not support the data's items.
 */
export function selectModels(
  names: readonly string[] | undefined,
  items: ItemFeatures["kind"],
): ExperimentModel[] {
  const refused = experimentModels.filter((model) => !supportsItems(model, items));
  if (!names) {
    for (const { name } of refused) {
      console.error(`skipping ${name}: tanh requires one-hot or dense items`);
    }
    return experimentModels.filter((model) => supportsItems(model, items));
  }
  const [wrong] = refused.filter(({ folder }) => names.includes(folder));
  if (wrong) {
    throw new UserError(
      `Expected --models that support the data, got ${wrong.folder}: tanh requires one-hot or dense ` +
        "items, but these items have mixed features. Omit the model.",
    );
  }
  const needed = new Set(names);
  for (const model of experimentModels) {
    if (needed.has(model.folder) && model.adversarialAfter) needed.add(model.adversarialAfter);
  }
  return experimentModels.filter(({ folder }) => needed.has(folder));
}

/** @throws UserError if the data have fewer train users than the published batch size of a model. */
export function expectTrainUsers(data: Dataset, models: readonly ExperimentModel[]): void {
  const found = listUsers(data.source, "train").length;
  for (const model of models) {
    const users = getBatchSize(model);
    if (found >= users) continue;
    throw new UserError(
      `Expected at least ${users} train users (one batch of ${model.name}), found ${found} ` +
        `in ${data.source.name}. Use data with more users, or select other models with --models.`,
    );
  }
}

/** Returns the published batch size of a model (number of users). */
export function getBatchSize({ adversarialAfter }: ExperimentModel): number {
  return (adversarialAfter === undefined ? defaultTraining : paperAdversarial).batchSize;
}
