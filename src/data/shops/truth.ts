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

import { places } from "./items.ts";

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

/** The utility of an item. @param f [F] its features, see items.ts */
export function shopUtility({ constant, fatigue }: ShopTruth, state: ShopState, f: Float32Array): number {
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
export function nextState({ m1, m2, p }: ShopState, f: Float32Array): ShopState {
  const { style, price } = places;
  const mean = (before: number, value: number) => 0.7 * before + 0.3 * value;
  return { m1: mean(m1, f[style]!), m2: mean(m2, f[style + 1]!), p: mean(p, f[price]!) };
}
