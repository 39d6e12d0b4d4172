import type { Command } from "commander";
import { checkTogether, seedOption, stagesGroups } from "../../run/options/stages_options.ts";
import type { StagesOptions } from "../../run/options/stages_options.ts";
import { UserError } from "../../user_error.ts";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { createJobsOption } from "../../cli/jobs.ts";
import { autotune } from "../../cli/choose_variants.ts";
import { addDataOptions, type DataOptions } from "../../cli/open_data.ts";
import {
  addGroup,
  addOptions,
  createCommand,
  createOption,
  expectResumedAlone,
  folder,
  listGivenOptions,
  listSeeds,
  parse,
  parseWholeNumber,
} from "../../cli/command_options.ts";

interface RunOptions extends DataOptions {
  saveDir?: string;
  seed: number;
  seeds: number;
  jobs: number;
  init?: string;
  resume?: string;
  report: boolean;
  /** True to prepare a raw log without asking. */
  yes: boolean;
  syncEvery: number;
  /** True to choose kernel variants by timing. Default: true on a GPU, false on a CPU. */
  autotune?: boolean;
}

export type TrainOptions = RunOptions & StagesOptions;

const HELP = `
Examples:
  deno task -q train                                     (trains on the demo shop)
  deno task -q train --data yelp.txt --seeds 5           (five seeds, mean and sd)
  deno task -q train --data log.txt --dims 32-64-32 --iterations 500
  deno task -q train --resume runs/demo-20260101-120000  (after Ctrl-C)
  deno task -q train --data yelp.txt --encoder pw --pw-nonlinearity tanh --early-stopping loss
  deno task -q train --data yelp.txt --encoder none --dims none    (conditional logit)
  deno task -q train --data yelp.txt --encoder pw --wide --loss logistic
  deno task -q train --data yelp.txt --adversarial 5000  (both stages)
  deno task -q train --data yelp.txt --init runs/yelp --adversarial 5000 --generator exact

The folder of a run contains config.json, train.csv, validation.csv, the snapshots best-loss, \
best-prec1, best-prec2 and last (.safetensors), result.json with the test metrics, and \
report.html. The folder adversarial in it contains the files of the adversarial stage.`;

/** Parses the options; `given` names those that the user typed. @throws {UserError} for invalid options */
export function parseTrainOptions(
  args: readonly string[],
): { options: TrainOptions; given: ReadonlySet<string> } {
  const command = createCommand(
    "train",
    "Trains a user model on a click log: click probabilities on a page, and a utility per item.\n" +
      "Without options, it is trained on the built-in demo shop, whose true utilities are known.",
  );
  addTrainOptions(command);
  command.addHelpText("after", HELP);
  const options = parse<TrainOptions>(command, args);
  const given = listGivenOptions(command);
  if (options.resume !== undefined) {
    const last = quotePath(`${options.resume}/last.safetensors`);
    const advice = `To continue training with other settings, start a new run with --init ${last}.`;
    expectResumedAlone(given, RESUME_OPTIONS, "--iterations or --adversarial", advice);
  } else {
    listSeeds(options.seed, options.seeds); // throws for seeds that are too large
    checkTogether(options, given);
    if (options.seeds === 1) expectOneJob(options.jobs);
  }
  return { options, given: new Set(given.keys()) };
}

/** Adds all options to a command, in the order of the help. */
export function addTrainOptions(command: Command): Command {
  addDataOptions(command)
    .optionsGroup("Run:")
    .option(SAVE_DIR, "folder of the run (default: runs/<data>-<time>)", folder)
    .addOption(createOption(seedOption))
    .option(
      "--seeds <n>",
      "number of models: one per seed, with consecutive seeds from --seed; reports mean and sd",
      parseWholeNumber(1, 1000),
      1,
    )
    .addOption(createJobsOption("seeds"))
    .option(
      "--init <run or file>",
      "start from the weights of a snapshot (.safetensors) or of a run (its best-prec1 snapshot); with " +
        "--adversarial, these weights replace the Shannon stage",
      folder,
    )
    .option(
      RESUME,
      "resume an interrupted run (or folder of --seeds) with bit-identical results; --iterations or " +
        "--adversarial may extend it",
      folder,
    )
    .option("--no-report", "do not write report.html at the end")
    .option(
      "--yes",
      "if --data is a raw log, prepare it with guessed columns, then train on the data set",
      false,
    )
    .option(
      "--sync-every <n>",
      "under mpirun: number of steps between averaging the ranks' weights; with 1, gradients are summed in " +
        "every step, as if one process trained on the whole batch",
      parseWholeNumber(1, 2 ** 20),
      1,
    );
  addOptions(command, [autotune]);
  for (const group of stagesGroups) addGroup(command, group);
  return command;
}

/** Names of the options that are allowed with --resume. All other settings are in the run's config. */
const RESUME_OPTIONS = ["iterations", "adversarial", "report", "jobs"];

/** @throws UserError if --jobs is above 1 for a single training */
export function expectOneJob(jobs: number): void {
  if (jobs === 1) return;
  throw new UserError(
    `Expected --jobs 1 without --seeds, got ${jobs}: one model is trained by one process. Add --seeds.`,
  );
}
