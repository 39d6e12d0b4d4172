/** Policies on the host: random, popular, and greedy, which is exact for either reward. */

import { mulhi, purposes, slotOf } from "../../data/philox.ts";
import { choiceWeights } from "./dynamics.ts";
import type { HostPage, HostPolicy } from "./host_simulator.ts";
import { slateRatio, topSlate } from "./slate_ratio.ts";

/** Every item that may be shown equally often in every slot, by the draws of kernels/simulate/random_slate.wgsl. */
export function randomPolicy<S>(): HostPolicy<S> {
  return { name: "random", slate: drawSlate };
}

/** A slate of {@link randomPolicy}. */
export function drawSlate(
  { masked, slate, words }: Pick<HostPage<unknown>, "masked" | "slate" | "words">,
): number[] {
  const taken = masked.slice();
  return Array.from({ length: slate }, (_, slot) => {
    const item = drawItem(taken, words(slotOf(purposes.SLATE, slot)));
    taken[item] = 1;
    return item;
  });
}

/** Three tries among all items, and then a rank among those that are free: each of them equally likely. */
function drawItem(taken: Uint8Array, words: readonly number[]): number {
  for (const word of words.slice(0, 3)) {
    const item = mulhi(word, taken.length);
    if (taken[item] === 0) return item;
  }
  const free = taken.reduce((count, one) => count + (one === 0 ? 1 : 0), 0);
  let rank = mulhi(words[3] ?? 0, free);
  const item = taken.findIndex((one) => one === 0 && rank-- === 0);
  if (item >= 0) return item;
  throw new RangeError("Expected an item that may be shown, found none");
}

/** The first items of an order that may be shown. @param order item numbers, best first */
export function popularPolicy<S>(order: ArrayLike<number>): HostPolicy<S> {
  const items = Array.from(order);
  return {
    name: "popular",
    slate: ({ masked, slate }) => {
      const shown: number[] = [];
      for (let k = 0; k < items.length && shown.length < slate; k++) {
        const item = items[k]!;
        if (masked[item] === 0) shown.push(item);
      }
      return shown;
    },
  };
}

let all = new Uint32Array(0);

/** 0, 1, ..., I - 1. */
function allItems(count: number): Uint32Array {
  if (all.length !== count) all = Uint32Array.from({ length: count }, (_, item) => item);
  return all;
}

/** All items of a user's catalogue, with their utilities and the weights of the choice model. */
export function catalogueOf<S>({ dynamics, state }: HostPage<S>): {
  readonly utilities: Float64Array;
  readonly noneWeight: number;
  readonly weights: Float64Array;
} {
  const utilities = dynamics.utilities(state, allItems(dynamics.items));
  const { none, slots } = choiceWeights(utilities.map((u) => (dynamics.eta ?? 1) * u));
  return { utilities, noneWeight: none, weights: slots };
}

/** The slate that gains most on this page, whatever comes after. Of effects of places it knows nothing. */
export function greedyPolicy<S>(reward: "click" | "utility" = "click"): HostPolicy<S> {
  return {
    name: "greedy",
    slate: (page) => {
      const { utilities: values, noneWeight, weights } = catalogueOf(page);
      if (reward === "click") return topSlate(values, page.slate, page.masked);
      return slateRatio({ weights, noneWeight, values, noneValue: 0 }, page.slate, page.masked).slate;
    },
  };
}
