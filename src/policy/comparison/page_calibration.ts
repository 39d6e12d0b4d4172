/**
 * Whether users do on a policy's own pages what a model says they do: what it predicts of the very pages that they saw, beside the
 * clicks that they made; and whether a cascade's values agree with each other.
 */

import type { Interval } from "../../metrics/bootstrap.ts";
import { type EpisodeBatch, estimateRatio, type MeanEstimate } from "./episode_metrics.ts";

export interface PredictedPage {
  /** Mean of the predicted P(any click) of the users who saw the page; NaN where nobody did. */
  readonly predicted: number;
  /** Share of them who clicked. */
  readonly realised: number;
  /** Of predicted less realised; null for fewer than two users. */
  readonly gap: Interval | null;
}

export interface PageCalibration {
  /** By page, from the first. */
  readonly pages: readonly PredictedPage[];
  /** Clicks a user over all pages that the model predicts. */
  readonly predicted: number;
  /** And those that were made. */
  readonly realised: number;
  /** Predicted less realised. */
  readonly gap: MeanEstimate;
}

/** Episodes, and what a model says of their pages. */
export interface PredictedEpisodes {
  readonly log: EpisodeBatch;
  /** [T, U] P(any click). */
  readonly predicted: Float32Array;
}

/** @param episodes of users who follow one another. @throws RangeError for predictions of other pages. */
export function computePageCalibration(episodes: readonly PredictedEpisodes[]): PageCalibration {
  const users = episodes.reduce((sum, { log }) => sum + log.users, 0);
  const pages = episodes[0]?.log.pages ?? 0;
  for (const { log, predicted } of episodes) {
    if (predicted.length === pages * log.users) continue;
    throw new RangeError(`expected ${pages * log.users} predictions, one a page, got ${predicted.length}`);
  }
  const [said, done, all] = [new Float64Array(users), new Float64Array(users), new Float64Array(users)];
  const byPage = Array.from({ length: pages }, (_, page): PredictedPage => {
    const [gap, present] = [new Float64Array(users), new Float64Array(users)];
    let [predictedHere, clicked, count, first] = [0, 0, 0, 0];
    for (const { log, predicted } of episodes) {
      for (let user = 0; user < log.users; user++) {
        const at = page * log.users + user;
        if (log.present[at] === 0) continue;
        const own = first + user;
        const isClick = log.choices[at]! < log.slate ? 1 : 0;
        gap[own] = predicted[at]! - isClick;
        present[own] = 1;
        count++;
        predictedHere += predicted[at]!;
        clicked += isClick;
        said[own] = said[own]! + predicted[at]!;
        done[own] = done[own]! + isClick;
        all[own] = all[own]! + gap[own]!;
      }
      first += log.users;
    }
    return {
      predicted: predictedHere / count,
      realised: clicked / count,
      gap: count === 0 ? null : estimateRatio(gap, present).interval,
    };
  });
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / users;
  return { pages: byPage, predicted: mean(said), realised: mean(done), gap: estimateRatio(all) };
}

/**
 * Whether the Q-values of a cascade agree with each other: each Q^j says what is to be had from its place in the slate on
 * if the rest is chosen as well as can be, so on the slate that the policy chooses itself all should be Q^k.
 */

export interface QConsistency {
  /** j, from 1 to k - 1. */
  readonly position: number;
  /** Root of the mean square of Q^j - Q^k over the states. */
  readonly rmse: number;
  /** rmse by the mean of Q^k. */
  readonly relative: number;
  /** [points] of Q^k, Q^j: at most {@link POINTS}, evenly taken of the states. */
  readonly points: readonly (readonly [last: number, own: number])[];
}

/** Points of a scatter. */
const POINTS = 300;

/** @param q [n, k] the values of the items of n slates, as they were chosen. @throws RangeError for none. */
export function computeQConsistency(q: Float32Array, slate: number): QConsistency[] {
  const n = q.length / slate;
  if (!(n >= 1) || !Number.isInteger(n)) {
    throw new RangeError(`expected the values of slates of ${slate} items, got ${q.length} numbers`);
  }
  let mean = 0;
  for (let state = 0; state < n; state++) mean += q[state * slate + slate - 1]! / n;
  const step = Math.max(1, Math.ceil(n / POINTS));
  return Array.from({ length: slate - 1 }, (_, j): QConsistency => {
    let squares = 0;
    const points: (readonly [number, number])[] = [];
    for (let state = 0; state < n; state++) {
      const [own, last] = [q[state * slate + j]!, q[state * slate + slate - 1]!];
      squares += (own - last) ** 2 / n;
      if (state % step === 0) points.push([last, own]);
    }
    const rmse = Math.sqrt(squares);
    return { position: j + 1, rmse, relative: rmse / mean, points };
  });
}
