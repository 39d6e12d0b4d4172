/**
 * Columns of the count features of a displayed item: how often train users clicked the item, how similar it is to the items
 * that this user clicked, and what this user did with it before. The features are inputs of the utility without a gradient.
 *
 * The table of counts has one row of f32 per item (f32 represents item ids exactly up to 2^24). The columns of a row:
 *
 *   shown, clicks, users, cutoff   displays to train users, their clicks, users who clicked; the largest omitted similarity
 *   S x (token, share)        one pair per slot: a token of the item (-1: free slot), and the token's share of all clicks
 *   M x id, M x both          ids of the nearest items (ascending, then NO_ITEM), and the number of users who clicked both items
 */

import type { PastPages } from "../data/click_log.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";

/** Category field of the items. Its values are the tokens first .. first + count - 1. */
export interface CountField {
  /** First token of the field. */
  readonly first: number;
  /** Number of tokens of the field. */
  readonly count: number;
  /** Number of tokens of this field that the table of counts can store per item. */
  readonly slots: number;
}

/** Config of a model's count features: a part of the model config. */
export interface CountsConfig {
  /** Category fields of the items. */
  fields: CountField[];
  /** M, the number of nearest items that the table stores per item. */
  neighbours: number;
  /** Only pairs among this many distinct items per user, the latest that the user clicked, are counted. */
  latest: number;
  /** True for a log with sampled pages: users did not see its displays, so only clicks are counted. Absent for false. */
  sampledPages?: boolean | undefined;
}

/** The count features read this number of the user's last clicks. */
export const LAGS = 20;
/** Smoothing: a click rate gets 5 pseudo-displays at the average rate, a user's click share 5 pseudo-clicks of the average user. */
export const PRIOR = 5;
/** Pseudo-displays at the average rate that smooth a user's clicks per display: about a page. */
export const USER_PRIOR = 2 * PRIOR;
export const SIMILARITY_FLOOR = 0.05;
export const NO_ITEM = 2 ** 24;
/** Limits of the token slots of all fields together, and of the fields: a kernel keeps all slots in registers. */
export const MOST_SLOTS = 8;
export const MOST_FIELDS = 4;

/** Names of the columns before and after the columns of the fields. Columns in `AFTER` describe the page, not the item. */
const BEFORE = ["rate", "shown", "similarity", "clicked before", "clicked last", "passed over"] as const;
const AFTER = ["clicks so far", "page length", "page click rate", "display click rate"] as const;

/** Returns C, the number of count features per displayed item. */
export function countWidth({ fields }: CountsConfig): number {
  return BEFORE.length + fields.length + AFTER.length;
}

/** Returns the number of floats per item in the table of counts. */
export function countTableWidth({ fields, neighbours }: CountsConfig): number {
  return 4 + 2 * countTokenSlots(fields) + 2 * neighbours;
}

export function countTokenSlots(fields: readonly CountField[]): number {
  return fields.reduce((sum, { slots }) => sum + slots, 0);
}

/** Limits of the neighbours per item. A large catalogue gets fewer: its table exceeds the cache, and training reads it often. */
const MOST_NEIGHBOURS = { small: 256, large: 128 } as const;
const SMALL_CATALOGUE = 2048;
/** Limit of the floats of a table: 112 MiB fit a storage binding of every adapter. */
const TABLE_FLOATS = 28 * 2 ** 20;
/** Floats (64 MiB) that a table exceeds only if it would otherwise have fewer than 8 neighbours per item. */
const USUAL_FLOATS = 2 ** 24;

/** Returns the number of token slots per item that fit the table if the item's neighbours take as many floats as its tokens. */
export function maxTokenSlots({ count }: Pick<ItemsShape, "count">): number {
  return Math.min(MOST_SLOTS, Math.floor((TABLE_FLOATS / count - 4) / 4));
}

/** Returns M, the even number of neighbours per item that fit the table; 0 if the catalogue is too large for a table. */
export function maxNeighbours({ count }: Pick<ItemsShape, "count">, fields: readonly CountField[]): number {
  const fixed = 4 + 2 * countTokenSlots(fields);
  const even = (floats: number) => 2 * Math.max(0, Math.floor((floats / count - fixed) / 4));
  const most = MOST_NEIGHBOURS[count <= SMALL_CATALOGUE ? "small" : "large"];
  const others = 2 * Math.max(1, Math.ceil((count - 1) / 2));
  return Math.min(most, others, even(TABLE_FLOATS), Math.max(8, even(USUAL_FLOATS)));
}

/**
 * A user's own counts of an item, packed into one word: earlier displays without a click (8 bits); and for train users, whose
 * pages are all in the tables, displays (11 bits), clicks (11), whether the tables count this user's click pairs (1), and
 * whether the item is in one of these pairs (1). Own counts are subtracted from the tables: otherwise the rates would reveal
 * the user's own clicks to the model in training, but not at prediction time.
 */
export interface OwnCounts {
  readonly passed: number;
  readonly shown: number;
  readonly clicks: number;
  readonly paired: boolean;
  readonly inPairs: boolean;
}

/** Words per row: {@link packOwn}, then the two of {@link packPast}. */
export const OWN_WORDS = 3;

const MOST_PASSED = 255;
const MOST_OWN = 2047;

/** Packs {@link OwnCounts} into a word. A number that exceeds the range of its bits is clipped. */
export function packOwn({ passed, shown, clicks, paired, inPairs }: OwnCounts): number {
  return (Math.min(passed, MOST_PASSED) | (Math.min(shown, MOST_OWN) << 8) |
    (Math.min(clicks, MOST_OWN) << 19) | (paired ? 1 << 30 : 0) | (inPairs ? 1 << 31 : 0)) >>> 0;
}

/** Packs a user's earlier pages into two words, each with a part in the upper 16 bits and the whole in the lower ones. */
export function packPast({ pages, clickedPages, displays, clicks }: PastPages): [number, number] {
  return [packShare(clickedPages, pages), packShare(clicks, displays)];
}

/** Halves both numbers until they have at most 16 bits: what counts is their quotient. */
function packShare(part: number, whole: number): number {
  return whole < 2 ** 16 ? (part * 2 ** 16 + whole) >>> 0 : packShare(part >> 1, whole >> 1);
}

/** Reads what {@link packPast} wrote. */
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
