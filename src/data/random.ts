/**
 * All randomness of the project comes from here: streams of random numbers that are named, not passed around.
 *
 * A seed and a path name a stream, e.g. `createRandomStream(seed, "batch", step)`. Streams do not share state: step 700 draws
 * the same batch whether or not the 699 steps before it were run, which is what lets a run be resumed.
 */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/** Computes MurmurHash3's bijective finalizer: every bit of the word affects every bit of the result. */
function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

/** Hashes a path into the 128 bits of a generator's state, through two chains of 32 bits. */
function hashPath(path: readonly (number | string)[]): number[] {
  let a = 0x243f6a88, b = 0x85a308d3;
  const absorb = (word: number) => {
    a = mix(a + word);
    b = mix(Math.imul(b ^ word, 0x9e3779b1) + 0x7f4a7c15);
  };
  for (const part of path) {
    if (typeof part === "string") {
      // The tag separates "7" from 7, the length separates ("ab", "c") from ("a", "bc").
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
  // An all-zero state would stay zero.
  return [mix(a ^ 0x13198a2e), mix(b ^ 0x03707344), mix(a + b), mix(a ^ Math.imul(b, 0x9e3779b1)) || 1];
}

/** A stream of random numbers; see {@link createRandomStream}. */
export class Random {
  readonly #generator;
  #spareNormal: number | undefined;

  /** Prefer {@link createRandomStream}. `state` is four 32-bit words, not all zero. */
  constructor(state: readonly number[]) {
    this.#generator = xoroshiro128plusFromState(state);
  }

  /** Returns a number uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** Returns a whole number, uniform in 0..n-1 without bias; n is 1..2^32. */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`Expected n to be a whole number in 1..2^32, got ${n}`);
    }
    return uniformInt(this.#generator, 0, n - 1);
  }

  /** Returns a normal number with mean 0 and standard deviation 1 (Marsaglia's polar method). */
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

  /** Returns a {@link normal} number, drawn again while outside -2..2 (its standard deviation is then about .880). */
  truncatedNormal(): number {
    while (true) {
      const x = this.normal();
      if (Math.abs(x) <= 2) return x;
    }
  }

  /**
   * Returns k different numbers of 0..n-1 in random order: the first k steps of a Fisher-Yates shuffle. Takes time and memory
   * for k, not n, because only swapped positions are stored.
   */
  sampleWithoutReplacement(n: number, k: number): Uint32Array<ArrayBuffer> {
    if (!Number.isInteger(k) || k < 0 || k > n) {
      throw new RangeError(`Expected to draw between 0 and n = ${n} different numbers, got k = ${k}`);
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
 * Creates the stream of a seed and a path. The same seed and path give the same numbers; streams of different ones are
 * independent for all practical purposes (the generator's state is a hash of them).
 *
 * @example
 * ```ts ignore
 * const users = createRandomStream(7, "batch", 1200).sampleWithoutReplacement(1400, 50);
 * ```
 */
export function createRandomStream(seed: number, ...path: (number | string)[]): Random {
  return new Random(hashPath([seed, ...path]));
}
