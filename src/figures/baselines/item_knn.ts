/** Items that are clicked by the same users as those that the user clicked: item-based nearest neighbours. */

import type { ClickPairs } from "../../counts/pairs.ts";
import { rowsIn, type Scorer, visitPages } from "./scorer.ts";
import { rateOf, type TrainCounts } from "../../counts/train_counts.ts";

/** How many of the latest clicks count. */
const CLICKS = [1, 5, 20];
/** How the neighbours go with the click rate: first, or as a factor 1 + weight times their mean similarity. */
const WEIGHTS = [Infinity, 3, 30];
/** Whether an item that was clicked before is its own neighbour. */
const AGAIN = [false, true];

const SETTINGS = CLICKS.flatMap((clicks, window) =>
  WEIGHTS.flatMap((weight) => AGAIN.map((again) => ({ clicks, window, weight, again })))
);

/** Scores by the cosine of two items: users who clicked both / sqrt(users who clicked the one x the other). */
export function itemKnn(neighbours: ClickPairs, counts: TrainCounts): Scorer {
  return {
    settings: SETTINGS.map(({ clicks, weight, again }) =>
      [
        clicks === 1 ? "the last click" : `the last ${clicks} clicks`,
        weight === Infinity ? "ranked before the click rate" : `weight ${weight}`,
        ...(again ? ["an item being its own neighbour"] : []),
      ].join(", ")
    ),
    score(log, users, chosen) {
      const scores = chosen.map(() => new Float64Array(rowsIn(log, users)));
      visitPages(log, users, ({ row, items, history }) => {
        const recent = latestOf(history, CLICKS.at(-1)!);
        items.forEach((item, k) => {
          const rate = rateOf(counts, item);
          const similarity = similarities(item, recent, neighbours);
          chosen.forEach((setting, s) => {
            const { window, weight, again } = SETTINGS[setting]!;
            const mean = similarity[2 * window + (again ? 1 : 0)]!;
            scores[s]![row + k] = weight < Infinity ? rate * (1 + weight * mean) : mean > 0 ? 1 + mean : rate;
          });
        });
      });
      return scores;
    },
  };
}

/** [windows, without and with itself] mean similarity of an item to the latest clicks. */
function similarities(item: number, recent: readonly number[], { users, pairs }: ClickPairs): number[] {
  const found: number[] = [];
  let [sum, own, k] = [0, 0, 0];
  for (const clicks of CLICKS) {
    for (; k < Math.min(clicks, recent.length); k++) {
      const other = recent[k]!;
      if (other === item) own = 1;
      else {
        const both = pairs.get(item, other);
        if (both > 0) sum += both / Math.sqrt(users[item]! * users[other]!);
      }
    }
    const count = Math.max(1, Math.min(clicks, recent.length));
    found.push(sum / count, (sum + own) / count);
  }
  return found;
}

/** Different items, the latest first, at most so many. */
function latestOf(history: readonly number[], most: number): number[] {
  const found = new Set<number>();
  for (let k = history.length - 1; k >= 0 && found.size < most; k--) found.add(history[k]!);
  return [...found];
}
