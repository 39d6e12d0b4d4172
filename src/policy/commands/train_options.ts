/** The options of `policy train`. */

import type { Command } from "commander";
import { configOf, type GivenOptions, optionsOf } from "../../option.ts";
import {
  evaluationFields,
  learnedFields,
  learningFields,
  networkFields,
  pageFields,
  policyFields,
  type PolicyTrainingConfig,
} from "../learning/config.ts";
import { UserError } from "../../user_error.ts";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { addGroup, folder, optionOf } from "../../cli/options.ts";
import { addUsersOptions, checkUsers, type UsersOptions } from "../../simulate/commands/users_options.ts";

export interface PolicyTrainOptions
  extends UsersOptions, Omit<PolicyTrainingConfig, keyof UsersOptions | "seed"> {
  seed: number;
  saveDir?: string;
  resume?: string;
}

/** Groups stand in the help in this order. */
export function addPolicyTrainOptions(command: Command): Command {
  for (const option of optionsOf(learnedFields)) command.addOption(optionOf(option));
  command
    .option(SAVE_DIR, "new or empty folder for the policy", folder)
    .option(RESUME, "go on with the training in this folder, bit for bit; --steps may ask for more", folder);
  addUsersOptions(command, { seed: "the model's, else 1" });
  const groups = {
    "Pages:": pageFields,
    "Network:": networkFields,
    "Learning:": learningFields,
    "Evaluation:": evaluationFields,
  };
  for (const [heading, fields] of Object.entries(groups)) {
    addGroup(command, { heading, options: optionsOf(fields) });
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
  const training = configOf(policyFields, { ...options });
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
