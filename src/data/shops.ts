/**
 * Click models of the synthetic shops: states of users, utilities of items, and changes of states by clicks.
 *
 * A user's state has three running means over the clicked items: m1 and m2 (of the two style coordinates),
 * and p (of the price). At each click, a mean m (at first 0) becomes .7 m + .3 x, where x is the item's style
 * coordinate or price. The utility u of an item depends on these means and on the item's features:
 *
 *   u = constant + 6 tanh(.3 (m1 style1 + m2 style2)) - .3 (price - p)^2 + appeal - fatigue (m1^2 + m2^2)
 *   appeal = category + brand + 2.2 quality + novelty + .5 sale (.5 - price)
 *
 * Users prefer styles that are similar to the styles of items they clicked. The tanh limits the effect of
 * styles on the utility to -6..6. Users dislike prices far from the mean p of clicked prices. An item's
 * appeal is the same for all users. A sale adds more to the appeal of a cheap item. A user's taste is narrow
 * if m1^2 + m2^2 is large. With fatigue, a narrow taste lowers the utilities of all items.
 */

/** Parameters of a synthetic shop. All shops share one utility formula. Equal seeds give equal items. */
export interface ShopTruth {
  /** Name of the shop, for `--data`. */
  readonly name: string;
  /** Description of the shop, for the text of --help. */
  readonly about: string;
  /** Constant term of the utility. With a smaller constant, more pages have no click. */
  readonly constant: number;
  /** Weight, 0 or more, of the penalty m1^2 + m2^2, which is subtracted from all utilities. */
  readonly fatigue: number;
}

export interface ShopState {
  /** Running means of the style coordinates of the clicked items, in -2..2. */
  readonly m1: number;
  readonly m2: number;
  /** Running mean of the price of the clicked items, in -1..1. */
  readonly p: number;
}

export const firstState: ShopState = { m1: 0, m2: 0, p: 0 };

/** Amounts that an item's category and brand add to its utility. */
const categoryAppeal = [-0.3, -0.1, 0.1, 0.3];
const brandAppeal = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];

/** Returns an item's utility for a user. @param f: [F] the item's features, see {@link featureOffsets} */
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

/** Returns a user's state after a click on an item with features f [F]. Only clicks change the state. */
export function advanceShopState({ m1, m2, p }: ShopState, f: Float32Array): ShopState {
  const { style, price } = featureOffsets;
  const mean = (before: number, value: number) => 0.7 * before + 0.3 * value;
  return { m1: mean(m1, f[style]!), m2: mean(m2, f[style + 1]!), p: mean(p, f[price]!) };
}

const categories = 4, styles = 2, brands = 6;
const style = categories;
const price = style + styles, quality = price + 1, novelty = price + 2, sale = price + 3;
const brand = sale + 1;

/** Layout of an item's feature vector: offsets, and the numbers of categories and brands (one-hot). */
export const featureOffsets = { categories, style, price, quality, novelty, sale, brand, brands } as const;

/**
 * F = 16, the number of features per item. The features are, in order: 4 categories (one-hot), 2 style
 * coordinates in -2..2, price in -1..1, quality in -1..1, novelty in 0..1, sale (0 or 1), 6 brands (one-hot).
 */
export const demoFeatures = brand + brands;

/** Names of the numeric features, in the order of the feature vector. */
const numberNames = ["style_1", "style_2", "price", "quality", "novelty", "sale"];

export const featureNames: readonly string[] = [
  ...Array.from({ length: categories }, (_, k) => `category-${k}`),
  ...numberNames,
  ...Array.from({ length: brands }, (_, k) => `brand-${k}`),
];

/** Returns an item's features by name, with the category and the brand as indices from 0. */
export function describeDemoItem(values: Float32Array, item: number): Record<string, number> {
  const f = getItemFeatures(values, item);
  return {
    category: f.subarray(0, categories).indexOf(1),
    ...Object.fromEntries(numberNames.map((name, k) => [name, f[categories + k]!])),
    brand: f.subarray(brand, brand + brands).indexOf(1),
  };
}

/** Returns the features [F] of an item. @param values: [I, F] features of all items */
export function getItemFeatures(values: Float32Array, item: number): Float32Array {
  return values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
}

/** Shop in which a fifth of the pages get no click. */
export const demo: ShopTruth = {
  name: "demo",
  about: "users like items similar to those they clicked before",
  constant: -2.93,
  fatigue: 0,
};

/**
 * Shop in which clicks on the best items narrow a user's taste. A narrow taste lowers the utilities of all
 * items equally. So a ranking by utility alone gets fewer clicks on later pages.
 */
export const restless: ShopTruth = {
  name: "restless",
  about: "as demo, but users tire of a narrow taste, so that planning ahead pays",
  constant: -2.93,
  fatigue: 1.5,
};

// To add a synthetic shop, define a constant and add it to this list.

export const shops: readonly ShopTruth[] = [demo, restless];

export const shopNames = shops.map(({ name }) => name).join(" or ");

export function findShop(name: string): ShopTruth | undefined {
  return shops.find((shop) => shop.name === name);
}
