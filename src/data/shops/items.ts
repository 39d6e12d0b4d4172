/** The items of the made-up shops. */

import type { Random } from "../random.ts";

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
export function demoItem(values: Float32Array, item: number): Record<string, number> {
  const f = featuresOf(values, item);
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
export function featuresOf(values: Float32Array, item: number): Float32Array {
  return values.subarray(item * demoFeatures, (item + 1) * demoFeatures);
}

/**
 * [I, F] features. Each number is spread evenly over its range and each category and brand has its equal
 * share, in an order of its own, so that shops of different seeds are alike as a whole.
 */
export function makeItems(count: number, random: Random): Float32Array<ArrayBuffer> {
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
