/** The pages of a prepared data set, as the clicks of whole users. */

import { type ClickLog, type Clicks, FURTHER_CLICK, type ItemFeatures, NONE } from "../click_log.ts";
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
  let pages = 0;
  const users = set.userSplit.length;
  const flush = (end: number) => {
    if (end > user) take(chunkOf(set, user, end, kept));
    user = end;
    kept = [];
  };
  await set.readPages(items, (chunk, before) => {
    pages = before + chunk.sizes.length;
    onRead?.(pages, set.pages);
    // The last user of the chunk may go on in the next.
    let end = user;
    while (end < users && (set.userPages[end + 1] ?? Infinity) <= pages) end++;
    const whole = (set.userPages[end] ?? 0) - before;
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
function part({ sizes, clicks, also, given, items }: PageChunk, first: number, end: number): PageChunk {
  const rows = (from: number, to: number) => sizes.subarray(from, to).reduce((sum, size) => sum + size, 0);
  const start = rows(0, first);
  return {
    sizes: sizes.subarray(first, end),
    clicks: clicks.subarray(first, end),
    also: also.slice(first, end),
    given: given.subarray(first, end),
    items: items.subarray(start, start + rows(first, end)),
  };
}

/** Users `first` to `end` with all of their pages: a further click is an event with a row of its own. */
function chunkOf(set: PreparedSet, first: number, end: number, chunks: readonly PageChunk[]): Clicks {
  const from = set.userPages[first] ?? 0;
  const pages = (set.userPages[end] ?? 0) - from;
  const further = chunks.reduce((sum, { also }) => also.reduce((sum, { length }) => sum + length, sum), 0);
  const events = pages + further;
  /** The event of each page. */
  const pageEvent = new Uint32Array(pages + 1);
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events);
  const eventGiven = new Uint8Array(events);
  const rowItem = new Uint32Array((set.userRows[end] ?? 0) - (set.userRows[first] ?? 0) + further);
  let [page, event, row] = [0, 0, 0];
  for (const { sizes, clicks, also, given, items } of chunks) {
    let item = 0;
    sizes.forEach((size, k) => {
      const click = clicks[k] ?? NONE;
      pageEvent[page++] = event;
      eventRows[event] = row;
      eventClick[event] = click === NONE ? NONE : row + click;
      eventGiven[event++] = given[k] ?? 0;
      rowItem.set(items.subarray(item, item + size), row);
      row += size;
      for (const place of also[k] ?? []) {
        eventRows[event] = row;
        eventClick[event] = row;
        eventGiven[event++] = FURTHER_CLICK;
        rowItem[row++] = items[item + place] ?? 0;
      }
      item += size;
    });
  }
  pageEvent[pages] = event;
  eventRows[events] = row;
  return {
    userSplit: set.userSplit.slice(first, end),
    userEvents: set.userPages.slice(first, end + 1).map((running) => pageEvent[running - from] ?? 0),
    eventRows,
    eventClick,
    ...(eventGiven.some((given) => given > 0) ? { eventGiven } : {}),
    rowItem,
  };
}

/** Collects chunks into one log. */
export function inMemory(
  set: PreparedSet,
  items: ItemFeatures,
): { take: (chunk: Clicks) => void; whole: () => ClickLog } {
  const chunks: Clicks[] = [];
  const sum = (of: (chunk: Clicks) => number) => chunks.reduce((sum, chunk) => sum + of(chunk), 0);
  return {
    take: (chunk) => chunks.push(chunk),
    whole() {
      const count = sum(({ eventClick }) => eventClick.length);
      const userEvents = new Uint32Array(set.userSplit.length + 1);
      const eventRows = new Uint32Array(count + 1);
      const eventClick = new Uint32Array(count);
      const eventGiven = new Uint8Array(count);
      const rowItem = new Uint32Array(sum(({ rowItem }) => rowItem.length));
      let [users, events, rows] = [0, 0, 0];
      for (const chunk of chunks) {
        chunk.userEvents.forEach((event, k) => userEvents[users + k] = events + event);
        chunk.eventClick.forEach((click, k) => {
          eventRows[events + k] = rows + (chunk.eventRows[k] ?? 0);
          eventClick[events + k] = click === NONE ? NONE : rows + click;
        });
        if (chunk.eventGiven) eventGiven.set(chunk.eventGiven, events);
        rowItem.set(chunk.rowItem, rows);
        users += chunk.userSplit.length;
        events += chunk.eventClick.length;
        rows += chunk.rowItem.length;
      }
      eventRows[events] = rows;
      return {
        name: set.name,
        items,
        userSplit: set.userSplit,
        userEvents,
        eventRows,
        eventClick,
        ...(eventGiven.some((given) => given > 0) ? { eventGiven } : {}),
        rowItem,
      };
    },
  };
}
