/**
 * Batches that are too large for the device are cut into parts of whole users, which are computed one after another. A user
 * stays whole, as their state runs through all of their events.
 */

import type { Clicks } from "../data/click_log.ts";
import type { ClickSizes } from "./click_sizes.ts";
import { userTwice } from "./plan.ts";

/** What a part may have of rows and of events. */
export type PartLimit = Pick<ClickSizes, "rows" | "events">;

/** How batches are cut, and what the largest part has. */
export interface Cut {
  readonly limit: PartLimit;
  /** Of any part. */
  readonly capacity: ClickSizes;
  /** Parts of a batch at most. */
  readonly parts: number;
}

/**
 * @param whole the largest batch. @param single the most that one user has.
 * @param rows that a part may have; a user with more is a part of their own.
 */
export function cutFor(whole: ClickSizes, single: ClickSizes, rows: number): Cut {
  if (rows >= whole.rows) return { limit: whole, capacity: whole, parts: 1 };
  const share = rows / whole.rows;
  const limit = {
    rows: Math.max(single.rows, rows),
    events: Math.max(single.events, Math.ceil(share * whole.events)),
  };
  // Two parts that follow one another have more than the limit of rows, or of events.
  const pairs = Math.floor(whole.rows / limit.rows) + Math.floor(whole.events / limit.events);
  return {
    limit,
    capacity: { ...whole, ...limit, items: Math.min(whole.items, limit.rows) },
    parts: Math.min(whole.users, 2 * pairs + 1),
  };
}

/**
 * The users in their order, in as few parts as one after another takes.
 * @param log where they stand. @throws UserError for a user who comes twice: no part may tell.
 */
export function cutUsers(log: Clicks, users: ArrayLike<number>, limit: PartLimit): number[][] {
  const { userEvents, eventRows } = log;
  const parts: number[][] = [];
  const seen = new Set<number>();
  let [rows, events] = [Infinity, Infinity];
  for (const user of Array.from(users)) {
    if (seen.has(user)) throw userTwice(user);
    seen.add(user);
    const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
    const ownRows = (eventRows[to] ?? 0) - (eventRows[from] ?? 0);
    if (rows + ownRows > limit.rows || events + to - from > limit.events) {
      parts.push([]);
      [rows, events] = [0, 0];
    }
    parts.at(-1)?.push(user);
    rows += ownRows;
    events += to - from;
  }
  return parts;
}

/** Events of these users that are not given. */
export function countedIn({ userEvents, eventGiven }: Clicks, users: ArrayLike<number>): number {
  let counted = 0;
  for (const user of Array.from(users)) {
    for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
      counted += eventGiven?.[e] ? 0 : 1;
    }
  }
  return counted;
}
