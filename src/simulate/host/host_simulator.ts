/**
 * Reference simulator on the host in f64, one user after another. Host and device use the same random words
 * (data/philox.ts), so that their clicks can be compared one by one. The policies are random, popular, and
 * greedy (exact for the rewards "click" and "utility").
 */

import type { PhiloxCounter, PhiloxKey } from "../../data/philox.ts";
import {
  computePhilox,
  getSlotPurpose,
  makeKey,
  multiplyHigh,
  purposes,
  toUniform24,
} from "../../data/philox.ts";
import { choose, computeChoiceWeights, computeSlateLogits } from "./dynamics.ts";
import type { HostDynamics, UniformChoice } from "./dynamics.ts";
import { createEmptyLog, type EpisodeLog } from "../episode_log.ts";
import type { SimulatorOptions } from "../simulator_options.ts";
import { createPool, drawRandomPool } from "../pool.ts";
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
  /** Discount factor per page; 1 by default. */
  readonly discount?: number;
  /** Mean number of items in the random pool of a page; see {@link import("../pool.ts").PoolOptions}. */
  readonly randomPool?: number;
  /** Returns the items that a user clicked before the episode, oldest first. */
  readonly history?: (user: number) => ArrayLike<number>;
  /** Returns a slot (k for no click) that replaces the drawn slot, to repeat the clicks of a log. */
  readonly follow?: (drawn: HostDraw) => number;
}

export interface HostEpisodes<S> extends EpisodeLog {
  /** [users] sum of the discounted rewards of each user. */
  readonly returns: Float64Array;
  readonly length: Uint32Array;
  /** [users] 1 for a user who left, 0 for a user whose episode ended with the last page. */
  readonly terminated: Uint8Array;
  readonly states: readonly S[];
}

/** Simulates one episode per user. @throws RangeError for a slate with masked, repeated or too few items. */
export function simulateOnHost<S>(
  dynamics: HostDynamics<S>,
  policy: HostPolicy<S>,
  options: HostOptions,
): HostEpisodes<S> {
  const { users, pages, slate: k, firstUser = 0, episode = 0 } = options;
  const found = {
    ...createEmptyLog({ episode, firstUser, users, pages, slate: k }),
    returns: new Float64Array(users),
    length: new Uint32Array(users),
    terminated: new Uint8Array(users),
    states: [] as S[],
  };
  const key = makeKey(options.seed);
  for (let u = 0; u < users; u++) {
    const one = new OneUser(dynamics, options, key, firstUser + u);
    while (!one.left && one.page < pages) {
      const at = one.page * users + u;
      const { slate, slot, reward, clickProbability } = one.step(policy);
      found.slates.set(slate, at * k);
      found.choices[at] = slot;
      found.rewards[at] = reward;
      found.probabilities[at] = clickProbability;
      found.present[at] = 1;
    }
    found.returns[u] = one.sum;
    found.length[u] = one.page;
    found.terminated[u] = one.left ? 1 : 0;
    found.states.push(one.state);
  }
  return found;
}

class OneUser<S> {
  state: S;
  page = 0;
  sum = 0;
  left = false;
  #withoutClick = 0;
  readonly #masked: Uint8Array;
  /** An item is in the random pool if its random word is below this threshold; 0 without a random pool. */
  readonly #threshold: number;

  constructor(
    private readonly dynamics: HostDynamics<S>,
    private readonly options: HostOptions,
    private readonly key: PhiloxKey,
    private readonly user: number,
  ) {
    this.state = dynamics.initial();
    this.#masked = new Uint8Array(dynamics.items);
    const { randomPool: random } = options;
    this.#threshold = random === undefined ? 0 : createPool({ random }, dynamics.items).threshold;
    for (const item of Array.from(options.history?.(user) ?? [])) this.#click(item);
  }

  step(policy: HostPolicy<S>): HostDraw & { readonly reward: number } {
    const { dynamics, options, user, page } = this;
    const { pages, slate: k, discount = 1, reward: kind = "click" } = options;
    const words = (purpose: number) => computePhilox([user, options.episode ?? 0, page, purpose], this.key);
    const { state } = this;
    const masked = this.#pageMask(words);
    const slate = policy.slate({ dynamics, state, user, page, pages, slate: k, masked, words });
    this.#check(slate, masked, policy.name);
    const utilities = dynamics.utilities(state, slate);
    const logits = computeSlateLogits(utilities, dynamics.eta, dynamics.positionEffects);
    const drawn = { user, page, slate, ...choose(logits, toUniform24(words(purposes.CHOICE)[0])) };
    const slot = options.follow?.(drawn) ?? drawn.slot;
    const clicked = slate[slot];
    const reward = clicked === undefined ? 0 : kind === "click" ? 1 : utilities[slot]!;
    this.sum += discount ** page * reward;
    if (clicked === undefined) this.#pass(words);
    else {
      this.#click(clicked);
      this.#withoutClick = 0;
    }
    this.page++;
    return { ...drawn, slot, reward };
  }

  #click(item: number): void {
    this.state = this.dynamics.next(this.state, item);
    if (!this.options.repeats) this.#masked[item] = 1;
  }

  /** Ends a page without a click. The user's state is unchanged, but the user may leave. */
  #pass(words: (purpose: number) => PhiloxCounter): void {
    const { leave = 0, patience = 0 } = this.options;
    this.#withoutClick++;
    this.left = toUniform24(words(purposes.LEAVE)[0]) < leave || this.#withoutClick === patience;
  }

  /** Returns [items] 1 for items that the page may not show. A random pool with too few items is ignored. */
  #pageMask(words: (purpose: number) => PhiloxCounter): Uint8Array {
    if (this.#threshold === 0) return this.#masked;
    const pool = drawRandomPool(this.#threshold, this.#masked.length, words);
    let free = 0;
    const masked = this.#masked.map((clicked, item) => {
      const shut = clicked !== 0 || pool[item] === 0 ? 1 : 0;
      free += 1 - shut;
      return shut;
    });
    return free < this.options.slate ? this.#masked : masked;
  }

  #check(slate: ArrayLike<number>, masked: Uint8Array, policy: string): void {
    const items = Array.from(slate);
    const { slate: k } = this.options;
    const wrong = items.find((item) => masked[item] !== 0);
    if (items.length === k && new Set(items).size === k && wrong === undefined) return;
    throw new RangeError(
      `Expected from ${policy} a slate of ${k} different items that may be shown, got ${items.join(", ")}`,
    );
  }
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

/** Draws an item that is not taken: up to three draws among all items, then one among those not taken. */
function drawItem(taken: Uint8Array, words: readonly number[]): number {
  for (const word of words.slice(0, 3)) {
    const item = multiplyHigh(word, taken.length);
    if (taken[item] === 0) return item;
  }
  const free = taken.reduce((count, one) => count + (one === 0 ? 1 : 0), 0);
  let rank = multiplyHigh(words[3] ?? 0, free);
  const item = taken.findIndex((one) => one === 0 && rank-- === 0);
  if (item >= 0) return item;
  throw new RangeError("Expected an item that may be shown, found no such item");
}

/** Returns a policy that shows the first allowed items. @param order - item numbers, best first */
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

/** Returns the utilities of all items for a user, and the choice model's weights. */
export function scoreCatalogue<S>({ dynamics, state }: HostPage<S>): {
  readonly utilities: Float64Array;
  readonly noneWeight: number;
  readonly weights: Float64Array;
} {
  const utilities = dynamics.utilities(state, allItems(dynamics.items));
  const { none, slots } = computeChoiceWeights(utilities.map((u) => (dynamics.eta ?? 1) * u));
  return { utilities, noneWeight: none, weights: slots };
}

/** Returns the policy that maximises the expected reward of the current page. Ignores position effects. */
export function createHostGreedyPolicy<S>(reward: "click" | "utility" = "click"): HostPolicy<S> {
  return {
    name: "greedy",
    slate: (page) => {
      const { utilities: values, noneWeight, weights } = scoreCatalogue(page);
      if (reward === "click") return selectTopSlate(values, page.slate, page.masked);
      return findBestSlate({ weights, noneWeight, values, noneValue: 0 }, page.slate, page.masked).slate;
    },
  };
}
