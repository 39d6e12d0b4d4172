/**
 * Off-policy estimators, in float64: the clicks that a policy pi would have earned on pages that were drawn by another policy, mu.
 *
 * n pages, in the order of the log; r_i the reward of a page, A_i its slate, s_i the user's state on it;
 * w_i = pi(A_i | s_i) / mu(A_i | s_i). A model adds q_i = r_hat(s_i, A_i) and v_i = E_pi r_hat(s_i, .).
 * For slates, [n, k]: r_il is the reward of slot l; the other columns are per slot, too. Slate estimators are defined as in Open
 * Bandit Pipeline 0.5.5 (obp/ope/estimators_slate.py, https://github.com/st-tech/zr-obp).
 *
 * An estimator returns terms; the estimate is sum(values) / sum(over), so it can be resampled over users.
 */

import type { LogEvidence } from "./evidence.ts";

export interface EstimatorTerms {
  /** [n] */
  readonly values: Float64Array;
  /** [n]; 1 each by default. */
  readonly over?: Float64Array;
}

/** Columns that estimators read, per page or per slot. */
export type EvidenceColumns = Pick<
  LogEvidence,
  "slate" | "weight" | "reward" | "q" | "v" | "slotReward" | "prefixWeight" | "slotWeight" | "slotQ" | "slotV"
>;

interface Estimator {
  readonly title: string;
  /** Importance weights of slots, which not every log has. */
  readonly needs?: "slotWeight" | "prefixWeight";
  terms(of: EvidenceColumns): EstimatorTerms;
}

const all = {
  logged: { title: "logged pages", terms: ({ reward }) => ({ values: reward }) },
  model: { title: "model", terms: ({ v }) => ({ values: v }) },
  /** Inverse propensity score (Horvitz and Thompson 1952): mean w r. For slates obp's SlateStandardIPS is the same. */
  ips: { title: "IPS", terms: weighed },
  /** Self-normalised IPS (Swaminathan and Joachims 2015): sum w r / sum w. */
  snips: { title: "SNIPS", terms: (of) => ({ ...weighed(of), over: of.weight }) },
  /** Doubly robust (Dudik et al. 2011): mean v + w (r - q). */
  dr: {
    title: "DR with the model",
    terms: ({ weight, reward, q, v }) => ({ values: weight.map((w, i) => v[i]! + w * (reward[i]! - q[i]!)) }),
  },
  /**
   * Independent IPS (Li et al. 2018; obp's SlateIndependentIPS): mean of sum_l w_il r_il, where w_il is the ratio of the probabilities
   * of the item in this slot, summed over the other slots. Unbiased if a click on an item depends on that item alone.
   */
  iips: {
    ...{ title: "IIPS (slates)", needs: "slotWeight" },
    terms: ({ slate, slotWeight, slotReward }) =>
      bySlate(slate, slotWeight.map((w, at) => w * slotReward[at]!)),
  },
  /**
   * Reward-interaction IPS (McInerney et al. 2020; obp's SlateRewardInteractionIPS): as IIPS with w_i,1:l, the ratio of the
   * probabilities of the first l items. Unbiased if a click does not depend on items below.
   */
  rips: {
    ...{ title: "RIPS (slates)", needs: "prefixWeight" },
    terms: ({ slate, prefixWeight, slotReward }) =>
      bySlate(slate, prefixWeight.map((w, at) => w * slotReward[at]!)),
  },
  /**
   * Cascade doubly robust (Kiyohara et al. 2022; obp's SlateCascadeDoublyRobust): mean of
   * sum_l w_i,1:l (r_il - Q_l(A_i,1:l)) + w_i,1:l-1 E_pi[Q_l(A_i,1:l-1, .)]. Unbiased where RIPS is, for any Q. Obp fits Q to the
   * rewards of the slot and of those below, which has the least variance.
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

/** Sums [n, k] to [n]. */
function bySlate(slate: number, terms: Float64Array): EstimatorTerms {
  const sums = (_: unknown, i: number) => sumValues(terms.subarray(i * slate, (i + 1) * slate));
  return { values: Float64Array.from({ length: terms.length / slate }, sums) };
}

function sumValues(values: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += values[k]!;
  return sum;
}

/**
 * Per-decision doubly robust (Jiang and Li 2016; per-decision weights: Precup et al. 2000) of the first pages of each user: mean
 * over users of sum_t w_1 .. w_t (r_t - q_t) + w_1 .. w_t-1 v_t over consecutive pages. The model predicts each page's own reward,
 * so the estimate is unbiased for the sum of the rewards with any model, without rollouts.
 * @param last index of each user's last page. @param pages pages per user. @returns one term per user
 */
export function estimatePerDecisionDoublyRobust(
  { weight, reward, q, v }: EvidenceColumns,
  last: readonly number[],
  pages: number,
): EstimatorTerms {
  return {
    values: Float64Array.from(last, (end) => {
      let [sum, before] = [0, 1];
      for (let i = end - pages + 1; i <= end; i++) {
        const soFar = before * weight[i]!;
        sum = sum + soFar * (reward[i]! - q[i]!) + before * v[i]!;
        before = soFar;
      }
      return sum;
    }),
  };
}

/** Returns the effective sample size (Kish 1965): (sum w)^2 / sum w^2; 0 if all weights are 0. */
export function computeEffectiveSampleSize(weight: Float64Array): number {
  const most = weight.reduce((most, w) => Math.max(most, w), 0);
  const scaled = weight.map((w) => w / most); // so that no square overflows
  return most === 0 ? 0 : sumValues(scaled) ** 2 / sumValues(scaled.map((w) => w * w));
}

/** Returns the share of the total weight that the pages with the largest weights have. */
export function computeLargestWeightShare(weight: Float64Array, pages: number): number {
  const sorted = weight.toSorted();
  return sumValues(sorted.subarray(Math.max(0, sorted.length - pages))) / sumValues(sorted);
}
