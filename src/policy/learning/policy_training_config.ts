/** Training config of a policy, which is part of every policy.json. */

import { splits } from "../../data/click_log.ts";
import {
  between,
  buildSchemaEntries,
  type ConfigOf,
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

const MOST = 2 ** 31;
const share = between(0, 1);
const hidden = v.pipe(v.whole(4, 64), v.multipleOf(4, "expected a multiple of 4"));
const rows = v.pipe(v.whole(64, 2 ** 20), v.multipleOf(64, "expected a multiple of 64"));

/** Options of the training. The defaults gave the highest returns in tests on a synthetic shop. */
export const policyTrainingFields = {
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
    "hidden units of the Q-network: 4, 8, ... 64",
    { schema: hidden, parse: makeNumberParser(hidden, "4, 8, 12, ... or 64 units") },
    64,
  ),
  trunk: defineField("--trunk <units>", "units of the layer that all positions share", whole(4, 1024), 64),
  /** Random slates (exploration) bias Q-values with target "common", but not with target "chained". */
  target: defineField(
    "--target <kind>",
    "cdqn: regression target of the positions. common: the value of the whole slate (Chen et al. 2019); " +
      "chained: the best value of the next position",
    picklist(["common", "chained"]),
    "common",
  ),
  /** True if the Q-network selects the next page's slate, and the target network computes its value. */
  doubleQ: defineSwitchField("--no-double-q", "let the target network also select the next slate", true),
  /** If 1, the target network always equals the trained network, as in Chen et al. (2019). */
  targetEvery: defineField(
    "--target-every <n>",
    "training steps between two copies of the weights to the target network; 1: copy at every step",
    whole(1, MOST),
    30,
  ),
  discount: defineField("--discount <x>", "factor on the value of the next page", share, 1),
  bootstrapAtEnd: defineSwitchField(
    "--bootstrap-at-end",
    "also bootstrap on an episode's last page, as if another page followed",
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
  /** Maximum norm of the gradient; null to clip no gradients. */
  clip: defineField(
    "--clip <x>",
    "maximum norm of the gradient; 0: no limit",
    { schema: v.nullable(v.positive()), parse: makeNumberParser(v.atLeast(0), "a number of at least 0") },
    10,
  ),
  huber: defineSwitchField(
    "--huber",
    "use 2 |d| - 1 instead of d^2 as the loss of TD errors d with |d| > 1",
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

export type PolicyTrainingConfig = ConfigOf<typeof policyTrainingFields>;

export type PolicyTask = Pick<
  PolicyTrainingConfig,
  "slate" | "pages" | "reward" | "start" | "repeats" | "leave" | "patience"
>;

export const policyTrainingSchema = v.strictObject(buildSchemaEntries(policyTrainingFields));
export const defaultPolicyTraining: PolicyTrainingConfig = getDefaults(policyTrainingFields);
