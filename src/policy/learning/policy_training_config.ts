/**
 * How a policy is trained. Part of every policy's file. A field stands in its interface with its type, and in the table of fields
 * with its option, range and default; all else follows (src/option.ts).
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
  oneOf,
  positive,
  whole,
} from "../../option.ts";
import * as v from "../../schema.ts";

/** What learns: see {@link import("./algorithms.ts")}. */
const algorithmNames = ["cdqn", "gdqn", "slateq"] as const;
export type AlgorithmName = typeof algorithmNames[number];

/** What the position before the last is regressed on. See {@link PolicyTrainingConfig.target}. */
const targetKinds = ["common", "chained"] as const;
export type TargetKind = typeof targetKinds[number];

/** How a policy is trained. */
export interface PolicyTrainingConfig {
  algorithm: AlgorithmName;
  /** Rules everything random: weights, users, exploration, what is drawn of the replay. */
  seed: number;
  /** k, items of a slate. */
  slate: number;
  /** T, pages of an episode. */
  pages: number;
  /** U, users stepped together. */
  users: number;
  /** Pages of users in all, at least: whole episodes are played. */
  steps: number;
  /** 1 a click, or the utility of the clicked item. */
  reward: "click" | "utility";
  /** Users start without a click, or each with all clicks of a logged user of a part. */
  start: "empty" | Split;
  /** Whether clicked items may be shown again. */
  repeats: boolean;
  /** Probability that a user leaves after a page without a click. */
  leave: number;
  /** A user leaves after so many pages in a row without a click; 0: never. */
  patience: number;
  /** Hidden units of Q, for each position. */
  hidden: number;
  /** Units that the state goes through first. */
  trunk: number;
  /** One network for all positions of a slate. */
  sharePositions: boolean;
  /**
   * Of a cascade. `common`: all positions are regressed on the value of the whole slate, as published. `chained`: each on the
   * best that the next position can do, exact in the limit under any exploration.
   */
  target: TargetKind;
  /** The best slate of the next page is picked by the weights that learn, and valued by their older copy. */
  doubleQ: boolean;
  /** Steps of the optimiser from one copy of the weights to the next. 1: no copy, the paper's listing. */
  targetEvery: number;
  /** Of the next page. */
  discount: number;
  /** Whether there is a page after the last one of an episode: of a horizon that is only cut, not over. */
  bootstrapAtEnd: boolean;
  /** Of Adam; a fifth of it in the last quarter. */
  learningRate: number;
  /** B, remembered pages of a step of the optimiser. */
  rows: number;
  /** Steps of the optimiser after each page of all users. */
  stepsPerPage: number;
  /** The most that a gradient's length may be; null: any. */
  clip: number | null;
  /** Errors of values above 1 count by their size, not by its square. */
  huber: boolean;
  /** Pages of users that are remembered, at least. */
  replay: number;
  /** Probability of a random slate in the beginning, */
  epsilonStart: number;
  /** and after the first {@link epsilonShare} of the training, with a straight line in between. */
  epsilonEnd: number;
  epsilonShare: number;
  /** Pages of users from one evaluation, and snapshot, to the next. */
  evaluateEvery: number;
  /** Users of an evaluation. */
  evaluationUsers: number;
}

/** What a policy is for, as far as users see it. */
export type PolicyTask = Pick<
  PolicyTrainingConfig,
  "slate" | "pages" | "reward" | "start" | "repeats" | "leave" | "patience"
>;

const MOST = 2 ** 31;
const share = between(0, 1);
const hidden = v.pipe(v.whole(4, 64), v.multipleOf(4, "expected a multiple of 4"));
const rows = v.pipe(v.whole(64, 2 ** 20), v.multipleOf(64, "expected a multiple of 64"));

/** The defaults are those that worked on the shop whose optimum is known, of what does not depend on the task. */
export const policyTrainingFields: ConfigFields<PolicyTrainingConfig> = {
  algorithm: defineField(
    "--algorithm <name>",
    "cdqn: a cascade of values, one a position; gdqn: a value an item, added up; slateq: the value of a click on each item " +
      "and of none, and the slate that is best by them",
    oneOf(algorithmNames),
    "cdqn",
  ),
  seed: defineField("--seed <n>", "seed of all that is random", whole(0, 2 ** 32 - 1), 1),
  slate: defineField("--slate <k>", "items that a page shows", whole(1, 1024), 3),
  pages: defineField("--pages <n>", "pages of an episode", whole(1, 100_000), 20),
  users: defineField("--users <n>", "users stepped together", whole(1, 2 ** 24), 128),
  steps: defineField(
    "--steps <n>",
    "pages to learn from in all (one user's page counts as one), not steps of the optimiser; whole episodes are played",
    whole(1, 2 ** 40),
    400_000,
  ),
  reward: defineField(
    "--reward <what>",
    "1 a click, or the utility of the clicked item",
    oneOf(["click", "utility"]),
    "click",
  ),
  start: defineField(
    "--start <users>",
    "empty: without a click; train, validation or test: each user starts with all clicks of a logged user of this part",
    oneOf(["empty", ...splits]),
    "empty",
  ),
  repeats: defineSwitchField("--repeats", "show clicked items again", false),
  leave: defineField("--leave <p>", "probability that a user leaves after a page without a click", share, 0),
  patience: defineField(
    "--patience <n>",
    "a user leaves after so many pages in a row without a click; 0: never",
    whole(0, MOST),
    0,
  ),
  hidden: defineField(
    "--hidden <units>",
    "hidden units of Q: 4, 8, ... 64",
    { schema: hidden, parse: makeNumberParser(hidden, "4, 8, 12, ... or 64 units") },
    64,
  ),
  trunk: defineField("--trunk <units>", "units that the state goes through first", whole(4, 1024), 64),
  sharePositions: defineSwitchField(
    "--share-positions",
    "cdqn: one network for all positions of a slate",
    false,
  ),
  target: defineField(
    "--target <kind>",
    "cdqn: what positions are regressed on. common: the value of the whole slate, as published; chained: the best that " +
      "the next position can do",
    oneOf(targetKinds),
    "common",
  ),
  doubleQ: defineSwitchField(
    "--no-double-q",
    "the older copy picks the next slate, too, not the weights that learn",
    true,
  ),
  targetEvery: defineField(
    "--target-every <n>",
    "steps of the optimiser from one copy of the weights to the next; 1: copied at every step",
    whole(1, MOST),
    30,
  ),
  discount: defineField("--discount <x>", "factor on the value of the next page", share, 1),
  bootstrapAtEnd: defineSwitchField(
    "--bootstrap-at-end",
    "count the value of a next page after the last one, too",
    false,
  ),
  learningRate: defineField(
    "--learning-rate <x>",
    "of Adam; a fifth of it in the last quarter",
    positive(10),
    1e-3,
  ),
  rows: defineField(
    "--rows <n>",
    "remembered pages of a step of the optimiser, a multiple of 64",
    { schema: rows, parse: makeNumberParser(rows, "a multiple of 64") },
    256,
  ),
  stepsPerPage: defineField(
    "--steps-per-page <n>",
    "steps of the optimiser after each page of all users",
    whole(1, 256),
    1,
  ),
  clip: defineField(
    "--clip <x>",
    "the most that a gradient's length may be; 0: any",
    { schema: v.nullable(v.positive()), parse: makeNumberParser(v.atLeast(0), "a number of at least 0") },
    10,
  ),
  huber: defineSwitchField(
    "--huber",
    "an error d of a value above 1 counts as 2 |d| - 1, not as d^2",
    false,
  ),
  replay: defineField(
    "--replay <n>",
    "pages of users that are remembered, at least",
    whole(1, MOST),
    200_000,
  ),
  epsilonStart: defineField(
    "--epsilon-start <p>",
    "probability of a random slate in the beginning",
    share,
    1,
  ),
  epsilonEnd: defineField("--epsilon-end <p>", "probability of a random slate at the end", share, 0.05),
  epsilonShare: defineField(
    "--epsilon-share <x>",
    "share of the training in which it falls to that, in a straight line",
    share,
    0.4,
  ),
  evaluateEvery: defineField(
    "--evaluate-every <n>",
    "pages of users from one evaluation, and snapshot, to the next",
    whole(1, 2 ** 40),
    25_600,
  ),
  evaluationUsers: defineField(
    "--evaluation-users <n>",
    "users of an evaluation, who see the best slates",
    whole(1, 2 ** 24),
    1000,
  ),
};

/** What a {@link PolicyTrainingConfig} must be. */
export const policyTrainingSchema = v.strictObject(buildSchemaEntries(policyTrainingFields));
export const defaultPolicyTraining: PolicyTrainingConfig = getDefaults(policyTrainingFields);
