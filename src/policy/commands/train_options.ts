/** The options of `policy train`. */

import type { Command } from "commander";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { folder, type GivenOptions, optionOf } from "../../cli/options.ts";
import { configOf } from "../../option.ts";
import * as v from "../../schema.ts";
import { addUsersOptions, checkUsers, type UsersOptions } from "../../simulate/commands/users_options.ts";
import { UserError } from "../../user_error.ts";
import { type PolicyTrainingConfig, policyTrainingFields, policyTrainingSchema } from "../learning/config.ts";

/** A clip of 0 is none. */
export interface PolicyTrainOptions extends UsersOptions, PolicyTrainingConfig {
  saveDir?: string;
  resume?: string;
}

type Names = readonly (keyof PolicyTrainingConfig)[];

/** Groups stand in the help in this order, behind what is learned, and from whom. */
const GROUPS: Readonly<Record<string, Names>> = {
  Pages: ["slate", "pages", "users", "reward", "start", "repeats", "leave", "patience"],
  Network: ["hidden", "trunk", "sharePositions"],
  Learning: [
    ...["target", "doubleQ", "targetEvery", "discount", "bootstrapAtEnd"] as const,
    ...["learningRate", "rows", "stepsPerPage", "clip", "huber", "replay"] as const,
    ...["epsilonStart", "epsilonEnd", "epsilonShare"] as const,
  ],
  Evaluation: ["evaluateEvery", "evaluationUsers"],
};

export function addPolicyTrainOptions(command: Command): Command {
  const add = (names: Names) => {
    for (const name of names) {
      const { option } = policyTrainingFields[name];
      if (option) command.addOption(optionOf(option));
    }
  };
  add(["algorithm", "steps", "seed"]);
  command.option(SAVE_DIR, "new or empty folder for the policy", folder)
    .option(RESUME, "go on with the training in this folder, bit for bit; --steps may ask for more", folder);
  addUsersOptions(command, { seed: "the model's, else 1" });
  for (const [heading, names] of Object.entries(GROUPS)) {
    command.optionsGroup(`${heading}:`);
    add(names);
  }
  return command;
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
  const config = configOf(policyTrainingFields, { ...options });
  const training = v.parse(policyTrainingSchema, { ...config, clip: config.clip === 0 ? null : config.clip });
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
    `Expected --resume alone or with --steps, got ${extra.join(", ")} too: a resumed training keeps its ` +
      "settings.",
  );
}
