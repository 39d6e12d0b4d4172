/** Who clicks, in f64 and one user at a time: what simulated users on the device are held against. */

import {
  demoFeatures,
  featuresOf,
  firstState,
  nextState,
  type ShopState,
  type ShopTruth,
  shopUtility,
} from "../../data/shops.ts";

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

  /** @param values [I, F] the shop's items: `shopItems` of data/demo_shop.ts, or those of its log. */
  constructor(readonly shop: ShopTruth, values: Float32Array) {
    this.name = shop.name;
    this.items = values.length / demoFeatures;
    this.#features = Array.from({ length: this.items }, (_, item) => featuresOf(values, item));
  }

  initial(): ShopState {
    return firstState;
  }

  utilities(state: ShopState, items: ArrayLike<number>): Float64Array {
    const found = new Float64Array(items.length); // a loop: from() takes ten times as long
    for (let k = 0; k < found.length; k++) found[k] = shopUtility(this.shop, state, this.#of(items[k]!));
    return found;
  }

  next(state: ShopState, item: number): ShopState {
    return nextState(state, this.#of(item));
  }

  #of(item: number): Float32Array {
    const features = this.#features[item];
    if (features) return features;
    throw new RangeError(`Expected an item of 0..${this.items - 1}, got ${item}`);
  }
}
