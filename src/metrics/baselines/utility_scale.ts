/** Turns scores into utilities: offset + slope * log(score), fitted to users' clicks. */

import { fitLogit } from "../../counts/logit.ts";
import { type Clicks, listClickedRows } from "../../data/click_log.ts";
import { listUnclickedRows } from "../../data/ranking.ts";

/** Map from scores to utilities: utility = offset + slope * log(score). */
export interface UtilityScale {
  readonly offset: number;
  /** Slope of at least 0: a higher score never gives a lower utility. */
  readonly slope: number;
}

/**
 * Observed choices, with the log scores of all options in one array. A page's first click (or no click) is a
 * choice, and each additional click is a choice.
 */
export interface CalibrationSample {
  /** [rows] log scores of all options of choice 0, then those of choice 1, and so on. */
  readonly logScores: Float64Array;
  /** [choices + 1] for each choice, the index of its first option in `logScores`. */
  readonly start: readonly number[];
  /** [choices] for each choice, the index of the clicked option in `logScores`; -1 for no click. */
  readonly chosen: readonly number[];
  /** [choices] true if "no click" is an option. */
  readonly hasNone: readonly boolean[];
}

/** Ridge penalty, which keeps slope and offset finite, e.g. if no item was clicked. */
const RIDGE = 1e-3;

/** Fits a logit with a constant and the log score as inputs. @returns undefined if there are no choices */
export function fitLogOdds(
  { logScores, start, chosen, hasNone }: CalibrationSample,
): UtilityScale | undefined {
  if (chosen.length === 0) return undefined;
  const x = new Float64Array(2 * logScores.length);
  logScores.forEach((score, row) => x.set([1, score], 2 * row));
  const [offset = 0, slope = 0] = fitLogit({ x, columns: 2, start, chosen, hasNone }, [RIDGE, RIDGE]);
  if (slope >= 0) return { offset, slope };
  // With a negative slope, the scores are useless: then only the share of pages without a click is fitted.
  return fitLogOdds({ logScores: new Float64Array(logScores.length), start, chosen, hasNone });
}

export function toUtility({ offset, slope }: UtilityScale, score: number): number {
  return offset + slope * Math.log(score);
}

export interface ScoredRows {
  readonly log: Clicks;
  /** Indices of the users in the log. */
  readonly users: ArrayLike<number>;
  /** Log scores of all items on the users' pages, user by user. */
  readonly logScores: ArrayLike<number>;
}

/** Fits utilities = offset + slope * log score to the users' clicks. @returns undefined without pages */
export function fitUtilityScale(parts: Iterable<ScoredRows>): UtilityScale | undefined {
  const all: Float64Array[] = [];
  const start = [0];
  const chosen: number[] = [];
  const hasNone: boolean[] = [];
  for (const { log, users, logScores } of parts) {
    for (const page of listPages(log, users)) {
      // A page's first click, or no click, is one choice. Each additional click is a choice among the rest.
      for (let j = 0; j < Math.max(1, page.clicked.length); j++) {
        const left = listUnclickedRows(page.start, page.end, page.clicked.slice(0, j));
        const first = start.at(-1)!;
        all.push(Float64Array.from(left, (row) => logScores[row]!));
        start.push(first + left.length);
        chosen.push(page.clicked.length === 0 ? -1 : first + left.indexOf(page.clicked[j]!));
        hasNone.push(j === 0);
      }
    }
  }
  const joined = new Float64Array(start.at(-1)!);
  all.forEach((own, choice) => joined.set(own, start[choice]));
  return fitLogOdds({ logScores: joined, start, chosen, hasNone });
}

/** Yields the rows of each page (not of context events). Row 0 is the first row of the first of `users`. */
export function* listPages(
  log: Clicks,
  users: ArrayLike<number>,
): Generator<{ start: number; end: number; clicked: number[] }> {
  let row = 0;
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
      if (!log.eventKind?.[e]) {
        const clicked = listClickedRows(log, e).map((click) => row + click - first);
        yield { start: row, end: row + end - first, clicked };
      }
      row += end - first;
    }
  }
}
