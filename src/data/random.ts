/**
 * Random numbers on the CPU. A function that needs random numbers creates a stream from a seed and a path,
 * such as `createRandomStream(seed, "batch", step)`. Streams share no state: the users of the batch of step
 * 700 are the same even if steps 1 to 699 were not run. So a resumed run draws the same batches.
 */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/** Largest seed of all commands: seeds have 32 bits. */
export const LARGEST_SEED = 2 ** 32 - 1;

/** Applies the finalizer of MurmurHash3: a bijection in which every input bit affects every output bit. */
export function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

/** Computes the initial 128-bit state of a stream from two 32-bit hashes of its path. */
function hashPath(path: readonly (number | string)[]): number[] {
  let a = 0x243f6a88, b = 0x85a308d3;
  const absorb = (word: number) => {
    a = mix(a + word);
    b = mix(Math.imul(b ^ word, 0x9e3779b1) + 0x7f4a7c15);
  };
  for (const part of path) {
    if (typeof part === "string") {
      // Hash a tag, so that "7" and 7 differ, and the length, so that ("ab", "c") and ("a", "bc") differ.
      absorb(0x5354);
      absorb(part.length);
      for (let i = 0; i < part.length; i++) absorb(part.charCodeAt(i));
    } else {
      if (!Number.isSafeInteger(part)) {
        throw new RangeError(
          `Expected the seed and path of a random stream to be whole numbers or strings, got ${part}`,
        );
      }
      absorb(0x4e55);
      absorb(part >>> 0);
      absorb(Math.floor(part / 2 ** 32));
    }
  }
  // At least one word must not be 0, because a generator with a state of zeros returns only zeros.
  return [mix(a ^ 0x13198a2e), mix(b ^ 0x03707344), mix(a + b), mix(a ^ Math.imul(b, 0x9e3779b1)) || 1];
}

/** A stream of random numbers; see {@link createRandomStream}. */
export class Random {
  readonly #generator;
  #spareNormal: number | undefined;

  /** Called by {@link createRandomStream}. @param state: four 32-bit words, not all 0. */
  constructor(state: readonly number[]) {
    this.#generator = xoroshiro128plusFromState(state);
  }

  /** Returns a random number, uniform in [0, 1): a multiple of 2^-53. */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** Returns a random whole number, uniform in 0..n-1 without bias. @param n: a whole number in 1..2^32. */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`Expected n to be a whole number in 1..2^32, got ${n}`);
    }
    return uniformInt(this.#generator, 0, n - 1);
  }

  /** Returns a standard normal random number, with mean 0 and sd 1 (Marsaglia's polar method). */
  normal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    while (true) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const square = x * x + y * y;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt(-2 * Math.log(square) / square);
      this.#spareNormal = y * scale;
      return x * scale;
    }
  }

  /** Returns a standard normal random number truncated to -2..2, by rejection. The sd is about 0.880. */
  truncatedNormal(): number {
    while (true) {
      const x = this.normal();
      if (Math.abs(x) <= 2) return x;
    }
  }

  /**
   * Returns k distinct numbers in 0..n-1, in random order, by the first k steps of a Fisher-Yates shuffle.
   * Time and memory are proportional to k, not n, because only swapped positions are stored.
   */
  sampleWithoutReplacement(n: number, k: number): Uint32Array<ArrayBuffer> {
    if (!Number.isInteger(k) || k < 0 || k > n) {
      throw new RangeError(`Expected k in 0..${n}, got ${k}`);
    }
    const sample = new Uint32Array(k);
    const swapped = new Map<number, number>();
    for (let i = 0; i < k; i++) {
      const j = i + this.integer(n - i);
      sample[i] = swapped.get(j) ?? j;
      swapped.set(j, swapped.get(i) ?? i);
    }
    return sample;
  }
}

/**
 * Creates a stream of random numbers. Its initial state is a hash of `seed` and `path`, so streams with
 * different seeds or paths are independent for all practical purposes.
 * @example
 * ```ts ignore
 * const users = createRandomStream(7, "batch", 1200).sampleWithoutReplacement(1400, 50);
 * ```
 */
export function createRandomStream(seed: number, ...path: (number | string)[]): Random {
  return new Random(hashPath([seed, ...path]));
}

/** Returns a function that draws item k with a probability proportional to 1 / (k + 1)^(3/4). */
export function createZipfDraw(items: number, random: Random): () => number {
  let total = 0;
  // Math.sqrt is rounded correctly on every machine, but Math.pow is not.
  const totals = Float64Array.from({ length: items }, (_, k) => {
    const root = Math.sqrt(k + 1);
    return total += 1 / (root * Math.sqrt(root));
  });
  return () => {
    const drawn = total * random.uniform();
    let [low, high] = [0, items - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((totals[middle] ?? Infinity) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
