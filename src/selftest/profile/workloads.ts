/**
 * The batches that the benches work on: pages of fixed size drawn evenly, from catalogues of fixed size, so that
 * anyone's machine computes the same. The letters: B users a batch, T events a user, K items a page.
 */

import { type ClickLog, type ItemFeatures, type ItemTokens, NONE } from "../../data/click_log.ts";
import { randomStream } from "../../data/random.ts";

export interface Workload {
  readonly name: string;
  /** Users a batch. The log has {@link LOG_BATCHES} times as many, all of them train users. */
  readonly users: number;
  /** Events of each user. */
  readonly events: number;
  /** Items a page. */
  readonly page: number;
  /** Items of the catalogue. */
  readonly items: number;
  /** Dense features of an item; 0 for one-hot. */
  readonly width: number;
  /** Mixed features: beside the dense ones each item has its id, a category in each field, and mostly the root of all. */
  readonly categories?: { readonly fields: number; readonly each: number };
}

/** How many different batches a workload's log holds. */
export const LOG_BATCHES = 4;

const catalogue = { items: 5000, width: 64 };

/** Overhead rules in W0, arithmetic in W1; W2 and W5 know nothing of the items but their ids. */
export const workloads = {
  W0: { name: "W0", users: 50, events: 2, page: 5, ...catalogue },
  W4: { name: "W4", users: 128, events: 5, page: 10, ...catalogue },
  W1: { name: "W1", users: 128, events: 20, page: 10, ...catalogue },
  W2: { name: "W2", users: 128, events: 20, page: 10, items: 5000, width: 0 },
  /** One-hot over as many items as Retailrocket's catalogue has. */
  W5: { name: "W5", users: 128, events: 20, page: 10, items: 250_000, width: 0 },
} as const satisfies Record<string, Workload>;

/** Mixed features, of which other libraries' peers know nothing. */
export const mixedWorkload: Workload = {
  name: "W6",
  users: 128,
  events: 20,
  page: 10,
  items: 5000,
  width: 16,
  categories: { fields: 3, each: 300 },
};

/** Share of items that have the root category. */
const ROOT = 0.8;

/** Share of pages on which nothing is clicked. */
const NO_CLICK = 0.2;

/** The log of a workload: the same bits on every machine. */
export function workloadLog(workload: Workload): ClickLog {
  const { name, events, page, items, width, categories } = workload;
  const users = workload.users * LOG_BATCHES;
  const random = randomStream(1, "workload", name);
  const pages = users * events;
  const rowItem = new Uint32Array(pages * page);
  const eventClick = new Uint32Array(pages);
  for (let e = 0; e < pages; e++) {
    for (let k = 0; k < page; k++) rowItem[e * page + k] = random.integer(items);
    eventClick[e] = random.uniform() < NO_CLICK ? NONE : e * page + random.integer(page);
  }
  const features: ItemFeatures = categories
    ? {
      kind: "mixed",
      count: items,
      width,
      values: normals(items * width),
      tokens: tokensOf(items, categories),
    }
    : width === 0
    ? { kind: "one-hot", count: items }
    : { kind: "dense", count: items, width, values: normals(items * width) };
  return {
    name,
    items: features,
    userSplit: new Uint8Array(users),
    userEvents: Uint32Array.from({ length: users + 1 }, (_, u) => u * events),
    eventRows: Uint32Array.from({ length: pages + 1 }, (_, e) => e * page),
    eventClick,
    rowItem,
  };
}

function tokensOf(items: number, { fields, each }: NonNullable<Workload["categories"]>): ItemTokens {
  const random = randomStream(1, "workload", "tokens");
  const root = items + fields * each;
  const first = [0];
  const token: number[] = [];
  for (let item = 0; item < items; item++) {
    token.push(item);
    for (let field = 0; field < fields; field++) token.push(items + field * each + random.integer(each));
    if (random.uniform() < ROOT) token.push(root);
    first.push(token.length);
  }
  return { count: root + 1, first: Uint32Array.from(first), token: Uint32Array.from(token) };
}

/** A log to draw batches of so many train users from. */
export interface BenchLog {
  readonly name: string;
  readonly log: ClickLog;
  readonly users: number;
}

export function benchLog(workload: Workload): BenchLog {
  return { name: workload.name, users: workload.users, log: workloadLog(workload) };
}

function normals(count: number): Float32Array<ArrayBuffer> {
  const random = randomStream(1, "workload", "features");
  return Float32Array.from({ length: count }, () => random.normal());
}
