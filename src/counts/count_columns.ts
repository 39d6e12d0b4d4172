/**
 * What counting knows of a displayed item, as columns: how often train users clicked it, how near it is to what this user
 * clicked, and what this user did with it before. They are inputs of the utility without a gradient.
 *
 * Of each item a table has a row of numbers, all as f32 (ids are exact up to 2^24):
 *
 *   shown, clicks, users, cutoff   of the train users: displays, clicks, users who clicked it; the nearness of what was left out
 *   S x (token, share)        its tokens in the fields that are categories, and each one's share of all clicks; -1 for none
 *   M x id, M x both          its nearest items by id, and how many users clicked both; NO_ITEM behind the last
 */

import type { ItemsShape } from "../data/item_catalogue.ts";

/** A field of tokens that is a category: tokens first .. first + count - 1, of which an item has at most `slots` in the table. */
export interface CountField {
  /** Its first token. */
  readonly first: number;
  /** How many it has. */
  readonly count: number;
  /** Tokens of an item in it, at most, that count. */
  readonly slots: number;
}

/** What the counts of a model are of. Part of its config. */
export interface CountsConfig {
  /** The categories. */
  fields: CountField[];
  /** M, nearest items that are kept of each. */
  neighbours: number;
  /** Different items of a user, the latest clicked, whose pairs are counted. */
  latest: number;
}

/** Clicks back that counts look at, as position weights do. */
export const LAGS = 20;
/** Displays of the mean item that a rate, and clicks of the mean user that a share, are smoothed by. */
export const PRIOR = 5;
/** What is added to a sum of similarities before its logarithm. */
export const SIMILARITY_FLOOR = 0.05;
/** An id beyond all items. */
export const NO_ITEM = 2 ** 24;
/** Slots of all fields, and fields, at most: what a kernel keeps in registers. */
export const MOST_SLOTS = 8;
export const MOST_FIELDS = 4;

/** Columns before those of the fields, and behind them: those of the page, the same for all of its items. */
const BEFORE = ["rate", "shown", "similarity", "clicked before", "clicked last", "passed over"] as const;
const BEHIND = ["clicks so far", "page length"] as const;

/** C. */
export function countWidth({ fields }: CountsConfig): number {
  return BEFORE.length + fields.length + BEHIND.length;
}

/** Floats of an item in the table. */
export function countTableWidth({ fields, neighbours }: CountsConfig): number {
  return 4 + 2 * countTokenSlots(fields) + 2 * neighbours;
}

/** S. */
export function countTokenSlots(fields: readonly CountField[]): number {
  return fields.reduce((sum, { slots }) => sum + slots, 0);
}

/** Of a small catalogue, whose table stays in cache, and of a large one: a step of training looks many of them up. */
const MOST_NEIGHBOURS = { small: 256, large: 128 } as const;
const SMALL_CATALOGUE = 2048;
/** Of a table: 112 MiB, less than a binding that every adapter has. */
const TABLE_FLOATS = 28 * 2 ** 20;
/** Of a table that has room to choose: 64 MiB. */
const USUAL_FLOATS = 2 ** 24;

/** Slots of tokens that the table of a catalogue has room for, beside as many floats for neighbours. */
export function maxTokenSlots({ count }: Pick<ItemsShape, "count">): number {
  return Math.min(MOST_SLOTS, Math.floor((TABLE_FLOATS / count - 4) / 4));
}

/** M: an even number, as many as the table has room for. 0 for a catalogue that is too large for a table of them. */
export function maxNeighbours({ count }: Pick<ItemsShape, "count">, fields: readonly CountField[]): number {
  const beside = 4 + 2 * countTokenSlots(fields);
  const even = (floats: number) => 2 * Math.max(0, Math.floor((floats / count - beside) / 4));
  const most = MOST_NEIGHBOURS[count <= SMALL_CATALOGUE ? "small" : "large"];
  const others = 2 * Math.max(1, Math.ceil((count - 1) / 2));
  return Math.min(most, others, even(TABLE_FLOATS), Math.max(8, even(USUAL_FLOATS)));
}

/**
 * What is known of a row of the log beside its item, in a word: times that the user passed the item over before (8 bits), and
 * of a train user, all of whose pages are counted: displays (11), clicks (11), whether the clicked pairs of the user are
 * counted (1) and this item is one of them (1). Train users are taken without their own pages: a model that saw its own
 * clicks in the rates would learn to trust what it will not have.
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

/** A word of {@link OwnCounts}; larger numbers are the largest that fit. */
export function packOwn({ passed, shown, clicks, paired, inPairs }: OwnCounts): number {
  return (Math.min(passed, MOST_PASSED) | (Math.min(shown, MOST_OWN) << 8) |
    (Math.min(clicks, MOST_OWN) << 19) | (paired ? 1 << 30 : 0) | (inPairs ? 1 << 31 : 0)) >>> 0;
}

/** What {@link packOwn} put into a word. */
export function unpackOwn(word: number): OwnCounts {
  return {
    passed: word & MOST_PASSED,
    shown: (word >>> 8) & MOST_OWN,
    clicks: (word >>> 19) & MOST_OWN,
    paired: (word & (1 << 30)) !== 0,
    inPairs: word >>> 31 === 1,
  };
}
