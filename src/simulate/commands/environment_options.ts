/** Where policies are tried, as options: beside whom they were trained on, a second model and the truth of a made-up shop. */

import type { Command } from "commander";
import { memoryRowsOption } from "../../cli/open_data.ts";
import { LARGEST_SEED, path, wholeNumber } from "../../cli/options.ts";
import { shopOption } from "./users_options.ts";

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
    .option(
      "--data-seed <n>",
      "seed of that shop, where the model does not say it",
      wholeNumber(0, LARGEST_SEED),
    )
    .addOption(memoryRowsOption());
}
