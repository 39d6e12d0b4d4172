/** The best items of a catalogue for a history. */

import { expectFinite } from "../../model/choice.ts";
import type { PageRequest } from "../../model/scorer.ts";

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
  readonly candidates: Uint32Array;
  /** How many are wanted. */
  readonly top: number;
  /** Leaves out what is in the history. */
  readonly newOnly?: boolean;
  /** Told how many items are scored, and of how many, after each page; what it throws ends the work. */
  readonly onItems?: (done: number, all: number) => void;
}

/** Items that are scored as one page, at most: an item's utility does not depend on what else is on the page. */
const PAGE = 4096;

/**
 * The items of the largest utilities, best first; of equal ones the smaller number first.
 * @param score utilities of pages, such as a model's. @throws UserError for utilities that are no finite numbers.
 */
export async function recommend(
  score: (requests: readonly PageRequest[]) => Promise<Float32Array[]>,
  { history, candidates, top, newOnly, onItems }: RecommendOptions,
): Promise<Recommendation[]> {
  const known = new Set(newOnly ? Array.from(history) : []);
  let best: Recommendation[] = [];
  // Of about one length: counts know how long a page is, and the items of a short last one would have other utilities.
  const pages = Math.ceil(candidates.length / PAGE);
  const startOf = (page: number) => Math.floor(page * candidates.length / pages);
  for (let k = 0; k < pages; k++) {
    const all = candidates.subarray(startOf(k), startOf(k + 1));
    const page = known.size === 0 ? all : all.filter((item) => !known.has(item));
    if (page.length === 0) continue;
    const [utilities = new Float32Array()] = await score([{ history, page }]);
    expectFinite(utilities);
    // Of equal ones those that are there have the smaller numbers.
    const least = best.length < top ? -Infinity : best.at(-1)?.utility ?? Infinity;
    const better: Recommendation[] = [];
    utilities.forEach((utility, place) => {
      if (utility > least) better.push({ item: page[place] ?? NaN, utility });
    });
    if (better.length > 0) {
      best = [...best, ...better].sort((a, b) => b.utility - a.utility || a.item - b.item).slice(0, top);
    }
    onItems?.(startOf(k + 1), candidates.length);
  }
  return best;
}
