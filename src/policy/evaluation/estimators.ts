/**
 * Off-policy estimators, in float64, of the clicks that a policy pi would earn. They read a log of pages that
 * another policy mu chose.
 *
 * The log has n pages. Page i has the slate A_i, the user state s_i, the reward r_i, and the importance
 * weight w_i = pi(A_i | s_i) / mu(A_i | s_i). A model r_hat predicts q_i = r_hat(s_i, A_i), the reward of the
 * logged slate, and v_i = E_pi r_hat(s_i, .), the mean reward of slates of pi. For slates of k items, r_il is
 * the reward of slot l on page i. All estimators are defined as in Open Bandit Pipeline 0.5.5
 * (obp/ope/estimators_slate.py, https://github.com/st-tech/zr-obp).
 *
 * An estimate is a ratio of two sums over pages. For each page, an estimator returns one term of the
 * numerator (`values`) and one term of the denominator (`over`).
 */

import type { LogEvidence } from "./evidence.ts";

export interface EstimatorTerms {
  /** [n] term of each page in the numerator of the estimate. */
  readonly values: Float64Array;
  /** [n] term of each page in the denominator of the estimate; 1 for each page by default. */
  readonly over?: Float64Array;
}

/** Columns of logged data that estimators read. A column has one number per page or per slot of a page. */
export type EvidenceColumns = Pick<
  LogEvidence,
  "slate" | "weight" | "reward" | "q" | "v" | "slotReward" | "prefixWeight" | "slotWeight" | "slotQ" | "slotV"
>;

interface Estimator {
  readonly title: string;
  /** Column of importance weights that the estimator needs. Without this column, the estimator is skipped. */
  readonly needs?: "slotWeight" | "prefixWeight";
  terms(of: EvidenceColumns): EstimatorTerms;
}

const all = {
  logged: { title: "logged pages", terms: ({ reward }) => ({ values: reward }) },
  model: { title: "model", terms: ({ v }) => ({ values: v }) },
  /** Inverse propensity score (Horvitz, Thompson 1952; obp's SlateStandardIPS): mean of weight x reward. */
  ips: { title: "IPS", terms: weighed },
  /** Self-normalised IPS (Swaminathan and Joachims 2015): sum of weight x reward / sum of weights. */
  snips: { title: "SNIPS", terms: (of) => ({ ...weighed(of), over: of.weight }) },
  /** Doubly robust estimator (Dudik et al. 2011): mean of v + weight x (reward - q). */
  dr: {
    title: "DR with the model",
    terms: ({ weight, reward, q, v }) => ({ values: weight.map((w, i) => v[i]! + w * (reward[i]! - q[i]!)) }),
  },
  /**
   * Independent IPS (Li et al. 2018; obp's SlateIndependentIPS): sum of w_il r_il over the slots l, averaged
   * over the pages i. The weight w_il is the probability under pi that slot l shows the logged item, divided
   * by this probability under mu. IIPS is unbiased if clicks in a slot do not depend on the items in other
   * slots.
   */
  iips: {
    ...{ title: "IIPS (slates)", needs: "slotWeight" },
    terms: ({ slate, slotWeight, slotReward }) =>
      bySlate(slate, slotWeight.map((w, at) => w * slotReward[at]!)),
  },
  /**
   * Reward-interaction IPS (McInerney et al. 2020; obp's SlateRewardInteractionIPS): like IIPS, but with the
   * weight w_i,1:l: the probability of the first l items under pi, divided by their probability under mu.
   * RIPS is unbiased if clicks do not depend on items in later slots.
   */
  rips: {
    ...{ title: "RIPS (slates)", needs: "prefixWeight" },
    terms: ({ slate, prefixWeight, slotReward }) =>
      bySlate(slate, prefixWeight.map((w, at) => w * slotReward[at]!)),
  },
  /**
   * Cascade doubly robust estimator (Kiyohara et al. 2022; obp's SlateCascadeDoublyRobust). A model Q_l
   * predicts the reward of slot l from the first l items; in obp, Q_l predicts the rewards of slots l to k.
   * With the weights of RIPS, the estimate is the mean over pages i of
   *     sum_l w_i,1:l (r_il - Q_l(A_i,1:l)) + w_i,1:l-1 E_pi[Q_l(A_i,1:l-1, .)]
   * The estimate is unbiased for any model Q if RIPS is unbiased.
   */
  cascadeDr: {
    ...{ title: "Cascade-DR (slates)", needs: "prefixWeight" },
    terms({ slate, prefixWeight, slotReward, slotQ, slotV }) {
      const before = (at: number) => at % slate === 0 ? 1 : prefixWeight[at - 1]!;
      const term = (w: number, at: number) => w * (slotReward[at]! - slotQ[at]!) + before(at) * slotV[at]!;
      return bySlate(slate, prefixWeight.map(term));
    },
  },
} as const satisfies Record<string, Estimator>;

export type EstimatorName = keyof typeof all;
export const estimators: Readonly<Record<EstimatorName, Estimator>> = all;

function weighed({ weight, reward }: EvidenceColumns): EstimatorTerms {
  return { values: weight.map((w, i) => w * reward[i]!) };
}

/** Sums terms [n pages, k slots] over the slots. Returns one sum per page. */
function bySlate(slate: number, terms: Float64Array): EstimatorTerms {
  const sums = (_: unknown, i: number) => sumValues(terms.subarray(i * slate, (i + 1) * slate));
  return { values: Float64Array.from({ length: terms.length / slate }, sums) };
}

function sumValues(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/**
 * Per-decision doubly robust estimator (Jiang and Li 2016; weights: Precup et al. 2000) of the reward of each
 * user's first `pages` pages. With p_t = w_1 x w_2 x ... x w_t, a user's term is the sum over pages t of
 * p_t (r_t - q_t) + p_(t-1) v_t. The mean over users is an unbiased estimate for any model r_hat.
 * @param last - index of each user's last evaluated page. @param pages - evaluated pages per user.
 * @returns [users] term of each user
 */
export function estimatePerDecisionDoublyRobust(
  { weight, reward, q, v }: EvidenceColumns,
  last: readonly number[],
  pages: number,
): Float64Array {
  return Float64Array.from(last, (end) => {
    let [sum, before] = [0, 1];
    for (let i = end - pages + 1; i <= end; i++) {
      const soFar = before * weight[i]!;
      sum = sum + soFar * (reward[i]! - q[i]!) + before * v[i]!;
      before = soFar;
    }
    return sum;
  });
}

/** Returns the effective sample size (Kish 1965) of weights w: (sum w)^2 / sum w^2, or 0 if all are 0. */
export function computeEffectiveSampleSize(weight: Float64Array): number {
  const most = weight.reduce((most, w) => Math.max(most, w), 0);
  const scaled = weight.map((w) => w / most); // the squares must not overflow
  return most === 0 ? 0 : sumValues(scaled) ** 2 / sumValues(scaled.map((w) => w * w));
}

/** Divides the sum of the `pages` largest weights by the sum of all weights. */
export function computeLargestWeightShare(weight: Float64Array, pages: number): number {
  const sorted = weight.toSorted();
  return sumValues(sorted.subarray(Math.max(0, sorted.length - pages))) / sumValues(sorted);
}
