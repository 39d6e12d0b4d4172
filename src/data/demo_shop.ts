/**
 * A synthetic shop whose click log comes with its ground truth, so that a learned model can be compared with the best
 * possible one. The same seed gives the same log. shops.ts lists the shops.
 *
 * Each user sees pages of items drawn at random and clicks one item or none, by the choice model
 *   P(a | s, page) = exp(u_a) / (1 + sum_i exp(u_i)),   u = utility(s, f_a),
 * where the state s is a function of the items clicked on earlier pages and of nothing else: users have no traits of their
 * own. A model that sees the clicks can therefore be as good as the truth, and no model can be better.
 */

import { type ClickLog, NONE, splits } from "./click_log.ts";
import { createRandomStream, type Random } from "./random.ts";
import {
  advanceShopState,
  computeShopUtility,
  demo,
  demoFeatures,
  firstState,
  getItemFeatures,
  makeItems,
  type ShopTruth,
} from "./shops.ts";

/** Sizes of the shop. */
export interface DemoOptions {
  /** U, 7 or more: fewer would leave a part of the log without users. */
  readonly users: number;
  /** I, at least the items of a page. */
  readonly items: number;
  /** Items per page, all different. */
  readonly pageSize: number;
  /** Events per user are uniform in minEvents..maxEvents. */
  readonly minEvents: number;
  /** Maximum events per user. */
  readonly maxEvents: number;
}

const demoDefaults: DemoOptions = {
  users: 2000,
  items: 500,
  pageSize: 10,
  minEvents: 8,
  maxEvents: 22,
};

/** Ground truth of the shop beyond its log. */
export interface DemoTruth {
  /** [R] true utility of each logged row in the user's state at that time. */
  readonly utility: Float64Array<ArrayBuffer>;
}

/** A synthetic log and its ground truth. */
export interface DemoShop {
  /** The synthetic log. */
  readonly log: ClickLog;
  /** Its ground truth. */
  readonly truth: DemoTruth;
}

function checkSizes(sizes: DemoOptions): void {
  const atLeast: DemoOptions = {
    users: 7, // fewer would leave a split empty
    items: sizes.pageSize,
    pageSize: 1,
    minEvents: 1,
    maxEvents: sizes.minEvents,
  };
  for (const name of Object.keys(atLeast) as (keyof DemoOptions)[]) {
    const least = atLeast[name], found = sizes[name];
    if (!Number.isInteger(found) || found < least) {
      throw new RangeError(
        `Expected ${name} of a synthetic shop to be a whole number, ${least} or more, got ${found}`,
      );
    }
  }
}

/** Draws a row of a page by the choice model: 0..K-1, or K for no click. */
function choose(utility: Float64Array, random: Random): number {
  const weight = new Float64Array(utility.length);
  let sum = 1;
  for (let k = 0; k < weight.length; k++) sum += weight[k] = Math.exp(utility[k]!);
  let left = random.uniform() * sum;
  for (let k = 0; k < weight.length; k++) {
    left -= weight[k]!;
    if (left < 0) return k;
  }
  return weight.length;
}

/** Assigns 70 % of the users to train, 15 % to validation, 15 % to test. */
function splitUsers(users: number, random: Random): Uint8Array<ArrayBuffer> {
  const split = new Uint8Array(users);
  const order = random.sampleWithoutReplacement(users, users);
  order.forEach((user, place) => {
    const name = place < 0.7 * users ? "train" : place < 0.85 * users ? "validation" : "test";
    split[user] = splits.indexOf(name);
  });
  return split;
}

/** Seeds of a shop: shops with the same `items` sell the same items, to different users where `users` differ. */
export interface ShopSeeds {
  readonly items: number;
  /** Seed of the users, the pages that they see, their clicks, and the split. */
  readonly users: number;
}

/**
 * Makes the demo shop of a seed (well under a second with the default sizes).
 * @throws RangeError for sizes that are not whole numbers or do not fit together
 */
export function makeDemoShop(seed: number, options: Partial<DemoOptions> = {}): DemoShop {
  return makeShop(demo, { items: seed, users: seed }, options);
}

/** Draws the items [I, F] of a seed, which are the same in all shops. */
export function drawShopItems(seed: number, count: number = demoDefaults.items): Float32Array<ArrayBuffer> {
  return makeItems(count, createRandomStream(seed, "demo", "items"));
}

/**
 * Makes a shop of the list in shops.ts. All shops draw from the same streams of random numbers.
 * @throws RangeError for sizes that are not whole numbers or do not fit together
 */
export function makeShop(
  shop: ShopTruth,
  seeds: ShopSeeds,
  options: Partial<DemoOptions> = {},
): DemoShop {
  const sizes = { ...demoDefaults, ...options };
  checkSizes(sizes);
  const { users, items, pageSize, minEvents, maxEvents } = sizes;
  const values = drawShopItems(seeds.items, items);
  const userEvents = new Uint32Array(users + 1);
  const eventClick: number[] = [];
  const rowItem: number[] = [];
  const rowUtility: number[] = [];
  const utility = new Float64Array(pageSize);
  for (let user = 0; user < users; user++) {
    const random = createRandomStream(seeds.users, "demo", "user", user);
    let state = firstState;
    const events = minEvents + random.integer(maxEvents - minEvents + 1);
    userEvents[user + 1] = userEvents[user]! + events;
    for (let event = 0; event < events; event++) {
      const page = random.sampleWithoutReplacement(items, pageSize);
      // In loops: from(), map() and spreading would take twice as long for all of it.
      for (let k = 0; k < pageSize; k++) {
        utility[k] = computeShopUtility(shop, state, getItemFeatures(values, page[k]!));
      }
      const k = choose(utility, random);
      eventClick.push(k < pageSize ? rowItem.length + k : NONE);
      for (let k = 0; k < pageSize; k++) {
        rowItem.push(page[k]!);
        rowUtility.push(utility[k]!);
      }
      if (k < pageSize) state = advanceShopState(state, getItemFeatures(values, page[k]!));
    }
  }
  const log: ClickLog = {
    name: shop.name,
    items: { kind: "dense", count: items, width: demoFeatures, values },
    userSplit: splitUsers(users, createRandomStream(seeds.users, "demo", "split")),
    userEvents,
    eventRows: Uint32Array.from({ length: eventClick.length + 1 }, (_, event) => event * pageSize),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(rowItem),
  };
  return { log, truth: { utility: Float64Array.from(rowUtility) } };
}
