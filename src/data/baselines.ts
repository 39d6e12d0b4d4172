/** What a model has to beat: figures that need no learning, or only counting. */

import { type ClickLog, NONE, usersOf } from "./click_log.ts";
import { type ChoiceFigures, choiceFigures, type RankingFigures, rankingFigures } from "./ranking.ts";

/** A ranking only: it gives no probabilities, so it has no loss. */
export interface RankingBaseline extends RankingFigures {
  nll: null;
}

/** Every utility 0: each item of a page, and no click, equally likely. nll = mean log(1 + K). */
export function randomBaseline(log: ClickLog, users: Iterable<number>): ChoiceFigures {
  return choiceFigures(log, users, new Float64Array(log.rowItem.length));
}

/** Items ranked by (clicks + 0.1) / (shown + 1), counted on what the train users were shown. */
export function clickRateBaseline(log: ClickLog, users: Iterable<number>): RankingBaseline {
  const shown = new Float64Array(log.items.count);
  const clicks = new Float64Array(log.items.count);
  for (const user of usersOf(log, "train")) {
    for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
      if (log.eventGiven?.[event]) continue;
      for (let row = log.eventRows[event]!; row < log.eventRows[event + 1]!; row++) {
        shown[log.rowItem[row]!]!++;
      }
      const clicked = log.eventClick[event]!;
      if (clicked !== NONE) clicks[log.rowItem[clicked]!]!++;
    }
  }
  const rate = Float64Array.from(log.rowItem, (item) => (clicks[item]! + 0.1) / (shown[item]! + 1));
  return { nll: null, ...rankingFigures(log, users, rate) };
}
