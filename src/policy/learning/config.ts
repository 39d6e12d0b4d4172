/** How a policy is trained. Part of every policy's file. Defaults are those that worked on the shop whose optimum is known. */

import { type Split, splits } from "../../data/click_log.ts";
import * as v from "../../schema.ts";

/** What learns: see {@link import("./algorithms.ts")}. */
export const algorithmNames = ["cdqn", "gdqn", "slateq"] as const;
export type AlgorithmName = typeof algorithmNames[number];

/** What the position before the last is regressed on. See {@link PolicyTrainingConfig.target}. */
export const targetKinds = ["common", "chained"] as const;
export type TargetKind = typeof targetKinds[number];

const whole = (least: number, most = 2 ** 31) => v.whole(least, most);
const share = v.between(0, 1);

/** What a {@link PolicyTrainingConfig} must be. */
export const policyTrainingSchema = v.strictObject({
  algorithm: v.picklist(algorithmNames),
  seed: v.whole(0, 2 ** 32 - 1),
  slate: whole(1, 1024),
  pages: whole(1, 100_000),
  users: whole(1, 2 ** 24),
  steps: whole(1, 2 ** 40),
  reward: v.picklist(["click", "utility"]),
  start: v.optional(v.picklist(["empty", ...splits]), "empty"), // of a policy from before there was this option
  repeats: v.boolean(),
  leave: share,
  patience: whole(0),
  hidden: v.pipe(whole(4, 64), v.multipleOf(4, "expected a multiple of 4")),
  trunk: whole(4, 1024),
  sharePositions: v.boolean(),
  target: v.picklist(targetKinds),
  doubleQ: v.boolean(),
  targetEvery: whole(1),
  discount: share,
  bootstrapAtEnd: v.boolean(),
  learningRate: v.positive(10),
  rows: v.pipe(whole(64, 2 ** 20), v.multipleOf(64, "expected a multiple of 64")),
  stepsPerPage: whole(1, 256),
  clip: v.nullable(v.positive()),
  huber: v.optional(v.boolean(), false), // of a policy from before there was this option
  replay: whole(1),
  epsilonStart: share,
  epsilonEnd: share,
  epsilonShare: share,
  evaluateEvery: whole(1, 2 ** 40),
  evaluationUsers: whole(1, 2 ** 24),
});

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

/** What worked, of what does not depend on the task. */
export const defaultPolicyTraining: PolicyTrainingConfig = {
  algorithm: "cdqn",
  seed: 1,
  slate: 3,
  pages: 20,
  users: 128,
  steps: 400_000,
  reward: "click",
  start: "empty",
  repeats: false,
  leave: 0,
  patience: 0,
  hidden: 64,
  trunk: 64,
  sharePositions: false,
  target: "common",
  doubleQ: true,
  targetEvery: 30,
  discount: 1,
  bootstrapAtEnd: false,
  learningRate: 1e-3,
  rows: 256,
  stepsPerPage: 1,
  clip: 10,
  huber: false,
  replay: 200_000,
  epsilonStart: 1,
  epsilonEnd: 0.05,
  epsilonShare: 0.4,
  evaluateEvery: 25_600,
  evaluationUsers: 1000,
};
