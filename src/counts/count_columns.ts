/**
 * Count features of a displayed item: how often train users clicked the item, how similar the item is to
 * items that the user clicked, and whether the user saw or clicked the item. The features are inputs
 * without a gradient.
 *
 * The table of counts has one row of f32 per item; item ids up to 2^24 are exact in f32. Columns of a row:
 *
 *   shown, clicks, users    numbers of displays, of clicks, and of users who clicked (train users only)
 *   cutoff                  largest similarity of an item that is not among the M nearest items
 *   S x (token, share)      S slots: a token of the item (-1: none), and the token's share of clicks
 *   M x id                  ids of the M nearest items, ascending; NO_ITEM if there are fewer
 *   M x both                numbers of users who clicked both the row's item and each nearest item
 */

import type { PastPages } from "../data/click_log.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";

/** A categorical feature of the items. Its values are numbered tokens: `first` to `first + count - 1`. */
export interface CountField {
  /** Number of the field's first token. */
  readonly first: number;
  /** Number of tokens in the field. */
  readonly count: number;
  /** Number of tokens of this field that the table of counts stores for each item. */
  readonly slots: number;
}

/** Config of count features, which is a part of the model config. */
export interface CountsConfig {
  /** Categorical features for which clicks are counted. */
  fields: CountField[];
  /** M, the number of nearest items that the table of counts stores per item. */
  neighbours: number;
  /** Pairs of a user's clicked items are counted for at most this number of items: those clicked last. */
  latest: number;
  /** True if pages have sampled negatives; displays on such pages are not counted. Absent for false. */
  sampledPages?: boolean | undefined;
  /** X, the number of context features per row. Absent for 0. */
  rowFeatures?: number | undefined;
}

/** Number of a user's last clicks that the count features use. */
export const LAGS = 20;
/** Number of pseudo-observations, at the average rate, that are added to the counts of a rate or share. */
export const PRIOR = 5;
/** Number of pseudo-observations that smooth a user's click rate. */
export const USER_PRIOR = 2 * PRIOR;
export const SIMILARITY_FLOOR = 0.05;
export const NO_ITEM = 2 ** 24;
/** Largest number of tokens that the table of counts stores per item (limited by a kernel's registers). */
export const MOST_SLOTS = 8;
export const MOST_FIELDS = 4;
/** Largest number of context features per row; a kernel holds all columns of a row in registers. */
export const MOST_ROW_FEATURES = 64;

/** Names of count features, in this order: `BEFORE`, one per categorical field, `AFTER`, context features. */
const BEFORE = ["rate", "shown", "similarity", "clicked before", "clicked last", "passed over"] as const;
const AFTER = ["clicks so far", "page length", "page click rate", "display click rate"] as const;

/** Returns C, the number of count features (including context features) per displayed item. */
export function countWidth({ fields, rowFeatures = 0 }: CountsConfig): number {
  return BEFORE.length + fields.length + AFTER.length + rowFeatures;
}

/** Returns the number of floats per item in the table of counts. */
export function countTableWidth({ fields, neighbours }: CountsConfig): number {
  return 4 + 2 * countTokenSlots(fields) + 2 * neighbours;
}

export function countTokenSlots(fields: readonly CountField[]): number {
  return fields.reduce((sum, { slots }) => sum + slots, 0);
}

/** Largest number of neighbours (nearest items) per item, for small and for large catalogues. */
const MOST_NEIGHBOURS = { small: 256, large: 128 } as const;
const SMALL_CATALOGUE = 2048;
/** Largest number of floats in a table of counts. Every adapter can bind such a table (112 MiB). */
const TABLE_FLOATS = 28 * 2 ** 20;
/** Largest number of floats (64 MiB) in a table with more than 8 neighbours per item. */
const USUAL_FLOATS = 2 ** 24;

/** Returns how many tokens per item fit into half of a table of counts; neighbours get the other half. */
export function maxTokenSlots({ count }: Pick<ItemsShape, "count">): number {
  return Math.min(MOST_SLOTS, Math.floor((TABLE_FLOATS / count - 4) / 4));
}

/** Returns M, the number of neighbours per item that fit into a table of counts; 0 for too many items. */
export function maxNeighbours({ count }: Pick<ItemsShape, "count">, fields: readonly CountField[]): number {
  const fixed = 4 + 2 * countTokenSlots(fields);
  const even = (floats: number) => 2 * Math.max(0, Math.floor((floats / count - fixed) / 4));
  const most = MOST_NEIGHBOURS[count <= SMALL_CATALOGUE ? "small" : "large"];
  const others = 2 * Math.max(1, Math.ceil((count - 1) / 2));
  return Math.min(most, others, even(TABLE_FLOATS), Math.max(8, even(USUAL_FLOATS)));
}

/**
 * One user's displays and clicks of an item. If the tables of counts include this user, `shown`, `clicks`
 * and the user's pairs of items are subtracted from the tables. For other users, these are 0 or false.
 */
export interface OwnCounts {
  /** Number of the user's earlier displays of the item without a click. */
  readonly passed: number;
  readonly shown: number;
  readonly clicks: number;
  /** True if the tables of counts include the pairs of items that the user clicked. */
  readonly paired: boolean;
  /** True if the tables include a pair of items that the user clicked, one of which is this item. */
  readonly inPairs: boolean;
}

/** Number of 32-bit words of counts per row: {@link packOwn} returns one, {@link packPast} two. */
export const OWN_WORDS = 3;

const MOST_PASSED = 255;
const MOST_OWN = 2047;

/** Packs {@link OwnCounts} into a 32-bit word. Counts that are too large for their bit fields are clipped. */
export function packOwn({ passed, shown, clicks, paired, inPairs }: OwnCounts): number {
  return (Math.min(passed, MOST_PASSED) | (Math.min(shown, MOST_OWN) << 8) |
    (Math.min(clicks, MOST_OWN) << 19) | (paired ? 1 << 30 : 0) | (inPairs ? 1 << 31 : 0)) >>> 0;
}

/** Packs counts of a user's earlier pages into two words: (clicked pages, pages) and (clicks, displays). */
export function packPast({ pages, clickedPages, displays, clicks }: PastPages): [number, number] {
  return [packShare(clickedPages, pages), packShare(clicks, displays)];
}

/** Packs two numbers into 16 bits each. Large numbers are halved together, which keeps the ratio. */
function packShare(part: number, whole: number): number {
  return whole < 2 ** 16 ? (part * 2 ** 16 + whole) >>> 0 : packShare(part >> 1, whole >> 1);
}

export function unpackPast(pageWord: number, displayWord: number): PastPages {
  return {
    pages: pageWord & 0xffff,
    clickedPages: pageWord >>> 16,
    displays: displayWord & 0xffff,
    clicks: displayWord >>> 16,
  };
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
