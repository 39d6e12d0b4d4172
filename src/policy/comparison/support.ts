/**
 * How much of what a policy does the log knows: where a policy leads users to states, or shows items, that the log hardly
 * has, a model of the log has guessed what they do there.
 */

import { choleskyOf, solveLower } from "./cholesky.ts";

/** Logged states beyond this share of them are far out. */
const USUAL = 0.99;
/** An item with fewer logged displays is hardly known. */
const FEW_DISPLAYS = 20;
/** Of the mean variance: keeps numbers that never vary from making everything infinitely far. */
const RIDGE = 1e-6;

/** The ellipsoid that holds 99 % of the logged states. */
export class LoggedStates {
  readonly #mean: Float64Array;
  readonly #factor: Float64Array;
  /** The Mahalanobis distance, squared, that 1 % of the logged states are beyond. */
  readonly limit: number;

  /** @param states [n, width], two or more. */
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
    const covariance = new Float64Array(width * width);
    for (let row = 0; row < n; row++) {
      for (let i = 0; i < width; i++) {
        const a = states[row * width + i]! - mean[i]!;
        for (let j = 0; j <= i; j++) {
          covariance[i * width + j] = covariance[i * width + j]! +
            a * (states[row * width + j]! - mean[j]!) / (n - 1);
        }
      }
    }
    let trace = 0;
    for (let k = 0; k < width; k++) trace += covariance[k * width + k]!;
    const ridge = trace > 0 ? RIDGE * trace / width : 1;
    for (let k = 0; k < width; k++) covariance[k * width + k] = covariance[k * width + k]! + ridge;
    this.#factor = choleskyOf(covariance, width);
    const distances = Float64Array.from({ length: n }, (_, row) => this.distance(states, row)).sort();
    this.limit = distances[Math.min(n - 1, Math.ceil(USUAL * n) - 1)]!;
  }

  /** Squared Mahalanobis distance of a row of states [.., width] from the mean of the logged ones. */
  distance(states: Float32Array, row: number): number {
    const { width } = this;
    const from = new Float64Array(width);
    for (let k = 0; k < width; k++) from[k] = states[row * width + k]! - this.#mean[k]!;
    return solveLower(this.#factor, width, from).reduce((sum, value) => sum + value * value, 0);
  }

  /** How many of the states [.., width] are farther out than 99 % of the logged ones. @param counts which rows; all without it. */
  beyond(
    states: Float32Array,
    counts: (row: number) => boolean = () => true,
  ): { beyond: number; of: number } {
    let [beyond, of] = [0, 0];
    for (let row = 0; row < states.length / this.width; row++) {
      if (!counts(row)) continue;
      of++;
      if (this.distance(states, row) > this.limit) beyond++;
    }
    return { beyond, of };
  }
}

/** Share of the shown items that have fewer than {@link FEW_DISPLAYS} displays in the log. @param displays [I] in the log. */
export function rareSlots(slates: ArrayLike<number>, displays: ArrayLike<number>): number {
  let rare = 0;
  for (let k = 0; k < slates.length; k++) if ((displays[slates[k]!] ?? 0) < FEW_DISPLAYS) rare++;
  return rare / slates.length;
}
