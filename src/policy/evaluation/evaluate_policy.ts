/** Off-policy evaluation: estimates a policy's clicks on the next page, with intervals over users. */

import { createRandomStream } from "../../data/random.ts";
import { formatThousands } from "../../number_text.ts";
import { PlackettLuce } from "../../simulate/host/plackett_luce.ts";
import { UserError } from "../../user_error.ts";
import { estimateRatio, type MeanEstimate } from "../comparison/episode_metrics.ts";
import type { EstimatorName, EstimatorTerms } from "./estimators.ts";
import {
  computeEffectiveSampleSize,
  computeLargestWeightShare,
  estimatePerDecisionDoublyRobust,
  estimators,
} from "./estimators.ts";
import type { LogEvidence } from "./evidence.ts";

/** Minimum effective sample size, as a share of the number of pages. */
const LEAST_SHARE = 0.05;
/**
 * Minimum effective sample size, in pages or users. We computed 95 % intervals of per-decision DR on logs of
 * a shop with a known truth (test/policy/off_policy_test.ts). 85 % of the intervals contained the truth at
 * effective sizes below 5, 91 % at 5 to 10, 93 % at 10 to 30, and 94 to 96 % above 30. The minimum is 50 and
 * not 30, because the effective size is too large if the pages with the largest weights happen to be missing
 * from the log.
 */
const LEAST_SIZE = 50;
/** Maximum pages per user in per-decision DR (doubly robust), because it multiplies the pages' weights. */
const MOST_DECISIONS = 5;
/** Number of pages with the largest weights whose share of the total weight is reported. */
const LARGEST = 10;

export interface OffPolicyEvaluation {
  readonly pages: number;
  readonly users: number;
  /** Number of skipped pages: without propensity, of another slate size, or after an episode's last page. */
  readonly excluded: number;
  /** Estimated clicks per page, by estimator. An estimator is missing if the log lacks its columns. */
  readonly estimates: Readonly<Partial<Record<EstimatorName, MeanEstimate>>>;
  /** Estimated clicks per user on the first `pages` pages. `effectiveUsers` is the effective sample size. */
  readonly decisions:
    | {
      readonly pages: number;
      readonly users: number;
      readonly effectiveUsers: number;
      readonly clicks: MeanEstimate;
    }
    | undefined;
  /** Effective sample size as a share of the n pages: (sum w)^2 / (n sum w^2) for importance weights w. */
  readonly effectiveShare: number;
  /** Share of the total weight that belongs to the ten pages with the largest weights. */
  readonly largestWeights: number;
  /** Mean importance weight: about 1 if propensities are correct and the log can contain every slate. */
  readonly meanWeight: MeanEstimate;
  /** Verdict on the logged propensities. The verdict determines which estimators are valid. */
  readonly propensities: PropensityVerdict;
  /** Ratio of logged to correct propensities; undefined unless the verdict is "scaled". */
  readonly factor: number | undefined;
  /** Predicted clicks per page minus their DR estimate (with normalised weights for verdict "scaled"). */
  readonly modelBias: MeanEstimate;
  /** Smallest and largest ratio of logged to recomputed propensity; undefined if none can be recomputed. */
  readonly propensityRatios: LogEvidence["propensityRatios"];
}

/**
 * "right": the mean importance weight is 1. "scaled": all propensities are wrong by the same factor, so only
 * estimators that divide by the sum of the weights (SNIPS) are valid. "wrong": no estimator is valid.
 */
export type PropensityVerdict = "right" | "scaled" | "wrong";

/** Evaluates the policy `name`. @throws UserError if the policy's slates are rare in the log. */
export function evaluate(evidence: LogEvidence, name: string, temperature?: number): OffPolicyEvaluation {
  expectEnough(evidence, name, temperature);
  const figure = (terms: EstimatorTerms) => estimateMean(evidence.user, terms);
  const { weight, slate, q, reward } = evidence;
  const meanWeight = figure({ values: weight });
  const propensities = judgePropensities(evidence);
  const isKnown = (needs: "slotWeight" | "prefixWeight") => slate > 1 && !evidence[needs].some(Number.isNaN);
  return {
    pages: weight.length,
    users: new Set(evidence.user).size,
    excluded: evidence.excluded,
    estimates: Object.fromEntries(
      Object.entries(estimators).filter(([, { needs }]) => needs === undefined || isKnown(needs))
        .map(([name, { terms }]) => [name, clip(figure(terms(evidence)), 1)]),
    ),
    decisions: propensities === "right" ? estimateDecisions(evidence) : undefined,
    effectiveShare: computeEffectiveSampleSize(weight) / weight.length,
    largestWeights: computeLargestWeightShare(weight, LARGEST),
    meanWeight,
    propensities,
    factor: propensities === "scaled" ? knownFactor(evidence) ?? 1 / meanWeight.mean : undefined,
    modelBias: figure({
      values: weight.map((w, i) => w * (q[i]! - reward[i]!)),
      ...(propensities === "scaled" && { over: weight }),
    }),
    propensityRatios: evidence.propensityRatios,
  };
}

/** Largest error that float32 rounding can cause in the mean weight. */
const ROUNDING = 1e-4;

/**
 * Judges the logged propensities by two tests. Test 1: the importance weights w have mean 1. Test 2:
 * E[w (q - v)] is 0, where q is a model's P(click) on the logged page, and v its mean on pages of the policy.
 * Only test 2 is passed if all propensities are wrong by the same factor. Correct propensities can fail both
 * tests if the policy shows pages that the logging policy could not show.
 */
function judgePropensities(evidence: LogEvidence): PropensityVerdict {
  const { user, weight, q, v } = evidence;
  const contains = (terms: EstimatorTerms, value: number) => {
    const [low, high] = estimateMean(user, terms).interval ?? [value, value];
    return low <= value + ROUNDING && high >= value - ROUNDING;
  };
  if (knownFactor(evidence) !== undefined) return "scaled";
  if (contains({ values: weight }, 1)) return "right";
  return contains({ values: weight.map((w, i) => w * (q[i]! - v[i]!)), over: weight }, 0)
    ? "scaled"
    : "wrong";
}

/** Returns the factor by which all propensities are wrong; undefined if it is 1 or differs between pages. */
function knownFactor({ propensityRatios: [least, most] = [1, 1] }: LogEvidence): number | undefined {
  return isOne(most / least) && !isOne(least) ? least : undefined;
}

/** Returns true if a ratio of propensities is 1 up to rounding errors. */
export function isOne(ratio: number): boolean {
  return Math.abs(Math.log(ratio)) < 1e-2;
}

/** Limits an estimate to the possible number of clicks, which is between 0 and `pages`. */
function clip({ mean, interval }: MeanEstimate, pages: number): MeanEstimate {
  const within = (clicks: number) => Math.min(Math.max(clicks, 0), pages);
  return { mean: within(mean), interval: interval && [within(interval[0]), within(interval[1])] };
}

/** Estimates sum(values) / sum(over), with an interval over users. @param user - [n] user of each page */
export function estimateMean(user: ArrayLike<number>, { values, over }: EstimatorTerms): MeanEstimate {
  const terms = [...Map.groupBy(values.keys(), (i) => user[i]!).values()];
  const sums = (of: (i: number) => number) =>
    Float64Array.from(terms, (own) => own.reduce((sum, i) => sum + of(i), 0));
  return estimateRatio(sums((i) => values[i]!), sums((i) => over ? over[i]! : 1));
}

/** Estimates clicks per user on the first five pages, or on fewer if the effective sample is too small. */
function estimateDecisions(evidence: LogEvidence): OffPolicyEvaluation["decisions"] {
  const { user, page, weight } = evidence;
  for (let pages = MOST_DECISIONS; pages > 1; pages--) {
    const last = Array.from(page.keys()).filter((i) =>
      page[i] === pages - 1 && page[i - pages + 1] === 0 && user[i - pages + 1] === user[i]
    );
    const product = (end: number) =>
      weight.subarray(end - pages + 1, end + 1).reduce((product, w) => product * w, 1);
    const effective = computeEffectiveSampleSize(Float64Array.from(last, product));
    if (effective < LEAST_SIZE) continue;
    const clicks = clip(estimateRatio(estimatePerDecisionDoublyRobust(evidence, last, pages)), pages);
    return { pages, users: last.length, effectiveUsers: effective, clicks };
  }
  return undefined;
}

/** @throws UserError if the effective sample is too small. */
function expectEnough(
  { mu, weight, samples: kept, slate }: LogEvidence,
  name: string,
  temperature?: number,
): void {
  if (mu.every((chance) => chance === 1)) {
    throw new UserError(
      `Expected randomised pages for evaluating ${name}, got a log in which all propensities are 1. ` +
        `Write a randomised log with simulate --explore plackett-luce:1 --write-log.`,
    );
  }
  const size = computeEffectiveSampleSize(weight);
  const share = size / weight.length;
  if (share >= LEAST_SHARE && size >= LEAST_SIZE) return;
  if (share >= LEAST_SHARE) {
    throw new UserError(
      `Expected an effective sample size of ${LEAST_SIZE} or more for ${name}, got ${size.toFixed(0)} ` +
        `from ${weight.length} pages. Use a larger log, or a temperature closer to the logging policy's.`,
    );
  }
  const percent = `${(100 * share).toPrecision(2)} %`;
  const hits = weight.reduce((sum, w) => sum + (w > 0 ? 1 : 0), 0);
  const why = temperature === undefined
    ? `it always shows the same slate, which the log has on ${formatThousands(hits)} of ` +
      `${formatThousands(weight.length)} pages`
    : `at temperature ${temperature} its slates rarely occur in the log`;
  const pool = temperature === undefined ? poolFor(slate) : poolAt(kept, slate, temperature);
  const warmer = kept.length > 0 ? enoughAt(kept, temperature) : undefined;
  const would = [
    ...(warmer === undefined
      ? []
      : [`the same policy at temperature ${warmer}: --explore plackett-luce:${warmer}`]),
    `a log of random slates from about ${pool} items per page: simulate --policy random ` +
    `--explore plackett-luce:1 --pool random:${pool}`,
  ];
  throw new UserError(
    `Expected an effective sample size of at least ${100 * LEAST_SHARE} % of the pages, got ${percent} for ` +
      `${name}: ${why}. Use ${would.join("; or ")}.`,
  );
}

/** Searches for the policy's lowest temperature (two digits) with a large enough effective sample size. */
function enoughAt(kept: LogEvidence["samples"], temperature = 0.01): number | undefined {
  for (let t = temperature; t <= WARMEST; t *= 1.25) {
    const rounded = Number(t.toPrecision(2));
    const weights = Float64Array.from(
      kept,
      ({ scores, shown, mu }) => new PlackettLuce(scores, rounded).probability(shown) / mu,
    );
    const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
    // If the mean is far from 1, pages with large weights are missing from the log.
    if (computeEffectiveSampleSize(weights) >= LEAST_SHARE * weights.length && Math.abs(mean - 1) < 0.25) {
      return rounded;
    }
  }
  return undefined;
}

const WARMEST = 100;
/** Sample for the estimate in {@link poolAt}: number of logged pages, and of slates drawn per page. */
const TRIED = { pages: 300, slates: 8 } as const;

/**
 * Returns the number of candidate items per page that an error message recommends: the largest for which a
 * log of random slates has a large enough effective sample size. In such a log, each of the N possible slates
 * has propensity 1 / N. So slate A has the importance weight w = N pi(A), and the effective sample size of n
 * pages is n / E_pi[w].
 */
function poolAt(kept: LogEvidence["samples"], slate: number, temperature: number): number {
  const random = createRandomStream(1, "pools");
  const some = kept.slice(0, TRIED.pages);
  const most = some.reduce((most, { scores }) => Math.max(most, scores.length), slate);
  for (let n = most; n > poolFor(slate); n = Math.floor(n / 1.25)) {
    let [sum, count] = [0, 0];
    for (const { scores } of some) {
      const pool = Math.min(n, scores.length);
      const own = random.sampleWithoutReplacement(scores.length, pool);
      const law = new PlackettLuce(Float32Array.from(own, (place) => scores[place]!), temperature);
      for (let s = 0; s < TRIED.slates; s++, count++) {
        sum += countSlates(pool, slate) * law.probability(law.draw(slate, () => random.uniform()).indices);
      }
    }
    if (count / sum >= LEAST_SHARE) return n;
  }
  return poolFor(slate);
}

/** Returns the number of different ordered slates of `slate` items out of n items. */
function countSlates(n: number, slate: number): number {
  return Array.from({ length: slate }, (_, j) => n - j).reduce((product, m) => product * m, 1);
}

function poolFor(slate: number): number {
  let n = slate;
  while (countSlates(n + 1, slate) <= 1 / LEAST_SHARE) n++;
  return n;
}
