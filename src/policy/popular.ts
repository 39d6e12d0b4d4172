/** The same items for everybody: the best of a fixed score that a user has not clicked. */

import { countTrain } from "../counts/train_counts.ts";
import type { ClickLog } from "../data/click_log.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import type { Policy } from "../simulate/policy.ts";
import { popularSlate } from "../simulate/slates.ts";

/** Displays that an item is taken to have had before any: with the mean click rate. */
const PRIOR_DISPLAYS = 20;

/**
 * [I] the click rate of each item among the train users, drawn towards the mean where it was shown seldom.
 * @throws UserError for a log in which they clicked nothing.
 */
export function popularity(log: ClickLog | LogSource, onProgress?: OnProgress): Float64Array<ArrayBuffer> {
  const { shown, clicks } = countTrain(log, onProgress);
  const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
  const [allShown, allClicks] = [sum(shown), sum(clicks)];
  if (allClicks === 0) {
    throw new UserError("Expected a log with clicks of train users to tell what is popular, found none.");
  }
  const prior = PRIOR_DISPLAYS * allClicks / allShown;
  return Float64Array.from(shown, (count, item) => ((clicks[item] ?? 0) + prior) / (count + PRIOR_DISPLAYS));
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
