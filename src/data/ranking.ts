/** Metrics of a ranking of displayed items, as expectations over ties. */

import { type Clicks, listClickedRows } from "./click_log.ts";

/** Number of rows of a page with a higher score than a clicked one, with the same score (itself included), and clicked ones among these. */
interface Standing {
  greater: number;
  same: number;
  own: number;
}

function rankClickedRow(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  row: number,
  clicked: readonly number[],
): Standing {
  const score = scores[row]!;
  let greater = 0, same = 0;
  for (let row = start; row < end; row++) {
    const other = scores[row]!;
    if (other > score) greater++;
    else if (other === score) same++;
  }
  const own = clicked.length === 1 ? 1 : clicked.filter((row) => scores[row] === score).length;
  return { greater, same, own };
}

/** Returns the rank counts of the clicked row with the highest score. */
function bestStanding(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: readonly number[],
): Standing {
  const best = clicked.reduce((best, row) => scores[row]! > scores[best]! ? row : best, clicked[0]!);
  return rankClickedRow(scores, start, end, best, clicked);
}

/**
 * Returns the probability that one of the rows `clicked` is among the top k of the rows `start..end-1` when they are ranked
 * by descending score and ties are broken at random. (Never by position: in the paper's files the click is the last row of
 * each page.)
 *
 * With g rows scored strictly higher than the best of them and t rows scored the same, it is 0 if g >= k. With one clicked
 * row it is else min(1, (k - g) / t).
 *
 * @param scores [R] higher is better; not NaN. @param clicked at least one row
 */
export function computePrecision(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: readonly number[],
  k: 1 | 2,
): number {
  return atTop(bestStanding(scores, start, end, clicked), k);
}

function atTop({ greater, same, own }: Standing, k: number): number {
  if (greater >= k) return 0;
  if (own === 1) return Math.min(1, (k - greater) / same);
  // Probability that other rows take all remaining positions.
  let none = 1;
  for (let place = 0; place < Math.min(k - greater, same); place++) {
    none *= (same - own - place) / (same - place);
  }
  return 1 - none;
}

/** Ranking metrics of a page with a click. Every metric is the mean over the orders of ties. */
export interface PageRanking {
  /** 1 if a clicked item is ranked first. */
  readonly prec1: number;
  /** 1 if a clicked item is ranked first or second. */
  readonly prec2: number;
  /** 1 / rank of the first clicked item. */
  readonly mrr: number;
  /** DCG of the clicked items, the sum of 1 / log2(1 + rank), divided by the ideal DCG. */
  readonly ndcg: number;
  /** Share of the pairs of a clicked and another item that rank the clicked one higher; NaN if all are clicked. */
  readonly auc: number;
}

/** Ranks the rows `start..end-1`. @param scores [R] higher is better; not NaN. @param clicked at least one row */
export function rankPage(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: readonly number[],
): PageRanking {
  const best = bestStanding(scores, start, end, clicked);
  const clicks = clicked.length;
  const others = end - start - clicks;
  let [gain, above] = [0, 0];
  for (const row of clicked) {
    const { greater, same, own } = clicks === 1 ? best : rankClickedRow(scores, start, end, row, clicked);
    const clickedAbove = clicks === 1 ? 0 : clicked.filter((row_) => scores[row_]! > scores[row]!).length;
    gain += discounts.mean(greater, same);
    above += greater - clickedAbove + (same - own) / 2;
  }
  return {
    prec1: atTop(best, 1),
    prec2: atTop(best, 2),
    mrr: firstReciprocal(best),
    ndcg: gain / (clicks * discounts.mean(0, clicks)),
    auc: others === 0 ? NaN : (others * clicks - above) / (others * clicks),
  };
}

/** Returns the mean of 1 / rank of the first clicked row among those with the same score. */
function firstReciprocal({ greater, same, own }: Standing): number {
  if (own === 1) return reciprocals.mean(greater, same);
  let [sum, chance] = [0, own / same];
  for (let place = 1; place <= same - own + 1; place++) {
    sum += chance / (greater + place);
    chance *= (same - place - own + 1) / (same - place);
  }
  return sum;
}

/** Cumulative worths of the ranks 1, 2, 3, ..., computed on demand. */
class RankWorths {
  readonly #upTo = [0];

  constructor(private readonly worth: (rank: number) => number) {}

  /** Returns the mean over the ranks before + 1 .. before + count. */
  mean(before: number, count: number): number {
    if (count === 1) return this.worth(before + 1);
    const upTo = this.#upTo;
    for (let rank = upTo.length; rank <= before + count; rank++) {
      upTo.push(upTo[rank - 1]! + this.worth(rank));
    }
    return (upTo[before + count]! - upTo[before]!) / count;
  }
}
const reciprocals = new RankWorths((rank) => 1 / rank);
const discounts = new RankWorths((rank) => 1 / Math.log2(1 + rank));

/** Means over the predicted events of some users; NaN without such events. */
export interface RankingMetrics {
  /** Share of the pages with a click that rank a clicked item first. */
  prec1: number;
  /** Share of the pages with a click that rank a clicked item first or second. */
  prec2: number;
}

/** {@link RankingMetrics}, and the loss of a choice model. */
export interface ChoiceMetrics extends RankingMetrics {
  /** Mean of -log P(page) over events, including those without a click. */
  nll: number;
}

/**
 * Computes the metrics of a choice model with utilities `utility` [R]: P(a | page) = exp(u_a) / (1 + sum exp(u_i)), where the
 * 1 is the choice to click nothing.
 */
export function computeChoiceMetrics(
  log: Clicks,
  users: Iterable<number>,
  utility: ArrayLike<number>,
): ChoiceMetrics {
  let [events, clicks, nll, prec1, prec2] = [0, 0, 0, 0, 0];
  for (const user of users) {
    for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
      if (log.eventKind?.[event]) continue;
      const start = log.eventRows[event]!, end = log.eventRows[event + 1]!;
      const clicked = listClickedRows(log, event);
      events++;
      nll += computeChoiceLoss(utility, start, end, clicked);
      if (clicked.length === 0) continue;
      clicks++;
      prec1 += computePrecision(utility, start, end, clicked, 1);
      prec2 += computePrecision(utility, start, end, clicked, 2);
    }
  }
  return { nll: nll / events, prec1: prec1 / clicks, prec2: prec2 / clicks };
}

/**
 * Returns log(1 + sum exp(u)) of a page: minus the log of the probability of no click.
 * @param none true if no click is among the choices: the 1
 */
export function logSumExp(utility: ArrayLike<number>, start: number, end: number, none = true): number {
  let top = none ? 0 : -Infinity;
  for (let row = start; row < end; row++) top = Math.max(top, utility[row]!);
  let sum = Math.exp(none ? -top : -Infinity);
  for (let row = start; row < end; row++) sum += Math.exp(utility[row]! - top);
  return top + Math.log(sum);
}

/**
 * Returns -log P(page): the first click is a choice among the rows and no click, each additional one among the rows that are
 * not clicked yet. @param clicked rows, in the order of the clicks
 */
export function computeChoiceLoss(
  utility: ArrayLike<number>,
  start: number,
  end: number,
  clicked: readonly number[],
): number {
  let loss = logSumExp(utility, start, end) - (clicked.length === 0 ? 0 : utility[clicked[0]!]!);
  for (let j = 1; j < clicked.length; j++) {
    const left = listUnclickedRows(start, end, clicked.slice(0, j)).map((row) => utility[row]!);
    loss += logSumExp(left, 0, left.length, false) - utility[clicked[j]!]!;
  }
  return loss;
}

export function listUnclickedRows(start: number, end: number, clicked: readonly number[]): number[] {
  return Array.from({ length: end - start }, (_, k) => start + k).filter((row) => !clicked.includes(row));
}

/**
 * Returns how similarly two scorings rank the items of a page: the mean over pages of Spearman's correlation, 1 for the same
 * order. Ties take their mean rank; pages of one item are left out, and a page with equal scores counts as 0.
 *
 * @param scores, truth [R]
 * @returns NaN without a page of two items
 */
export function meanSpearman(
  log: Clicks,
  users: Iterable<number>,
  scores: ArrayLike<number>,
  truth: ArrayLike<number>,
): number {
  let pages = 0, sum = 0;
  for (const user of users) {
    for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
      const start = log.eventRows[event]!, end = log.eventRows[event + 1]!;
      if (end - start < 2 || log.eventKind?.[event]) continue;
      pages++;
      sum += correlation(meanRanks(scores, start, end), meanRanks(truth, start, end));
    }
  }
  return sum / pages;
}

/** Returns the ranks 1..K of the rows start..end-1, ascending. */
function meanRanks(scores: ArrayLike<number>, start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, k) => {
    let below = 0, same = 0;
    for (let row = start; row < end; row++) {
      if (scores[row]! < scores[start + k]!) below++;
      else if (scores[row] === scores[start + k]) same++;
    }
    return below + (same + 1) / 2;
  });
}

/** Returns Pearson's correlation; 0 if one of the two is constant. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (a.length + 1) / 2; // of ranks
  let ab = 0, aa = 0, bb = 0;
  a.forEach((x, k) => {
    const [dx, dy] = [x - mean, b[k]! - mean];
    ab += dx * dy;
    aa += dx * dx;
    bb += dy * dy;
  });
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
