/** The options of `policy train`. */

import { type Command, Option } from "commander";
import * as v from "../../schema.ts";
import {
  algorithmNames,
  defaultPolicyTraining,
  type PolicyTrainingConfig,
  policyTrainingSchema,
  targetKinds,
} from "../learning/config.ts";
import { UserError } from "../../user_error.ts";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { folder, type GivenOptions, numberOf, wholeOf } from "../../cli/options.ts";
import { startOption } from "../../simulate/commands/options.ts";
import { addUsersOptions, checkUsers, type UsersOptions } from "../../simulate/commands/users_options.ts";

export interface PolicyTrainOptions
  extends UsersOptions, Omit<PolicyTrainingConfig, "clip" | "steps" | "seed"> {
  steps: number;
  seed: number;
  clip: number;
  saveDir?: string;
  resume?: string;
}

const { entries } = policyTrainingSchema;
const probability = numberOf(entries.discount, "a number from 0 to 1");
const rate = numberOf(entries.learningRate, "a number above 0 and at most 10");

const defaults = defaultPolicyTraining;

/** Groups stand in the help in this order. */
export function addPolicyTrainOptions(command: Command): Command {
  addTrainingOptions(command);
  addUsersOptions(command, { seed: "the model's, else 1" });
  addPageOptions(command.optionsGroup("Pages:"));
  addNetworkOptions(command.optionsGroup("Network:"));
  addTargetOptions(command.optionsGroup("Learning:"));
  addOptimiserOptions(command);
  addExplorationOptions(command);
  return addEvaluationOptions(command.optionsGroup("Evaluation:"));
}

/** What is learned, for how long, and where it is kept. */
function addTrainingOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--algorithm <name>",
        "cdqn: a cascade of values, one a position; gdqn: a value an item, added up; slateq: the value of a click on each item " +
          "and of none, and the slate that is best by them",
      ).choices(algorithmNames).default(defaults.algorithm),
    )
    .option(
      "--steps <n>",
      "pages to learn from in all (one user's page counts as one), not steps of the optimiser; whole episodes are played",
      wholeOf(entries.steps),
      defaults.steps,
    )
    .option("--seed <n>", "seed of all that is random", wholeOf(entries.seed), defaults.seed)
    .option(SAVE_DIR, "new or empty folder for the policy", folder)
    .option(RESUME, "go on with the training in this folder, bit for bit; --steps may ask for more", folder);
}

function addPageOptions(command: Command): Command {
  return command
    .option("--slate <k>", "items that a page shows", wholeOf(entries.slate), defaults.slate)
    .option("--pages <n>", "pages of an episode", wholeOf(entries.pages), defaults.pages)
    .option("--users <n>", "users stepped together", wholeOf(entries.users), defaults.users)
    .addOption(
      new Option("--reward <what>", "1 a click, or the utility of the clicked item")
        .choices(entries.reward.options).default(defaults.reward),
    )
    .addOption(startOption())
    .option("--repeats", "show clicked items again", defaults.repeats)
    .option(
      "--leave <p>",
      "probability that a user leaves after a page without a click",
      probability,
      defaults.leave,
    )
    .option(
      "--patience <n>",
      "a user leaves after so many pages in a row without a click; 0: never",
      wholeOf(entries.patience),
      defaults.patience,
    );
}

function addNetworkOptions(command: Command): Command {
  return command
    .option("--hidden <units>", "hidden units of Q: 4, 8, ... 64", hiddenUnits, defaults.hidden)
    .option(
      "--trunk <units>",
      "units that the state goes through first",
      wholeOf(entries.trunk),
      defaults.trunk,
    )
    .option("--share-positions", "cdqn: one network for all positions of a slate", defaults.sharePositions);
}

/** What the values are regressed on. */
function addTargetOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--target <kind>",
        "cdqn: what positions are regressed on. common: the value of the whole slate, as published; chained: the best that " +
          "the next position can do",
      ).choices(targetKinds).default(defaults.target),
    )
    .option("--no-double-q", "the older copy picks the next slate, too, not the weights that learn")
    .option(
      "--target-every <n>",
      "steps of the optimiser from one copy of the weights to the next; 1: copied at every step",
      wholeOf(entries.targetEvery),
      defaults.targetEvery,
    )
    .option("--discount <x>", "factor on the value of the next page", probability, defaults.discount)
    .option(
      "--bootstrap-at-end",
      "count the value of a next page after the last one, too",
      defaults.bootstrapAtEnd,
    );
}

/** The steps of the optimiser, and the pages that they are drawn from. */
function addOptimiserOptions(command: Command): Command {
  return command
    .option("--learning-rate <x>", "of Adam; a fifth of it in the last quarter", rate, defaults.learningRate)
    .option(
      "--rows <n>",
      "remembered pages of a step of the optimiser, a multiple of 64",
      rows,
      defaults.rows,
    )
    .option(
      "--steps-per-page <n>",
      "steps of the optimiser after each page of all users",
      wholeOf(entries.stepsPerPage),
      defaults.stepsPerPage,
    )
    .option(
      "--clip <x>",
      "the most that a gradient's length may be; 0: any",
      numberOf(v.atLeast(0), "a number of at least 0"),
      defaults.clip ?? 0,
    )
    .option("--huber", "an error d of a value above 1 counts as 2 |d| - 1, not as d^2", defaults.huber)
    .option(
      "--replay <n>",
      "pages of users that are remembered, at least",
      wholeOf(entries.replay),
      defaults.replay,
    );
}

function addExplorationOptions(command: Command): Command {
  return command
    .option(
      "--epsilon-start <p>",
      "probability of a random slate in the beginning",
      probability,
      defaults.epsilonStart,
    )
    .option("--epsilon-end <p>", "probability of a random slate at the end", probability, defaults.epsilonEnd)
    .option(
      "--epsilon-share <x>",
      "share of the training in which it falls to that, in a straight line",
      probability,
      defaults.epsilonShare,
    );
}

function addEvaluationOptions(command: Command): Command {
  return command
    .option(
      "--evaluate-every <n>",
      "pages of users from one evaluation, and snapshot, to the next",
      wholeOf(entries.evaluateEvery),
      defaults.evaluateEvery,
    )
    .option(
      "--evaluation-users <n>",
      "users of an evaluation, who see the best slates",
      wholeOf(entries.evaluationUsers),
      defaults.evaluationUsers,
    );
}

function hiddenUnits(text: string): number {
  return numberOf(entries.hidden, "4, 8, 12, ... or 64 units")(text);
}
function rows(text: string): number {
  return numberOf(entries.rows, "a multiple of 64")(text);
}

/** @throws UserError where it is not said whose clicks to learn from, or begin with, or it is said twice. */
export function checkTrainedOn(options: UsersOptions & Pick<PolicyTrainOptions, "start">): void {
  checkUsers(options);
  if (options.truth && options.start !== "empty" && options.dataUsersSeed !== undefined) {
    throw new UserError(
      "Expected --start without --data-users-seed: a policy that is trained on the truth of a shop begins with the clicks of " +
        "the shop's own users. Leave it out.",
    );
  }
  if (!options.truth || options.model === undefined) return;
  throw new UserError("Expected --model or --truth, got both. A policy is trained on one kind of users.");
}

/** The training that the options ask for. @throws UserError for options that make no sense together. */
export function policyTrainingOf(options: PolicyTrainOptions): PolicyTrainingConfig {
  const config = { ...options, clip: options.clip === 0 ? null : options.clip };
  const names = Object.keys(defaultPolicyTraining) as (keyof PolicyTrainingConfig)[];
  const training = v.parse(
    policyTrainingSchema,
    Object.fromEntries(names.map((name) => [name, config[name]])),
  );
  if (training.algorithm !== "cdqn" && (training.target !== "common" || training.sharePositions)) {
    throw new UserError(
      `Expected --target and --share-positions with --algorithm cdqn, got them with ${training.algorithm}, which has no ` +
        "positions.",
    );
  }
  return training;
}

/** @throws UserError for other options beside --resume. */
export function checkPolicyResume(given: GivenOptions): void {
  const allowed = ["resume", "steps", "memoryRows"];
  const extra = [...given].filter(([name]) => !allowed.includes(name)).map(([, flag]) => flag);
  if (extra.length === 0) return;
  throw new UserError(
    `Expected --resume alone or with --steps, got ${
      extra.join(", ")
    } too: a resumed training keeps its settings.`,
  );
}
