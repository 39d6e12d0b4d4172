/** Baselines without a history: chance, and how often an item is clicked. */

import { rowsIn, type Scorer, visitPages } from "./scorer.ts";
import { rateOf, type TrainCounts } from "../../counts/train_counts.ts";

/** All scores the same: each item of a page, and no click, are equally likely. */
export const chance: Scorer = {
  settings: [""],
  score: (log, users, chosen) => chosen.map(() => new Float64Array(rowsIn(log, users)).fill(1)),
};

/** Items by their clicks per display. */
export function clickRate(counts: TrainCounts): Scorer {
  return {
    settings: [""],
    score(log, users, chosen) {
      const scores = new Float64Array(rowsIn(log, users));
      visitPages(log, users, ({ row, items }) => {
        items.forEach((item, k) => scores[row + k] = rateOf(counts, item));
      });
      return chosen.map(() => scores);
    },
  };
}
