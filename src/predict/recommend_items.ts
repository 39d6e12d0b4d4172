/** Recommends the best items of a catalogue for a click history. */

import { expectFinite } from "../model/choice_probabilities.ts";
import type { ItemScorer } from "../model/item_blocks.ts";

/** A recommended item. */
export interface Recommendation {
  /** Item number. */
  readonly item: number;
  /** Utility of the item for the history. */
  readonly utility: number;
}

/** Options of {@link recommend}. */
export interface RecommendOptions {
  /** Clicked items, oldest first. */
  readonly history: ArrayLike<number>;
  /** Items to choose from, ascending. */
  readonly candidates: Uint32Array<ArrayBuffer>;
  /** Number of items to return. */
  readonly top: number;
  /** True if items of the history are left out. */
  readonly newOnly?: boolean;
  /** Called after each block with the numbers of scored and of all items; an exception ends the work. */
  readonly onItems?: (done: number, all: number) => void;
}

/**
 * Returns the items of the largest utilities, best first; the smaller number first if equal.
 * @param scorer for example a model. @throws UserError for utilities that are not finite.
 */
export async function recommend(
  scorer: ItemScorer,
  { history, candidates, top, newOnly, onItems }: RecommendOptions,
): Promise<Recommendation[]> {
  const known = new Set(newOnly ? Array.from(history) : []);
  const state = await scorer.encode(history);
  let best: Recommendation[] = [];
  for (let first = 0, end = 0; first < candidates.length; first = end) {
    end = Math.min(candidates.length, first + scorer.blockItems);
    const all = candidates.subarray(first, end);
    const block = known.size === 0 ? all : all.filter((item) => !known.has(item));
    const utilities = await scorer.scoreItems(state, block);
    expectFinite(utilities);
    // Of equal utilities the earlier items have the smaller numbers.
    const least = best.length < top ? -Infinity : best.at(-1)?.utility ?? Infinity;
    const better: Recommendation[] = [];
    utilities.forEach((utility, place) => {
      if (utility > least) better.push({ item: block[place] ?? NaN, utility });
    });
    if (better.length > 0) {
      best = [...best, ...better].sort((a, b) => b.utility - a.utility || a.item - b.item).slice(0, top);
    }
    onItems?.(end, candidates.length);
  }
  return best;
}
