/** Counts along a log: what is a user's own, and the counts of all displayed items of some users in float64. */

import { clickedRows, type Clicks, NONE, splits } from "../data/click_log.ts";
import { countWidth, LAGS, packOwn, unpackOwn } from "./columns.ts";
import { countsOf, type CountTables } from "./page_counts.ts";
import { latestClicks } from "./pairs.ts";

const TRAIN = splits.indexOf("train");

/**
 * [R] words of {@link packOwn}: what of the counts is the user's own.
 * @param latest of a log whose train users were counted: how many of their latest clicks are in the pairs. Undefined: of a
 *   log that was not counted, whose users have nothing of their own in the tables.
 */
export function ownCounts(log: Clicks, latest: number | undefined): Uint32Array<ArrayBuffer> {
  const own = new Uint32Array(log.rowItem.length);
  for (let user = 0; user < log.userSplit.length; user++) {
    ownOfUser(log, user, countedOf(log, user, latest), own);
  }
  return own;
}

/** Of a user of another part than the train part nothing is in the tables. */
function countedOf({ userSplit }: Clicks, user: number, latest: number | undefined): number | undefined {
  return userSplit[user] === TRAIN ? latest : undefined;
}

function ownOfUser(log: Clicks, user: number, latest: number | undefined, own: Uint32Array): void {
  const { userEvents, eventRows, eventGiven, rowItem } = log;
  const [from, end] = [userEvents[user]!, userEvents[user + 1]!];
  const passed = new Map<number, number>();
  const shown = new Map<number, number>();
  const clicks = new Map<number, number>();
  for (let e = from; e < end; e++) {
    if (eventGiven?.[e]) continue;
    const clicked = new Set(clickedRows(log, e).map((row) => rowItem[row]!));
    // Before the page: an item that stands on it twice must not tell that it is not clicked.
    for (let row = eventRows[e]!; row < eventRows[e + 1]!; row++) own[row] = passed.get(rowItem[row]!) ?? 0;
    for (let row = eventRows[e]!; row < eventRows[e + 1]!; row++) {
      const item = rowItem[row]!;
      if (!clicked.has(item)) passed.set(item, (passed.get(item) ?? 0) + 1);
      if (latest === undefined) continue;
      shown.set(item, (shown.get(item) ?? 0) + 1);
      if (clicked.has(item)) clicks.set(item, (clicks.get(item) ?? 0) + 1);
    }
  }
  const inPairs = latest === undefined ? undefined : new Set(latestClicks(log, user, latest));
  for (let row = eventRows[from]!; row < eventRows[end]!; row++) {
    const item = rowItem[row]!;
    own[row] = packOwn({
      passed: own[row]!,
      shown: shown.get(item) ?? 0,
      clicks: clicks.get(item) ?? 0,
      paired: inPairs !== undefined,
      inPairs: inPairs?.has(item) ?? false,
    });
  }
}

/**
 * [rows, C] the counts of all rows of these users, one user after the other, not standardised; given pages have some, too.
 * @param log with the catalogue's numbers of items. @param latest see {@link ownCounts}.
 */
export function countsIn(
  log: Clicks,
  users: ArrayLike<number>,
  tables: CountTables,
  latest: number | undefined,
): Float64Array {
  const { userEvents, eventRows, eventClick, eventGiven, rowItem } = log;
  const C = countWidth(tables.config);
  const rows = Array.from(users).reduce(
    (sum, user) => sum + eventRows[userEvents[user + 1]!]! - eventRows[userEvents[user]!]!,
    0,
  );
  const counts = new Float64Array(C * rows);
  let at = 0;
  const own = new Uint32Array(rowItem.length);
  for (const user of Array.from(users)) {
    ownOfUser(log, user, countedOf(log, user, latest), own);
    let recent: number[] = [];
    let clicks = 0;
    for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
      const [first, end] = [eventRows[e]!, eventRows[e + 1]!];
      for (let row = first; row < end; row++, at += C) {
        if (eventGiven?.[e]) continue;
        const history = { recent, clicks };
        countsOf(tables, rowItem[row]!, history, end - first, unpackOwn(own[row]!), counts, at);
      }
      if (eventClick[e] === NONE) continue;
      recent = [rowItem[eventClick[e]!]!, ...recent.slice(0, LAGS - 1)];
      clicks++;
    }
  }
  return counts;
}
