/** What a policy would have earned on the next page of each logged state, by all estimators, with intervals over users. */

import { randomStream } from "../../data/random.ts";
import { thousands } from "../../number_text.ts";
import { PlackettLuce } from "../../simulate/host/plackett_luce.ts";
import { UserError } from "../../user_error.ts";
import { type MeanFigure, ratioOf } from "../comparison/figures.ts";
import {
  effectiveShare,
  type EstimatorName,
  estimators,
  largestShare,
  perDecisionDoublyRobust,
  type Terms,
} from "./estimators.ts";
import type { Evidence } from "./evidence.ts";

/** Less of an effective sample says nothing. */
export const LEAST_SHARE = 0.05;
/** Per-decision DR is of so many pages of a user at most: weights multiply. */
const MOST_DECISIONS = 5;
/** Pages of the largest weights that are told of. */
const LARGEST = 10;

/** What a log says of a policy. */
export interface Evaluation {
  readonly pages: number;
  readonly users: number;
  /** Pages that are left out: of other sizes, or of no known propensity. */
  readonly left: number;
  /** Clicks a page; undefined where the log has not what the estimator needs. */
  readonly estimates: Readonly<Partial<Record<EstimatorName, MeanFigure>>>;
  /** Clicks on the first pages of each user. */
  readonly decisions: { readonly pages: number; readonly clicks: MeanFigure } | undefined;
  /** (sum w)^2 / (n sum w^2) */
  readonly effective: number;
  /** The share of the weight that the ten pages of the largest weights have. */
  readonly largest: number;
  /** Mean weight: 1 where the propensities are right, and whatever the policy shows could have been shown. */
  readonly weight: MeanFigure;
  /** The model alone less DR: by how much it promises too much. */
  readonly gap: MeanFigure;
  /** A propensity by that of the scores at the temperature that the log was said to be drawn at: the farthest from 1. */
  readonly off: number | undefined;
}

/** @throws UserError for a log that says too little of the policy. @param name of the policy */
export function evaluate(evidence: Evidence, name: string, temperature?: number): Evaluation {
  expectEnough(evidence, name, temperature);
  const figure = (terms: Terms) => figureOf(evidence.user, terms);
  const { weight, slate } = evidence;
  const isKnown = (needs: "own" | "prefix") => slate > 1 && !evidence[needs].some(Number.isNaN);
  return {
    pages: weight.length,
    users: new Set(evidence.user).size,
    left: evidence.left,
    estimates: Object.fromEntries(
      Object.entries(estimators).filter(([, { needs }]) => needs === undefined || isKnown(needs))
        .map(([name, { terms }]) => [name, figure(terms(evidence))]),
    ),
    decisions: decisionsOf(evidence),
    effective: effectiveShare(weight),
    largest: largestShare(weight, LARGEST),
    weight: figure({ values: weight }),
    gap: figure({ values: weight.map((w, i) => w * (evidence.q[i]! - evidence.reward[i]!)) }),
    off: evidence.off,
  };
}

/** A term's figure, resampled over users. @param user [n] whose each page is */
export function figureOf(user: ArrayLike<number>, { values, over }: Terms): MeanFigure {
  const terms = [...Map.groupBy(values.keys(), (i) => user[i]!).values()];
  const sums = (of: (i: number) => number) =>
    Float64Array.from(terms, (own) => own.reduce((sum, i) => sum + of(i), 0));
  return ratioOf(sums((i) => values[i]!), sums((i) => over ? over[i]! : 1));
}

/** Of as many first pages as have enough of an effective sample, and of the users whose first pages are all there. */
function decisionsOf(evidence: Evidence): Evaluation["decisions"] {
  const { user, page, weight } = evidence;
  for (let pages = MOST_DECISIONS; pages > 1; pages--) {
    const last = Array.from(page.keys()).filter((i) =>
      page[i] === pages - 1 && page[i - pages + 1] === 0 && user[i - pages + 1] === user[i]
    );
    const product = (end: number) =>
      weight.subarray(end - pages + 1, end + 1).reduce((product, w) => product * w, 1);
    if (last.length === 0 || effectiveShare(Float64Array.from(last, product)) < LEAST_SHARE) continue;
    return { pages, clicks: ratioOf(perDecisionDoublyRobust(evidence, last, pages).values) };
  }
  return undefined;
}

/** @throws UserError with the reason, and with what would do. */
function expectEnough({ mu, weight, kept, slate }: Evidence, name: string, temperature?: number): void {
  if (mu.every((chance) => chance === 1)) {
    throw new UserError(
      `Expected a log in which each page was drawn, got one in which nothing else could be shown (all propensities are 1): of ` +
        `what ${name} would show instead it says nothing. Draw pages: simulate --explore plackett-luce:1 --write-log.`,
    );
  }
  const share = effectiveShare(weight);
  if (share >= LEAST_SHARE) return;
  const percent = `${(100 * share).toPrecision(2)} %`;
  const hits = weight.reduce((sum, w) => sum + (w > 0 ? 1 : 0), 0);
  const why = temperature === undefined
    ? `it always shows one slate, which the log shows on ${thousands(hits)} of ` +
      `${thousands(weight.length)} pages`
    : `at temperature ${temperature} it shows other slates than the log`;
  const pool = temperature === undefined ? poolFor(slate) : poolAt(kept, slate, temperature);
  const warmer = kept.length > 0 ? enoughAt(kept, temperature) : undefined;
  const would = [
    ...(warmer === undefined
      ? []
      : [`the same policy at temperature ${warmer}: --explore plackett-luce:${warmer}`]),
    `a log of random slates from some ${pool} items a page: simulate --policy random --explore plackett-luce:1 --pool random:${pool}`,
  ];
  throw new UserError(
    `Expected an effective sample of ${100 * LEAST_SHARE} % of the pages or more, got ${percent} for ` +
      `${name}: ${why}. What would do: ${would.join("; or ")}.`,
  );
}

/** The least temperature, of two digits, that has enough of an effective sample on the pages that are kept. */
function enoughAt(kept: Evidence["kept"], temperature = 0.01): number | undefined {
  for (let t = temperature; t <= WARMEST; t *= 1.25) {
    const rounded = Number(t.toPrecision(2));
    const weights = Float64Array.from(
      kept,
      ({ scores, shown, mu }) => new PlackettLuce(scores, rounded).chance(shown) / mu,
    );
    const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
    // Where pages that weigh much are not in the log, the others weigh alike, and too little.
    if (effectiveShare(weights) >= LEAST_SHARE && Math.abs(mean - 1) < 0.25) return rounded;
  }
  return undefined;
}

const WARMEST = 100;
/** Slates that a pool is tried on. */
const TRIED = { pages: 300, slates: 8 } as const;

/**
 * The largest pool, of those tried, whose random slates would have an effective sample for a policy that draws at a temperature:
 * for N equally likely slates it is 1 / E_pi[N pi(A)].
 */
function poolAt(kept: Evidence["kept"], slate: number, temperature: number): number {
  const random = randomStream(1, "pools");
  const some = kept.slice(0, TRIED.pages);
  const most = some.reduce((most, { scores }) => Math.max(most, scores.length), slate);
  for (let n = most; n > poolFor(slate); n = Math.floor(n / 1.25)) {
    let [sum, count] = [0, 0];
    for (const { scores } of some) {
      const pool = Math.min(n, scores.length);
      const own = random.sampleWithoutReplacement(scores.length, pool);
      const law = new PlackettLuce(Float32Array.from(own, (place) => scores[place]!), temperature);
      for (let s = 0; s < TRIED.slates; s++, count++) {
        sum += slatesOf(pool, slate) * law.chance(law.draw(slate, () => random.uniform()).places);
      }
    }
    if (count / sum >= LEAST_SHARE) return n;
  }
  return poolFor(slate);
}

/** Ordered slates of k of n items. */
function slatesOf(n: number, slate: number): number {
  return Array.from({ length: slate }, (_, j) => n - j).reduce((product, m) => product * m, 1);
}

/** The largest pool whose random slates of k would have a policy of one slate on enough pages. */
function poolFor(slate: number): number {
  let n = slate;
  while (slatesOf(n + 1, slate) <= 1 / LEAST_SHARE) n++;
  return n;
}
