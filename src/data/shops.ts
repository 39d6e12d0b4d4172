/**
 * Why the users of a made-up shop click: their state, the utility of an item in it, and how a click moves it.
 *
 * Three numbers are all that a user is: the running means m1, m2 of the two style coordinates, and p of the price, of what
 * they clicked, where each click keeps 70 % of what was there before. All are 0 before the first click.
 *
 *   u = constant + 6 tanh(.3 (m1 style1 + m2 style2)) - .3 (price - p)^2 + appeal - fatigue (m1^2 + m2^2)
 *   appeal = category + brand + 2.2 quality + novelty + .5 sale (.5 - price)
 *
 * Users like the style of what they clicked (the more so the further out it is, up to a limit) and dislike prices far from
 * those they are used to. The appeal is the same for everybody: quality, novelty, category, brand, and a sale, which counts
 * for more where the price is low. With fatigue they tire of a narrow taste.
 */

import type { Random } from "./random.ts";

/** A made-up shop: what of the formula is its own. All else, the items too, is the same in all shops. */
export interface ShopTruth {
  /** What `--data` calls it. */
  readonly name: string;
  /** What sets it apart, for help. */
  readonly about: string;
  /** Utility of an average item: it says how often nothing is clicked. */
  readonly constant: number;
  /** What a unit of |m|^2 takes from the utility of every item, 0 or more. */
  readonly fatigue: number;
}

/** A user of a made-up shop. */
export interface ShopState {
  /** Running means of the style coordinates, in -2..2. */
  readonly m1: number;
  readonly m2: number;
  /** The running mean of the price, in -1..1. */
  readonly p: number;
}

/** Before the first click. */
export const firstState: ShopState = { m1: 0, m2: 0, p: 0 };

/** Utility that the category and the brand of an item add to it. */
const categoryAppeal = [-0.3, -0.1, 0.1, 0.3];
const brandAppeal = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];

/** The utility of an item. @param f [F] its features, where {@link places} says */
export function computeShopUtility(
  { constant, fatigue }: ShopTruth,
  state: ShopState,
  f: Float32Array,
): number {
  const { m1, m2, p } = state;
  const { categories, style, price, quality, novelty, sale, brand, brands } = places;
  const match = m1 * f[style]! + m2 * f[style + 1]!;
  let appeal = 0;
  for (let k = 0; k < categories; k++) appeal += categoryAppeal[k]! * f[k]!;
  for (let k = 0; k < brands; k++) appeal += brandAppeal[k]! * f[brand + k]!;
  const gap = f[price]! - p;
  return constant + 6 * Math.tanh(0.3 * match) - 0.3 * gap * gap + appeal + 2.2 * f[quality]! + f[novelty]! +
    0.5 * f[sale]! * (0.5 - f[price]!) - fatigue * (m1 * m1 + m2 * m2);
}

/** The state after a click on an item. Without a click it stays. @param f [F] the item's features */
export function advanceShopState({ m1, m2, p }: ShopState, f: Float32Array): ShopState {
  const { style, price } = places;
  const mean = (before: number, value: number) => 0.7 * before + 0.3 * value;
  return { m1: mean(m1, f[style]!), m2: mean(m2, f[style + 1]!), p: mean(p, f[price]!) };
}

// The items of the made-up shops.

const categories = 4, styles = 2, brands = 6;
const style = categories;
const price = style + styles, quality = price + 1, novelty = price + 2, sale = price + 3;
const brand = sale + 1;

/** Where an item's features stand among its {@link demoFeatures}, and how many categories and brands there are. */
export const places = { categories, style, price, quality, novelty, sale, brand, brands } as const;

/**
 * F = 16 item features, in order: 4 categories (1 for the item's own, else 0), 2 style coordinates in -2..2
 * (say plain to ornate, classic to modern), price and quality in -1..1, novelty in 0..1, on sale (0 or 1),
 * 6 brands (as categories).
 */
export const demoFeatures = brand + brands;

/** What the {@link demoFeatures} are called. */
export const featureNames: readonly string[] = [
  ...Array.from({ length: categories }, (_, k) => `category-${k}`),
  ...["style_1", "style_2", "price", "quality", "novelty", "sale"],
  ...Array.from({ length: brands }, (_, k) => `brand-${k}`),
];

/** What is known of an item, by name: its category and brand as numbers from 0, the rest as in {@link demoFeatures}. */
export function describeDemoItem(values: Float32Array, item: number): Record<string, number> {
  const f = getItemFeatures(values, item);
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

/** [F] the features of an item, among those of all items [I, F]. */
export function getItemFeatures(values: Float32Array, item: number): Float32Array {
  return values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
}

/**
 * [I, F] features. Each number is spread evenly over its range and each category and brand has its equal
 * share, in an order of its own, so that shops of different seeds are alike as a whole.
 */
export function makeItems(count: number, random: Random): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count * demoFeatures);
  const order = () => random.sampleWithoutReplacement(count, count);
  const drawChoice = (first: number, choices: number) =>
    order().forEach((place, item) => values[item * demoFeatures + first + place % choices] = 1);
  const spread = (k: number, from: number, to: number) =>
    order().forEach((place, item) => {
      values[item * demoFeatures + k] = from + (to - from) * (place + random.uniform()) / count;
    });
  drawChoice(0, categories);
  for (let k = style; k < style + styles; k++) spread(k, -2, 2);
  spread(price, -1, 1);
  spread(quality, -1, 1);
  spread(novelty, 0, 1);
  order().forEach((place, item) => values[item * demoFeatures + sale] = place < 0.3 * count ? 1 : 0);
  drawChoice(brand, brands);
  return values;
}

/** One event in five ends without a click. To plan ahead gains next to nothing here: the best item now is the best for later, too. */
export const demo: ShopTruth = {
  name: "demo",
  about: "users like what is like their earlier clicks",
  constant: -2.93,
  fatigue: 0,
};

/**
 * What users like best narrows their taste, and a narrow taste makes every item worth less. Within a page all items lose the
 * same, so that ranking by utility does not see it: one has to plan ahead.
 */
export const restless: ShopTruth = {
  name: "restless",
  about: "as demo, but they tire of a narrow taste, so that planning ahead pays",
  constant: -2.93,
  fatigue: 1.5,
};

// The made-up shops. Another one is a constant, and its name in the list.

/** In the order of the help. */
export const shops: readonly ShopTruth[] = [demo, restless];

/** Their names, for messages. */
export const shopNames = shops.map(({ name }) => name).join(" or ");

/** The shop of a name, undefined where there is none. */
export function findShop(name: string): ShopTruth | undefined {
  return shops.find((shop) => shop.name === name);
}
