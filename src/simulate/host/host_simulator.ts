/**
 * Simulates users one after another on the host in f64, as a reference. Host and device use the same random
 * words (data/philox.ts), so that their clicks can be compared one by one. This file also has three policies:
 * random, popular, and greedy.
 */

import type { PhiloxCounter } from "../../data/philox.ts";
import {
  computePhilox,
  getSlotPurpose,
  makeKey,
  multiplyHigh,
  purposes,
  toUniform24,
} from "../../data/philox.ts";
import { choose, computeChoiceWeights, type HostDynamics, type UniformChoice } from "./dynamics.ts";
import { createEmptyLog, type EpisodeLog } from "../episode_log.ts";
import type { SimulatorOptions } from "../simulator_options.ts";
import { findBestSlate, selectTopSlate } from "./host_best_slate.ts";

export interface HostPage<S> {
  readonly dynamics: HostDynamics<S>;
  readonly state: S;
  readonly user: number;
  readonly page: number;
  readonly pages: number;
  readonly slate: number;
  /** [items] 1 for an item that may not be shown, otherwise 0. */
  readonly masked: Uint8Array;
  /** Returns the page's four random words for one purpose, such as the click (see data/philox.ts). */
  readonly words: (purpose: number) => PhiloxCounter;
}

export interface HostPolicy<S> {
  readonly name: string;
  /** Returns a slate of k different items that are not masked. */
  slate(page: HostPage<S>): ArrayLike<number>;
}

export interface HostDraw extends UniformChoice {
  readonly user: number;
  readonly page: number;
  readonly slate: ArrayLike<number>;
}

export interface HostOptions extends Omit<SimulatorOptions, "seed" | "pool" | "start" | "usersAtOnce"> {
  readonly seed: number;
  readonly episode?: number;
  /** Number of the first user. The random numbers of a user depend on the user's number alone. */
  readonly firstUser?: number;
  /** Returns the slot (k for no click) that replaces the drawn slot, for example to repeat a log's clicks. */
  readonly follow?: (drawn: HostDraw) => number;
}

/** Simulates one episode per user. @throws RangeError for a slate with masked, repeated or too few items. */
export function simulateOnHost<S>(
  dynamics: HostDynamics<S>,
  policy: HostPolicy<S>,
  options: HostOptions,
): EpisodeLog {
  const { users, pages, slate: k, firstUser = 0, episode = 0, leave = 0, patience = 0 } = options;
  const log = createEmptyLog({ episode, firstUser, users, pages, slate: k });
  const key = makeKey(options.seed);
  for (let u = 0; u < users; u++) {
    const user = firstUser + u;
    const masked = new Uint8Array(dynamics.items);
    let state = dynamics.initial();
    let withoutClick = 0;
    for (let page = 0; page < pages; page++) {
      const words = (purpose: number) => computePhilox([user, episode, page, purpose], key);
      const slate = policy.slate({ dynamics, state, user, page, pages, slate: k, masked, words });
      expectAllowed(slate, k, masked, policy.name);
      const utilities = dynamics.utilities(state, slate);
      const drawn = { user, page, slate, ...choose(utilities, toUniform24(words(purposes.CHOICE)[0])) };
      const slot = options.follow?.(drawn) ?? drawn.slot;
      const clicked = slate[slot];
      const at = page * users + u;
      log.slates.set(slate, at * k);
      log.choices[at] = slot;
      log.probabilities[at] = drawn.clickProbability;
      log.present[at] = 1;
      if (clicked === undefined) {
        // The user's state is unchanged, but the user may leave.
        if (toUniform24(words(purposes.LEAVE)[0]) < leave || ++withoutClick === patience) break;
        continue;
      }
      log.rewards[at] = options.reward === "utility" ? utilities[slot]! : 1;
      state = dynamics.next(state, clicked);
      if (!options.repeats) masked[clicked] = 1;
      withoutClick = 0;
    }
  }
  return log;
}

function expectAllowed(slate: ArrayLike<number>, k: number, masked: Uint8Array, policy: string): void {
  const items = Array.from(slate);
  const wrong = items.find((item) => masked[item] !== 0);
  if (items.length === k && new Set(items).size === k && wrong === undefined) return;
  throw new RangeError(
    `Expected ${policy} to choose ${k} different items that may be shown, got ${items.join(", ")}`,
  );
}

/** Returns the policy that draws slates uniformly, as kernels/simulate/random_slate.wgsl does. */
export function createRandomPolicy<S>(): HostPolicy<S> {
  return { name: "random", slate: drawSlate };
}

export function drawSlate(
  { masked, slate, words }: Pick<HostPage<unknown>, "masked" | "slate" | "words">,
): number[] {
  const taken = masked.slice();
  return Array.from({ length: slate }, (_, slot) => {
    const item = drawItem(taken, words(getSlotPurpose(purposes.SLATE, slot)));
    taken[item] = 1;
    return item;
  });
}

/** Draws a free item: in up to three draws among all items or, without success, among the free items. */
function drawItem(taken: Uint8Array, words: readonly number[]): number {
  for (const word of words.slice(0, 3)) {
    const item = multiplyHigh(word, taken.length);
    if (taken[item] === 0) return item;
  }
  const free = taken.reduce((count, one) => count + (one === 0 ? 1 : 0), 0);
  let rank = multiplyHigh(words[3] ?? 0, free);
  return taken.findIndex((one) => one === 0 && rank-- === 0);
}

/** Returns a policy that shows the best allowed items. @param order - all item numbers, best first */
export function createHostPopularPolicy<S>(order: ArrayLike<number>): HostPolicy<S> {
  const items = Array.from(order);
  return {
    name: "popular",
    slate: ({ masked, slate }) => items.filter((item) => masked[item] === 0).slice(0, slate),
  };
}

let all = new Uint32Array(0);

function allItems(count: number): Uint32Array {
  if (all.length !== count) all = Uint32Array.from({ length: count }, (_, item) => item);
  return all;
}

/** Returns a user's utilities of all items, and the choice weights of the items and of no click. */
export function scoreCatalogue<S>({ dynamics, state }: HostPage<S>): {
  readonly utilities: Float64Array;
  readonly noneWeight: number;
  readonly weights: Float64Array;
} {
  const utilities = dynamics.utilities(state, allItems(dynamics.items));
  const { none, slots } = computeChoiceWeights(utilities);
  return { utilities, noneWeight: none, weights: slots };
}

/** Returns the policy that maximises the expected reward of the current page. Ignores position effects. */
export function createHostGreedyPolicy<S>(reward: "click" | "utility" = "click"): HostPolicy<S> {
  return {
    name: "greedy",
    slate: (page) => {
      const { utilities: values, noneWeight, weights } = scoreCatalogue(page);
      if (reward === "click") return selectTopSlate(values, page.slate, page.masked);
      return findBestSlate({ weights, noneWeight, values, noneValue: 0 }, page.slate, page.masked);
    },
  };
}
