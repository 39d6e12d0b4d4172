/**
 * Makes click logs of a synthetic shop from a seed. The true utilities of a synthetic shop are known, so a
 * learned model can be compared with the best possible model. shops.ts lists the shops.
 *
 * Each user sees pages of randomly drawn items. The state of a user depends only on the items that the user
 * clicked on earlier pages. Item a has the utility u_a, which depends on the item's features and the user's
 * state. On each page, the user clicks one item or none. The probability of a click on item a is
 * exp(u_a) / (1 + sum_i exp(u_i)), where i runs over the items of the page.
 */

import { type ClickLog, NONE, splits } from "./click_log.ts";
import { createRandomStream, type Random } from "./random.ts";
import {
  advanceShopState,
  computeShopUtility,
  demo,
  demoFeatures,
  featureOffsets,
  firstState,
  getItemFeatures,
  type ShopTruth,
} from "./shops.ts";

/** Sizes of a synthetic shop and its log. */
export interface DemoOptions {
  /** U, the number of users: at least 7, so that 15 % for validation or test is at least one user. */
  readonly users: number;
  /** I, the number of items, at least `pageSize`. */
  readonly items: number;
  /** Number of distinct items per page. */
  readonly pageSize: number;
  /** Least number of events per user. Numbers of events are drawn uniformly from minEvents..maxEvents. */
  readonly minEvents: number;
  /** Largest number of events per user. */
  readonly maxEvents: number;
}

const demoDefaults: DemoOptions = { users: 2000, items: 500, pageSize: 10, minEvents: 8, maxEvents: 22 };

/** True utilities of a synthetic shop, which a click log does not contain. */
export interface DemoTruth {
  /** [R] true utility of each row's item for the row's user, which depends on the user's earlier clicks. */
  readonly utility: Float64Array<ArrayBuffer>;
}

/** A synthetic log and its ground truth. */
export interface DemoShop {
  /** Click log of the shop's users. */
  readonly log: ClickLog;
  /** True utilities of the log's rows. */
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

/** Draws a click on a page of K items. @returns the clicked row 0..K-1, or K for no click. */
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

/** Randomly assigns 70 % of the users to train, 15 % to validation, and 15 % to test. */
export function splitUsers(users: number, random: Random): Uint8Array<ArrayBuffer> {
  const split = new Uint8Array(users);
  const order = random.sampleWithoutReplacement(users, users);
  order.forEach((user, place) => {
    const name = place < 0.7 * users ? "train" : place < 0.85 * users ? "validation" : "test";
    split[user] = splits.indexOf(name);
  });
  return split;
}

/** Seeds of a synthetic shop. The seed `items` determines the features of all items that the shop sells. */
export interface ShopSeeds {
  readonly items: number;
  /** Seed of the users, of their pages and clicks, and of the split into train, validation and test users. */
  readonly users: number;
}

/**
 * Makes a log of the synthetic shop `demo`. With the default sizes, this takes well under a second.
 * @throws RangeError if a size is not a whole number, or is less than {@link DemoOptions} allows
 */
export function makeDemoShop(seed: number, options: Partial<DemoOptions> = {}): DemoShop {
  return makeShop(demo, { items: seed, users: seed }, options);
}

/**
 * Draws the features [I, F] of all items of a synthetic shop. Shops with equal seeds sell equal items. The
 * values of a feature are spread evenly over the feature's range. All categories have equally many items, and
 * all brands have equally many items.
 */
export function drawShopItems(seed: number, count = demoDefaults.items): Float32Array<ArrayBuffer> {
  const random = createRandomStream(seed, "demo", "items");
  const { categories, style, price, quality, novelty, sale, brand, brands } = featureOffsets;
  const values = new Float32Array(count * demoFeatures);
  const order = () => random.sampleWithoutReplacement(count, count);
  const drawChoice = (first: number, choices: number) =>
    order().forEach((place, item) => values[item * demoFeatures + first + place % choices] = 1);
  const spread = (k: number, from: number, to: number) =>
    order().forEach((place, item) => {
      values[item * demoFeatures + k] = from + (to - from) * (place + random.uniform()) / count;
    });
  drawChoice(0, categories);
  for (let k = style; k < price; k++) spread(k, -2, 2);
  spread(price, -1, 1);
  spread(quality, -1, 1);
  spread(novelty, 0, 1);
  order().forEach((place, item) => values[item * demoFeatures + sale] = place < 0.3 * count ? 1 : 0);
  drawChoice(brand, brands);
  return values;
}

/**
 * Makes a log of a synthetic shop. The pages depend only on the seeds and sizes, not on `shop`.
 * @throws RangeError if a size is not a whole number, or is less than {@link DemoOptions} allows
 */
export function makeShop(shop: ShopTruth, seeds: ShopSeeds, options: Partial<DemoOptions> = {}): DemoShop {
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
      // Plain loops are used, because from(), map() and spreading would double the time to make a shop.
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
