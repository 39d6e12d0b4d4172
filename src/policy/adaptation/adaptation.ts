/**
 * How fast a policy gets good with users that it has never met: clicks against interactions. An interaction is one page of
 * each of some users; what was clicked on it is learned from before the next.
 */

import { pairedDifference } from "../../data/paired.ts";
import { meanAndSd } from "../../data/mean_sd.ts";
import type { Interval } from "../../figures/bootstrap.ts";

/** One policy that adapts. */
export interface AdaptingPolicy {
  readonly name: string;
  /** A run each: [interactions] clicks a page. */
  readonly runs: readonly Float64Array[];
}

/** A point of the curve: the click rate of the interactions since the point before. */
export interface AdaptationPoint {
  /** Interactions that were made by then. */
  readonly interactions: number;
  readonly mean: number;
  /** Over runs; null for one. */
  readonly sd: number | null;
  readonly runs: number;
}

/** What two policies that adapt differ by, on the same users, over runs. */
export interface AdaptationDifference {
  readonly policy: string;
  readonly rival: string;
  /** Click rate over all interactions, policy less rival. */
  readonly mean: number;
  /** Of Student's t over the runs; null for one. */
  readonly interval: Interval | null;
}

/**
 * The click rate of each `window` interactions.
 * @throws RangeError for runs of unlike lengths, or none
 */
export function adaptationCurve({ name, runs }: AdaptingPolicy, window: number): AdaptationPoint[] {
  const length = runs[0]?.length ?? 0;
  if (length === 0 || runs.some((run) => run.length !== length)) {
    throw new RangeError(`expected runs of ${name} with the same number of interactions`);
  }
  const count = Math.max(1, Math.floor(length / window));
  return Array.from({ length: count }, (_, k): AdaptationPoint => {
    const end = Math.min(length, (k + 1) * window);
    const { mean, sd } = meanAndSd(runs.map((run) => rateOf(run.subarray(k * window, end))));
    return { interactions: end, mean, sd: Number.isNaN(sd) ? null : sd, runs: runs.length };
  });
}

/** Each policy less each one after it. */
export function adaptationDifferences(policies: readonly AdaptingPolicy[]): AdaptationDifference[] {
  return policies.flatMap(({ name: policy, runs }, place) =>
    policies.slice(place + 1).map(({ name: rival, runs: others }): AdaptationDifference => {
      const { mean, low, high, count } = pairedDifference(runs.map(rateOf), others.map(rateOf));
      return { policy, rival, mean, interval: count > 1 ? [low, high] : null };
    })
  );
}

/** Clicks a page. */
function rateOf(clicks: Float64Array): number {
  return clicks.reduce((sum, value) => sum + value, 0) / clicks.length;
}
