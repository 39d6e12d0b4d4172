/** Who clicks, as options: a trained model's users, those of a made-up shop as they are; and where policies are tried. */

import { type Command, Option } from "commander";
import { shopNamed, shopNames, shops } from "../../data/shops.ts";
import { UserError } from "../../user_error.ts";
import { DATA } from "../../cli/arguments.ts";
import { addShopSeeds, memoryRowsOption, MODEL_SEED, type ShopSeedOptions } from "../../cli/open_data.ts";
import { LARGEST_SEED, path, wholeNumber } from "../../cli/options.ts";

export interface UsersOptions extends ShopSeedOptions {
  model?: string;
  data?: string;
  shop?: string;
  truth: boolean;
  memoryRows: number;
  uncalibrated: boolean;
}

/** A made-up shop by its name. @param about what it is for. */
export function shopOption(about: string): Option {
  return new Option("--shop <name>", about).choices(shops.map(({ name }) => name));
}

/** Its seed. */
export function ofThatShop(): Option {
  const about = "seed of that shop, where the model does not say it";
  return new Option("--data-seed <n>", about).argParser(wholeNumber(0, LARGEST_SEED));
}

/** @param beside what --model is beside --truth, if it may be there. @param seed the seed of a shop without one, in words. */
export function addUsersOptions(
  command: Command,
  { beside, seed = MODEL_SEED }: { readonly beside?: string; readonly seed?: string } = {},
): Command {
  command
    .optionsGroup("Who clicks:")
    .option(
      "--model <run>",
      "a trained model's users: a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
      path,
    )
    .option("--truth", `the users of a made-up shop as they are${beside ? `; ${beside}` : ""}`, false)
    .option(
      "--uncalibrated",
      "take a model whose utilities are no log-odds, such as one of the adversarial stage, as if they were",
      false,
    )
    .optionsGroup("Data:")
    .addOption(
      new Option(
        DATA,
        "as of train: items, ids, and what was clicked; without it, what the run was trained on",
      )
        .argParser(path),
    )
    .addOption(shopOption("a made-up shop as the data"));
  return addShopSeeds(command, seed).addOption(memoryRowsOption());
}

/** @throws UserError where it is not said who clicks, or it is said twice. */
export function checkUsers({ model, data, shop, truth, uncalibrated }: UsersOptions): void {
  if (shop !== undefined && data !== undefined) {
    throw new UserError("Expected either --shop or --data, got both. Leave one of them out.");
  }
  const named = shop ?? data;
  if (!truth && model === undefined) {
    const alone = named === undefined
      ? ""
      : `, got ${shop === undefined ? "--data" : "--shop"} alone. For a model of it, train one: ` +
        `deno task train --data ${named} --save-dir runs/a, then --model runs/a`;
    throw new UserError(
      "Expected to be told who clicks: --model (a run) for a trained model's users, or --shop and --truth for those of a " +
        `made-up shop${alone}.`,
    );
  }
  if (truth && named !== undefined && !shopNamed(named)) {
    throw new UserError(
      `Expected a made-up shop (--shop ${shopNames}) with --truth, got --data ${named}: of a log it is not known why its users ` +
        "click. Use --model.",
    );
  }
  if (truth && named === undefined && model === undefined) {
    throw new UserError(`Expected --shop with --truth: ${shopNames}, got none.`);
  }
  if (uncalibrated && model === undefined) {
    throw new UserError("Expected --uncalibrated with --model alone. Leave it out.");
  }
}

export interface EnvironmentOptions {
  testModel?: string;
  shop?: string;
  dataSeed?: number;
  memoryRows: number;
  uncalibrated: boolean;
}

/** @param about what the shop's users and those of the second model are for. */
export function addEnvironmentOptions(
  command: Command,
  about: { readonly shop: string; readonly testModel: string },
): Command {
  return command
    .optionsGroup("Who clicks:")
    .option("--test-model <run>", about.testModel, path)
    .option("--uncalibrated", "take a second model of the adversarial stage all the same", false)
    .addOption(shopOption(about.shop))
    .addOption(ofThatShop())
    .addOption(memoryRowsOption());
}
