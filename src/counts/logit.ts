/** The conditional logit of econometrics: a choice whose utilities are linear in what is known of each item. */

import { logSumExp } from "../data/ranking.ts";

/**
 * Choices with what is known of what they are among, one after the other: of a page its first click, or none, and each further
 * one among the rest.
 */
export interface LogitChoices {
  /** [rows, D] */
  readonly x: Float64Array;
  /** D. */
  readonly columns: number;
  /** [choices + 1] first row of each. */
  readonly start: ArrayLike<number>;
  /** [choices] the clicked row, -1 for none. */
  readonly chosen: ArrayLike<number>;
  /** [choices] whether no click is among them. */
  readonly hasNone: ArrayLike<boolean>;
}

const MOST_STEPS = 30;

/**
 * The weights w [D] that make what was clicked most likely, where u = x w and no click has the utility 0, by Newton's method:
 * the loss is convex.
 * @param ridge [D] penalty ridge / 2 w^2 of each on the sum of the losses, above 0: it keeps all finite where nobody clicks,
 *   or everybody on what is best.
 */
export function fitLogit(choices: LogitChoices, ridge: ArrayLike<number>): Float64Array<ArrayBuffer> {
  let best = pointAt(choices, new Float64Array(choices.columns), ridge);
  for (let step = 0; step < MOST_STEPS; step++) {
    const move = newtonStep(choices, best, ridge);
    let [size, next] = [1, best];
    do {
      next = pointAt(choices, best.w.map((value, k) => value - size * move[k]!), ridge);
      size /= 2;
    } while (!(next.loss <= best.loss) && size > 1e-6);
    if (!(next.loss < best.loss - 1e-9 * best.loss)) break;
    best = next;
  }
  return best.w;
}

/** Weights, and what follows from them. */
interface Point {
  readonly w: Float64Array<ArrayBuffer>;
  readonly loss: number;
  /** [rows] u = x w. */
  readonly utilities: Float64Array;
  /** [choices] log of the sum of exp(u), and of 1 where no click is among them. */
  readonly logSums: Float64Array;
}

function pointAt(choices: LogitChoices, w: Float64Array<ArrayBuffer>, ridge: ArrayLike<number>): Point {
  const { x, columns, start, chosen, hasNone } = choices;
  const utilities = new Float64Array(x.length / columns);
  for (let row = 0, at = 0; row < utilities.length; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += x[at++]! * w[k]!;
    utilities[row] = sum;
  }
  const logSums = new Float64Array(chosen.length);
  let loss = w.reduce((sum, value, k) => sum + ridge[k]! / 2 * value * value, 0);
  for (let k = 0; k < chosen.length; k++) {
    loss += logSums[k] = logSumExp(utilities, start[k]!, start[k + 1]!, hasNone[k]);
    if (chosen[k]! >= 0) loss -= utilities[chosen[k]!]!;
  }
  return { w, loss, utilities, logSums };
}

/** Gradient by the inverse of the second derivatives: sum over rows of P x x', less that over pages of their means'. */
function newtonStep(choices: LogitChoices, at: Point, ridge: ArrayLike<number>): Float64Array {
  const { x, columns: D, start, chosen } = choices;
  const { w, utilities, logSums } = at;
  const gradient = w.map((value, k) => ridge[k]! * value);
  const hessian = new Float64Array(D * D);
  for (let k = 0; k < D; k++) hessian[k * D + k] = ridge[k]!;
  const p = new Float64Array(utilities.length);
  const means = new Float64Array(D * chosen.length);
  for (let choice = 0; choice < chosen.length; choice++) {
    const [mean, click] = [choice * D, chosen[choice]!];
    for (let row = start[choice]!; row < start[choice + 1]!; row++) {
      p[row] = Math.exp(utilities[row]! - logSums[choice]!);
      for (let k = 0; k < D; k++) means[mean + k]! += p[row]! * x[row * D + k]!;
    }
    for (let k = 0; k < D; k++) gradient[k]! += means[mean + k]! - (click < 0 ? 0 : x[click * D + k]!);
  }
  addSquares(hessian, x, p);
  addSquares(hessian, means, new Float64Array(chosen.length).fill(-1));
  return solve(hessian, gradient);
}

/** The lower half of to += sum over rows of factor x x'. Four rows at once: what they are added to is read and written once. */
function addSquares(to: Float64Array, x: Float64Array, factor: Float64Array): void {
  const D = Math.sqrt(to.length);
  const whole = factor.length - factor.length % 4;
  for (let row = 0; row < whole; row += 4) {
    const a = row * D;
    const b = a + D;
    const c = b + D;
    const d = c + D;
    for (let k = 0; k < D; k++) {
      const fa = factor[row]! * x[a + k]!;
      const fb = factor[row + 1]! * x[b + k]!;
      const fc = factor[row + 2]! * x[c + k]!;
      const fd = factor[row + 3]! * x[d + k]!;
      if (fa === 0 && fb === 0 && fc === 0 && fd === 0) continue; // of places, and of words that few items have
      const at = k * D;
      for (let j = 0; j <= k; j++) {
        to[at + j] = to[at + j]! + fa * x[a + j]! + fb * x[b + j]! + fc * x[c + j]! + fd * x[d + j]!;
      }
    }
  }
  for (let row = whole; row < factor.length; row++) {
    for (let k = 0; k < D; k++) {
      for (let j = 0; j <= k; j++) to[k * D + j]! += factor[row]! * x[row * D + k]! * x[row * D + j]!;
    }
  }
}

/** A x = b for a positive definite matrix, of which the lower half is read, by Cholesky's decomposition. */
function solve(matrix: Float64Array, b: Float64Array): Float64Array {
  const D = b.length;
  const lower = matrix.slice();
  const x = b.slice();
  for (let k = 0; k < D; k++) {
    for (let j = 0; j <= k; j++) {
      let sum = lower[k * D + j]!;
      for (let i = 0; i < j; i++) sum -= lower[k * D + i]! * lower[j * D + i]!;
      lower[k * D + j] = k === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / lower[j * D + j]!;
    }
    for (let j = 0; j < k; j++) x[k]! -= lower[k * D + j]! * x[j]!;
    x[k]! /= lower[k * D + k]!;
  }
  for (let k = D - 1; k >= 0; k--) {
    for (let j = k + 1; j < D; j++) x[k]! -= lower[j * D + k]! * x[j]!;
    x[k]! /= lower[k * D + k]!;
  }
  return x;
}
