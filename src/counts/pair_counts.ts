/** How often pairs of items occur, in bounded memory: when there are too many pairs, the rarest are forgotten. */

const SMALLEST = 2 ** 12;
/** 12 bytes each, so 48 MiB. */
const MOST_SLOTS = 2 ** 22;

/** A hash table with open addressing. */
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

  /** Counts a pair of different items, in whichever order. */
  add(a: number, b: number): void {
    this.#put(Math.min(a, b), Math.max(a, b), 1);
    if (this.#used > 0.6 * this.#count.length) this.#makeRoom();
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

  /** A table of twice the size, or the same without the pairs that occurred least. */
  #makeRoom(): void {
    const [low, high, count] = [this.#low, this.#high, this.#count];
    const grows = count.length < this.mostSlots;
    const size = grows ? 2 * count.length : count.length;
    const least = grows ? 1 : leastOf(count, 0.4 * size);
    this.#low = new Uint32Array(size);
    this.#high = new Uint32Array(size);
    this.#count = new Uint32Array(size);
    this.#used = 0;
    count.forEach((n, slot) => {
      if (n >= least) this.#put(low[slot]!, high[slot]!, n);
    });
  }
}

/** The least count of which at most so many pairs remain. */
function leastOf(count: Uint32Array, most: number): number {
  for (let least = 2;; least++) {
    if (count.reduce((sum, n) => sum + (n >= least ? 1 : 0), 0) <= most) return least;
  }
}
