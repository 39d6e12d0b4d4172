/** The demo shop with pages of other lengths: what holds on ten items a page may not hold on two or forty. */

import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { type DemoShop, makeDemoShop } from "../../src/data/demo_shop.ts";

const EVENTS = { minEvents: 4, maxEvents: 10 };

/**
 * A log of users of several shops over the same items.
 * @param pageSizes items on the pages of each shop; all shops have as many users. @param users of all of them.
 */
export function pagedShop(seed: number, pageSizes: readonly number[], users: number): DemoShop {
  const shops = pageSizes.map((pageSize) =>
    makeDemoShop(seed, { users: Math.round(users / pageSizes.length), pageSize, ...EVENTS })
  );
  const logs = shops.map(({ log }) => log);
  const [first] = logs;
  if (!first) throw new RangeError("expected page sizes, got none");
  let [events, rows] = [0, 0];
  const userEvents = [0], eventRows = [0], eventClick: number[] = [];
  for (const log of logs) {
    for (const end of log.userEvents.subarray(1)) userEvents.push(events + end);
    for (const end of log.eventRows.subarray(1)) eventRows.push(rows + end);
    for (const click of log.eventClick) eventClick.push(click === NONE ? NONE : rows + click);
    events += log.eventClick.length;
    rows += log.rowItem.length;
  }
  const log: ClickLog = {
    name: `pages of ${pageSizes.join(", ")}`,
    items: first.items,
    userSplit: Uint8Array.from(logs.flatMap(({ userSplit }) => Array.from(userSplit))),
    userEvents: Uint32Array.from(userEvents),
    eventRows: Uint32Array.from(eventRows),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(logs.flatMap(({ rowItem }) => Array.from(rowItem))),
  };
  const utility = shops.flatMap(({ truth }) => Array.from(truth.utility));
  return { log, truth: { utility: Float64Array.from(utility) } };
}
