/**
 * Conditional logit: a choice model in which an item's utility is linear in the item's features. `fitLogit`
 * fits the weights to given choices. `fitCounts` fits the weights to the choices of train users, with count
 * features and dense features.
 */

import { logSumExp } from "../data/ranking.ts";
import { type Clicks, listClickedRows, listUsers } from "../data/click_log.ts";
import { type LogSource, walk } from "../data/log_source.ts";
import { createRandomStream } from "../data/random.ts";
import { addSquares, decomposeCholesky, solveLower, solveUpper } from "../data/symmetric_matrix.ts";
import { countWidth } from "./count_columns.ts";
import { computeCountFeatures, type CountTables } from "./page_counts.ts";
import { readLogItems } from "./train_counts.ts";

/** Choices of users: one per page, and one per additional click among the rows that are not yet clicked. */
export interface LogitSample {
  /** [rows, D] features of the options of all choices, one row per option; D is `columns`. */
  readonly x: Float64Array;
  readonly columns: number;
  /** [choices + 1] index of each choice's first row in `x`; at the end, the number of rows. */
  readonly start: ArrayLike<number>;
  /** [choices] for each choice, the index of the clicked row; -1 if nothing was clicked. */
  readonly chosen: ArrayLike<number>;
  /** [choices] for each choice, true if the user may also click nothing. */
  readonly hasNone: ArrayLike<boolean>;
}

const MOST_STEPS = 30;

/**
 * Returns the weights w [D] that maximise the likelihood of the choices, by Newton's method. Rows have the
 * utilities u = x w; clicking nothing has the utility 0.
 * @param ridge - [D] positive: the loss (a sum over choices) has the penalty sum_d (ridge_d / 2) * w_d^2.
 */
export function fitLogit(choices: LogitSample, ridge: ArrayLike<number>): Float64Array<ArrayBuffer> {
  let best = evaluatePoint(choices, new Float64Array(choices.columns), ridge);
  for (let step = 0; step < MOST_STEPS; step++) {
    const move = newtonStep(choices, best, ridge);
    let [size, next] = [1, best];
    do {
      next = evaluatePoint(choices, best.w.map((value, k) => value - size * move[k]!), ridge);
      size /= 2;
    } while (!(next.loss <= best.loss) && size > 1e-6);
    if (!(next.loss < best.loss - 1e-9 * best.loss)) break;
    best = next;
  }
  return best.w;
}

/** Weights w during the optimisation, their loss (with penalties), and each row's choice probability p. */
interface Point {
  readonly w: Float64Array<ArrayBuffer>;
  readonly loss: number;
  readonly p: Float64Array;
}

function evaluatePoint(choices: LogitSample, w: Float64Array<ArrayBuffer>, ridge: ArrayLike<number>): Point {
  const { x, columns, start, chosen, hasNone } = choices;
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

/** Lower bound of a Hessian's pivots. Without it, rounding errors could make a Newton step infinite. */
const LEAST_PIVOT = 1e-12;

/**
 * Returns the Newton step H^-1 g for the gradient g and the Hessian H. In H, x are the features of a row, p
 * is its choice probability, and m is the sum of p * x over the rows of a choice (their mean):
 *   H = sum_rows p x x' - sum_choices m m' + diag(ridge)
 */
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
  const factor = decomposeCholesky(hessian, D, LEAST_PIVOT);
  return solveUpper(factor, D, solveLower(factor, D, gradient));
}

export interface LogitOptions {
  readonly dense: boolean;
  /** Number of position effects; 0 for none. The last effect also applies to all later positions. */
  readonly positions: number;
  /** Seed for sampling users from a log that has too many pages for a fit. */
  readonly seed: number;
}

/**
 * Weights of a row's utility. A row with count features c and dense features f has the utility
 *   bias + sum_k counts_k scaled_k (c_k - mean_k) + dense . f + position effect
 */
export interface CountsLogit {
  /** [C] mean of each count feature over the rows of the sample. */
  readonly mean: Float64Array;
  /** [C] 1 / standard deviation of each count feature. */
  readonly scaled: Float64Array;
  /** [C] weights of the standardised count features. */
  readonly counts: Float64Array;
  readonly bias: number;
  /** [F] weights of the dense features; empty if there are none. */
  readonly dense: Float64Array;
  readonly positions: Float64Array;
}

/** Largest number of multiply-adds to compute a Hessian (one or two seconds of computation). */
const FIT_WORK = 4e8;
const FIT_PAGES = 20_000;
/** Ridge coefficient of all weights except the bias, to be multiplied by the number of choices. */
const RIDGE = 1e-3;
const BIAS_RIDGE = 1e-3;
/** Largest number of dense features in a fit. If there are more, the fit uses none, to save time. */
const MOST_DENSE = 64;

/** Cache of {@link fitCounts}, keyed by tables and by options. */
const fits = new WeakMap<CountTables, Map<string, CountsLogit>>();

/** Fits the logit to choices of train users (cached). @param tables - counts of this log's train users */
export function fitCounts(source: LogSource, tables: CountTables, options: LogitOptions): CountsLogit {
  const known = fits.get(tables) ?? new Map<string, CountsLogit>();
  fits.set(tables, known);
  const key = JSON.stringify(options);
  const logit = known.get(key) ?? fitSample(source, tables, options);
  known.set(key, logit);
  return logit;
}

function fitSample(source: LogSource, tables: CountTables, options: LogitOptions): CountsLogit {
  const { C, F, columns } = getLogitColumns(source, tables, options);
  const pages = buildLogitSample(source, tables, sampleUsers(source, columns, options.seed), options);
  const { mean, scaled } = standardise(pages, C + F);
  const penalty = RIDGE * pages.chosen.length;
  const w = fitLogit(pages, Array.from({ length: columns }, (_, k) => k === C + F ? BIAS_RIDGE : penalty));
  const dense = w.slice(C, C + F).map((weight, k) => weight * scaled[C + k]!);
  const bias = w[C + F]! - dense.reduce((sum, weight, k) => sum + weight * mean[C + k]!, 0);
  return {
    mean: mean.slice(0, C),
    scaled: scaled.slice(0, C),
    counts: w.slice(0, C),
    bias,
    dense,
    positions: w.slice(C + F + 1),
  };
}

/** Returns utilities [rows], with position effects. `tables` must not include the pages of `users`. */
export function computeLogitUtilities(
  { mean, scaled, counts, bias, dense, positions: places }: CountsLogit,
  source: LogSource,
  log: Clicks,
  users: ArrayLike<number>,
  tables: CountTables,
): Float64Array {
  const C = counts.length;
  const x = computeCountFeatures(log, users, tables, undefined);
  const values = dense.length > 0 ? makeDenseReader(source, log) : undefined;
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

function getDenseWidth({ items: { shape } }: LogSource): number {
  return shape.kind !== "one-hot" && shape.width <= MOST_DENSE ? shape.width : 0;
}

function makeDenseReader(source: LogSource, log: Clicks): (item: number) => Float32Array {
  const { items, findItemIndex } = readLogItems(source.items, log);
  if (items.kind === "one-hot") throw new Error("expected items with dense features");
  const { width, values } = items;
  return (item) => values.subarray(findItemIndex(item) * width, (findItemIndex(item) + 1) * width);
}

function getLogitColumns(source: LogSource, tables: CountTables, { dense, positions }: LogitOptions) {
  const C = countWidth(tables.config);
  const F = dense ? getDenseWidth(source) : 0;
  const P = Math.max(0, positions - 1);
  return { C, F, P, columns: C + F + 1 + P };
}

/**
 * Lists the choices of users. Each row has these features, not yet standardised: C count features, F dense
 * features, a 1 (for the bias), and P position indicators. Counts exclude a train user's own pages.
 */
export function buildLogitSample(
  source: LogSource,
  tables: CountTables,
  users: Iterable<number>,
  options: LogitOptions,
): LogitSample {
  const { C, F, P, columns } = getLogitColumns(source, tables, options);
  const [x, start, chosen, hasNone]: [number[], number[], number[], boolean[]] = [[], [0], [], []];
  const positions = Array.from({ length: P + 1 }, (_, position) => {
    return Array.from({ length: P + 1 }, (_, k) => k === 0 || k === position ? 1 : 0);
  });
  for (const { log, users: some } of walk(source, users)) {
    const counts = computeCountFeatures(log, some, tables, tables.config.latest);
    const dense = F > 0 ? makeDenseReader(source, log) : undefined;
    let row = 0;
    for (const user of some) {
      for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
        const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
        const clicks = listClickedRows(log, e);
        const choices = log.eventKind?.[e] ? 0 : Math.max(1, clicks.length);
        for (let j = 0; j < choices; j++) {
          chosen.push(-1);
          hasNone.push(j === 0);
          for (let r = first; r < end; r++) {
            if (clicks.indexOf(r) >= 0 && clicks.indexOf(r) < j) continue; // clicked before
            if (r === clicks[j]) chosen[chosen.length - 1] = x.length / columns;
            const at = C * (row + r - first);
            const known = dense?.(log.rowItem[r]!) ?? [];
            x.push(...counts.subarray(at, at + C), ...known, ...positions[Math.min(r - first, P)]!);
          }
          start.push(x.length / columns);
        }
        row += end - first;
      }
    }
  }
  return { x: new Float64Array(x), columns, start, chosen, hasNone };
}

/** Samples train users, few enough that computing one Hessian takes at most one or two seconds. */
function sampleUsers(source: LogSource, columns: number, seed: number): number[] {
  const train = listUsers(source, "train");
  const order = createRandomStream(seed, "pages of the logit").sampleWithoutReplacement(
    train.length,
    train.length,
  );
  const mostRows = FIT_WORK / columns ** 2;
  let [rows, pages] = [0, 0];
  const users: number[] = [];
  for (const index of order) {
    const user = train[index]!;
    rows += source.userRows[user + 1]! - source.userRows[user]!;
    pages += source.userCounted[user + 1]! - source.userCounted[user]!;
    if (users.length > 0 && (rows > mostRows || pages > FIT_PAGES)) break;
    users.push(user);
  }
  return users.sort((a, b) => a - b);
}

/** Standardises the first `count` columns. @returns mean and 1 / standard deviation per column */
function standardise({ x, columns }: LogitSample, count: number) {
  const rows = Math.max(1, x.length / columns);
  const [mean, variance] = [new Float64Array(count), new Float64Array(count)];
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) mean[k]! += x[at + k]! / rows;
  }
  // Centre before squaring: in a constant column, mean square - squared mean has rounding errors of 1e-6.
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) {
      x[at + k]! -= mean[k]!;
      variance[k]! += x[at + k]! ** 2 / rows;
    }
  }
  const scaled = variance.map((variance) => variance > 1e-12 ? 1 / Math.sqrt(variance) : 0);
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < count; k++) x[at + k]! *= scaled[k]!;
  }
  return { mean, scaled };
}
