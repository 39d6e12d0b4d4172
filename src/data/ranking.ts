/** Figures of a ranking of displayed items, with ties counted in expectation. */

import { type Clicks, NONE } from "./click_log.ts";

/** How many rows of a page are scored higher than the clicked one, and how many the same, itself included. */
function standingOf(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: number,
): { greater: number; same: number } {
  const own = scores[clicked]!;
  let greater = 0, same = 0;
  for (let row = start; row < end; row++) {
    const score = scores[row]!;
    if (score > own) greater++;
    else if (score === own) same++;
  }
  return { greater, same };
}

/**
 * The probability that row `clicked` is among the top k of the rows `start..end-1` when they are ranked by
 * descending score and ties are broken at random. (Never by place: in the paper's files the click is the last
 * row of each page.)
 *
 * With g rows scored strictly higher and t rows scored the same, itself included, it is 0 if g >= k, else
 *   min(1, (k - g) / t).
 *
 * @param scores [R] higher is better; not NaN
 */
export function precisionAt(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: number,
  k: 1 | 2,
): number {
  const { greater, same } = standingOf(scores, start, end, clicked);
  return atTop(greater, same, k);
}

function atTop(greater: number, same: number, k: number): number {
  return greater >= k ? 0 : Math.min(1, (k - greater) / same);
}

/** How a page with a click is ranked. Every figure is the mean over the orders in which ties can be broken. */
export interface PageRanking {
  /** Whether the clicked item is ranked first. */
  readonly prec1: number;
  /** Whether it is ranked first or second. */
  readonly prec2: number;
  /** 1 / rank of the clicked item. */
  readonly mrr: number;
  /** 1 / log2(1 + rank): one item of the page is relevant, the clicked one. */
  readonly ndcg: number;
  /** Share of the other items that are ranked below it; NaN on a page of one item. */
  readonly auc: number;
}

/** Ranks the rows `start..end-1`. @param scores [R] higher is better; not NaN */
export function pageRanking(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  clicked: number,
): PageRanking {
  const { greater, same } = standingOf(scores, start, end, clicked);
  const others = end - start - 1;
  return {
    prec1: atTop(greater, same, 1),
    prec2: atTop(greater, same, 2),
    mrr: reciprocals.mean(greater, same),
    ndcg: discounts.mean(greater, same),
    auc: others === 0 ? NaN : (others - greater - (same - 1) / 2) / others,
  };
}

/** Sums of what a rank is worth, for ranks 1, 2, 3, ..., computed as far as they are asked for. */
class RankWorths {
  readonly #upTo = [0];

  constructor(private readonly worth: (rank: number) => number) {}

  /** Mean over the ranks before + 1 .. before + count. */
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

/** Means over the events of some users, but those that are given; NaN where there is no event to take a mean of. */
export interface RankingFigures {
  /** Share of clicked items ranked first; events without a click are not counted. */
  prec1: number;
  /** Share of clicked items ranked first or second. */
  prec2: number;
}

/** {@link RankingFigures}, and the loss for what is a choice model and not only a ranking. */
export interface ChoiceFigures extends RankingFigures {
  /** Mean over events, those without a click included, of -log P(what happened). */
  nll: number;
}

/** Ranks every page of `users` by `scores` [R]. */
export function rankingFigures(
  log: Clicks,
  users: Iterable<number>,
  scores: ArrayLike<number>,
): RankingFigures {
  const sums = new RankingSums();
  sums.add(log, users, scores);
  return sums.figures();
}

/** {@link rankingFigures} of a log that comes in parts. */
class RankingSums {
  #clicks = 0;
  #prec1 = 0;
  #prec2 = 0;

  add(log: Clicks, users: Iterable<number>, scores: ArrayLike<number>): void {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        const clicked = log.eventClick[event]!;
        if (clicked === NONE || log.eventGiven?.[event]) continue;
        const start = log.eventRows[event]!, end = log.eventRows[event + 1]!;
        this.#clicks++;
        this.#prec1 += precisionAt(scores, start, end, clicked, 1);
        this.#prec2 += precisionAt(scores, start, end, clicked, 2);
      }
    }
  }

  figures(): RankingFigures {
    return { prec1: this.#prec1 / this.#clicks, prec2: this.#prec2 / this.#clicks };
  }
}

/**
 * The figures of a choice model with utilities `utility` [R]: P(a | page) = exp(u_a) / (1 + sum exp(u_i)),
 * where the 1 is the choice to click nothing.
 */
export function choiceFigures(
  log: Clicks,
  users: Iterable<number>,
  utility: ArrayLike<number>,
): ChoiceFigures {
  const sums = new ChoiceSums();
  sums.add(log, users, utility);
  return sums.figures();
}

/** log(1 + sum exp(u)) of a page: minus the log of the probability that nothing is clicked. */
export function logSumExp(utility: ArrayLike<number>, start: number, end: number): number {
  let top = 0;
  for (let row = start; row < end; row++) top = Math.max(top, utility[row]!);
  let sum = Math.exp(-top);
  for (let row = start; row < end; row++) sum += Math.exp(utility[row]! - top);
  return top + Math.log(sum);
}

/** {@link choiceFigures} of a log that comes in parts. */
class ChoiceSums {
  readonly #ranking = new RankingSums();
  #events = 0;
  #nll = 0;

  add(log: Clicks, users: Iterable<number>, utility: ArrayLike<number>): void {
    const chosen = [...users];
    for (const user of chosen) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        if (log.eventGiven?.[event]) continue;
        const clicked = log.eventClick[event]!;
        const start = log.eventRows[event]!, end = log.eventRows[event + 1]!;
        this.#nll += logSumExp(utility, start, end) - (clicked === NONE ? 0 : utility[clicked]!);
        this.#events++;
      }
    }
    this.#ranking.add(log, chosen, utility);
  }

  figures(): ChoiceFigures {
    return { nll: this.#nll / this.#events, ...this.#ranking.figures() };
  }
}

/**
 * How alike two scorings rank the items of a page: the mean over pages of Spearman's correlation, 1 for the same order.
 * Ties take their mean rank; pages of one item are left out, and a page that a scoring does not tell apart counts as 0.
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
      if (end - start < 2 || log.eventGiven?.[event]) continue;
      pages++;
      sum += correlation(meanRanks(scores, start, end), meanRanks(truth, start, end));
    }
  }
  return sum / pages;
}

/** Ranks 1..K of the rows start..end-1, ascending. */
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

/** Pearson's correlation; 0 where one of the two is constant. */
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
