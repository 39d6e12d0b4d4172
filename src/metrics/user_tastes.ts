/** Compares the categories that a user clicks with the categories that a model predicts for the user. */

import { type ItemCategories, listItemGroups } from "./item_categories.ts";
import type { EvaluatedPage } from "./metric_columns.ts";

const MOST_USERS = 4;
/** Users with fewer clicks are not listed. */
const LEAST_CLICKS = 5;
const MOST_CATEGORIES = 5;

/** A category's shares of clicks. Items can have several categories, so shares can sum to more than 1. */
export interface CategoryShare {
  readonly category: string;
  /** Share of the user's clicks that are on items of the category. */
  readonly observed: number;
  /** Share of the user's predicted clicks (sum of click probabilities) that are on items of the category. */
  readonly predicted: number;
  /** Share of all tested users' clicks that are on items of the category. */
  readonly average: number;
}

export interface UserTaste {
  readonly user: number;
  /** Id of the user; undefined if only the number is known. */
  readonly name?: string;
  /** Number of tested pages. */
  readonly pages: number;
  /** Number of tested pages with a click. */
  readonly clicks: number;
  /** Named categories with the largest observed and predicted shares. */
  readonly shares: readonly CategoryShare[];
}

/** Sums over a user's pages. The arrays have one value per category. */
class TasteSums {
  pages = 0;
  clicks = 0;
  predictedClicks = 0;
  readonly observed: Float64Array;
  readonly predicted: Float64Array;

  constructor(readonly user: number, private readonly categories: ItemCategories) {
    this.observed = new Float64Array(categories.names.length);
    this.predicted = new Float64Array(categories.names.length);
  }

  add({ items, clicked, chances }: EvaluatedPage): void {
    this.pages++;
    if (clicked.length > 0) this.clicks++;
    items.forEach((item, k) => {
      this.predictedClicks += chances[k]!;
      for (const group of listItemGroups(this.categories, item)) {
        this.predicted[group] = this.predicted[group]! + chances[k]!;
        if (clicked[0] === k) this.observed[group] = this.observed[group]! + 1;
      }
    });
  }
}

export class TasteCollector {
  readonly #all: TasteSums;
  /** The users with the most clicks so far, followed by the user whose pages are being added. */
  #users: TasteSums[] = [];

  constructor(private readonly categories: ItemCategories) {
    this.#all = new TasteSums(NaN, categories);
  }

  add(user: number, page: EvaluatedPage): void {
    const last = this.#users.at(-1);
    const own = last?.user === user ? last : new TasteSums(user, this.categories);
    if (own !== last) this.#users = [...this.#most(), own];
    own.add(page);
    this.#all.add(page);
  }

  #most(): TasteSums[] {
    return this.#users.toSorted((a, b) => b.clicks - a.clicks).slice(0, MOST_USERS);
  }

  /** Returns the tastes of the users with the most clicks, in descending order of clicks. */
  tastes(): UserTaste[] {
    const { observed: clicks, clicks: allClicks } = this.#all;
    return this.#most().filter(({ clicks }) => clicks >= LEAST_CLICKS).map((sums) => {
      const shares = this.categories.names.slice(0, -1).map((category, k): CategoryShare => ({
        category,
        observed: sums.observed[k]! / sums.clicks,
        predicted: sums.predicted[k]! / sums.predictedClicks,
        average: clicks[k]! / allClicks,
      })).sort((a, b) => b.observed + b.predicted - a.observed - a.predicted);
      const { user, pages } = sums;
      return { user, pages, clicks: sums.clicks, shares: shares.slice(0, MOST_CATEGORIES) };
    });
  }
}
