/** The options of `tune`: its own, and those of `train` that hold for all settings that it tries. */

import { Command, Option } from "commander";
import * as v from "../../schema.ts";
import {
  buildStagesConfig,
  type ModelData,
  modelGroup,
  trainingGroups,
} from "../../run/options/stages_options.ts";
import { criteria, type Criterion } from "../../train/best_records.ts";
import { defaultTraining, type StagesConfig } from "../../train/training_config.ts";
import { version } from "../../version.ts";
import { JOBS, removeOptions, SAVE_DIR } from "../../cli/arguments.ts";
import { createJobsOption } from "../../cli/jobs.ts";
import { autotune } from "../../cli/choose_variants.ts";
import { addDataOptions, type ShopSeedOptions } from "../../cli/open_data.ts";

import {
  addGroup,
  addOptions,
  folder,
  LARGEST_SEED,
  listGivenOptions,
  makeNumberParser,
  parse,
  parseWholeNumber,
} from "../../cli/command_options.ts";
import { parseTrainOptions } from "../train/train_options.ts";

export interface TuneOptions extends ShopSeedOptions {
  readonly data: string;
  readonly memoryRows: number;
  readonly itemIds: boolean;
  readonly resplit: boolean;
  readonly seed: number;
  /** Minutes. */
  readonly budget: number;
  readonly criterion: Criterion;
  readonly saveDir?: string;
  /** Settings that are trained side by side. */
  readonly jobs: number;
  /** No default: it depends on the adapter. */
  readonly autotune?: boolean;
}

const BUDGET = "--budget <minutes>";
const CRITERION = "--criterion <figure>";

const HELP = `
Searched are the encoder, the hidden layers, the wide part, the learning rate, the weight decay and
the item dropout; where the data set has item ids, whether they are used; and where the items of a
page stand as they were shown, --position-bias.
Options of train that you give are the same in all runs, and are not searched.

Examples:
  deno task tune --data runs/data/mine --budget 10
  deno task tune --data runs/data/mine --budget 60 --criterion prec1 --encoder lstm
  deno task tune --data runs/data/mine --budget 30    goes on with a search of 10 minutes`;

/**
 * @returns the options, and the arguments that `train` takes: those of the data and the training, as they were typed.
 * @throws {UserError} for anything that is not understood
 */
export function parseTuneOptions(
  args: readonly string[],
): { options: TuneOptions; trainArguments: string[]; given: ReadonlySet<string> } {
  const command = new Command("deno task tune")
    .description(
      "Searches the options of train that fit a data set, by the validation users alone and within a budget of time: " +
        "successive halving of random settings, with the default among them. It ends with the command of the best one, " +
        "and its test figures beside those of the default and the baselines. It may be stopped and started again with " +
        "the same command.",
    )
    .version(version);
  addSearchOptions(command);
  for (const group of [modelGroup, ...trainingGroups]) addGroup(command, group);
  command.addHelpText("after", HELP);
  const options = parse<TuneOptions>(command, args);
  const trainArguments = removeOptions(args, [BUDGET, CRITERION, SAVE_DIR, JOBS]);
  parseTrainOptions(trainArguments); // what makes no sense together is refused now
  return { options, trainArguments, given: new Set(listGivenOptions(command).values()) };
}

function addSearchOptions(command: Command): Command {
  command
    .optionsGroup("Search:")
    .option(
      BUDGET,
      "minutes of training, all sessions together; a search that has ended goes on with a larger one",
      makeNumberParser(v.positive(10_000), "a number of minutes above 0 and at most 10000"),
      10,
    )
    .addOption(
      new Option(CRITERION, "the validation figure that decides").choices(criteria).default("loss"),
    )
    .addOption(createJobsOption("settings"))
    .option(SAVE_DIR, "where everything is written (default: runs/tune-<data>)", folder);
  addDataOptions(command)
    .optionsGroup("Run:")
    .option(
      "--seed <n>",
      "seed of all that is random: settings, weights, batches, dropout, a made-up shop, a new split",
      parseWholeNumber(0, LARGEST_SEED),
      defaultTraining.seed,
    );
  return addOptions(command, [autotune]);
}

/** What `train` would train with these arguments. @throws {UserError} for what it does not take */
export function parseTrainArguments(
  args: readonly string[],
  data: ModelData,
): StagesConfig {
  return buildStagesConfig(parseTrainOptions(args).options, data);
}
