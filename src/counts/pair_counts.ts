/** How often pairs of items occur, in bounded memory. */

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
