/** The same items for everybody: the best of a fixed score that a user has not clicked. */

import type { ClickLog } from "../data/click_log.ts";
import { NONE } from "../data/click_log.ts";
import { UserError } from "../user_error.ts";
import type { Policy } from "../simulate/policy.ts";
import { popularSlate } from "../simulate/slates.ts";

/** Displays that an item is taken to have had before any: with the mean click rate. */
const PRIOR_DISPLAYS = 20;

/** [I] the click rate of each item among some users, drawn towards the mean where it was shown seldom. */
export function popularity(log: ClickLog, users: Iterable<number>): Float64Array<ArrayBuffer> {
  const [shown, clicked] = [new Float64Array(log.items.count), new Float64Array(log.items.count)];
  let [allShown, allClicked] = [0, 0];
  for (const user of users) {
    for (let event = log.userEvents[user] ?? 0; event < (log.userEvents[user + 1] ?? 0); event++) {
      if (log.eventGiven?.[event]) continue;
      for (let row = log.eventRows[event] ?? 0; row < (log.eventRows[event + 1] ?? 0); row++) {
        const item = log.rowItem[row] ?? 0;
        shown[item] = (shown[item] ?? 0) + 1;
        allShown++;
      }
      const click = log.eventClick[event] ?? NONE;
      if (click === NONE) continue;
      const item = log.rowItem[click] ?? 0;
      clicked[item] = (clicked[item] ?? 0) + 1;
      allClicked++;
    }
  }
  if (allClicked === 0) {
    throw new UserError("Expected a log with clicks to tell what is popular, found none.");
  }
  const prior = PRIOR_DISPLAYS * allClicked / allShown;
  return clicked.map((clicks, item) => (clicks + prior) / ((shown[item] ?? 0) + PRIOR_DISPLAYS));
}

/** Shows the items of the highest score. @param score [I] of each item; of equal scores the lowest item comes first. */
export function popularPolicy(score: ArrayLike<number>): Policy {
  const order = Uint32Array.from({ length: score.length }, (_, item) => item)
    .sort((a, b) => (score[b] ?? 0) - (score[a] ?? 0) || a - b);
  return {
    name: "popular",
    record({ arena, page }) {
      if (page.items !== order.length) {
        throw new UserError(`Expected the popularity of ${page.items} items, got that of ${order.length}.`);
      }
      return [popularSlate(page, arena.upload("order of popularity", order))];
    },
    prepare: () => [],
  };
}
