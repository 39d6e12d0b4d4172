/** What one event adds to the sums of figures. */

import { choiceLoss, logSumExp, pageRanking } from "../data/ranking.ts";
import { column, columns } from "./columns.ts";

/** One event while it is added. */
export interface Page {
  /** Places of the clicked items on the page, in the order of the clicks. */
  readonly clicked: readonly number[];
  /** Clicks of the user before it. */
  readonly history: number;
  /** What it displays. */
  readonly items: Uint32Array;
  /** What the items are ranked by. */
  readonly ranking: Float64Array;
  /** Where there are probabilities, eta times the utilities, with what places add. */
  readonly logits: Float64Array;
  /** Of each item. */
  readonly chances: Float64Array;
  /** -log P(no click); NaN without probabilities. */
  readonly logSum: number;
}

/** Probabilities of logits. @param choice see {@link import("./collector.ts").CollectorOptions} */
export function chancesOf(
  logits: Float64Array,
  { eta, single }: { readonly eta?: number; readonly single?: boolean },
): Pick<Page, "chances" | "logSum"> {
  if (single) {
    const logSum = logits.reduce((sum, z) => sum + Math.max(0, z) + Math.log1p(Math.exp(-Math.abs(z))), 0);
    return { chances: logits.map((z) => 1 / (1 + Math.exp(-z))), logSum };
  }
  const logSum = eta === undefined ? NaN : logSumExp(logits, 0, logits.length);
  return { chances: logits.map((z) => Math.exp(z - logSum)), logSum };
}

/** Place of the generator's precision among the outcomes of a game: see gameSummary of train/sums.ts. */
const PI = 5;

/** The event that is being added: one at a time. */
const event = new Float64Array(columns);

/**
 * What an event adds to the columns.
 * @param single each item is clicked or not by itself. @param outcome what the device found of it.
 * @returns [columns], which the next call fills anew.
 */
export function sumsOf(
  { ranking: order, logits, chances, clicked, logSum }: Page,
  single: boolean | undefined,
  outcome: Float32Array | undefined,
): Float64Array {
  const hasClick = clicked.length > 0;
  // A game's outcome is of the first click alone.
  const found = clicked.length > 1 ? undefined : outcome;
  const sums = event.fill(0);
  sums[column.events] = 1;
  sums[column.rows] = order.length;
  sums[column.noClick] = hasClick ? 0 : 1;
  sums[column.pNoClick] = Math.exp(-logSum);
  sums[column.pClick] = single ? chances.reduce((sum, p) => sum + p, 0) : 1 - Math.exp(-logSum);
  sums[column.nll] = found?.[0] ?? lossOf(logits, clicked, logSum, single);
  if (!hasClick) return sums;
  const ranking = pageRanking(order, 0, order.length, clicked);
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

/** -log P(what happened); NaN without probabilities. */
function lossOf(
  logits: Float64Array,
  clicked: readonly number[],
  logSum: number,
  single: boolean | undefined,
): number {
  if (Number.isNaN(logSum)) return NaN;
  if (single || clicked.length < 2) return clicked.reduce((loss, place) => loss - logits[place]!, logSum);
  return choiceLoss(logits, 0, logits.length, clicked);
}
