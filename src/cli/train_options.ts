/** The options of `train`. */

import { Command, Option } from "commander";
import { UserError } from "../data/user_error.ts";
import { defaultModel } from "../model/config.ts";
import { defaultTraining, trainingConfigSchema } from "../train/config.ts";
import { version } from "../version.ts";
import { folder, layerSizes, numberOf, parse, wholeNumber } from "./options.ts";

export interface TrainOptions {
  data: string;
  saveDir?: string;
  resplit: boolean;
  seed: number;
  seeds: number;
  init?: string;
  resume?: string;
  encoder: "lstm";
  lstmUnits: number;
  dims: number[];
  iterations: number;
  batchSize: number;
  learningRate: number;
  validateEvery: number;
  evaluationShards: number;
}

/** Options that describe the model; with --init they default to the snapshot's. */
export const MODEL_OPTIONS = ["encoder", "lstmUnits", "dims"] as const;
/** The only options that may stand beside --resume: everything else is in the run's config. */
const RESUME_OPTIONS = ["resume", "iterations"];

/** The options, and which of them were given. @throws UserError for anything that is not understood. */
export function parseTrainOptions(
  args: readonly string[],
): { options: TrainOptions; given: ReadonlySet<string> } {
  const t = defaultTraining;
  const command = new Command("deno task train")
    .description(
      "Trains a user model on a click log: what a user would click, and the reward behind it.\n" +
        "Without options it trains on the built-in demo shop, whose truth is known.",
    )
    .version(version)
    .optionsGroup("Data:")
    .option("--data <file>", 'a tab-separated click log in the paper\'s layout, or "demo"', "demo")
    .option("--resplit", "deal the users out anew (by --seed) instead of using the file's split", false)
    .optionsGroup("Run:")
    .option("--save-dir <folder>", "where the run is written (default: runs/<data>-<time>)", folder)
    .option("--seed <n>", "rules everything random", wholeNumber(0, 2 ** 32 - 1), t.seed)
    .option(
      "--seeds <n>",
      "train this many models, seeds --seed and up; report mean and sd",
      wholeNumber(1, 1000),
      1,
    )
    .option("--init <file>", "start from the weights of a snapshot (.safetensors)")
    .option(
      "--resume <run>",
      "go on with an interrupted run (or --seeds folder), bit for bit; --iterations may extend it",
      folder,
    )
    .optionsGroup("Model:")
    .addOption(
      new Option("--encoder <kind>", "what makes a state of the history").choices(["lstm"]).default("lstm"),
    )
    .option("--lstm-units <n>", "size of the LSTM's state", wholeNumber(1, 1024), defaultModel.lstmUnits)
    .addOption(
      new Option("--dims <sizes>", "hidden layers of the utility, e.g. 32-64-32").argParser(layerSizes)
        .default(defaultModel.dims, defaultModel.dims.join("-")),
    )
    .optionsGroup("Training:")
    .option("--iterations <n>", "steps of the optimiser", wholeNumber(1, 2 ** 31), t.iterations)
    .option("--batch-size <n>", "users a step, with all their events", wholeNumber(1), t.batchSize)
    .option(
      "--learning-rate <x>",
      "of Adam; times 0.96 after every 100,000 iterations",
      numberOf(trainingConfigSchema.shape.learningRate, "a number above 0 and at most 10"),
      t.learningRate,
    )
    .option("--validate-every <n>", "iterations between validations", wholeNumber(1), t.validateEvery)
    .option(
      "--evaluation-shards <n>",
      "parts in which users are evaluated: more need less memory; 0: as few as fit",
      wholeNumber(0),
      t.evaluationShards,
    )
    .addHelpText(
      "after",
      `
Examples:
  deno task train                                     the demo shop, in under two minutes
  deno task train --data yelp.txt --seeds 5           five seeds, mean and sd
  deno task train --data log.txt --dims 32-64-32 --iterations 500
  deno task train --resume runs/demo-20260101-120000  after Ctrl-C

A run's folder holds config.json, train.csv, validation.csv, the snapshots best-loss,
best-prec1, best-prec2 and last (.safetensors), and result.json with the test figures.`,
    );
  const options = parse<TrainOptions>(command, args);
  const given = new Set(
    command.options.map((o) => o.attributeName()).filter((name) =>
      command.getOptionValueSource(name) === "cli"
    ),
  );
  if (options.resume !== undefined) {
    const extra = [...given].filter((name) => !RESUME_OPTIONS.includes(name));
    if (extra.length > 0) {
      const flags = command.options.filter((o) => extra.includes(o.attributeName())).map((o) => o.long);
      throw new UserError(
        `Expected --resume alone or with --iterations, got ${
          flags.join(", ")
        } too: a resumed run keeps its settings. ` +
          `To train further under other settings, start a new run with --init ${options.resume}/last.safetensors.`,
      );
    }
  }
  if (options.resume === undefined && options.validateEvery > options.iterations) {
    throw new UserError(
      `Expected --validate-every of at most the ${options.iterations} iterations, got ${options.validateEvery}: ` +
        "without a validation there is no best snapshot.",
    );
  }
  return { options, given };
}
