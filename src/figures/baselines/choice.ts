/** What is chosen for a baseline on validation users: its setting, and the probabilities that its scores stand for. */

import { clickedRows, type Clicks, usersOf } from "../../data/click_log.ts";
import { type LogSource, rowsOf, walk } from "../../data/log_source.ts";
import { precisionAt, unclicked } from "../../data/ranking.ts";
import type { Scorer } from "./scorers.ts";
import { fitLogit } from "../../counts/logit.ts";

/** Displayed items of validation users that settings are compared on, at most. */
const MOST_ROWS = 2 ** 17;

export interface Choice {
  /** Place in the scorer's settings. */
  readonly setting: number;
  /** Undefined without validation users. */
  readonly logOdds: LogOdds | undefined;
}

/** The setting with the best prec@1, the first of equals. @param onPart told how many users are behind it. */
export function choose(
  source: LogSource,
  scorer: Scorer,
  onPart: ((done: number, all: number) => void) | undefined,
): Choice {
  const settings = [...scorer.settings.keys()];
  const hits = new Float64Array(settings.length);
  const users = firstUsers(source, usersOf(source, "validation"));
  for (const { log, users: places } of walk(source, users, onPart)) {
    scorer.score(log, places, settings).forEach((scores, s) => {
      for (const { start, end, clicked } of pagesOf(log, places)) {
        if (clicked.length > 0) hits[s] = hits[s]! + precisionAt(scores, start, end, clicked, 1);
      }
    });
  }
  const setting = settings.reduce((best, s) => hits[s]! > hits[best]! ? s : best, 0);
  return { setting, logOdds: fit(source, users, scorer, setting) };
}

function fit(source: LogSource, users: Uint32Array, scorer: Scorer, setting: number): LogOdds | undefined {
  const logScores: Float64Array[] = [];
  const start = [0];
  const chosen: number[] = [];
  const hasNone: boolean[] = [];
  for (const { log, users: places } of walk(source, users)) {
    const [scores = new Float64Array()] = scorer.score(log, places, [setting]);
    for (const page of pagesOf(log, places)) {
      // Its first click, or none, is a choice; each further one another, among what is left.
      for (let j = 0; j < Math.max(1, page.clicked.length); j++) {
        const left = unclicked(page.start, page.end, page.clicked.slice(0, j));
        const first = start.at(-1)!;
        logScores.push(Float64Array.from(left, (row) => Math.log(scores[row]!)));
        start.push(first + left.length);
        chosen.push(page.clicked.length === 0 ? -1 : first + left.indexOf(page.clicked[j]!));
        hasNone.push(j === 0);
      }
    }
  }
  const all = new Float64Array(start.at(-1)!);
  logScores.forEach((own, choice) => all.set(own, start[choice]));
  return fitLogOdds({ logScores: all, start, chosen, hasNone });
}

/** Users up to so many rows. */
function firstUsers(source: LogSource, users: Uint32Array): Uint32Array {
  let rows = 0;
  return users.filter((user) => (rows += rowsOf(source, user)) <= MOST_ROWS);
}

/** The pages to predict, and what was clicked on them, by places among the rows of these users. */
function* pagesOf(
  log: Clicks,
  users: ArrayLike<number>,
): Generator<{ start: number; end: number; clicked: number[] }> {
  let row = 0;
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
      if (!log.eventGiven?.[e]) {
        const clicked = clickedRows(log, e).map((click) => row + click - first);
        yield { start: row, end: row + end - first, clicked };
      }
      row += end - first;
    }
  }
}

export interface LogOdds {
  readonly offset: number;
  /** 0 or above: the order of the scores stays. */
  readonly slope: number;
}

/** Choices with the logarithms of what they are among, one after the other: a page's first click, or none, and each further one. */
export interface ScoredChoices {
  /** [rows] */
  readonly logScores: Float64Array;
  /** [choices + 1] first row of each. */
  readonly start: readonly number[];
  /** [choices] the clicked row, -1 for none. */
  readonly chosen: readonly number[];
  /** [choices] whether no click is among them. */
  readonly hasNone: readonly boolean[];
}

/** Keeps both finite where nobody clicks, or everybody clicks on what is scored best. */
const RIDGE = 1e-3;

/** A logit of a constant and the logarithm of the score. @returns undefined without a page. */
export function fitLogOdds({ logScores, start, chosen, hasNone }: ScoredChoices): LogOdds | undefined {
  if (chosen.length === 0) return undefined;
  const x = new Float64Array(2 * logScores.length);
  logScores.forEach((score, row) => x.set([1, score], 2 * row));
  const [offset = 0, slope = 0] = fitLogit({ x, columns: 2, start, chosen, hasNone }, [RIDGE, RIDGE]);
  if (slope >= 0) return { offset, slope };
  // Scores that are the wrong way round say nothing: the share of pages without a click is left.
  return fitLogOdds({ logScores: new Float64Array(logScores.length), start, chosen, hasNone });
}

/** The utility of a score. */
export function utilityOf({ offset, slope }: LogOdds, score: number): number {
  return offset + slope * Math.log(score);
}
