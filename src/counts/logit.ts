/**
 * The conditional logit of econometrics: a choice whose utilities are linear in what is known of each item. It is fitted to
 * any choices, or to train users by the counts and the numbers that are known of items.
 */

import { logSumExp } from "../data/ranking.ts";
import { type Clicks, listClickedRows, listUsers } from "../data/click_log.ts";
import { type LogSource, walk } from "../data/log_source.ts";
import { createRandomStream } from "../data/random.ts";
import { countWidth } from "./count_columns.ts";
import { computeRowCounts, type CountTables } from "./page_counts.ts";
import { readLogItems } from "./train_counts.ts";

/**
 * Choices with what is known of what they are among, one after the other: of a page its first click, or none, and each further
 * one among the rest.
 */
export interface LogitSample {
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
export function fitLogit(choices: LogitSample, ridge: ArrayLike<number>): Float64Array<ArrayBuffer> {
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

function pointAt(choices: LogitSample, w: Float64Array<ArrayBuffer>, ridge: ArrayLike<number>): Point {
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
function newtonStep(choices: LogitSample, { w, p }: Point, ridge: ArrayLike<number>): Float64Array {
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

/** What else than counts a logit knows. */
export interface LogitOptions {
  /** Whether it knows the dense features of items. */
  readonly dense: boolean;
  /** Places of the page with an effect of their own, the last for all behind it; 0 for none. */
  readonly places: number;
  /** Which pages are drawn where there are many. */
  readonly seed: number;
}

/** u = bias + sum_k (c_k - mean_k) scaled_k counts_k + dense . f + effect of the place */
export interface CountsLogit {
  /** [C] means of the counts over the pages of the fit, and 1 / their standard deviations. */
  readonly mean: Float64Array;
  readonly scaled: Float64Array;
  /** [C], of standardised counts. */
  readonly counts: Float64Array;
  readonly bias: number;
  /** [F], none without dense features. */
  readonly dense: Float64Array;
  /** [places - 1], that of the first being 0. */
  readonly places: Float64Array;
}

/** Multiply-adds of a fit's second derivatives, at most: a second or two. */
const FIT_WORK = 4e8;
const FIT_PAGES = 20_000;
/** Penalty on w^2, of a page; on the bias of all. */
const RIDGE = 1e-3;
const BIAS_RIDGE = 1e-3;
/** Numbers of an item, at most: the work goes by their square. */
const MOST_DENSE = 64;

/** Fits it, each train user taken without their own pages. */
export function fitCounts(source: LogSource, tables: CountTables, options: LogitOptions): CountsLogit {
  const C = countWidth(tables.config);
  const F = options.dense ? denseWidth(source) : 0;
  const P = Math.max(0, options.places - 1);
  const columns = C + F + 1 + P;
  const pages = drawLogitSample(source, tables, options.seed, { C, F, P, columns });
  const { mean, scaled } = standardise(pages, C + F);
  const penalty = RIDGE * pages.chosen.length;
  const w = fitLogit(
    pages,
    Array.from({ length: columns }, (_, k) => k === C + F ? BIAS_RIDGE : penalty),
  );
  const dense = w.slice(C, C + F).map((weight, k) => weight * scaled[C + k]!);
  const bias = w[C + F]! - dense.reduce((sum, weight, k) => sum + weight * mean[C + k]!, 0);
  return {
    mean: mean.slice(0, C),
    scaled: scaled.slice(0, C),
    counts: w.slice(0, C),
    bias,
    dense,
    places: w.slice(C + F + 1),
  };
}

/** [rows] utilities of the rows of these users, who were not counted, with the effects of their places on the page. */
export function computeLogitUtilities(
  { mean, scaled, counts, bias, dense, places }: CountsLogit,
  source: LogSource,
  log: Clicks,
  users: ArrayLike<number>,
  tables: CountTables,
): Float64Array {
  const C = counts.length;
  const x = computeRowCounts(log, users, tables, undefined);
  const values = dense.length > 0 ? denseReader(source, log) : undefined;
  const utilities = new Float64Array(x.length / C);
  let row = 0;
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
      for (let r = first; r < end; r++, row++) {
        let u = bias + (places[Math.min(r - first, places.length) - 1] ?? 0);
        for (let k = 0; k < C; k++) u += (x[row * C + k]! - mean[k]!) * scaled[k]! * counts[k]!;
        values?.(log.rowItem[r]!).forEach((value, k) => u += value * dense[k]!);
        utilities[row] = u;
      }
    }
  }
  return utilities;
}

function denseWidth({ items: { shape } }: LogSource): number {
  return shape.kind !== "one-hot" && shape.width <= MOST_DENSE ? shape.width : 0;
}

/** Looks up the dense features of items of a log. */
function denseReader(source: LogSource, log: Clicks): (item: number) => Float32Array {
  const { items, findItemIndex: placeOf } = readLogItems(source.items, log);
  if (items.kind === "one-hot") throw new Error("expected items with dense features");
  const { width, values } = items;
  return (item) => values.subarray(placeOf(item) * width, (placeOf(item) + 1) * width);
}

/**
 * Choices of train users, drawn by the seed: as many as a fit takes in its time. A row has C counts, F dense features, 1 for the
 * bias, and P for its place on the page.
 */
function drawLogitSample(
  source: LogSource,
  tables: CountTables,
  seed: number,
  { C, F, P, columns }: { C: number; F: number; P: number; columns: number },
): LogitSample {
  const [x, start, chosen, hasNone]: [number[], number[], number[], boolean[]] = [[], [0], [], []];
  const placed = Array.from({ length: P + 1 }, (_, place) => {
    return Array.from({ length: P + 1 }, (_, k) => k === 0 || k === place ? 1 : 0);
  });
  for (const { log, users } of walk(source, usersOfSample(source, columns, seed))) {
    const counts = computeRowCounts(log, users, tables, tables.config.latest);
    const dense = F > 0 ? denseReader(source, log) : undefined;
    let row = 0;
    for (const user of users) {
      for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
        const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
        const clicks = listClickedRows(log, e);
        const choices = log.eventGiven?.[e] ? 0 : Math.max(1, clicks.length);
        for (let j = 0; j < choices; j++) {
          chosen.push(-1);
          hasNone.push(j === 0);
          for (let r = first; r < end; r++) {
            if (clicks.indexOf(r) >= 0 && clicks.indexOf(r) < j) continue; // clicked before
            if (r === clicks[j]) chosen[chosen.length - 1] = x.length / columns;
            const at = C * (row + r - first);
            const known = dense?.(log.rowItem[r]!) ?? [];
            x.push(...counts.subarray(at, at + C), ...known, ...placed[Math.min(r - first, P)]!);
          }
          start.push(x.length / columns);
        }
        row += end - first;
      }
    }
  }
  return { x: new Float64Array(x), columns, start, chosen, hasNone };
}

function usersOfSample(source: LogSource, columns: number, seed: number): number[] {
  const train = listUsers(source, "train");
  const order = createRandomStream(seed, "pages of the logit").sampleWithoutReplacement(
    train.length,
    train.length,
  );
  const mostRows = FIT_WORK / columns ** 2;
  let [rows, pages] = [0, 0];
  const users: number[] = [];
  for (const place of order) {
    const user = train[place]!;
    rows += source.userRows[user + 1]! - source.userRows[user]!;
    pages += source.userCounted[user + 1]! - source.userCounted[user]!;
    if (users.length > 0 && (rows > mostRows || pages > FIT_PAGES)) break;
    users.push(user);
  }
  return users.sort((a, b) => a - b);
}

/** Standardises the first columns of the pages. @returns their means, and 1 / their standard deviations. */
function standardise({ x, columns }: LogitSample, count: number) {
  const rows = Math.max(1, x.length / columns);
  const [mean, variance] = [new Float64Array(count), new Float64Array(count)];
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) mean[k]! += x[at + k]! / rows;
  }
  // About the mean: the mean square less its square would leave rounding alone where all are the same, 1e-6 and more.
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) {
      x[at + k]! -= mean[k]!;
      variance[k]! += x[at + k]! ** 2 / rows;
    }
  }
  // A column that is the same everywhere says nothing.
  const scaled = variance.map((variance) => variance > 1e-12 ? 1 / Math.sqrt(variance) : 0);
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) x[at + k]! *= scaled[k]!;
  }
  return { mean, scaled };
}
