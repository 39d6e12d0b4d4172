/** Finds items whose clicks a model predicts much better or much worse than the click-rate baseline. */

import type { EvaluatedPage } from "./metric_columns.ts";

/** Items with fewer displays are not compared: their click rates are mostly noise. */
export const LEAST_DISPLAYS = 30;
/** Largest number of items in each list. */
const MOST_ITEMS = 10;

/** Predictions for an item on the tested pages that display it. */
export interface ItemGain {
  readonly item: number;
  /** Title or id of the item; absent if only its number is known. */
  readonly name?: string;
  readonly displays: number;
  /** Share of the displays in which the item was the page's first click. */
  readonly clicked: number;
  /** Mean predicted probability that the item is the page's first click. */
  readonly model: number;
  readonly clickRate: number;
  /** Gain in log-likelihood over the click-rate baseline, summed over the displays. */
  readonly gain: number;
}

/** Items with the largest gains and losses in log-likelihood, in descending order of the absolute value. */
export interface ItemGains {
  readonly leastDisplays: number;
  /** Number of items with at least {@link LEAST_DISPLAYS} displays. */
  readonly compared: number;
  readonly gains: readonly ItemGain[];
  readonly losses: readonly ItemGain[];
}

type Sums = { -readonly [K in "displays" | "clicked" | "model" | "clickRate" | "gain"]: ItemGain[K] };

export class ItemGainCollector {
  readonly #ofItem = new Map<number, Sums>();

  /** Adds a page. @param rates - the items' click probabilities under the click-rate baseline */
  add({ items, clicked, chances }: EvaluatedPage, rates: ArrayLike<number>): void {
    items.forEach((item, k) => {
      const sums = this.#ofItem.get(item) ?? { displays: 0, clicked: 0, model: 0, clickRate: 0, gain: 0 };
      const isClicked = clicked[0] === k;
      sums.displays++;
      if (isClicked) sums.clicked++;
      sums.model += chances[k]!;
      sums.clickRate += rates[k]!;
      sums.gain += logLikelihood(chances[k]!, isClicked) - logLikelihood(rates[k]!, isClicked);
      this.#ofItem.set(item, sums);
    });
  }

  /** Lists the largest gains and losses among the items with at least {@link LEAST_DISPLAYS} displays. */
  largest(): ItemGains {
    const all = [...this.#ofItem].filter(([, { displays }]) => displays >= LEAST_DISPLAYS)
      .map(([item, { displays, gain, ...sums }]): ItemGain => ({
        ...{ item, displays, gain },
        ...{ clicked: sums.clicked / displays, model: sums.model / displays },
        clickRate: sums.clickRate / displays,
      }))
      .sort((a, b) => b.gain - a.gain || a.item - b.item);
    return {
      leastDisplays: LEAST_DISPLAYS,
      compared: all.length,
      gains: all.filter(({ gain }) => gain > 0).slice(0, MOST_ITEMS),
      losses: all.filter(({ gain }) => gain < 0).slice(-MOST_ITEMS).reverse(),
    };
  }
}

function logLikelihood(probability: number, isClicked: boolean): number {
  return Math.log(Math.max(isClicked ? probability : 1 - probability, Number.EPSILON));
}
