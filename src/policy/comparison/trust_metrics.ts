/**
 * Metrics that show how far simulated returns can be trusted: predicted and realised clicks, consistency of
 * Q-values, and shares of user states and items that are rare in the model's log.
 */

import type { Interval } from "../../metrics/bootstrap.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { estimateRatio, type MeanEstimate } from "./episode_metrics.ts";
import { ADDITIONAL_CLICK, listUsers, NONE } from "../../data/click_log.ts";
import { type LogSource, walk } from "../../data/log_source.ts";
import { createRandomStream } from "../../data/random.ts";
import { addSquares, decomposeCholesky, solveLower } from "../../data/symmetric_matrix.ts";

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

/** Compares predicted with realised clicks. @param episodes - one element per group of users. */
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
 * Consistency of CDQN's Q-values at position j of slates of k items. The position's Q-value Q^j predicts the
 * return if positions j + 1 to k get their best items. CDQN does choose these items, so Q^j should equal Q^k,
 * the Q-value of the last position.
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

/** Compares Q-values of positions 1 to k - 1 with position k. @param q - [n, k] for n >= 1 chosen slates. */
export function computeQConsistency(q: Float32Array, slate: number): QConsistency[] {
  const n = q.length / slate;
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

/** Share of the logged user states that are inside the ellipsoid of {@link LoggedStates}. */
const USUAL = 0.99;
/** Number of logged impressions below which an item is rare. */
const FEW_DISPLAYS = 20;
/** Share of the mean variance that is added to the covariance's diagonal, to make the matrix invertible. */
const RIDGE = 1e-6;

/** Ellipsoid around the mean that contains 99 % of the logged user states. */
export class LoggedStates {
  readonly #mean: Float64Array;
  readonly #factor: Float64Array;
  /** Squared Mahalanobis distance from the mean that only 1 % of the logged states exceed. */
  readonly limit: number;

  /** @param states - [n, width] logged user states; n is 2 or more. */
  constructor(states: Float32Array, readonly width: number) {
    const n = states.length / width;
    const mean = this.#mean = new Float64Array(width);
    for (let row = 0; row < n; row++) {
      for (let k = 0; k < width; k++) mean[k] = mean[k]! + states[row * width + k]! / n;
    }
    const centred = Float64Array.from(states, (value, k) => value - mean[k % width]!);
    const covariance = new Float64Array(width * width);
    addSquares(covariance, centred, new Float64Array(n).fill(1 / (n - 1)));
    let trace = 0;
    for (let k = 0; k < width; k++) trace += covariance[k * width + k]!;
    const ridge = trace > 0 ? RIDGE * trace / width : 1;
    for (let k = 0; k < width; k++) covariance[k * width + k]! += ridge;
    this.#factor = decomposeCholesky(covariance, width);
    const distances = Float64Array.from({ length: n }, (_, row) => this.distance(states, row)).sort();
    this.limit = distances[Math.min(n - 1, Math.ceil(USUAL * n) - 1)]!;
  }

  /** Returns the squared Mahalanobis distance of a row of `states` from the mean logged state. */
  distance(states: Float32Array, row: number): number {
    const { width } = this;
    const from = new Float64Array(width);
    for (let k = 0; k < width; k++) from[k] = states[row * width + k]! - this.#mean[k]!;
    return solveLower(this.#factor, width, from).reduce((sum, value) => sum + value * value, 0);
  }

  /**
   * Counts the states [rows, width] that are farther from the mean than 99 % of the logged states.
   * @param counts - returns true for the rows to include; by default all rows are included
   */
  countBeyond(
    states: Float32Array,
    counts: (row: number) => boolean = () => true,
  ): { beyond: number; total: number } {
    let [beyond, total] = [0, 0];
    for (let row = 0; row < states.length / this.width; row++) {
      if (!counts(row)) continue;
      total++;
      if (this.distance(states, row) > this.limit) beyond++;
    }
    return { beyond, total };
  }
}

/** Counts the shown items with few logged impressions. @param displays - [items] impressions per item. */
export function countRareItems(slates: ArrayLike<number>, displays: ArrayLike<number>): number {
  return Array.from(slates).filter((item) => (displays[item] ?? 0) < FEW_DISPLAYS).length;
}

/**
 * Draws pages of train users uniformly. Returns, per page, the user's clicks up to and including the page.
 * @param most - maximum number of pages. @throws RangeError if the log has no page of a train user.
 */
export function trainHistories(source: LogSource, most: number): Uint32Array<ArrayBuffer>[] {
  const found: Uint32Array<ArrayBuffer>[] = [];
  const random = createRandomStream(1, "histories");
  let pages = 0;
  for (const { log, users } of walk(source, listUsers(source, "train"))) {
    for (const user of users) {
      const clicks: number[] = [];
      const end = log.userEvents[user + 1]!;
      for (let event = log.userEvents[user]!; event < end; event++) {
        const row = log.eventClick[event]!;
        if (row !== NONE) clicks.push(log.rowItem[row]!);
        // The history of a page includes its last click.
        if (event + 1 < end && log.eventKind?.[event + 1] === ADDITIONAL_CLICK) continue;
        // Reservoir sampling keeps each page so far with the same probability.
        const place = found.length < most ? found.length : random.integer(pages + 1);
        pages++;
        if (place < most) found[place] = Uint32Array.from(clicks);
      }
    }
  }
  if (pages === 0) throw new RangeError("expected a log with pages of train users");
  return found;
}
