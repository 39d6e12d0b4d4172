/** Compares predicted with realised clicks on a policy's pages. Also computes the consistency of Q-values. */

import type { Interval } from "../../metrics/bootstrap.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { estimateRatio, type MeanEstimate } from "./episode_metrics.ts";

export interface PredictedPage {
  /** Mean predicted P(any click) over the users who saw the page; NaN if no user saw the page. */
  readonly predicted: number;
  readonly realised: number;
  /** Confidence interval of predicted minus realised clicks per page; null for fewer than two users. */
  readonly gap: Interval | null;
}

export interface PageCalibration {
  readonly pages: readonly PredictedPage[];
  readonly predicted: number;
  readonly realised: number;
  readonly gap: MeanEstimate;
}

export interface PredictedEpisodes {
  readonly log: EpisodeLog;
  /** [pages, users] predicted P(any click) of each page and user. */
  readonly predicted: Float32Array;
}

/** @param episodes - episodes of consecutive users, with predictions. */
export function computePageCalibration(episodes: readonly PredictedEpisodes[]): PageCalibration {
  const users = episodes.reduce((sum, { log }) => sum + log.users, 0);
  const pages = episodes[0]?.log.pages ?? 0;
  const [said, done] = [new Float64Array(users), new Float64Array(users)];
  const byPage = Array.from({ length: pages }, (_, page): PredictedPage => {
    const [gap, present] = [new Float64Array(users), new Float64Array(users)];
    let [predictedHere, clicked, count, own] = [0, 0, 0, 0];
    for (const { log, predicted } of episodes) {
      for (let at = page * log.users; at < (page + 1) * log.users; at++, own++) {
        if (log.present[at] === 0) continue;
        const isClick = log.choices[at]! < log.slate ? 1 : 0;
        gap[own] = predicted[at]! - isClick;
        present[own] = 1;
        count++;
        predictedHere += predicted[at]!;
        clicked += isClick;
        said[own]! += predicted[at]!;
        done[own]! += isClick;
      }
    }
    return {
      predicted: predictedHere / count,
      realised: clicked / count,
      gap: count === 0 ? null : estimateRatio(gap, present).interval,
    };
  });
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / users;
  const gap = estimateRatio(said.map((value, user) => value - done[user]!));
  return { pages: byPage, predicted: mean(said), realised: mean(done), gap };
}

/**
 * Consistency of CDQN's Q-values at one position of slates of k items. The Q-value Q^j of position j predicts
 * the return if all later positions are optimal. If the policy chose the slate, Q^j should equal Q^k of the
 * last position.
 */
export interface QConsistency {
  /** Number j of the position, from 1 to k - 1 in a slate of k items. */
  readonly position: number;
  /** Root mean square, over slates, of the Q-value of this position minus that of the last position. */
  readonly rmse: number;
  /** `rmse`, divided by the mean Q-value of the last position. */
  readonly relative: number;
  /** [points] pairs of Q-values (last position, this position) of up to {@link POINTS} slates. */
  readonly points: readonly (readonly [last: number, own: number])[];
}

const POINTS = 300;

/** @param q - [n, k] Q-values of n chosen slates of k items. @throws RangeError if n is 0. */
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
