/** The best items of a catalogue for a history. */

import { expectFinite } from "../model/choice_probabilities.ts";
import type { ItemScorer } from "../model/item_blocks.ts";

/** An item by its number. */
export interface Recommendation {
  /** Its number. */
  readonly item: number;
  /** What the model gives it for the history. */
  readonly utility: number;
}

/** Whom something is recommended to, and from what. */
export interface RecommendOptions {
  /** Items clicked, oldest first. */
  readonly history: ArrayLike<number>;
  /** Items to choose from, ascending. */
  readonly candidates: Uint32Array<ArrayBuffer>;
  /** How many are wanted. */
  readonly top: number;
  /** Leaves out what is in the history. */
  readonly newOnly?: boolean;
  /** Told how many items are scored, and of how many, after each block; what it throws ends the work. */
  readonly onItems?: (done: number, all: number) => void;
}

/**
 * The items of the largest utilities, best first; of equal ones the smaller number first.
 * @param scorer a model, for example. @throws UserError for utilities that are no finite numbers.
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
    // Of equal ones those that are there have the smaller numbers.
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
