/** Counts over train users: displays and clicks of items, clicks of tokens, and pairs of clicked items. */

import { ADDITIONAL_CLICK, CONTEXT_EVENT, listUsers, NONE } from "../data/click_log.ts";
import type { ClickLog, Clicks } from "../data/click_log.ts";
import { PRIOR } from "./count_columns.ts";
import { type LogSource, type OnProgress, toLogSource, walk } from "../data/log_source.ts";
import { findSortedIndex, type ItemCatalogue, type ItemsShape, sortUnique } from "../data/item_catalogue.ts";

/** Numbers of train users' displays and clicks, per item. */
export interface TrainCounts {
  readonly users: number;
  readonly shown: Uint32Array;
  /** [I] clicks on each item. */
  readonly clicks: Uint32Array;
  /** True if pages have sampled negatives, which users did not see: `shown` is then equal for all items. */
  readonly sampledPages: boolean;
  /** Clicks per display over all items, above 0 and below 1. */
  readonly meanRate: number;
  /** Share of train users' pages that have a click; above 0 and below 1. */
  readonly pageRate: number;
  /** Number of items on the longest page, at least 1. */
  readonly longestPage: number;
}

/** Counts train users' displays and clicks. Context events are ignored; additional clicks add no display. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = toLogSource(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = listUsers(source, "train");
  let longestPage = 1;
  let [pages, clickedPages] = [0, 0];
  for (const { log, users } of walk(source, train, startUserProgress("Counting clicks", onProgress))) {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        const context = log.eventKind?.[event];
        if (context === CONTEXT_EVENT) continue;
        longestPage = Math.max(longestPage, log.eventRows[event + 1]! - log.eventRows[event]!);
        for (
          let row = log.eventRows[event]!;
          context !== ADDITIONAL_CLICK && row < log.eventRows[event + 1]!;
          row++
        ) {
          shown[log.rowItem[row]!]!++;
        }
        const clicked = log.eventClick[event]!;
        if (clicked !== NONE) clicks[log.rowItem[clicked]!]!++;
        if (context === ADDITIONAL_CLICK) continue;
        pages++;
        if (clicked !== NONE) clickedPages++;
      }
    }
  }
  const sum = (of: Uint32Array) => of.reduce((sum, n) => sum + n, 0);
  const meanRate = (sum(clicks) + 1) / (sum(shown) + 2);
  const pageRate = (clickedPages + 1) / (pages + 2);
  const { sampledPages = false } = source;
  if (sampledPages) shown.fill(Math.round(sum(shown) / shown.length));
  return { users: train.length, shown, clicks, sampledPages, meanRate, pageRate, longestPage };
}

/** Returns an item's click rate, smoothed by {@link PRIOR} pseudo-displays at average rate; 0 < rate < 1. */
export function smoothedClickRate({ shown, clicks, meanRate }: TrainCounts, item: number): number {
  return (clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR);
}

export function startUserProgress(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}

/** A field (categorical feature) of the items. Its values are the tokens `first` to `first + count - 1`. */
export interface TokenField {
  /** Name of the field in the log. */
  readonly name: string;
  /** Number of the field's first token. */
  readonly first: number;
  /** Number of tokens in the field. */
  readonly count: number;
  /** Present if the tokens are hashes of item ids, so that two items may have the same token. */
  readonly hashed?: number;
}

const CHUNK = 2 ** 16;

/** Returns true for an unhashed field with at least 2 values and, on average, at least 2 items per value. */
export function isCategory({ count, hashed }: TokenField, items: ItemsShape): boolean {
  return hashed === undefined && count > 1 && 2 * count <= items.count;
}

export function isIn({ first, count }: Pick<TokenField, "first" | "count">, token: number): boolean {
  return token >= first && token < first + count;
}

/** Returns the features of the displayed items; `findItemIndex` returns an item's index in `items`. */
export function readLogItems(catalogue: ItemCatalogue, { rowItem }: Clicks) {
  if (catalogue.items) return { items: catalogue.items, findItemIndex: (item: number) => item };
  const ids = sortUnique(rowItem);
  return { items: catalogue.read(ids), findItemIndex: (item: number) => findSortedIndex(ids, item) };
}

export function forEachItemTokens(
  catalogue: ItemCatalogue,
  visit: (item: number, tokens: Uint32Array) => void,
): void {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return;
  for (let first = 0; first < shape.count; first += CHUNK) {
    const ids = Uint32Array.from({ length: Math.min(CHUNK, shape.count - first) }, (_, k) => first + k);
    const items = catalogue.read(ids);
    if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
    const { first: starts, token } = items.tokens;
    ids.forEach((id, k) => visit(id, token.subarray(starts[k], starts[k + 1])));
  }
}

/** Returns each token's share [V] of the clicks on its field's tokens, smoothed by 1 click per token. */
export function computeClickShares(
  catalogue: ItemCatalogue,
  clicks: ArrayLike<number>,
  fields: readonly Pick<TokenField, "first" | "count">[],
): Float64Array {
  const { shape } = catalogue;
  const shares = new Float64Array(shape.kind === "mixed" ? shape.tokens : 0).fill(1);
  forEachItemTokens(catalogue, (item, own) => {
    if (clicks[item] === 0) return;
    for (const field of fields) {
      const inField = own.filter((token) => isIn(field, token));
      for (const token of inField) shares[token] = shares[token]! + clicks[item]! / inField.length;
    }
  });
  for (const { first, count } of fields) {
    const own = shares.subarray(first, first + count);
    const sum = own.reduce((sum, x) => sum + x, 0);
    own.forEach((x, k) => own[k] = x / sum);
  }
  return shares;
}

const SMALLEST = 2 ** 12;
/** Largest number of slots in the hash table of pairs. At 12 bytes per slot, the table takes 48 MiB. */
const MOST_SLOTS = 2 ** 22;

const FULL = 0.6;

/** Hash table from item pairs to counts (open addressing). */
export class PairCounts {
  #low = new Uint32Array(SMALLEST);
  #high = new Uint32Array(SMALLEST);
  /** Count of the pair in each slot; 0 for a free slot. */
  #count = new Uint32Array(SMALLEST);
  #used = 0;

  constructor(private readonly mostSlots = MOST_SLOTS) {}

  get size(): number {
    return this.#used;
  }

  /** True if the table is almost full, so that {@link keep} must drop pairs. */
  get isFull(): boolean {
    return this.#used > FULL * this.mostSlots;
  }

  add(a: number, b: number): void {
    this.#put(Math.min(a, b), Math.max(a, b), 1);
    if (this.#used > FULL * this.#count.length && this.#count.length < this.mostSlots) {
      this.#rebuild(2 * this.#count.length, () => true);
    }
  }

  /** Drops all pairs (a, b) for which `isKept` returns false. */
  keep(isKept: (a: number, b: number) => boolean): void {
    this.#rebuild(this.#count.length, isKept);
  }

  /** Returns the count of a pair; 0 for a pair that is not in the table. */
  get(a: number, b: number): number {
    return this.#count[this.#findSlot(Math.min(a, b), Math.max(a, b))]!;
  }

  forEach(visit: (a: number, b: number, count: number) => void): void {
    this.#count.forEach((count, slot) => {
      if (count > 0) visit(this.#low[slot]!, this.#high[slot]!, count);
    });
  }

  #put(low: number, high: number, count: number): void {
    const slot = this.#findSlot(low, high);
    if (this.#count[slot] === 0) {
      this.#used++;
      this.#low[slot] = low;
      this.#high[slot] = high;
    }
    this.#count[slot] = this.#count[slot]! + count;
  }

  #findSlot(low: number, high: number): number {
    const mask = this.#count.length - 1;
    let hash = Math.imul(low ^ (low >>> 15), 0x2c1b3c6d) + Math.imul(high, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    let slot = (hash ^ (hash >>> 13)) & mask;
    while (this.#count[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #rebuild(size: number, isKept: (a: number, b: number) => boolean): void {
    const [low, high, count] = [this.#low, this.#high, this.#count];
    this.#low = new Uint32Array(size);
    this.#high = new Uint32Array(size);
    this.#count = new Uint32Array(size);
    this.#used = 0;
    count.forEach((n, slot) => {
      const [a, b] = [low[slot]!, high[slot]!];
      if (n > 0 && isKept(a, b)) this.#put(a, b, n);
    });
  }
}

/** Largest number of item pairs, summed over all users. */
const MOST_PAIRS = 20_000_000;
/** Largest number of distinct items per user from which pairs are built. */
const MOST_CLICKS = 500;

export interface ClickPairs {
  /** [I] number of users who have each item among their last clicks (see {@link countPairs}). */
  readonly users: Uint32Array;
  /** Number of users who clicked both items of a pair. Some pairs are not counted; see {@link least}. */
  readonly pairs: PairCounts;
  /** A pair is counted only if at least this number of users clicked each of the two items. */
  readonly least: number;
}

/** Counts pairs of items that a user clicked. @param latest - maximum items per user (those clicked last) */
export function countPairs(
  source: LogSource,
  latest: number,
  onProgress?: OnProgress,
  pairs = new PairCounts(),
): ClickPairs {
  const train = listUsers(source, "train");
  const users = new Uint32Array(source.items.shape.count);
  const each = (what: string, take: (items: number[]) => void) => {
    for (const { log, users: walked } of walk(source, train, startUserProgress(what, onProgress))) {
      for (const user of walked) take(findLatestClicks(log, user, latest));
    }
  };
  each("Counting users of items", (items) => items.forEach((item) => users[item]!++));
  let least = 1;
  each("Counting pairs of clicks", (items) => {
    const kept = items.filter((item) => users[item]! >= least);
    kept.forEach((item, k) => {
      for (let other = 0; other < k; other++) pairs.add(item, kept[other]!);
    });
    while (pairs.isFull) {
      least += 1 + (least >> 2);
      pairs.keep((a, b) => Math.min(users[a]!, users[b]!) >= least);
    }
  });
  return { users, pairs, least };
}

/** Returns up to `most` distinct items that a user clicked, latest click first. */
export function findLatestClicks(log: Clicks, user: number, most: number): number[] {
  const found = new Set<number>();
  for (let e = log.userEvents[user + 1]! - 1; e >= log.userEvents[user]! && found.size < most; e--) {
    const click = log.eventClick[e]!;
    if (click !== NONE) found.add(log.rowItem[click]!);
  }
  return [...found];
}

/** Returns how many last clicked items per user to pair: for at most {@link MOST_PAIRS} pairs, or else 2. */
export function chooseLatestLimit(source: LogSource): number {
  const { userEvents } = source;
  const train = listUsers(source, "train");
  for (let latest = MOST_CLICKS; latest > 2; latest = Math.floor(0.8 * latest)) {
    let pairs = 0;
    for (const user of train) {
      const clicks = Math.min(latest, userEvents[user + 1]! - userEvents[user]!);
      pairs += clicks * (clicks - 1) / 2;
    }
    if (pairs <= MOST_PAIRS) return latest;
  }
  return 2;
}
