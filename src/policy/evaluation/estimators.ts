/**
 * What a policy pi would have earned on pages that another one, mu, has drawn: one estimator a function, in float64.
 *
 * n pages, in the order of the log; r_i the reward of a page, A_i its slate, s_i the user's state on it;
 * w_i = pi(A_i | s_i) / mu(A_i | s_i). A model adds q_i = r_hat(s_i, A_i) and v_i = E_pi r_hat(s_i, .).
 * Of slates, [n, k]: r_il the reward of slot l, and what the estimator takes for each slot. Those of slates are as Open Bandit
 * Pipeline 0.5.5 defines them (obp/ope/estimators_slate.py, https://github.com/st-tech/zr-obp).
 *
 * Each gives terms, whose sum by what they are over is the estimate. So it can be told of any users, and resampled over them.
 */

/** Terms of an estimate: the sum of `values`, by that of `over`. */
export interface Terms {
  /** [n] */
  readonly values: Float64Array;
  /** [n]; 1 each without it. */
  readonly over?: Float64Array;
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += values[k]!;
  return sum;
}

/** Inverse propensity score (Horvitz and Thompson 1952): mean w r. For slates obp's SlateStandardIPS is the same. */
export function ips(weight: Float64Array, reward: Float64Array): Terms {
  return { values: weight.map((w, i) => w * reward[i]!) };
}

/** Self-normalised IPS (Swaminathan and Joachims 2015): sum w r / sum w. */
export function snips(weight: Float64Array, reward: Float64Array): Terms {
  return { ...ips(weight, reward), over: weight };
}

/** Doubly robust (Dudik et al. 2011): mean v + w (r - q). */
export function doublyRobust(
  weight: Float64Array,
  reward: Float64Array,
  q: Float64Array,
  v: Float64Array,
): Terms {
  return { values: weight.map((w, i) => v[i]! + w * (reward[i]! - q[i]!)) };
}

/**
 * Of slates, by weights of slots: mean of sum_l w_il r_il. Two estimators, by what the weights are:
 * Independent IPS (Li et al. 2018; obp's SlateIndependentIPS): w_il is the ratio of the chances of the slot's item in this slot,
 * whatever stands in the others. Right where a click on an item depends on that item alone.
 * Reward-interaction IPS (McInerney et al. 2020; obp's SlateRewardInteractionIPS): w_i,1:l is the ratio of the chances of the first
 * l items. Right where a click depends on no item below.
 */
export function slateIps(slate: number, weight: Float64Array, reward: Float64Array): Terms {
  return { values: bySlate(slate, weight.map((w, at) => w * reward[at]!)) };
}

/**
 * Cascade doubly robust (Kiyohara et al. 2022; obp's SlateCascadeDoublyRobust): mean of
 * sum_l w_i,1:l (r_il - Q_l(A_i,1:l)) + w_i,1:l-1 E_pi[Q_l(A_i,1:l-1, .)]. As right as RIPS, whatever Q is.
 * @param prefix w_i,1:l. @param q, v [n, k] Q_l of the slot's item, and its expectation under pi. Obp fits Q to the rewards of the
 *   slot and of those below, which varies least.
 */
export function cascadeDoublyRobust(
  slate: number,
  prefix: Float64Array,
  reward: Float64Array,
  q: Float64Array,
  v: Float64Array,
): Terms {
  const before = (at: number) => at % slate === 0 ? 1 : prefix[at - 1]!;
  return { values: bySlate(slate, prefix.map((w, at) => w * (reward[at]! - q[at]!) + before(at) * v[at]!)) };
}

/** [n] sums of [n, k]. */
function bySlate(slate: number, terms: Float64Array): Float64Array {
  return Float64Array.from(
    { length: terms.length / slate },
    (_, i) => sumOf(terms.subarray(i * slate, (i + 1) * slate)),
  );
}

/**
 * Per-decision doubly robust (Jiang and Li 2016; per-decision weights: Precup et al. 2000) of the first pages of each user: mean
 * over users of sum_t w_1 .. w_t (r_t - q_t) + w_1 .. w_t-1 v_t, pages of a user following one another. What is predicted is the
 * page's own reward, so that it is right for the sum of the rewards whatever the model, and no plan has to be played.
 * @param users [n] whose each page is. @returns a term a user, in the order in which they come.
 */
export function perDecisionDoublyRobust(
  users: ArrayLike<number>,
  weight: Float64Array,
  reward: Float64Array,
  q: Float64Array,
  v: Float64Array,
): Terms {
  const sums: number[] = [];
  let [soFar, last] = [1, NaN];
  for (let i = 0; i < weight.length; i++) {
    if (users[i] !== last) {
      sums.push(0);
      soFar = 1;
    }
    const before = soFar;
    soFar *= weight[i]!;
    sums.push(sums.pop()! + soFar * (reward[i]! - q[i]!) + before * v[i]!);
    last = users[i]!;
  }
  return { values: Float64Array.from(sums) };
}

/** The effective sample size by n (Kish 1965): (sum w)^2 / (n sum w^2); 0 where all weights are 0. */
export function effectiveShare(weight: Float64Array): number {
  const squares = weight.reduce((sum, w) => sum + w * w, 0);
  return squares === 0 ? 0 : sumOf(weight) ** 2 / (weight.length * squares);
}

/** The share of the weight that the pages of the largest weights have. */
export function largestShare(weight: Float64Array, pages: number): number {
  const sorted = weight.toSorted();
  return sumOf(sorted.subarray(Math.max(0, sorted.length - pages))) / sumOf(sorted);
}
