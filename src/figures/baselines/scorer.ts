/** What a baseline is: scores of displayed items that follow from counts, under settings of which validation picks one. */

import { type Clicks, NONE } from "../../data/click_log.ts";

export interface Scorer {
  /** What can be set, in words; the first where there is nothing to choose by. */
  readonly settings: readonly string[];
  /**
   * Scores what users were shown, from what they clicked before it.
   * @param log with the catalogue's numbers of items. @param users their places in it.
   * @param chosen places in `settings`.
   * @returns for each of them the scores, above 0, of the rows of these users, one user after the other.
   */
  score(log: Clicks, users: ArrayLike<number>, chosen: readonly number[]): Float64Array[];
}

/** A page, given or not, with what its user did before it. */
export interface PageVisit {
  /** Of the rows that are scored, the place of its first one. */
  readonly row: number;
  readonly items: Uint32Array;
  /** Items that the user clicked before, the latest last; given ones too. */
  readonly history: readonly number[];
}

/** Goes through the pages of users in their order. @returns how many rows these are */
export function visitPages(
  log: Clicks,
  users: ArrayLike<number>,
  visit: (page: PageVisit) => void,
  onUser?: () => void,
): number {
  let row = 0;
  for (const user of Array.from(users)) {
    onUser?.();
    const history: number[] = [];
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [start, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
      visit({ row, items: log.rowItem.subarray(start, end), history });
      row += end - start;
      const click = log.eventClick[e]!;
      if (click !== NONE) history.push(log.rowItem[click]!);
    }
  }
  return row;
}

/** Rows of users. */
export function rowsIn({ userEvents, eventRows }: Clicks, users: ArrayLike<number>): number {
  return Array.from(users).reduce(
    (sum, user) => sum + eventRows[userEvents[user + 1]!]! - eventRows[userEvents[user]!]!,
    0,
  );
}
