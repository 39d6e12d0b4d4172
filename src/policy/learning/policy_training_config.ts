/**
 * Training config of a policy, which is part of every policy.json. src/option.ts derives the schema and the
 * help from the table of fields below, which has options, ranges and defaults.
 */

import { type Split, splits } from "../../data/click_log.ts";
import {
  between,
  buildSchemaEntries,
  type ConfigFields,
  defineField,
  defineSwitchField,
  getDefaults,
  makeNumberParser,
  picklist,
  positive,
  whole,
} from "../../option.ts";
import * as v from "../../schema.ts";

const algorithmNames = ["cdqn", "gdqn", "slateq"] as const;
export type AlgorithmName = typeof algorithmNames[number];

/** Kinds of regression targets for all positions except the last. See {@link PolicyTrainingConfig.target}. */
const targetKinds = ["common", "chained"] as const;

export interface PolicyTrainingConfig {
  algorithm: AlgorithmName;
  seed: number;
  /** k, the number of items in a slate. */
  slate: number;
  /** T, the number of pages in an episode. */
  pages: number;
  /** U, the number of users that are simulated together. */
  users: number;
  /** Total number of pages over all users, rounded up to whole episodes. */
  steps: number;
  /** Reward of a click: 1, or the utility of the clicked item. */
  reward: "click" | "utility";
  /** "empty": users start without clicks. A split: each user starts with a logged user's clicks. */
  start: "empty" | Split;
  repeats: boolean;
  leave: number;
  /** Number of consecutive pages without a click after which a user leaves; 0: no limit. */
  patience: number;
  /** Number of hidden units of the Q-network per position. */
  hidden: number;
  /** Number of units of the trunk, the layer that all positions share. */
  trunk: number;
  /** True if all positions of a slate share one network. */
  sharePositions: boolean;
  /**
   * Regression target of a cascade's positions. `common`: the value of the whole slate, as published.
   * `chained`: the best value of the next position, which converges to the exact value under any exploration.
   */
  target: typeof targetKinds[number];
  /** True for double Q-learning: the online network selects the slate, the target network evaluates it. */
  doubleQ: boolean;
  /** Number of training steps between updates of the target network; 1: no such network, as in the paper. */
  targetEvery: number;
  discount: number;
  /** True if the target of an episode's last page includes the value of a next page. */
  bootstrapAtEnd: boolean;
  /** Learning rate of Adam in the first three quarters of the training; then a fifth of this rate. */
  learningRate: number;
  rows: number;
  stepsPerPage: number;
  /** Maximum norm of the gradient; null if there is no maximum. */
  clip: number | null;
  /** True for the Huber loss, in which a TD error above 1 has a linear loss. */
  huber: boolean;
  /** Minimum capacity of the replay buffer in user pages, which are pages that one user has seen. */
  replay: number;
  /** Probability of a random slate at the beginning of the training. */
  epsilonStart: number;
  /** Final probability of a random slate, reached linearly in the first `epsilonShare` of the training. */
  epsilonEnd: number;
  epsilonShare: number;
  evaluateEvery: number;
  evaluationUsers: number;
}

export type PolicyTask = Pick<
  PolicyTrainingConfig,
  "slate" | "pages" | "reward" | "start" | "repeats" | "leave" | "patience"
>;

const MOST = 2 ** 31;
const share = between(0, 1);
const hidden = v.pipe(v.whole(4, 64), v.multipleOf(4, "expected a multiple of 4"));
const rows = v.pipe(v.whole(64, 2 ** 20), v.multipleOf(64, "expected a multiple of 64"));

/** Options of the training. The defaults did best on a synthetic shop with a known optimum. */
export const policyTrainingFields: ConfigFields<PolicyTrainingConfig> = {
  algorithm: defineField(
    "--algorithm <name>",
    "cdqn: a Q-value per position of the slate; gdqn: the sum of a Q-value per item; " +
      "slateq: Q-values of a click on each item and of no click, weighted by the click probabilities",
    picklist(algorithmNames),
    "cdqn",
  ),
  seed: defineField("--seed <n>", "seed of all random numbers", whole(0, 2 ** 32 - 1), 1),
  slate: defineField("--slate <k>", "items per page", whole(1, 1024), 3),
  pages: defineField("--pages <n>", "pages per episode", whole(1, 100_000), 20),
  users: defineField("--users <n>", "users simulated together", whole(1, 2 ** 24), 128),
  steps: defineField(
    "--steps <n>",
    "total number of user pages to train on (not training steps), rounded up to whole episodes",
    whole(1, 2 ** 40),
    400_000,
  ),
  reward: defineField(
    "--reward <what>",
    "reward of a click: 1 (click) or the utility of the clicked item (utility)",
    picklist(["click", "utility"]),
    "click",
  ),
  start: defineField(
    "--start <users>",
    "empty: users start without a click; train, validation or test: with all clicks of a user of that split",
    picklist(["empty", ...splits]),
    "empty",
  ),
  repeats: defineSwitchField("--repeats", "show clicked items again", false),
  leave: defineField("--leave <p>", "probability that a user leaves after a page without a click", share, 0),
  patience: defineField(
    "--patience <n>",
    "consecutive pages without a click after which a user leaves; 0: never",
    whole(0, MOST),
    0,
  ),
  hidden: defineField(
    "--hidden <units>",
    "hidden units of Q: 4, 8, ... 64",
    { schema: hidden, parse: makeNumberParser(hidden, "4, 8, 12, ... or 64 units") },
    64,
  ),
  trunk: defineField("--trunk <units>", "units of the layer that all positions share", whole(4, 1024), 64),
  sharePositions: defineSwitchField(
    "--share-positions",
    "cdqn: one network for all positions of a slate",
    false,
  ),
  target: defineField(
    "--target <kind>",
    "cdqn: regression target of the positions. common: the value of the whole slate, as published; " +
      "chained: the best value of the next position",
    picklist(targetKinds),
    "common",
  ),
  doubleQ: defineSwitchField("--no-double-q", "let the target network also select the next slate", true),
  targetEvery: defineField(
    "--target-every <n>",
    "training steps between two copies of the weights to the target network; 1: copy at every step",
    whole(1, MOST),
    30,
  ),
  discount: defineField("--discount <x>", "factor on the value of the next page", share, 1),
  bootstrapAtEnd: defineSwitchField(
    "--bootstrap-at-end",
    "add the value of a next page to the target of an episode's last page",
    false,
  ),
  learningRate: defineField(
    "--learning-rate <x>",
    "learning rate of Adam; the last quarter of the training uses a fifth of this rate",
    positive(10),
    1e-3,
  ),
  rows: defineField(
    "--rows <n>",
    "replayed pages per training step, a multiple of 64",
    { schema: rows, parse: makeNumberParser(rows, "a multiple of 64") },
    256,
  ),
  stepsPerPage: defineField(
    "--steps-per-page <n>",
    "training steps after each page of all users",
    whole(1, 256),
    1,
  ),
  clip: defineField(
    "--clip <x>",
    "maximum norm of the gradient; 0: no limit",
    { schema: v.nullable(v.positive()), parse: makeNumberParser(v.atLeast(0), "a number of at least 0") },
    10,
  ),
  huber: defineSwitchField(
    "--huber",
    "use 2 |d| - 1 instead of d^2 as the loss of a TD error d above 1",
    false,
  ),
  replay: defineField(
    "--replay <n>",
    "minimum capacity of the replay buffer in user pages",
    whole(1, MOST),
    200_000,
  ),
  epsilonStart: defineField("--epsilon-start <p>", "probability of a random slate at the start", share, 1),
  epsilonEnd: defineField("--epsilon-end <p>", "probability of a random slate at the end", share, 0.05),
  epsilonShare: defineField(
    "--epsilon-share <x>",
    "share of the training in which epsilon falls linearly from start to end",
    share,
    0.4,
  ),
  evaluateEvery: defineField(
    "--evaluate-every <n>",
    "user pages between two evaluations and snapshots",
    whole(1, 2 ** 40),
    25_600,
  ),
  evaluationUsers: defineField(
    "--evaluation-users <n>",
    "users per evaluation, without exploration",
    whole(1, 2 ** 24),
    1000,
  ),
};

export const policyTrainingSchema = v.strictObject(buildSchemaEntries(policyTrainingFields));
export const defaultPolicyTraining: PolicyTrainingConfig = getDefaults(policyTrainingFields);
