/**
 * A made-up shop whose click log comes with its truth, so that a learned model can be held against the best
 * one there is. Made in the process from a seed: the same seed gives the same log.
 *
 * Each user sees pages of items drawn at random and clicks one item or none, by the choice model
 *   P(a | s, page) = exp(u_a) / (1 + sum_i exp(u_i)),   u = utility(s, f_a),
 * where the state s is a function of the items clicked on earlier pages and of nothing else: users have no
 * traits of their own. A model that sees the clicks can therefore be as good as the truth, and no model can
 * be better.
 */

import { type ClickLog, NONE, splits } from "./click_log.ts";
import { type Random, randomStream } from "./random.ts";
import { type ChoiceFigures, choiceFigures } from "./ranking.ts";

/** Sizes of the shop. */
export interface DemoOptions {
  /** U, 7 or more: fewer would leave a part of the log without users. */
  readonly users: number;
  /** I, as many as a page shows or more. */
  readonly items: number;
  /** Items on a page, all different. */
  readonly pageSize: number;
  /** Events of a user: uniform in minEvents..maxEvents. */
  readonly minEvents: number;
  /** The most events of a user. */
  readonly maxEvents: number;
}

const demoDefaults: DemoOptions = {
  users: 2000,
  items: 500,
  pageSize: 10,
  minEvents: 8,
  maxEvents: 22,
};

/** What is known of the shop beyond its log. */
export interface DemoTruth {
  /** [R] the true utility of each logged row in the state its user was in. */
  readonly utility: Float64Array<ArrayBuffer>;
}

/** A shop: what a model may learn from, and what it should have learned. */
export interface DemoShop {
  /** What the users were shown and what they clicked. */
  readonly log: ClickLog;
  /** Why they did. */
  readonly truth: DemoTruth;
}

const categories = 4, styles = 2, brands = 6;
const style = categories;
const price = style + styles, quality = price + 1, novelty = price + 2, sale = price + 3;
const brand = sale + 1;
/**
 * F = 16 item features, in order: 4 categories (1 for the item's own, else 0), 2 style coordinates in -2..2
 * (say plain to ornate, classic to modern), price and quality in -1..1, novelty in 0..1, on sale (0 or 1),
 * 6 brands (as categories).
 */
export const demoFeatures = brand + brands;

/** What is known of an item, by name: its category and brand as numbers from 0, the rest as in {@link demoFeatures}. */
export function demoItem(values: Float32Array, item: number): Record<string, number> {
  const f = values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
  return {
    category: f.subarray(0, categories).indexOf(1),
    style_1: f[style] ?? 0,
    style_2: f[style + 1] ?? 0,
    price: f[price] ?? 0,
    quality: f[quality] ?? 0,
    novelty: f[novelty] ?? 0,
    sale: f[sale] ?? 0,
    brand: f.subarray(brand, brand + brands).indexOf(1),
  };
}

/** Utility that the category and the brand of an item add to it. */
const categoryAppeal = [-0.3, -0.1, 0.1, 0.3];
const brandAppeal = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];

/**
 * What their clicks have made of a user: running means of the features of the clicked items, where each click
 * keeps 70 % of what was there before. Zero before the first click.
 */
class Taste {
  readonly #mean = new Float64Array(demoFeatures);

  click(f: Float32Array): void {
    for (let k = 0; k < demoFeatures; k++) this.#mean[k] = 0.7 * this.#mean[k]! + 0.3 * f[k]!;
  }

  /**
   * Users like the style of what they clicked (the more so the further out it is, up to a limit) and dislike
   * prices far from those they are used to. The rest is the same for everybody: quality, novelty, category,
   * brand, and a sale, which counts for more where the price is low.
   */
  utility(f: Float32Array): number {
    const mean = this.#mean;
    let match = 0, appeal = 0;
    for (let k = style; k < style + styles; k++) match += mean[k]! * f[k]!;
    for (let k = 0; k < categories; k++) appeal += categoryAppeal[k]! * f[k]!;
    for (let k = 0; k < brands; k++) appeal += brandAppeal[k]! * f[brand + k]!;
    const gap = f[price]! - mean[price]!;
    // The constant makes one event in five end without a click.
    return -2.93 + 6 * Math.tanh(0.3 * match) - 0.3 * gap * gap + appeal + 2.2 * f[quality]! + f[novelty]! +
      0.5 * f[sale]! * (0.5 - f[price]!);
  }
}

/**
 * [I, F] features. Each number is spread evenly over its range and each category and brand has its equal
 * share, in an order of its own, so that shops of different seeds are alike as a whole.
 */
function makeItems(count: number, random: Random): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count * demoFeatures);
  const order = () => random.sampleWithoutReplacement(count, count);
  const oneOf = (first: number, choices: number) =>
    order().forEach((place, item) => values[item * demoFeatures + first + place % choices] = 1);
  const spread = (k: number, from: number, to: number) =>
    order().forEach((place, item) => {
      values[item * demoFeatures + k] = from + (to - from) * (place + random.uniform()) / count;
    });
  oneOf(0, categories);
  for (let k = style; k < style + styles; k++) spread(k, -2, 2);
  spread(price, -1, 1);
  spread(quality, -1, 1);
  spread(novelty, 0, 1);
  order().forEach((place, item) => values[item * demoFeatures + sale] = place < 0.3 * count ? 1 : 0);
  oneOf(brand, brands);
  return values;
}

function checkSizes(sizes: DemoOptions): void {
  const atLeast: DemoOptions = {
    users: 7, // fewer would leave a split empty
    items: sizes.pageSize,
    pageSize: 1,
    minEvents: 1,
    maxEvents: sizes.minEvents,
  };
  for (const name of Object.keys(atLeast) as (keyof DemoOptions)[]) {
    const least = atLeast[name], found = sizes[name];
    if (!Number.isInteger(found) || found < least) {
      throw new RangeError(
        `Expected ${name} of the demo shop to be a whole number, ${least} or more, got ${found}`,
      );
    }
  }
}

/** Draws a row of a page by the choice model: 0..K-1, or K for no click. */
function choose(utility: Float64Array, random: Random): number {
  const weight = utility.map(Math.exp);
  let left = random.uniform() * weight.reduce((sum, w) => sum + w, 1);
  for (let k = 0; k < weight.length; k++) {
    left -= weight[k]!;
    if (left < 0) return k;
  }
  return weight.length;
}

/** 70 % of the users train, 15 % validate, 15 % test. */
function splitUsers(users: number, random: Random): Uint8Array<ArrayBuffer> {
  const split = new Uint8Array(users);
  const order = random.sampleWithoutReplacement(users, users);
  order.forEach((user, place) => {
    const name = place < 0.7 * users ? "train" : place < 0.85 * users ? "validation" : "test";
    split[user] = splits.indexOf(name);
  });
  return split;
}

/**
 * Makes the shop of a seed (well under a second with the default sizes).
 *
 * @example
 * ```ts
 * const { log, truth } = makeDemoShop(1, { users: 500 });
 * const best = attainable(log, truth, usersOf(log, "test"));
 * ```
 * @throws RangeError for sizes that are not whole numbers or do not fit together
 */
export function makeDemoShop(seed: number, options: Partial<DemoOptions> = {}): DemoShop {
  const sizes = { ...demoDefaults, ...options };
  checkSizes(sizes);
  const { users, items, pageSize, minEvents, maxEvents } = sizes;
  const values = makeItems(items, randomStream(seed, "demo", "items"));
  const userEvents = new Uint32Array(users + 1);
  const eventClick: number[] = [];
  const rowItem: number[] = [];
  const rowUtility: number[] = [];
  for (let user = 0; user < users; user++) {
    const random = randomStream(seed, "demo", "user", user);
    const taste = new Taste();
    const events = minEvents + random.integer(maxEvents - minEvents + 1);
    userEvents[user + 1] = userEvents[user]! + events;
    for (let event = 0; event < events; event++) {
      const page = random.sampleWithoutReplacement(items, pageSize);
      const features = (item: number) => values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
      const utility = Float64Array.from(page, (item) => taste.utility(features(item)));
      const k = choose(utility, random);
      eventClick.push(k < pageSize ? rowItem.length + k : NONE);
      rowItem.push(...page);
      rowUtility.push(...utility);
      if (k < pageSize) taste.click(features(page[k]!));
    }
  }
  const log: ClickLog = {
    name: "demo",
    items: { kind: "dense", count: items, width: demoFeatures, values },
    userSplit: splitUsers(users, randomStream(seed, "demo", "split")),
    userEvents,
    eventRows: Uint32Array.from({ length: eventClick.length + 1 }, (_, event) => event * pageSize),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(rowItem),
  };
  return { log, truth: { utility: Float64Array.from(rowUtility) } };
}

/** The figures of the truth itself on some users: up to chance, no model does better. */
export function attainable(log: ClickLog, truth: DemoTruth, users: Iterable<number>): ChoiceFigures {
  return choiceFigures(log, users, truth.utility);
}
