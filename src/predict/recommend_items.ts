/** Recommends the best items of a catalogue for a click history. */

import type { PastPages } from "../data/click_log.ts";
import { computeChoiceProbabilities, expectFinite } from "../model/choice_probabilities.ts";
import type { ItemScorer } from "../model/item_blocks.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { addPositionEffects } from "../model/position_effect.ts";
import type { ScoringRequest } from "../model/scorer.ts";

/** Computes utilities of a whole catalogue or of single pages. Implemented by `UserModel` and baselines. */
export interface PageScorer extends ItemScorer {
  /** Returns the utilities of a page's items. */
  score(request: ScoringRequest): Promise<ArrayLike<number>>;
}

/** A recommended item with its utility. */
export interface Recommendation {
  /** Number of the item in the catalogue. */
  readonly item: number;
  /** Utility of the item for the user, if a page shows exactly the recommended items. */
  readonly utility: number;
}

/** A recommended item with its click probability, on a page that shows all recommended items in order. */
export interface RecommendedPageItem extends Recommendation {
  readonly probability: number;
}

/** Computes the click probabilities of a page of recommended items. @param effects - position effects */
export function computeRecommendedPage(
  best: readonly Recommendation[],
  config: ModelConfig,
  effects: readonly number[] | undefined,
): { readonly items: readonly RecommendedPageItem[]; readonly noClick: number } {
  const logits = addPositionEffects(best.map(({ utility }) => utility), effects);
  const { items, noClick } = computeChoiceProbabilities(config, logits);
  return { items: best.map((one, k) => ({ ...one, probability: items[k] ?? NaN })), noClick };
}

/** Options of {@link recommend}. */
export interface RecommendOptions {
  /** Item numbers of the user's clicks, oldest click first. */
  readonly history: ArrayLike<number>;
  /** Numbers of the items that may be recommended, ascending. */
  readonly candidates: Uint32Array<ArrayBuffer>;
  /** Counts of the user's earlier pages, impressions and clicks. Default: an average click rate. */
  readonly past?: PastPages | undefined;
  /** Returns the context features of an item's impression. Default: the context is unknown. */
  readonly features?: ((item: number) => Float32Array<ArrayBuffer>) | undefined;
  /** Number of items to return. */
  readonly top: number;
  /** True to recommend no items of the history. */
  readonly newOnly?: boolean;
  /** Called when `done` of `all` items have been scored. If the function throws, the scoring ends. */
  readonly onItems?: (done: number, all: number) => void;
}

/**
 * Returns the items with the largest utilities, best first. Items with equal utilities are in the order of
 * their numbers. Items are scored twice, because count features depend on the page: first on a page with the
 * whole catalogue, to choose items; then on a page with only the chosen items, to sort them.
 * @throws UserError if a utility is not finite
 */
export async function recommend(scorer: PageScorer, options: RecommendOptions): Promise<Recommendation[]> {
  const chosen = (await chooseItems(scorer, options)).map(({ item }) => item);
  if (chosen.length === 0) return [];
  const { history, past, features: encode } = options;
  const features = encode && Float32Array.from(chosen.flatMap((item) => [...encode(item)]));
  const utilities = await scorer.score({ history, past, page: chosen, features });
  expectFinite(utilities);
  return chosen.map((item, k) => ({ item, utility: utilities[k] ?? NaN })).sort(compareItems);
}

function compareItems(a: Recommendation, b: Recommendation): number {
  return b.utility - a.utility || a.item - b.item;
}

/** Returns the items with the largest utilities on a page that shows the whole catalogue, best first. */
async function chooseItems(
  scorer: ItemScorer,
  { history, past, features, candidates, top, newOnly, onItems }: RecommendOptions,
): Promise<Recommendation[]> {
  const known = new Set(newOnly ? Array.from(history) : []);
  const state = { ...await scorer.encode(history, past), features };
  let best: Recommendation[] = [];
  for (let first = 0, end = 0; first < candidates.length; first = end) {
    end = Math.min(candidates.length, first + scorer.blockItems);
    const all = candidates.subarray(first, end);
    const block = known.size === 0 ? all : all.filter((item) => !known.has(item));
    const utilities = await scorer.scoreItems(state, block);
    expectFinite(utilities);
    // Compare by `>`, not by `>=`: of two items with equal utilities, the item with the smaller number stays.
    const least = best.length < top ? -Infinity : best.at(-1)?.utility ?? Infinity;
    const better: Recommendation[] = [];
    utilities.forEach((utility, place) => {
      if (utility > least) better.push({ item: block[place] ?? NaN, utility });
    });
    if (better.length > 0) {
      best = [...best, ...better].sort(compareItems).slice(0, top);
    }
    onItems?.(end, candidates.length);
  }
  return best;
}
