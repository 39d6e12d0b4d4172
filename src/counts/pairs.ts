/** Which items are clicked by the same users: pairs of items, counted in bounded memory. */

import { type Clicks, NONE, usersOf } from "../data/click_log.ts";
import { type LogSource, type OnProgress, walk } from "../data/log_source.ts";
import { told } from "./train_counts.ts";

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
    return this.#count[this.#slotOf(Math.min(a, b), Math.max(a, b))]!;
  }

  /** All pairs that are known, in no particular order. */
  forEach(visit: (a: number, b: number, count: number) => void): void {
    this.#count.forEach((count, slot) => {
      if (count > 0) visit(this.#low[slot]!, this.#high[slot]!, count);
    });
  }

  #put(low: number, high: number, count: number): void {
    const slot = this.#slotOf(low, high);
    if (this.#count[slot] === 0) {
      this.#used++;
      this.#low[slot] = low;
      this.#high[slot] = high;
    }
    this.#count[slot] = this.#count[slot]! + count;
  }

  /** Where a pair stands, or would stand. */
  #slotOf(low: number, high: number): number {
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
 * @param latest see {@link latestFor}. @param pairs to count in, of another size than usual.
 */
export function countPairs(
  source: LogSource,
  latest: number,
  onProgress?: OnProgress,
  pairs = new PairCounts(),
): ClickPairs {
  const train = usersOf(source, "train");
  const users = new Uint32Array(source.items.shape.count);
  const each = (what: string, take: (items: number[]) => void) => {
    for (const { log, users: places } of walk(source, train, told(what, onProgress))) {
      for (const user of places) take(latestClicks(log, user, latest));
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
export function latestClicks(log: Clicks, user: number, most: number): number[] {
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
export function latestFor(source: LogSource): number {
  const { userEvents } = source;
  const train = usersOf(source, "train");
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
