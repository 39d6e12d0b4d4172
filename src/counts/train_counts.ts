/** Counts of train users: displays and clicks per item, click shares of tokens, and pairs of items clicked by the same users. */

import { ADDITIONAL_CLICK, CONTEXT_EVENT, listUsers, NONE } from "../data/click_log.ts";
import type { ClickLog, Clicks, ItemTokens } from "../data/click_log.ts";
import { PRIOR } from "./count_columns.ts";
import { type LogSource, type OnProgress, toLogSource, walk } from "../data/log_source.ts";
import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";

/** Counts per item, 8 bytes each. */
export interface TrainCounts {
  readonly users: number;
  /** [I] displays of each item. */
  readonly shown: Uint32Array;
  /** [I] clicks on each item. */
  readonly clicks: Uint32Array;
  /** Clicks per display of all items, between 0 and 1. */
  readonly meanRate: number;
  /** Items on the longest page, at least 1. */
  readonly longestPage: number;
}

/** Counts displays and clicks of train users, a page of several clicks once; context events do not count. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = toLogSource(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = listUsers(source, "train");
  let longestPage = 1;
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
      }
    }
  }
  const sum = (of: Uint32Array) => of.reduce((sum, n) => sum + n, 0);
  return { users: train.length, shown, clicks, meanRate: (sum(clicks) + 1) / (sum(shown) + 2), longestPage };
}

/** Returns the click rate of an item smoothed with 5 displays at the average rate: 0 < rate < 1. */
export function smoothedClickRate({ shown, clicks, meanRate }: TrainCounts, item: number): number {
  return (clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR);
}

export function startUserProgress(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}

/** Field of tokens, whose values are the tokens first .. first + count - 1. */
export interface TokenField {
  /** Name in the log. */
  readonly name: string;
  /** First token. */
  readonly first: number;
  /** Number of tokens. */
  readonly count: number;
  /** Set for hashed ids: items that share a token have nothing else in common. */
  readonly hashed?: number;
}

const CHUNK = 2 ** 16;

/** Returns true for a category: not for a field with nearly one value per item, nor for hashed ids. */
export function isCategory({ count, hashed }: TokenField, items: ItemsShape): boolean {
  return hashed === undefined && count > 1 && 2 * count <= items.count;
}

export function isIn({ first, count }: Pick<TokenField, "first" | "count">, token: number): boolean {
  return token >= first && token < first + count;
}

/** Returns the features of the items of a log, and a function from item to index among them; reads items on disk at once. */
export function readLogItems(catalogue: ItemCatalogue, { rowItem }: Clicks) {
  if (catalogue.items) return { items: catalogue.items, findItemIndex: (item: number) => item };
  const ids = rowItem.slice().sort().filter((id, k, all) => id !== all[k - 1]);
  const indices = new Map(Array.from(ids, (id, index) => [id, index]));
  return { items: catalogue.read(ids), findItemIndex: (item: number) => indices.get(item) ?? NaN };
}

/** Reads the tokens of items. @param ids ascending and distinct. @throws Error for items without tokens. */
function readTokens(catalogue: ItemCatalogue, ids: Uint32Array): ItemTokens {
  const items = catalogue.read(ids);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
  return items.tokens;
}

export function forEachItemTokens(
  catalogue: ItemCatalogue,
  visit: (item: number, tokens: Uint32Array) => void,
): void {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return;
  for (let first = 0; first < shape.count; first += CHUNK) {
    const ids = Uint32Array.from({ length: Math.min(CHUNK, shape.count - first) }, (_, k) => first + k);
    const tokens = readTokens(catalogue, ids);
    ids.forEach((id, k) => visit(id, tokens.token.subarray(tokens.first[k], tokens.first[k + 1])));
  }
}

/** Returns the share of a field's train clicks per token [V], with one pseudo-click each. */
export function computeClickShares(
  catalogue: ItemCatalogue,
  { clicks }: TrainCounts,
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
/** Limit of pairs; at 12 bytes each they take 48 MiB. */
const MOST_SLOTS = 2 ** 22;

const FULL = 0.6;

/** Hash table of pairs with open addressing. It grows up to `mostSlots`; then the caller drops pairs by {@link keep}. */
export class PairCounts {
  #low = new Uint32Array(SMALLEST);
  #high = new Uint32Array(SMALLEST);
  /** 0 for a free slot. */
  #count = new Uint32Array(SMALLEST);
  #used = 0;

  constructor(private readonly mostSlots = MOST_SLOTS) {}

  get size(): number {
    return this.#used;
  }

  /** True if pairs must be dropped by {@link keep} before many more are added. */
  get isFull(): boolean {
    return this.#used > FULL * this.mostSlots;
  }

  add(a: number, b: number): void {
    this.#put(Math.min(a, b), Math.max(a, b), 1);
    if (this.#used > FULL * this.#count.length && this.#count.length < this.mostSlots) {
      this.#rebuild(2 * this.#count.length, () => true);
    }
  }

  /** Drops all other pairs. */
  keep(isKept: (a: number, b: number) => boolean): void {
    this.#rebuild(this.#count.length, isKept);
  }

  /** Returns the count of a pair, 0 for an unknown one. */
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

/** Most pairs of all users. */
const MOST_PAIRS = 20_000_000;
/** Most distinct items per user. */
const MOST_CLICKS = 500;

export interface ClickPairs {
  /** [I] users who clicked an item, among their latest clicks. */
  readonly users: Uint32Array;
  /** Pairs of items with at least {@link least} users each. */
  readonly pairs: PairCounts;
  /**
   * 1 if all pairs fit. The limit is on the users of the items, not on the count of a pair: a user whose counts are subtracted
   * later could have lifted a pair above such a limit, which would reveal this user's clicks.
   */
  readonly least: number;
}

/** Counts pairs; context events count too. @param latest see {@link chooseLatestLimit}. @param pairs table to count in, for tests. */
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

/** Returns the distinct items of a user, the latest clicked first. */
export function findLatestClicks(log: Clicks, user: number, most: number): number[] {
  const found = new Set<number>();
  for (let e = log.userEvents[user + 1]! - 1; e >= log.userEvents[user]! && found.size < most; e--) {
    const click = log.eventClick[e]!;
    if (click !== NONE) found.add(log.rowItem[click]!);
  }
  return [...found];
}

/** Returns the distinct items per user whose pairs are counted: fewer if each event's click on a new item gave too many pairs. */
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
