/** Batches for tests of ops: small and large, with rare or popular items, and with or without clicks. */

import { buildReferenceBatch } from "../../batch/reference_batch.ts";
import { type ClickLog, isPredicted } from "../../data/click_log.ts";
import { getAt, type Matrix } from "../../tape/reference.ts";
import type { OpCase } from "./op_bench.ts";
import { createSmallLog, drawPermutation, type SmallLogOptions } from "../small_logs.ts";

export const U = 2 ** -24;

/** Creates a log, and a batch of all users of the log in random order. */
export function createBatch(seed: number, options: SmallLogOptions): Pick<OpCase, "log" | "users"> {
  return { log: createSmallLog(seed, options), users: drawPermutation(seed, options.users) };
}
export const one = createBatch(1, { users: 1, items: 1, width: 3, maxEvents: 1, maxPage: 1 });
export const few = createBatch(2, { users: 5, items: 7, width: 5 });
const usual = { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 9 };
export const many = createBatch(3, usual);
/** Batch with so many rows that sums over rows are split into several chunks. */
export const chunks = createBatch(4, { users: 90, items: 300, width: 4, maxEvents: 9, maxPage: 10 });
export const oneHot = createBatch(5, { users: 40, items: 70, width: 0, maxEvents: 6, maxPage: 6 });
/** Batch in which few of the log's 300 items are displayed. */
export const rareItems = createBatch(6, { users: 40, items: 300, width: 0, maxEvents: 6, maxPage: 6 });
/** Batches with popular items: one item has over a hundred rows, and many items have fewer than eight. */
const zipf = { users: 90, items: 400, maxEvents: 9, maxPage: 10, zipf: true };
export const popular = createBatch(9, { ...zipf, width: 4 });
export const popularOneHot = createBatch(9, { ...zipf, width: 0 });
/** Batch in which many events (40 %) are context events: history that is not predicted. */
export const given = createBatch(7, { ...usual, given: 0.4 });
/** Batch in which users click no, some, or all items of a page. Some events are context events. */
export const further = createBatch(8, { ...usual, given: 0.2, further: 0.6 });
/** Batch with few of the log's 500 tokens: some on displayed items, even fewer on clicked items. */
export const rareTokens = createBatch(7, {
  users: 20,
  items: 300,
  width: 3,
  tokens: 500,
  maxEvents: 6,
  maxPage: 6,
});
const withTokens = { users: 90, items: 400, width: 17, tokens: 63, maxEvents: 9, maxPage: 10 };
/** Batches whose items have tokens, with or without dense features. */
export const mixed = {
  "no item has a token": bare(createBatch(2, { users: 5, items: 7, width: 5, tokens: 3 })),
  one: createBatch(1, { users: 1, items: 1, width: 5, tokens: 1, maxEvents: 1, maxPage: 1 }),
  few: createBatch(2, { users: 5, items: 7, width: 5, tokens: 6 }),
  "tokens alone": createBatch(3, { ...usual, width: 0, tokens: 11 }),
  // The items of the first token are summed in several runs.
  many: createBatch(4, withTokens),
  noClicks: createBatch(6, { users: 9, items: 5, width: 5, tokens: 4, noClick: 1 }),
};
/** Batch of items that have only tokens, no dense features. Otherwise equal to `mixed.many`. */
export const manyTokens = createBatch(4, { ...withTokens, width: 0 });
export const noClicks = createBatch(6, { users: 9, items: 5, width: 2, noClick: 1 });

/** Batches for ops of the position-weights encoder. Items are one-hot: these ops read no features. */
export const clicks = {
  one: createBatch(1, { users: 1, items: 1, width: 0, maxEvents: 1, maxPage: 1 }),
  /** Batch of users with more clicks than the ops read. Some items are clicked repeatedly. */
  long: createBatch(2, { users: 5, items: 4, width: 0, maxEvents: 30, maxPage: 3 }),
  wide: createBatch(3, { users: 9, items: 13, width: 0, maxEvents: 12 }),
  noClicks: createBatch(6, { users: 9, items: 5, width: 0, noClick: 1 }),
  fresh: createBatch(5, { users: 12, items: 6, width: 0, maxEvents: 1 }),
  /** Batch so large that sums over rows, and over distinct items, are split into several chunks. */
  chunks: createBatch(4, { users: 30, items: 35, width: 0, maxEvents: 25, maxPage: 6, noClick: 0.4 }),
  /** Batch with clicks on only some of the items. */
  rare: createBatch(7, { users: 30, items: 300, width: 0, maxEvents: 9, maxPage: 6 }),
};

export type TestBatch = Pick<OpCase, "log" | "users">;

function bare({ log, users }: TestBatch): TestBatch {
  const { items } = log;
  if (items.kind !== "mixed") throw new Error("expected mixed features");
  const tokens = { count: 3, first: new Uint32Array(items.count + 1), token: new Uint32Array(0) };
  return { log: { ...log, items: { ...items, tokens } }, users };
}

export function getDenseWidth({ log }: TestBatch): number {
  return log.items.kind === "one-hot" ? 0 : log.items.width;
}
export function getTokenCount({ log }: TestBatch): number {
  return log.items.kind === "mixed" ? log.items.tokens.count : 0;
}

/** Returns the mean of a column over the scored events. Loss ops compute derivatives of this mean. */
export function computeEventMean(
  m: Matrix,
  column: number,
  { log, users }: Pick<OpCase, "log" | "users">,
): number {
  let sum = 0;
  for (let row = 0; row < m.rows; row++) sum += getAt(m, row, column);
  return sum / countScoredEvents(log, users);
}

/** Returns the number of events that the loss scores. Context events are not scored. */
export function countScoredEvents(log: ClickLog, users: readonly number[]): number {
  return buildReferenceBatch(log, users).events.filter(({ click }) => isPredicted(click)).length;
}
