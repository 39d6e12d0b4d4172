/** The pages of a prepared data set, as the clicks of whole users. */

import { type ClickLog, type Clicks, type ItemFeatures, NONE } from "../data/click_log.ts";
import type { PageChunk } from "./pages.ts";
import type { PreparedSet } from "./set.ts";

/** Hands over the pages as whole users; memory is that of a row group. */
export async function readUsers(
  set: PreparedSet,
  items: number,
  take: (chunk: Clicks) => void,
  onRead?: (done: number, all: number) => void,
): Promise<void> {
  let user = 0;
  let kept: PageChunk[] = [];
  let events = 0;
  const users = set.userSplit.length;
  const flush = (end: number) => {
    if (end > user) take(chunkOf(set, user, end, kept));
    user = end;
    kept = [];
  };
  await set.readPages(items, (chunk, before) => {
    events = before + chunk.sizes.length;
    onRead?.(events, set.events);
    // The last user of the chunk may go on in the next.
    let end = user;
    while (end < users && (set.userEvents[end + 1] ?? Infinity) <= events) end++;
    const whole = (set.userEvents[end] ?? 0) - before;
    if (whole <= 0) {
      kept.push(chunk);
      return;
    }
    kept.push(part(chunk, 0, whole));
    flush(end);
    if (whole < chunk.sizes.length) kept.push(part(chunk, whole, chunk.sizes.length));
  });
  flush(users);
}

/** Pages from `first` to `end` of a chunk. */
function part({ sizes, clicks, given, items }: PageChunk, first: number, end: number): PageChunk {
  const rows = (from: number, to: number) => sizes.subarray(from, to).reduce((sum, size) => sum + size, 0);
  const start = rows(0, first);
  return {
    sizes: sizes.subarray(first, end),
    clicks: clicks.subarray(first, end),
    given: given.subarray(first, end),
    items: items.subarray(start, start + rows(first, end)),
  };
}

/** Users `first` to `end` with all of their pages. */
function chunkOf(set: PreparedSet, first: number, end: number, chunks: readonly PageChunk[]): Clicks {
  const from = set.userEvents[first] ?? 0;
  const events = (set.userEvents[end] ?? 0) - from;
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events);
  const eventGiven = new Uint8Array(events);
  const rowItem = new Uint32Array((set.userRows[end] ?? 0) - (set.userRows[first] ?? 0));
  let [event, row] = [0, 0];
  for (const { sizes, clicks, given, items } of chunks) {
    rowItem.set(items, row);
    sizes.forEach((size, k) => {
      eventRows[event] = row;
      const click = clicks[k] ?? NONE;
      eventClick[event] = click === NONE ? NONE : row + click;
      eventGiven[event] = given[k] ?? 0;
      row += size;
      event++;
    });
  }
  eventRows[events] = row;
  return {
    userSplit: set.userSplit.slice(first, end),
    userEvents: set.userEvents.slice(first, end + 1).map((running) => running - from),
    eventRows,
    eventClick,
    ...(eventGiven.includes(1) ? { eventGiven } : {}),
    rowItem,
  };
}

/** Collects chunks into one log. */
export function inMemory(
  set: PreparedSet,
  items: ItemFeatures,
): { take: (chunk: Clicks) => void; whole: () => ClickLog } {
  const eventRows = new Uint32Array(set.events + 1);
  const eventClick = new Uint32Array(set.events);
  const eventGiven = new Uint8Array(set.events);
  const rowItem = new Uint32Array(set.rows);
  let [events, rows] = [0, 0];
  return {
    take(chunk) {
      chunk.eventClick.forEach((click, k) => {
        eventRows[events + k] = rows + (chunk.eventRows[k] ?? 0);
        eventClick[events + k] = click === NONE ? NONE : rows + click;
      });
      if (chunk.eventGiven) eventGiven.set(chunk.eventGiven, events);
      rowItem.set(chunk.rowItem, rows);
      events += chunk.eventClick.length;
      rows += chunk.rowItem.length;
      eventRows[events] = rows;
    },
    whole: () => ({
      name: set.name,
      items,
      userSplit: set.userSplit,
      userEvents: set.userEvents,
      eventRows,
      eventClick,
      ...(eventGiven.includes(1) ? { eventGiven } : {}),
      rowItem,
    }),
  };
}
