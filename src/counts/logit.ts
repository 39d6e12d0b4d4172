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

/** Weights, and what follows from them; the loss is with the penalty. */
interface Point {
  readonly w: Float64Array<ArrayBuffer>;
  readonly loss: number;
  /** [rows] probabilities. */
  readonly p: Float64Array;
}

function pointAt(choices: LogitChoices, w: Float64Array<ArrayBuffer>, ridge: ArrayLike<number>): Point {
  const { x, columns, start, chosen, hasNone } = choices;
  // First the utilities u = x w.
  const p = new Float64Array(x.length / columns);
  for (let row = 0, at = 0; row < p.length; row++) {
    for (let k = 0; k < columns; k++) p[row]! += x[at++]! * w[k]!;
  }
  let loss = w.reduce((sum, value, k) => sum + ridge[k]! / 2 * value * value, 0);
  for (let k = 0; k < chosen.length; k++) {
    const sum = logSumExp(p, start[k]!, start[k + 1]!, hasNone[k]);
    loss += sum;
    if (chosen[k]! >= 0) loss -= p[chosen[k]!]!;
    for (let row = start[k]!; row < start[k + 1]!; row++) p[row] = Math.exp(p[row]! - sum);
  }
  return { w, loss, p };
}

/** Gradient by the inverse of the second derivatives: sum over rows of P x x', less that over pages of their means'. */
function newtonStep(choices: LogitChoices, { w, p }: Point, ridge: ArrayLike<number>): Float64Array {
  const { x, columns: D, start, chosen } = choices;
  const gradient = w.map((value, k) => ridge[k]! * value);
  const hessian = new Float64Array(D * D);
  for (let k = 0; k < D; k++) hessian[k * D + k] = ridge[k]!;
  const means = new Float64Array(D * chosen.length);
  for (let choice = 0; choice < chosen.length; choice++) {
    const [mean, click] = [choice * D, chosen[choice]!];
    for (let row = start[choice]!; row < start[choice + 1]!; row++) {
      for (let k = 0; k < D; k++) means[mean + k]! += p[row]! * x[row * D + k]!;
    }
    for (let k = 0; k < D; k++) gradient[k]! += means[mean + k]! - (click < 0 ? 0 : x[click * D + k]!);
  }
  addSquares(hessian, x, p);
  addSquares(hessian, means, new Float64Array(chosen.length).fill(-1));
  return solve(hessian, gradient);
}

/** The lower half of to += sum over rows of p x x'. Two rows at once: what they are added to is read and written once. */
function addSquares(to: Float64Array, x: Float64Array, p: Float64Array): void {
  const D = Math.sqrt(to.length);
  for (let row = 0; row < p.length; row += 2) {
    const a = row * D;
    // Behind an odd last row it stands for another, times 0.
    const b = row + 1 < p.length ? a + D : a;
    const [pa = 0, pb = 0] = p.subarray(row, row + 2);
    for (let k = 0; k < D; k++) {
      const fa = pa * x[a + k]!;
      const fb = pb * x[b + k]!;
      if (!fa && !fb) continue; // of places, and of words that few items have
      for (let j = 0; j <= k; j++) to[k * D + j]! += fa * x[a + j]! + fb * x[b + j]!;
    }
  }
}

/** A x = b for a positive definite matrix, whose lower half is used up, by Cholesky's decomposition. @param x first b */
function solve(lower: Float64Array, x: Float64Array): Float64Array {
  const D = x.length;
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
