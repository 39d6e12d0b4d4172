/** Ranking metrics of pages. Ties are broken at random, and each metric is the expected value. */

import type { Clicks } from "./click_log.ts";

/** Counts of rows that determine the rank of a clicked row on its page. */
interface Standing {
  /** Number of rows with greater scores than the clicked row. */
  greater: number;
  /** Number of rows with the clicked row's score, including the clicked row. */
  same: number;
  /** Number of clicked rows with the clicked row's score, including the clicked row. */
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
 * Returns the probability that a clicked row is among the top k of the rows `start..end-1`, which are ranked
 * by descending score. Rows with equal scores are ranked in random order, because the order in the paper's
 * files reveals the clicked row, which is always last. With one clicked row, the probability is
 * min(1, max(0, k - g) / t): g rows score higher, and t rows (including the clicked row) have its score.
 * @param scores: [R] score of each row, not NaN. @param clicked: the clicked rows, at least one
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
  // Compute the probability that the tied rows on the top k ranks do not include a clicked row.
  let none = 1;
  for (let place = 0; place < Math.min(k - greater, same); place++) {
    none *= (same - own - place) / (same - place);
  }
  return 1 - none;
}

/** Ranking metrics of a page with a click. */
export interface PageRanking {
  /** Probability that a clicked item is ranked first. */
  readonly prec1: number;
  /** Probability that a clicked item is ranked first or second. */
  readonly prec2: number;
  /** Reciprocal rank: 1 / rank of the best-ranked clicked item. */
  readonly mrr: number;
  /** DCG / ideal DCG, where the DCG is the sum of 1 / log2(1 + rank) over the clicked items. */
  readonly ndcg: number;
  /** Share of pairs (clicked, unclicked item) in which the clicked item ranks higher; NaN without pairs. */
  readonly auc: number;
}

/** Computes the metrics of a page with rows `start..end-1`. For parameters see {@link computePrecision}. */
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

/** Returns the mean 1 / rank of the best clicked row over all orders of the rows with equal scores. */
function firstReciprocal({ greater, same, own }: Standing): number {
  if (own === 1) return reciprocals.mean(greater, same);
  let [sum, chance] = [0, own / same];
  for (let place = 1; place <= same - own + 1; place++) {
    sum += chance / (greater + place);
    chance *= (same - place - own + 1) / (same - place);
  }
  return sum;
}

/** Cache of cumulative sums of `worth(rank)`, such as 1 / rank, over the ranks 1, 2, 3, ... */
class RankWorths {
  readonly #upTo = [0];

  constructor(private readonly worth: (rank: number) => number) {}

  /** Returns the mean of `worth(rank)` over the ranks before + 1 to before + count. */
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

/** Means of ranking metrics over pages with a click; NaN if no page has a click. */
export interface RankingMetrics {
  /** Share of pages on which a clicked item is ranked first, among pages with a click. */
  prec1: number;
  /** Share of pages on which a clicked item is ranked first or second, among pages with a click. */
  prec2: number;
}

/** Ranking metrics and loss of a choice model. */
export interface ChoiceMetrics extends RankingMetrics {
  /** Mean of -log P(observed click, or no click) over the predicted pages. */
  nll: number;
}

/**
 * Returns log(1 + sum_i exp(u_i)) = -log P(no click), summed over the rows i = `start..end-1` of a page.
 * @param none: false to leave out the term 1, for a user who must click one of the rows
 */
export function logSumExp(utility: ArrayLike<number>, start: number, end: number, none = true): number {
  let top = none ? 0 : -Infinity;
  for (let row = start; row < end; row++) top = Math.max(top, utility[row]!);
  let sum = Math.exp(none ? -top : -Infinity);
  for (let row = start; row < end; row++) sum += Math.exp(utility[row]! - top);
  return top + Math.log(sum);
}

/**
 * Returns -log P(clicks of the user on a page). First, the user chooses one row or no click. Each additional
 * click is a choice among the rows that are not clicked yet. @param clicked: in click order
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
 * Returns Spearman's rank correlation between two scores of a page's rows, averaged over pages; 1 means equal
 * orders. Tied rows get their mean rank. Pages with one item are left out. If all rows of a page have equal
 * scores, the page's correlation is 0.
 * @param scores, truth: [R] the two scores of each row
 * @returns NaN if no page has two items
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

/** Returns the ranks of the rows start..end-1. Rank 1 is the lowest score; tied rows get their mean rank. */
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

/** Returns Pearson's correlation of two lists of ranks; 0 if one of the lists is constant. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (a.length + 1) / 2; // mean of the ranks 1..K
  let ab = 0, aa = 0, bb = 0;
  a.forEach((x, k) => {
    const [dx, dy] = [x - mean, b[k]! - mean];
    ab += dx * dy;
    aa += dx * dx;
    bb += dy * dy;
  });
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
