/**
 * What is counted on train users: how often they were shown each item and clicked it, what share of the clicks falls on each
 * token, and which pairs of items are clicked by the same users. Pairs are counted in bounded memory.
 */

import {
  type ClickLog,
  type Clicks,
  FURTHER_CLICK,
  GIVEN_HISTORY,
  type ItemTokens,
  listUsers,
  NONE,
} from "../data/click_log.ts";
import { PRIOR } from "./count_columns.ts";
import { type LogSource, type OnProgress, toLogSource, walk } from "../data/log_source.ts";
import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";

/** 8 bytes an item. */
export interface TrainCounts {
  /** Users of the train part. */
  readonly users: number;
  /** [I] how often each item was displayed. */
  readonly shown: Uint32Array;
  /** [I] how often it was clicked. */
  readonly clicks: Uint32Array;
  /** Clicks a display of all items, between 0 and 1. */
  readonly meanRate: number;
  /** Items on the longest page, at least 1. */
  readonly longestPage: number;
}

/** Counts what train users were shown and clicked, a page of several clicks once; events that are given do not count. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = toLogSource(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = listUsers(source, "train");
  let longestPage = 1;
  for (const { log, users } of walk(source, train, startUserProgress("Counting clicks", onProgress))) {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        const given = log.eventGiven?.[event];
        if (given === GIVEN_HISTORY) continue;
        longestPage = Math.max(longestPage, log.eventRows[event + 1]! - log.eventRows[event]!);
        for (
          let row = log.eventRows[event]!;
          given !== FURTHER_CLICK && row < log.eventRows[event + 1]!;
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

/** Clicks per display of an item, as if it had had 5 displays more, clicked as the mean item's are: 0 < rate < 1. */
export function smoothedClickRate({ shown, clicks, meanRate }: TrainCounts, item: number): number {
  return (clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR);
}

/** Tells of users that are walked through. */
export function startUserProgress(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}

/** A field of tokens: the tokens first .. first + count - 1 are its values. */
export interface TokenField {
  /** What people call it. */
  readonly name: string;
  /** Its first token. */
  readonly first: number;
  /** How many it has. */
  readonly count: number;
  /** Of hashed ids: items that share a token have nothing else in common. */
  readonly hashed?: number;
}

/** Items whose tokens are read at once. */
const CHUNK = 2 ** 16;

/** A field with nearly a value an item is no category, and neither are hashed ids. */
export function isCategory({ count, hashed }: TokenField, items: ItemsShape): boolean {
  return hashed === undefined && count > 1 && 2 * count <= items.count;
}

/** Whether a token is of a field. */
export function isIn({ first, count }: Pick<TokenField, "first" | "count">, token: number): boolean {
  return token >= first && token < first + count;
}

/** The features of the items of a log, and where an item's stand among them: read at once where they are not in memory. */
export function readLogItems(catalogue: ItemCatalogue, { rowItem }: Clicks) {
  if (catalogue.items) return { items: catalogue.items, findItemIndex: (item: number) => item };
  const ids = rowItem.slice().sort().filter((id, k, all) => id !== all[k - 1]);
  const places = new Map(Array.from(ids, (id, place) => [id, place]));
  return { items: catalogue.read(ids), findItemIndex: (item: number) => places.get(item) ?? NaN };
}

/** The tokens of these items. @param ids ascending, each once. @throws Error for items without tokens. */
function tokensIn(catalogue: ItemCatalogue, ids: Uint32Array): ItemTokens {
  const items = catalogue.read(ids);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
  return items.tokens;
}

/** Goes through the tokens of all items; none for items without tokens. */
export function forEachItemTokens(
  catalogue: ItemCatalogue,
  visit: (item: number, tokens: Uint32Array) => void,
): void {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return;
  for (let first = 0; first < shape.count; first += CHUNK) {
    const ids = Uint32Array.from({ length: Math.min(CHUNK, shape.count - first) }, (_, k) => first + k);
    const tokens = tokensIn(catalogue, ids);
    ids.forEach((id, k) => visit(id, tokens.token.subarray(tokens.first[k], tokens.first[k + 1])));
  }
}

/** [V] share of a field's clicks in the train part that fall on each token, as if each had one click more. */
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
/** 12 bytes each, so 48 MiB. */
const MOST_SLOTS = 2 ** 22;

/** The share of the slots that are taken at most. */
const FULL = 0.6;

/** A hash table with open addressing. It grows up to its most slots; then whoever fills it says which pairs go. */
export class PairCounts {
  #low = new Uint32Array(SMALLEST);
  #high = new Uint32Array(SMALLEST);
  /** 0 for a slot that is free. */
  #count = new Uint32Array(SMALLEST);
  #used = 0;

  constructor(private readonly mostSlots = MOST_SLOTS) {}

  /** Pairs that are known. */
  get size(): number {
    return this.#used;
  }

  /** Whether some are to go, by {@link keep}, before many more are added. */
  get isFull(): boolean {
    return this.#used > FULL * this.mostSlots;
  }

  /** Counts a pair of different items, in whichever order. */
  add(a: number, b: number): void {
    this.#put(Math.min(a, b), Math.max(a, b), 1);
    if (this.#used > FULL * this.#count.length && this.#count.length < this.mostSlots) {
      this.#rebuild(2 * this.#count.length, () => true);
    }
  }

  /** Forgets all other pairs. */
  keep(isKept: (a: number, b: number) => boolean): void {
    this.#rebuild(this.#count.length, isKept);
  }

  /** 0 for a pair that is not known. */
  get(a: number, b: number): number {
    return this.#count[this.#findSlot(Math.min(a, b), Math.max(a, b))]!;
  }

  /** All pairs that are known, in no particular order. */
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

  /** Where a pair stands, or would stand. */
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

/** Pairs of all users, at most, that are counted. */
const MOST_PAIRS = 20_000_000;
/** Different items of a user, at most. */
const MOST_CLICKS = 500;

/** Pairs of items that train users clicked. */
export interface ClickPairs {
  /** [I] users who clicked an item, among their latest. */
  readonly users: Uint32Array;
  /** Of items that at least {@link least} users clicked. */
  readonly pairs: PairCounts;
  /**
   * 1 where there is room for all pairs. By their items' users and not by how often they occur: one more user, who is to be left
   * out later, could lift a pair that would have been forgotten over a limit on that, and so tell what this user clicked.
   */
  readonly least: number;
}

/**
 * Counts them; clicks that are given count, too.
 * @param latest see {@link chooseLatestLimit}. @param pairs to count in, of another size than usual.
 */
export function countPairs(
  source: LogSource,
  latest: number,
  onProgress?: OnProgress,
  pairs = new PairCounts(),
): ClickPairs {
  const train = listUsers(source, "train");
  const users = new Uint32Array(source.items.shape.count);
  const each = (what: string, take: (items: number[]) => void) => {
    for (const { log, users: places } of walk(source, train, startUserProgress(what, onProgress))) {
      for (const user of places) take(findLatestClicks(log, user, latest));
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

/** Different items of a user, the latest clicked first. */
export function findLatestClicks(log: Clicks, user: number, most: number): number[] {
  const found = new Set<number>();
  for (let e = log.userEvents[user + 1]! - 1; e >= log.userEvents[user]! && found.size < most; e--) {
    const click = log.eventClick[e]!;
    if (click !== NONE) found.add(log.rowItem[click]!);
  }
  return [...found];
}

/**
 * Different items of a user, the latest clicked, whose pairs are counted: fewer where there would be too many pairs, as if each
 * event had a click on another item.
 */
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
