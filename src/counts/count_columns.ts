/**
 * Columns of the count features of a displayed item: how often train users clicked it, its similarity to what this user
 * clicked, and the user's earlier actions on it. They are inputs of the utility without a gradient.
 *
 * The table has a row of f32 per item (ids are exact up to 2^24):
 *
 *   shown, clicks, users, cutoff   of the train users: displays, clicks, users who clicked it; the largest omitted similarity
 *   S x (token, share)        its tokens in the category fields, and the share of all clicks of each; -1 for none
 *   M x id, M x both          its nearest items by id, and how many users clicked both; NO_ITEM after the last
 */

import type { ItemsShape } from "../data/item_catalogue.ts";

/** Category field: tokens first .. first + count - 1. */
export interface CountField {
  /** First token. */
  readonly first: number;
  /** Number of tokens. */
  readonly count: number;
  /** Slots per item in the table. */
  readonly slots: number;
}

/** Config of a model's counts. Part of the model config. */
export interface CountsConfig {
  /** Category fields. */
  fields: CountField[];
  /** M, nearest items that are kept per item. */
  neighbours: number;
  /** Most distinct items per user, the latest clicked, whose pairs are counted. */
  latest: number;
}

/** Last clicks that the counts use, as position weights do. */
export const LAGS = 20;
/** Pseudo-counts: displays of the average item for a rate, clicks of the average user for a share. */
export const PRIOR = 5;
export const SIMILARITY_FLOOR = 0.05;
export const NO_ITEM = 2 ** 24;
/** Most slots of all fields, and most fields: a kernel keeps them in registers. */
export const MOST_SLOTS = 8;
export const MOST_FIELDS = 4;

/** Columns before and after those of the fields; the latter are properties of the page. */
const BEFORE = ["rate", "shown", "similarity", "clicked before", "clicked last", "passed over"] as const;
const AFTER = ["clicks so far", "page length"] as const;

/** Returns C, the number of columns. */
export function countWidth({ fields }: CountsConfig): number {
  return BEFORE.length + fields.length + AFTER.length;
}

/** Returns the floats per item in the table. */
export function countTableWidth({ fields, neighbours }: CountsConfig): number {
  return 4 + 2 * countTokenSlots(fields) + 2 * neighbours;
}

export function countTokenSlots(fields: readonly CountField[]): number {
  return fields.reduce((sum, { slots }) => sum + slots, 0);
}

/** Fewer neighbours for a large catalogue, whose table exceeds the cache: a training step looks many of them up. */
const MOST_NEIGHBOURS = { small: 256, large: 128 } as const;
const SMALL_CATALOGUE = 2048;
/** Most floats of a table: 112 MiB, less than the largest binding of every adapter. */
const TABLE_FLOATS = 28 * 2 ** 20;
/** Floats of a table that is not forced to be larger: 64 MiB. */
const USUAL_FLOATS = 2 ** 24;

/** Returns the slots of tokens that fit the table if neighbours take as many floats. */
export function maxTokenSlots({ count }: Pick<ItemsShape, "count">): number {
  return Math.min(MOST_SLOTS, Math.floor((TABLE_FLOATS / count - 4) / 4));
}

/** Returns M, an even number, as many as fit the table; 0 for a catalogue that is too large for one. */
export function maxNeighbours({ count }: Pick<ItemsShape, "count">, fields: readonly CountField[]): number {
  const fixed = 4 + 2 * countTokenSlots(fields);
  const even = (floats: number) => 2 * Math.max(0, Math.floor((floats / count - fixed) / 4));
  const most = MOST_NEIGHBOURS[count <= SMALL_CATALOGUE ? "small" : "large"];
  const others = 2 * Math.max(1, Math.ceil((count - 1) / 2));
  return Math.min(most, others, even(TABLE_FLOATS), Math.max(8, even(USUAL_FLOATS)));
}

/**
 * Counts of a row that are the user's own, packed into a word: earlier displays without a click (8 bits), and for train users,
 * whose pages are all in the tables, displays (11), clicks (11), whether the user's click pairs are counted (1) and whether
 * this item is in them (1). They are subtracted from the tables: a model that saw a user's own clicks in the rates would rely
 * on information that it lacks at prediction time.
 */
export interface OwnCounts {
  readonly passed: number;
  readonly shown: number;
  readonly clicks: number;
  readonly paired: boolean;
  readonly inPairs: boolean;
}

const MOST_PASSED = 255;
const MOST_OWN = 2047;

/** Packs {@link OwnCounts} into a word; numbers beyond the range of their bits are clipped. */
export function packOwn({ passed, shown, clicks, paired, inPairs }: OwnCounts): number {
  return (Math.min(passed, MOST_PASSED) | (Math.min(shown, MOST_OWN) << 8) |
    (Math.min(clicks, MOST_OWN) << 19) | (paired ? 1 << 30 : 0) | (inPairs ? 1 << 31 : 0)) >>> 0;
}

export function unpackOwn(word: number): OwnCounts {
  return {
    passed: word & MOST_PASSED,
    shown: (word >>> 8) & MOST_OWN,
    clicks: (word >>> 19) & MOST_OWN,
    paired: (word & (1 << 30)) !== 0,
    inPairs: word >>> 31 === 1,
  };
}
