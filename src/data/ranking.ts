/** Precision of a ranking of displayed items, with ties counted in expectation. */

import { type Clicks, NONE } from "./click_log.ts";

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
  const own = scores[clicked]!;
  let greater = 0, same = 0;
  for (let row = start; row < end; row++) {
    const score = scores[row]!;
    if (score > own) greater++;
    else if (score === own) same++;
  }
  return greater >= k ? 0 : Math.min(1, (k - greater) / same);
}

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
export class RankingSums {
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

/** {@link choiceFigures} of a log that comes in parts. */
export class ChoiceSums {
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
        let top = 0;
        for (let row = start; row < end; row++) top = Math.max(top, utility[row]!);
        let sum = Math.exp(-top);
        for (let row = start; row < end; row++) sum += Math.exp(utility[row]! - top);
        this.#nll += top + Math.log(sum) - (clicked === NONE ? 0 : utility[clicked]!);
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
