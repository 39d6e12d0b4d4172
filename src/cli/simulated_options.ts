/** Who is simulated, as options: a trained model's users, or those of a made-up shop as they are. */

import { type Command, Option } from "commander";
import { shopNamed, shops } from "../data/shops.ts";
import { UserError } from "../user_error.ts";
import { DATA } from "./arguments.ts";
import { addShopSeeds, memoryRowsOption, type ShopSeedOptions } from "./open_data.ts";
import { path } from "./options.ts";

export interface SimulatedOptions extends ShopSeedOptions {
  model?: string;
  data?: string;
  shop?: string;
  truth: boolean;
  resplit: boolean;
  memoryRows: number;
  uncalibrated: boolean;
}

export function addSimulatedOptions(command: Command): Command {
  command
    .optionsGroup("Who clicks:")
    .option(
      "--model <run>",
      "a trained model's users: a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
      path,
    )
    .option(
      "--truth",
      "the users of a made-up shop as they are; of --model is then what policies know",
      false,
    )
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
    .addOption(
      new Option("--shop <name>", "a made-up shop as the data").choices(shops.map(({ name }) => name)),
    );
  return addShopSeeds(command)
    .addOption(memoryRowsOption())
    .option("--resplit", "deal the users out anew, as in training with the same --seed", false);
}

/** @throws UserError where it is not said who clicks, or it is said twice. */
export function checkSimulated({ model, data, shop, truth, uncalibrated }: SimulatedOptions): void {
  if (shop !== undefined && data !== undefined) {
    throw new UserError("Expected either --shop or --data, got both. Leave one of them out.");
  }
  if (!truth && model === undefined) {
    throw new UserError(
      "Expected to be told who clicks: --model (a run) for a trained model's users, or --shop and --truth for those of a " +
        `made-up shop${shop === undefined ? "" : ", got --shop alone"}.`,
    );
  }
  const named = shop ?? data;
  if (truth && named !== undefined && !shopNamed(named)) {
    throw new UserError(
      `Expected a made-up shop (--shop ${
        shops.map(({ name }) => name).join(" or ")
      }) with --truth, got --data ${named}: ` +
        "of a log it is not known why its users click. Use --model.",
    );
  }
  if (truth && named === undefined && model === undefined) {
    throw new UserError(
      `Expected --shop with --truth: ${shops.map(({ name }) => name).join(" or ")}, got none.`,
    );
  }
  if (uncalibrated && model === undefined) {
    throw new UserError("Expected --uncalibrated with --model alone. Leave it out.");
  }
}
