/** Reference implementation of simulated users and their choice model, in f64, for one user at a time. */

import type { ShopState, ShopTruth } from "../../data/shops.ts";
import {
  advanceShopState,
  computeShopUtility,
  demoFeatures,
  firstState,
  getItemFeatures,
} from "../../data/shops.ts";

export interface UniformChoice {
  readonly slot: number;
  readonly clickProbability: number;
  /** Smallest change of `uniform` that changes the slot. If it is tiny, f32 kernels may draw another slot. */
  readonly margin: number;
}

/** Choice weights, divided by the largest weight so that no weight overflows. */
export interface ChoiceWeights {
  readonly none: number;
  /** [slots] weight of the item in each slot. */
  readonly slots: Float64Array;
}

/** Computes exp(logit - largest logit) for no click (logit 0) and each slot. @param logits - one per slot */
export function computeChoiceWeights(logits: ArrayLike<number>): ChoiceWeights {
  let most = 0;
  for (let j = 0; j < logits.length; j++) most = Math.max(most, logits[j]!);
  const slots = new Float64Array(logits.length);
  for (let j = 0; j < slots.length; j++) slots[j] = Math.exp(logits[j]! - most);
  return { none: Math.exp(-most), slots };
}

/**
 * Draws a click by inverse transform sampling of the outcomes no click, slot 0, slot 1 and so on. As no click
 * is the first outcome, a low random number means no click for every slate. @param logits - one per slot.
 * @param uniform - random number in [0, 1)
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
    // Rounding errors go to the last slot.
    if (slot < slots.length && threshold >= sum) slot = j + 1;
  }
  return { slot, clickProbability: clicks / total, margin: margin / total };
}

/** Computes a slate's logits. @param effects - position effects, from the second position on */
export function computeSlateLogits(
  utilities: ArrayLike<number>,
  eta = 1,
  effects: ArrayLike<number> = [],
): Float64Array {
  return Float64Array.from(utilities, (u, j) => eta * (u + (effects[Math.min(j, effects.length) - 1] ?? 0)));
}

/** State changes and utilities of a simulated user. @typeParam S - immutable state of a user */
export interface HostDynamics<S> {
  readonly items: number;
  initial(): S;
  /** Returns the utilities of the given items, in their order and without position effects. */
  utilities(state: S, items: ArrayLike<number>): Float64Array;
  next(state: S, item: number): S;
}

export class ShopDynamics implements HostDynamics<ShopState> {
  readonly items: number;
  readonly #features: readonly Float32Array[];

  /** @param values - [items, features] values of the shop's item features */
  constructor(readonly shop: ShopTruth, values: Float32Array) {
    this.items = values.length / demoFeatures;
    this.#features = Array.from({ length: this.items }, (_, item) => getItemFeatures(values, item));
  }

  initial(): ShopState {
    return firstState;
  }

  utilities(state: ShopState, items: ArrayLike<number>): Float64Array {
    const found = new Float64Array(items.length); // Float64Array.from() would take ten times as long
    for (let k = 0; k < found.length; k++) {
      found[k] = computeShopUtility(this.shop, state, this.#features[items[k]!]!);
    }
    return found;
  }

  next(state: ShopState, item: number): ShopState {
    return advanceShopState(state, this.#features[item]!);
  }
}
