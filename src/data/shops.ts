/**
 * Click models of the synthetic shops: the user's state, the utility of an item in it, and the effect of a click on it.
 *
 * A user is three numbers: the running means m1, m2 of the two style coordinates, and p of the price, of the clicked items,
 * where each click keeps 70 % of the old value. All are 0 before the first click.
 *
 *   u = constant + 6 tanh(.3 (m1 style1 + m2 style2)) - .3 (price - p)^2 + appeal - fatigue (m1^2 + m2^2)
 *   appeal = category + brand + 2.2 quality + novelty + .5 sale (.5 - price)
 *
 * Users like the style of the items that they clicked (more so further out, up to a limit) and dislike prices far from those
 * they are used to. The appeal is the same for all users: quality, novelty, category, brand, and a sale, which counts more
 * where the price is low. With fatigue they tire of a narrow taste.
 */

import type { Random } from "./random.ts";

/** Parameters of a synthetic shop. The rest of the formula, and the items, are the same in all shops. */
export interface ShopTruth {
  /** Its name for `--data`. */
  readonly name: string;
  /** Its difference from the other shops, for help. */
  readonly about: string;
  /** Utility of an average item: it determines how often nothing is clicked. */
  readonly constant: number;
  /** Utility that every item loses per unit of |m|^2, 0 or more. */
  readonly fatigue: number;
}

/** State of a user of a synthetic shop. */
export interface ShopState {
  /** Running means of the style coordinates, in -2..2. */
  readonly m1: number;
  readonly m2: number;
  /** Running mean of the price, in -1..1. */
  readonly p: number;
}

export const firstState: ShopState = { m1: 0, m2: 0, p: 0 };

/** Utilities of the categories and brands. */
const categoryAppeal = [-0.3, -0.1, 0.1, 0.3];
const brandAppeal = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];

/** Returns the utility of an item. @param f [F] its features, at the offsets {@link featureOffsets} */
export function computeShopUtility(
  { constant, fatigue }: ShopTruth,
  state: ShopState,
  f: Float32Array,
): number {
  const { m1, m2, p } = state;
  const { categories, style, price, quality, novelty, sale, brand, brands } = featureOffsets;
  const match = m1 * f[style]! + m2 * f[style + 1]!;
  let appeal = 0;
  for (let k = 0; k < categories; k++) appeal += categoryAppeal[k]! * f[k]!;
  for (let k = 0; k < brands; k++) appeal += brandAppeal[k]! * f[brand + k]!;
  const gap = f[price]! - p;
  return constant + 6 * Math.tanh(0.3 * match) - 0.3 * gap * gap + appeal + 2.2 * f[quality]! + f[novelty]! +
    0.5 * f[sale]! * (0.5 - f[price]!) - fatigue * (m1 * m1 + m2 * m2);
}

/** Returns the state after a click on an item; without a click the state stays. @param f [F] the item's features */
export function advanceShopState({ m1, m2, p }: ShopState, f: Float32Array): ShopState {
  const { style, price } = featureOffsets;
  const mean = (before: number, value: number) => 0.7 * before + 0.3 * value;
  return { m1: mean(m1, f[style]!), m2: mean(m2, f[style + 1]!), p: mean(p, f[price]!) };
}

const categories = 4, styles = 2, brands = 6;
const style = categories;
const price = style + styles, quality = price + 1, novelty = price + 2, sale = price + 3;
const brand = sale + 1;

/** Offsets of an item's features among its {@link demoFeatures}, and the numbers of categories and brands. */
export const featureOffsets = { categories, style, price, quality, novelty, sale, brand, brands } as const;

/**
 * F = 16 item features, in order: 4 categories (1 for the item's own, else 0), 2 style coordinates in -2..2
 * (say plain to ornate, classic to modern), price and quality in -1..1, novelty in 0..1, on sale (0 or 1),
 * 6 brands (as categories).
 */
export const demoFeatures = brand + brands;

export const featureNames: readonly string[] = [
  ...Array.from({ length: categories }, (_, k) => `category-${k}`),
  ...["style_1", "style_2", "price", "quality", "novelty", "sale"],
  ...Array.from({ length: brands }, (_, k) => `brand-${k}`),
];

/** Returns an item's features by name: its category and brand as numbers from 0, the rest as in {@link demoFeatures}. */
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

/** Returns the features [F] of an item, from those of all items [I, F]. */
export function getItemFeatures(values: Float32Array, item: number): Float32Array {
  return values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
}

/**
 * Draws features [I, F]. Each number is spread evenly over its range and each category and brand has its equal share, in an
 * order of its own, so that shops of different seeds are alike as a whole.
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

/** One event in five ends without a click. Planning ahead gains almost nothing: the best item now is also the best for later. */
export const demo: ShopTruth = {
  name: "demo",
  about: "users like what is like their earlier clicks",
  constant: -2.93,
  fatigue: 0,
};

/**
 * The items that users like best narrow their taste, and a narrow taste lowers the utility of every item. Within a page all
 * items lose the same, so ranking by utility does not see it: a policy has to plan ahead.
 */
export const restless: ShopTruth = {
  name: "restless",
  about: "as demo, but they tire of a narrow taste, so that planning ahead pays",
  constant: -2.93,
  fatigue: 1.5,
};

// A new synthetic shop is a constant, and its name in the list.

export const shops: readonly ShopTruth[] = [demo, restless];

export const shopNames = shops.map(({ name }) => name).join(" or ");

export function findShop(name: string): ShopTruth | undefined {
  return shops.find((shop) => shop.name === name);
}
