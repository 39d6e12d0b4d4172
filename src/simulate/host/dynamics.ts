/** Who clicks, in f64 and one user at a time: what simulated users on the device are held against; and which item they click. */

import {
  advanceShopState,
  computeShopUtility,
  demoFeatures,
  firstState,
  getItemFeatures,
  type ShopState,
  type ShopTruth,
} from "../../data/shops.ts";

/** Which item of a slate is clicked: the choice model, and a draw by one uniform number. */

/** What a uniform number falls on. */
export interface UniformChoice {
  /** The slot that is clicked, k for none. */
  readonly slot: number;
  /** P(any click). */
  readonly clickChance: number;
  /** How far the number is from one that falls on something else: below the rounding of f32 the device may choose otherwise. */
  readonly margin: number;
}

/** Weights relative to the largest, so that nothing overflows. */
export interface ChoiceWeights {
  readonly none: number;
  /** [k] */
  readonly slots: Float64Array;
}

/** exp of each logit, by the largest of them. @param logits [k] of the slots; that of no click is 0. */
export function computeChoiceWeights(logits: ArrayLike<number>): ChoiceWeights {
  let most = 0;
  for (let j = 0; j < logits.length; j++) most = Math.max(most, logits[j]!);
  const slots = new Float64Array(logits.length);
  for (let j = 0; j < slots.length; j++) slots[j] = Math.exp(logits[j]! - most);
  return { none: Math.exp(-most), slots };
}

/**
 * The inverse of the distribution function, over no click first and then the slots in order: policies that are simulated
 * with the same numbers share what they can of the pages without a click.
 *
 * @param logits [k] of the slots. @param uniform in [0, 1)
 */
export function choose(logits: ArrayLike<number>, uniform: number): UniformChoice {
  const { none, slots } = computeChoiceWeights(logits);
  const clicks = slots.reduce((sum, weight) => sum + weight, 0);
  const total = none + clicks;
  const threshold = uniform * total;
  let sum = none;
  let margin = Math.abs(threshold - none);
  let slot = threshold < none ? slots.length : 0;
  for (let j = 0; j + 1 < slots.length; j++) {
    sum += slots[j]!;
    margin = Math.min(margin, Math.abs(threshold - sum));
    // The last slot takes what rounding leaves.
    if (slot < slots.length && threshold >= sum) slot = j + 1;
  }
  return { slot, clickChance: clicks / total, margin: margin / total };
}

/** The logits of a slate. @param utilities of its items. @param effects what the second place, the third, ... add */
export function computeSlateLogits(
  utilities: ArrayLike<number>,
  eta = 1,
  effects: ArrayLike<number> = [],
): Float64Array {
  return Float64Array.from(
    utilities,
    (u, j) => eta * (u + (effects[Math.min(j, effects.length) - 1] ?? 0)),
  );
}

/** @typeParam S the state of a user; it is never changed, each click makes another one */
export interface HostDynamics<S> {
  readonly name: string;
  /** I, items of the catalogue. */
  readonly items: number;
  /** P(item) is proportional to exp(eta (u + effect of its place)), P(no click) to 1. 1 where it is not given. */
  readonly eta?: number;
  /** What the second place, the third, ... add to a utility; the last for all behind it. */
  readonly placeEffects?: readonly number[];
  /** Without a click. */
  initial(): S;
  /** Utilities of some items, in their order, without effects of places. */
  utilities(state: S, items: ArrayLike<number>): Float64Array;
  /** After a click on an item. */
  next(state: S, item: number): S;
}

/** The truth of a made-up shop. */
export class ShopDynamics implements HostDynamics<ShopState> {
  readonly name: string;
  readonly items: number;
  readonly #features: readonly Float32Array[];

  /** @param values [I, F] the shop's items: `drawShopItems` of data/demo_shop.ts, or those of its log. */
  constructor(readonly shop: ShopTruth, values: Float32Array) {
    this.name = shop.name;
    this.items = values.length / demoFeatures;
    this.#features = Array.from({ length: this.items }, (_, item) => getItemFeatures(values, item));
  }

  initial(): ShopState {
    return firstState;
  }

  utilities(state: ShopState, items: ArrayLike<number>): Float64Array {
    const found = new Float64Array(items.length); // a loop: from() takes ten times as long
    for (let k = 0; k < found.length; k++) {
      found[k] = computeShopUtility(this.shop, state, this.#of(items[k]!));
    }
    return found;
  }

  next(state: ShopState, item: number): ShopState {
    return advanceShopState(state, this.#of(item));
  }

  #of(item: number): Float32Array {
    const features = this.#features[item];
    if (features) return features;
    throw new RangeError(`Expected an item of 0..${this.items - 1}, got ${item}`);
  }
}
