/** Who clicked an item clicks it again: what the user clicked last, then by the click rate. */

import { rowsIn, type Scorer, visitPages } from "./scorer.ts";
import { rateOf, type TrainCounts } from "../../counts/train_counts.ts";

/** How many of the latest clicks count. */
const CLICKS = [1, 3, 10, Infinity];

/** Items that are among the user's latest clicks come first, the latest before the others. */
export function lastClick(counts: TrainCounts): Scorer {
  return {
    settings: CLICKS.map((n) =>
      n === 1 ? "the last click" : n === Infinity ? "all clicks" : `the last ${n} clicks`
    ),
    score(log, users, chosen) {
      const scores = chosen.map(() => new Float64Array(rowsIn(log, users)));
      // Of the user's clicks so far: the place of the latest one on each item.
      let latest = new Map<number, number>();
      let known = 0;
      visitPages(log, users, ({ row, items, history }) => {
        for (; known < history.length; known++) latest.set(history[known]!, known);
        items.forEach((item, k) => {
          const place = latest.get(item) ?? -Infinity;
          chosen.forEach((setting, s) => {
            const isLate = history.length - place <= CLICKS[setting]!;
            scores[s]![row + k] = isLate ? 1 + place : rateOf(counts, item);
          });
        });
      }, () => [latest, known] = [new Map(), 0]);
      return scores;
    },
  };
}
