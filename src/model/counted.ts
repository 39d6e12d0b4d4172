/**
 * What counting knows enters the utility: u = linear part of the counts + the rest, which reads them, too.
 *
 *   u_a = w c_a + b + network(counts, features, state)
 *
 * The linear part is fitted first, as it is convex, and all else begins at zero: a training starts as that conditional logit.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import { countWidth, tableWidth } from "../counts/columns.ts";
import { countsIn, ownCounts } from "../counts/log_counts.ts";
import { fitLogit } from "../counts/logit.ts";
import type { CountTables } from "../counts/page_counts.ts";
import { countTables } from "../counts/tables.ts";
import { NONE, usersOf } from "../data/click_log.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { type LogSource, type OnProgress, walk } from "../data/log_source.ts";
import { randomStream } from "../data/random.ts";
import { linear } from "../ops/linear.ts";
import { recentClicks, rowCounts } from "../ops/row_counts.ts";
import { type RowDot, rowDot } from "../ops/row_dot.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { type ModelParameter, truncatedNormal, zeros } from "./initial_weights.ts";
import { POSITION_EFFECT } from "./position_effect.ts";

const TABLE = "counts/table";
const SCALE = "counts/scale";
const KERNEL = "counts/kernel";
const BIAS = "counts/bias";
/** What the counts give the first layer, [C, N]. */
const FIRST_LAYER = "utility/layer1/count_kernel";
/** Of an event, where the users of a page are carried on. */
export const RECENT = "counts/recent";

export function countParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  const { counts, dims: [first], kernelSd } = config;
  if (!counts) return [];
  const C = countWidth(counts);
  const constant = { constant: true, initial: zeros };
  return [
    { name: TABLE, rows: items.count, columns: tableWidth(counts), ...constant },
    { name: SCALE, rows: 3, columns: C, ...constant },
    { name: KERNEL, rows: 1, columns: C, initial: zeros },
    { name: BIAS, rows: 1, columns: 1, initial: zeros },
    ...(first === undefined
      ? []
      : [{ name: FIRST_LAYER, rows: C, columns: first, decays: true, initial: truncatedNormal(kernelSd) }]),
  ];
}

/** [rows, C] counts of a batch; undefined for a model without. @param recent where users are carried on */
export function countsPart(tape: ClickTape, { counts }: ModelConfig, recent?: Tensor): Tensor | undefined {
  if (!counts) return undefined;
  const [table, scale] = [tape.parameter(TABLE), tape.parameter(SCALE)];
  const clicks = recent ?? recentClicks(tape, RECENT, table, counts);
  return rowCounts(tape, "counts/of_rows", { recent: clicks, table, scale }, counts);
}

/** [rows, N] what the counts give the first layer. */
export function countsLayer(tape: ClickTape, counts: Tensor): Tensor {
  return linear(tape, "utility/layer1/count_part", { input: counts, weights: tape.parameter(FIRST_LAYER) });
}

/** [rows, 1] the linear part, added to what the rest of the model makes of a row. */
export function addLinearPart(tape: ClickTape, counts: Tensor, base: Tensor): RowDot {
  const parts = { input: counts, weights: tape.parameter(KERNEL), bias: tape.parameter(BIAS), base };
  return rowDot(tape, "counts/utility", parts);
}

/** Multiply-adds of a fit's second derivatives, at most: a second or two. */
const FIT_WORK = 4e8;
const FIT_PAGES = 20_000;
/** Penalty of a fit on w^2, of a page. */
const RIDGE = 1e-3;

/**
 * What a model with counts starts from: the tables of the train users, and the conditional logit that is fitted on them, each
 * user taken without their own pages.
 */
export function countedStart(
  source: LogSource,
  config: ModelConfig,
  seed: number,
  onProgress?: OnProgress,
): Weights {
  const { counts, positions } = config;
  if (!counts) return new Map();
  const tables = countTables(source, counts, onProgress);
  const C = countWidth(counts);
  const places = Math.max(0, positions - 1);
  onProgress?.("Fitting a logit", 0, 1);
  const { x, start, clicked } = sampleOf(source, tables, C + 1 + places, seed);
  const { mean, scaled } = standardised(x, C, C + 1 + places);
  start.forEach((first, page) => {
    for (let row = first; row < (start[page + 1] ?? first); row++) {
      const at = row * (C + 1 + places);
      for (let k = 0; k < C; k++) x[at + k] = (x[at + k]! - mean[k]!) * scaled[k]!;
      x[at + C] = 1;
      const place = Math.min(row - first, places);
      if (place > 0) x[at + C + place] = 1;
    }
  });
  const penalty = RIDGE * clicked.length;
  const ridge = Array.from({ length: C + 1 + places }, (_, k) => k === C ? 1e-3 : penalty);
  const w = fitLogit({ x, columns: C + 1 + places, start, clicked }, ridge);
  const scale = new Float32Array(3 * C);
  scale.set(mean, 0);
  scale.set(scaled, C);
  scale[2 * C] = tables.meanRate;
  return new Map([
    [TABLE, tables.items],
    [SCALE, scale],
    [KERNEL, Float32Array.from(w.subarray(0, C))],
    [BIAS, Float32Array.from(w.subarray(C, C + 1))],
    ...(places > 0 ? [[POSITION_EFFECT, Float32Array.from(w.subarray(C + 1))] as const] : []),
  ]);
}

/** Pages of train users, drawn by the seed: as many as a fit of `columns` takes in its time. Counts stand first in a row. */
function sampleOf(source: LogSource, tables: CountTables, columns: number, seed: number) {
  const train = usersOf(source, "train");
  const order = randomStream(seed, "pages of the logit").sampleWithoutReplacement(train.length, train.length);
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
  const C = countWidth(tables.config);
  const found: Float64Array[] = [];
  const start = [0];
  const clicked: number[] = [];
  for (const { log, users: own } of walk(source, users.sort((a, b) => a - b))) {
    const counts = countsIn(log, own, tables, ownCounts(log, tables.config.latest));
    let row = 0;
    for (const user of own) {
      for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
        const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
        if (!log.eventGiven?.[e]) {
          const click = log.eventClick[e]!;
          clicked.push(click === NONE ? -1 : start.at(-1)! + click - first);
          start.push(start.at(-1)! + end - first);
          found.push(counts.subarray(C * row, C * (row + end - first)));
        }
        row += end - first;
      }
    }
  }
  const x = new Float64Array(columns * start.at(-1)!);
  let at = 0;
  for (const page of found) {
    for (let k = 0; k < page.length; k += C, at += columns) x.set(page.subarray(k, k + C), at);
  }
  return { x, start, clicked };
}

/** Means of the first C columns, and 1 / their standard deviations. */
function standardised(
  x: Float64Array,
  C: number,
  columns: number,
): { mean: Float64Array; scaled: Float64Array } {
  const rows = Math.max(1, x.length / columns);
  const [mean, squares] = [new Float64Array(C), new Float64Array(C)];
  for (let at = 0; at < x.length; at += columns) {
    for (let k = 0; k < C; k++) {
      mean[k]! += x[at + k]! / rows;
      squares[k]! += x[at + k]! ** 2 / rows;
    }
  }
  const scaled = squares.map((square, k) => {
    const sd = Math.sqrt(Math.max(0, square - mean[k]! ** 2));
    return sd > 1e-6 ? 1 / sd : 0; // a column that is the same everywhere says nothing
  });
  return { mean, scaled };
}
