/** What is chosen for a baseline on validation users: its setting, and the probabilities that its scores stand for. */

import { type Clicks, NONE, usersOf } from "../data/click_log.ts";
import { type LogSource, rowsOf, walk } from "../data/log_source.ts";
import { precisionAt } from "../data/ranking.ts";
import { fitLogOdds, type LogOdds } from "./log_odds.ts";
import type { Scorer } from "./scorer.ts";

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
        if (clicked >= 0) hits[s] = hits[s]! + precisionAt(scores, start, end, clicked, 1);
      }
    });
  }
  const setting = settings.reduce((best, s) => hits[s]! > hits[best]! ? s : best, 0);
  return { setting, logOdds: fit(source, users, scorer, setting) };
}

function fit(source: LogSource, users: Uint32Array, scorer: Scorer, setting: number): LogOdds | undefined {
  const logScores: Float64Array[] = [];
  const start = [0];
  const clicked: number[] = [];
  for (const { log, users: places } of walk(source, users)) {
    const [scores = new Float64Array()] = scorer.score(log, places, [setting]);
    for (const page of pagesOf(log, places)) {
      const first = start.at(-1)!;
      logScores.push(scores.subarray(page.start, page.end).map(Math.log));
      start.push(first + page.end - page.start);
      clicked.push(page.clicked < 0 ? -1 : first + page.clicked - page.start);
    }
  }
  const all = new Float64Array(start.at(-1)!);
  logScores.forEach((own, page) => all.set(own, start[page]));
  return fitLogOdds({ logScores: all, start, clicked });
}

/** Users up to so many rows. */
function firstUsers(source: LogSource, users: Uint32Array): Uint32Array {
  let rows = 0;
  return users.filter((user) => (rows += rowsOf(source, user)) <= MOST_ROWS);
}

/** The pages to predict, by places among the rows of these users; clicked is -1 for none. */
function* pagesOf(
  log: Clicks,
  users: ArrayLike<number>,
): Generator<{ start: number; end: number; clicked: number }> {
  let row = 0;
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [first, end, click] = [log.eventRows[e]!, log.eventRows[e + 1]!, log.eventClick[e]!];
      const clicked = click === NONE ? -1 : row + click - first;
      if (!log.eventGiven?.[e]) yield { start: row, end: row + end - first, clicked };
      row += end - first;
    }
  }
}
