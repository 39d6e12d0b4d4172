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
  let w = new Float64Array(choices.columns);
  let loss = lossOf(choices, w, ridge);
  for (let step = 0; step < MOST_STEPS; step++) {
    const move = newtonStep(choices, w, ridge);
    let [size, next, found] = [1, w, loss];
    do {
      next = w.map((value, k) => value - size * move[k]!);
      found = lossOf(choices, next, ridge);
      size /= 2;
    } while (!(found <= loss) && size > 1e-6);
    if (!(found < loss - 1e-9 * loss)) break;
    [w, loss] = [next, found];
  }
  return w;
}

/** [rows] u = x w. */
function utilitiesOf(
  { x, columns }: Pick<LogitChoices, "x" | "columns">,
  w: Float64Array,
): Float64Array {
  const utilities = new Float64Array(x.length / columns);
  for (let row = 0, at = 0; row < utilities.length; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += x[at++]! * w[k]!;
    utilities[row] = sum;
  }
  return utilities;
}

function lossOf(choices: LogitChoices, w: Float64Array, ridge: ArrayLike<number>): number {
  const { start, chosen, hasNone } = choices;
  const utilities = utilitiesOf(choices, w);
  let loss = w.reduce((sum, value, k) => sum + ridge[k]! / 2 * value * value, 0);
  for (let k = 0; k < chosen.length; k++) {
    loss += logSumExp(utilities, start[k]!, start[k + 1]!, hasNone[k]);
    if (chosen[k]! >= 0) loss -= utilities[chosen[k]!]!;
  }
  return loss;
}

/** Gradient by the inverse of the second derivatives: sum over rows of P x x', less the page's mean's square. */
function newtonStep(choices: LogitChoices, w: Float64Array, ridge: ArrayLike<number>): Float64Array {
  const { x, columns: D, start, chosen, hasNone } = choices;
  const gradient = w.map((value, k) => ridge[k]! * value);
  const hessian = new Float64Array(D * D);
  for (let k = 0; k < D; k++) hessian[k * D + k] = ridge[k]!;
  const utilities = utilitiesOf(choices, w);
  const mean = new Float64Array(D);
  for (let choice = 0; choice < chosen.length; choice++) {
    const [first, end] = [start[choice]!, start[choice + 1]!];
    const logSum = logSumExp(utilities, first, end, hasNone[choice]);
    mean.fill(0);
    for (let row = first; row < end; row++) {
      addRow(x, row * D, Math.exp(utilities[row]! - logSum), mean, hessian);
    }
    const click = chosen[choice]!;
    for (let k = 0; k < D; k++) {
      gradient[k]! += mean[k]! - (click < 0 ? 0 : x[click * D + k]!);
      for (let j = 0; j <= k; j++) hessian[k * D + j]! -= mean[k]! * mean[j]!;
    }
  }
  return solve(hessian, gradient);
}

function addRow(x: Float64Array, at: number, p: number, mean: Float64Array, hessian: Float64Array): void {
  const D = mean.length;
  for (let k = 0; k < D; k++) {
    const px = p * x[at + k]!;
    mean[k]! += px;
    if (px === 0) continue;
    for (let j = 0; j <= k; j++) hessian[k * D + j]! += px * x[at + j]!;
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
