/** Measures how many of a policy's user states and items are rare in a log, so that models extrapolate. */

import { ADDITIONAL_CLICK, listUsers, NONE } from "../../data/click_log.ts";
import { type LogSource, walk } from "../../data/log_source.ts";
import { createRandomStream } from "../../data/random.ts";
import { addSquares, decomposeCholesky, solveLower } from "../../data/symmetric_matrix.ts";

/** Share of the logged user states that the ellipsoid contains. */
const USUAL = 0.99;
/** Number of logged impressions below which an item is rare. */
const FEW_DISPLAYS = 20;
/** Share of the mean variance that is added to each variance, so that distances are finite. */
const RIDGE = 1e-6;

/** Ellipsoid around the mean that contains 99 % of the logged user states. */
export class LoggedStates {
  readonly #mean: Float64Array;
  readonly #factor: Float64Array;
  /** Squared Mahalanobis distance that only 1 % of the logged states exceed. */
  readonly limit: number;

  /** @param states - [n, width] logged user states; n is 2 or more. */
  constructor(states: Float32Array, readonly width: number) {
    const n = states.length / width;
    if (!(n >= 2) || !Number.isInteger(n)) {
      throw new RangeError(
        `expected two or more logged states of ${width} numbers, got ${states.length} numbers`,
      );
    }
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

  /** Returns the squared Mahalanobis distance of one row of `states` [rows, width] from the logged mean. */
  distance(states: Float32Array, row: number): number {
    const { width } = this;
    const from = new Float64Array(width);
    for (let k = 0; k < width; k++) from[k] = states[row * width + k]! - this.#mean[k]!;
    return solveLower(this.#factor, width, from).reduce((sum, value) => sum + value * value, 0);
  }

  /** Counts the states [rows, width] outside the ellipsoid. Only rows for which `counts` is true count. */
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

/** Returns the share of rare items in slates. @param displays - [items] number of logged impressions. */
export function computeRareShare(slates: ArrayLike<number>, displays: ArrayLike<number>): number {
  const rare = Array.from(slates).filter((item) => (displays[item] ?? 0) < FEW_DISPLAYS);
  return rare.length / slates.length;
}

/**
 * Draws pages of train users uniformly. Returns per drawn page the user's clicks so far, including this page.
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
