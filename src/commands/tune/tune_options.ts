/** Options of `tune`, and the options of `train` that `tune` passes to every training. */

import { type Command, Option } from "commander";
import * as v from "../../schema.ts";
import { buildStagesConfig, modelGroup, trainingGroups } from "../../run/options/stages_options.ts";
import type { ModelData } from "../../run/options/stages_options.ts";
import { criteria, type Criterion } from "../../train/best_records.ts";
import type { StagesConfig } from "../../train/training_config.ts";
import { JOBS, removeOptions, SAVE_DIR } from "../../cli/arguments.ts";
import { createJobsOption } from "../../cli/jobs.ts";
import { autotune } from "../../cli/choose_variants.ts";
import { addDataOptions, type DataOptions } from "../../cli/open_data.ts";

import {
  addGroup,
  addOptions,
  createCommand,
  createSeedOption,
  folder,
  listGivenOptions,
  makeNumberParser,
  parse,
} from "../../cli/command_options.ts";
import { parseTrainOptions } from "../train/train_options.ts";

export interface TuneOptions extends DataOptions {
  readonly seed: number;
  /** Time limit of the search in minutes. */
  readonly budget: number;
  readonly criterion: Criterion;
  readonly saveDir?: string;
  readonly jobs: number;
  /** True to choose kernel variants by timing. Default: true on a GPU, false on a CPU. */
  readonly autotune?: boolean;
}

const BUDGET = "--budget <minutes>";
const CRITERION = "--criterion <metric>";

const HELP = `
The search varies the encoder, the hidden layers, the wide part (--wide), the learning rate,
the weight decay and the item dropout. The search also tries models without item ids, if
the data have item ids, and --position-bias 0, if the positions are known.
Options of train that you give are the same in all trainings and not searched.

Examples:
  deno task -q tune --data runs/data/mine --budget 10
  deno task -q tune --data runs/data/mine --budget 60 --criterion prec1 --encoder lstm
  deno task -q tune --data runs/data/mine --budget 30    (continues a search of 10 minutes)`;

/**
 * Parses the arguments of `tune`. @returns the options of `tune`, and the typed arguments that belong to
 * `train`. @throws {UserError} for invalid options
 */
export function parseTuneOptions(
  args: readonly string[],
): { options: TuneOptions; trainArguments: string[]; given: ReadonlySet<string> } {
  const command = createCommand(
    "tune",
    "Searches for good options of train within a time budget. Compares random settings and the default on " +
      "validation users only, by successive halving. Prints the train command of the best setting, " +
      "and its test metrics compared with the default and the baselines. The same command resumes a search.",
  );
  addSearchOptions(command);
  for (const group of [modelGroup, ...trainingGroups]) addGroup(command, group);
  command.addHelpText("after", HELP);
  const options = parse<TuneOptions>(command, args);
  const trainArguments = removeOptions(args, [BUDGET, CRITERION, SAVE_DIR, JOBS]);
  parseTrainOptions(trainArguments); // throws for invalid combinations
  return { options, trainArguments, given: new Set(listGivenOptions(command).values()) };
}

function addSearchOptions(command: Command): Command {
  command
    .optionsGroup("Search:")
    .option(
      BUDGET,
      "minutes for all sessions together; a larger value continues a finished search",
      makeNumberParser(v.positive(10_000), "a number of minutes above 0 and at most 10000"),
      10,
    )
    .addOption(
      new Option(CRITERION, "validation metric by which settings are compared").choices(criteria).default(
        "loss",
      ),
    )
    .addOption(createJobsOption("settings"))
    .option(SAVE_DIR, "output folder (default: runs/tune-<data>)", folder);
  addDataOptions(command)
    .optionsGroup("Run:")
    .addOption(
      createSeedOption("seed of the settings, weights, batches, dropout, synthetic shop and --resplit"),
    );
  return addOptions(command, [autotune]);
}

/** Builds the config of `train` for the given arguments. @throws {UserError} for invalid arguments */
export function parseTrainArguments(args: readonly string[], data: ModelData): StagesConfig {
  return buildStagesConfig(parseTrainOptions(args).options, data);
}
