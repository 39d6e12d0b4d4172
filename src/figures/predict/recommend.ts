/** The best items of a catalogue for a history. */

import { expectFinite } from "../../model/choice.ts";
import type { PageRequest } from "../../model/scorer.ts";

/** An item by its number. */
export interface Recommendation {
  readonly item: number;
  readonly utility: number;
}

export interface RecommendOptions {
  /** Items clicked, oldest first. */
  readonly history: ArrayLike<number>;
  /** Items to choose from, ascending. */
  readonly candidates: Uint32Array;
  /** How many are wanted. */
  readonly top: number;
  /** Leaves out what is in the history. */
  readonly newOnly: boolean;
}

/** Items that are scored as one page: an item's utility does not depend on what else is on the page. */
const PAGE = 4096;

/**
 * The items of the largest utilities, best first; of equal ones the smaller number first.
 * @param score utilities of pages, such as a model's. @throws UserError for utilities that are no finite numbers.
 */
export async function recommend(
  score: (requests: readonly PageRequest[]) => Promise<Float32Array[]>,
  { history, candidates, top, newOnly }: RecommendOptions,
): Promise<Recommendation[]> {
  const known = new Set(newOnly ? Array.from(history) : []);
  const wanted = known.size === 0 ? candidates : candidates.filter((item) => !known.has(item));
  let best: Recommendation[] = [];
  for (let first = 0; first < wanted.length; first += PAGE) {
    const page = wanted.subarray(first, first + PAGE);
    const [utilities = new Float32Array()] = await score([{ history, page }]);
    expectFinite(utilities);
    const found = Array.from(page, (item, k) => ({ item, utility: utilities[k] ?? NaN }));
    best = [...best, ...found].sort((a, b) => b.utility - a.utility || a.item - b.item).slice(0, top);
  }
  return best;
}
