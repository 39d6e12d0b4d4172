/**
 * Defines slices (subsets of the events) and metrics. A metric is the ratio of two sums over events. The
 * summed values are called columns: each event has one value per column.
 */

import { computeChoiceLoss, logSumExp, rankPage } from "../data/ranking.ts";

const COLUMNS = [
  "events",
  /** Events with a click. */
  "clicks",
  /** Events with a click on a page of at least two items. */
  "longerClicks",
  /** Events with a click and at least one unclicked item; `auc` is a mean over these events. */
  "pairs",
  "rows",
  /** Items that count as clicked: a page's first click or, if clicks are independent, all clicks. */
  "clickedRows",
  "nll",
  "prec1",
  "prec2",
  "longerPrec1",
  "longerPrec2",
  "mrr",
  "ndcg",
  "auc",
  "piPrec1",
  "piPrec2",
  "noClick",
  /** Predicted probability of no click. `pClick` is the sum of click probabilities of the displayed items. */
  "pNoClick",
  "pClick",
] as const;
type Column = typeof COLUMNS[number];

/** Index of each column in the sums, by name. */
export const column = Object.fromEntries(COLUMNS.map((name, k) => [name, k])) as Readonly<
  Record<Column, number>
>;
export const columns = COLUMNS.length;

interface Ratio {
  readonly sum: Column;
  readonly per: Column;
  readonly title: string;
}

/**
 * Metrics of test users. Metrics named `longer...` exclude pages of one item; metrics named `pi...` measure
 * the generator's ranking. `auc` is the share of a page's unclicked items that rank below a clicked item; it
 * excludes pages without unclicked items.
 */
const ratios = {
  nll: { sum: "nll", per: "events", title: "loss" },
  prec1: { sum: "prec1", per: "clicks", title: "prec@1" },
  prec2: { sum: "prec2", per: "clicks", title: "prec@2" },
  longerPrec1: { sum: "longerPrec1", per: "longerClicks", title: "prec@1*" },
  longerPrec2: { sum: "longerPrec2", per: "longerClicks", title: "prec@2*" },
  mrr: { sum: "mrr", per: "clicks", title: "MRR" },
  ndcg: { sum: "ndcg", per: "clicks", title: "NDCG" },
  auc: { sum: "auc", per: "pairs", title: "AUC" },
  piPrec1: { sum: "piPrec1", per: "clicks", title: "prec@1 of pi" },
  piPrec2: { sum: "piPrec2", per: "clicks", title: "prec@2 of pi" },
  noClick: { sum: "noClick", per: "events", title: "no click" },
  pNoClick: { sum: "pNoClick", per: "events", title: "P(no click)" },
  clicked: { sum: "clickedRows", per: "rows", title: "clicked" },
  pClick: { sum: "pClick", per: "rows", title: "P(click)" },
} as const satisfies Record<string, Ratio>;
export type MetricName = keyof typeof ratios;
export const metricNames = Object.keys(ratios) as readonly MetricName[];

export function getMetricTitle(name: MetricName): string {
  return ratios[name].title;
}

/** Computes a metric from each row of `totals` [rows, columns], for example a row per resample. */
export function computeMetric(name: MetricName, totals: Float64Array): Float64Array {
  const { sum, per } = ratios[name];
  const [above, below] = [column[sum], column[per]];
  const values = new Float64Array(totals.length / columns);
  for (let row = 0; row < values.length; row++) {
    values[row] = totals[row * columns + above]! / totals[row * columns + below]!;
  }
  return values;
}

/** Consecutive ranges of integers, defined by their lower bounds; the last range has no upper bound. */
class Ranges {
  readonly names: readonly string[];

  constructor(private readonly bounds: readonly number[]) {
    this.names = bounds.map((from, k) => {
      const next = bounds[k + 1];
      if (next === undefined) return `${from}+`;
      return next === from + 1 ? String(from) : `${from}-${next - 1}`;
    });
  }

  findSlice(value: number): number {
    const { bounds } = this;
    let index = bounds.length - 1;
    while (index > 0 && value < bounds[index]!) index--;
    return index;
  }
}

export const pageLengths = new Ranges([1, 2, 3, 5, 10, 20, 50]);
/** Ranges of the number of clicks (including context events) that a user made before the page. */
export const historyLengths = new Ranges([0, 1, 3, 6, 11, 21, 51]);
/** Ranges of positions on the page, counted from 1. */
export const positions = new Ranges([1, 2, 3, 4, 6, 11, 21]);
/** Two slices: items that a train user saw ("seen in training"), and all other items ("new"). */
export const seen = { names: ["seen in training", "new"], findSlice: (isSeen: boolean) => isSeen ? 0 : 1 };

export type SliceKey = "page length" | "history" | "position" | "item" | "category";

/**
 * All kinds of slices. A slice by position, item or category consists of the events whose first clicked
 * item is in it. Slices by category come last, so that all other slices have the same indices for every log.
 */
export const slicings = [
  { by: "page length", names: pageLengths.names },
  { by: "history", names: historyLengths.names },
  { by: "position", names: positions.names },
  { by: "item", names: seen.names },
  { by: "category", names: [] },
] as const satisfies readonly { by: SliceKey; names: readonly string[] }[];

/** Index of the first slice of each kind. Numbers run through all kinds, in the order of `slicings`. */
export const firstSlice = (() => {
  let next = 0;
  return Object.fromEntries(slicings.map(({ by, names }) => {
    const first = next;
    next += names.length;
    return [by, first];
  })) as Readonly<Record<SliceKey, number>>;
})();
export const sliceCount = slicings.reduce((sum, { names }) => sum + names.length, 0);

export interface EvaluatedPage {
  /** Positions of the clicked items on the page, counted from 0, in click order. */
  readonly clicked: readonly number[];
  /** Number of clicks that the user made before the page. */
  readonly history: number;
  readonly items: Uint32Array;
  readonly ranking: Float64Array;
  /** Inputs of the softmax or sigmoid: eta * (utility + position effect). */
  readonly logits: Float64Array;
  /** Predicted click probability of each item. */
  readonly chances: Float64Array;
  /** -log P(no click); NaN if the scores only rank items. */
  readonly logSum: number;
}

/** Computes click probabilities; see {@link import("./metric_collector.ts").MetricCollectorOptions}. */
export function computeProbabilities(
  logits: Float64Array,
  { eta, single }: { readonly eta?: number; readonly single?: boolean },
): Pick<EvaluatedPage, "chances" | "logSum"> {
  if (single) {
    const logSum = logits.reduce((sum, z) => sum + Math.max(0, z) + Math.log1p(Math.exp(-Math.abs(z))), 0);
    return { chances: logits.map((z) => 1 / (1 + Math.exp(-z))), logSum };
  }
  const logSum = eta === undefined ? NaN : logSumExp(logits, 0, logits.length);
  return { chances: logits.map((z) => Math.exp(z - logSum)), logSum };
}

/** Index of the generator's prec@1 in an event's outcomes of the adversarial stage (ops/minimax.ts). */
const PI = 5;

/** Column values of the current event. Every call of computePageSums overwrites the values. */
const event = new Float64Array(columns);

/**
 * Computes the value that an event adds to each column. @param single - true if items are clicked
 * independently. @param outcome - loss, prec@1, ... from the device; if undefined, loss and precision are
 * computed here. @returns [columns] values. The next call overwrites the returned array.
 */
export function computePageSums(
  { ranking: order, logits, chances, clicked, logSum }: EvaluatedPage,
  single: boolean | undefined,
  outcome: Float32Array | undefined,
): Float64Array {
  const hasClick = clicked.length > 0;
  // In the adversarial stage, the outcome of the device has only the first click of a page.
  const found = clicked.length > 1 ? undefined : outcome;
  const sums = event.fill(0);
  sums[column.events] = 1;
  sums[column.rows] = order.length;
  sums[column.noClick] = hasClick ? 0 : 1;
  sums[column.pNoClick] = Math.exp(-logSum);
  sums[column.pClick] = single ? chances.reduce((sum, p) => sum + p, 0) : 1 - Math.exp(-logSum);
  sums[column.nll] = found?.[0] ?? computePageLoss(logits, clicked, logSum, single);
  if (!hasClick) return sums;
  const ranking = rankPage(order, 0, order.length, clicked);
  const [prec1, prec2] = [found?.[1] ?? ranking.prec1, found?.[2] ?? ranking.prec2];
  sums[column.clicks] = 1;
  sums[column.clickedRows] = single ? clicked.length : 1;
  sums[column.prec1] = prec1;
  sums[column.prec2] = prec2;
  sums[column.mrr] = ranking.mrr;
  sums[column.ndcg] = ranking.ndcg;
  sums[column.piPrec1] = outcome?.[PI] ?? NaN;
  sums[column.piPrec2] = outcome?.[PI + 1] ?? NaN;
  if (clicked.length < order.length) {
    sums[column.pairs] = 1;
    sums[column.auc] = ranking.auc;
  }
  if (order.length === 1) return sums;
  sums[column.longerClicks] = 1;
  sums[column.longerPrec1] = prec1;
  sums[column.longerPrec2] = prec2;
  return sums;
}

/** Computes -log P(observed clicks). @param logSum - -log P(no click); if NaN, the result is NaN */
function computePageLoss(
  logits: Float64Array,
  clicked: readonly number[],
  logSum: number,
  single: boolean | undefined,
): number {
  if (Number.isNaN(logSum)) return NaN;
  if (single || clicked.length < 2) {
    return clicked.reduce((loss, position) => loss - logits[position]!, logSum);
  }
  return computeChoiceLoss(logits, 0, logits.length, clicked);
}
