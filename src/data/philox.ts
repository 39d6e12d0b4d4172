/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3;
 * 2011).
 *
 * A counter (user, episode, page, purpose) and a key (the seed) determine four random words. Each page of a
 * simulated user has its own counters, so the draws for a page do not depend on those for other pages. CPU
 * and GPU (kernels/probe/philox.wgsl) compute equal bits.
 */

/** Numbers of the random streams. Draws for different purposes use different, independent streams. */
export const purposes = {
  /** Number of the random stream that draws the clicked item of a slate, or no click. */
  CHOICE: 0,
  /** Number of the random stream that draws a policy's random actions (exploration). */
  EXPLORE: 1,
  /** Number of the random stream that draws the items of a slate. */
  SLATE: 2,
  /** Number of the random stream that draws whether a user's episode ends. */
  LEAVE: 3,
  /** Number of the random stream that draws the logged history with which a simulated user starts. */
  START: 4,
  /** Number of the random stream that draws pages from the replay buffer. */
  REPLAY: 5,
  /** Number of the random stream that draws the candidate items of a page. */
  POOL: 6,
} as const;

/** Distance of one purpose's stream numbers for `slot` k and k + 1; above all numbers in {@link purposes}. */
const PURPOSES = 16;

/** Returns the number of a random stream. Each purpose has one stream per value of `slot` (0, 1, 2, ...). */
export function getSlotPurpose(purpose: number, slot: number): number {
  return purpose + PURPOSES * slot;
}

/** Four whole numbers in 0..2^32 - 1. */
export type PhiloxCounter = [number, number, number, number];
/** Two whole numbers in 0..2^32 - 1. */
export type PhiloxKey = readonly [number, number];

/** Returns a seed's key. @param seed: a whole number in 0..2^53 - 1. @throws RangeError for other seeds. */
export function makeKey(seed: number): PhiloxKey {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Expected a seed to be a whole number of 0 or more, got ${seed}`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** Returns the upper 32 bits of a * b, computed from 16-bit halves, because WGSL has no 64-bit integers. */
export function multiplyHigh(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const low = Math.imul(a0, b0) >>> 0;
  const middle0 = Math.imul(a0, b1) >>> 0;
  const middle1 = Math.imul(a1, b0) >>> 0;
  const carry = (low >>> 16) + (middle0 & 0xffff) + (middle1 & 0xffff);
  return (Math.imul(a1, b1) + (middle0 >>> 16) + (middle1 >>> 16) + (carry >>> 16)) >>> 0;
}

/** Computes the four random words of a counter (user, episode, page, purpose) and a key. */
export function computePhilox(counter: Readonly<PhiloxCounter>, key: PhiloxKey): PhiloxCounter {
  let [x, y, z, w] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [low0, low1] = [Math.imul(0xd2511f53, x), Math.imul(0xcd9e8d57, z)];
    const [high0, high1] = [multiplyHigh(0xd2511f53, x), multiplyHigh(0xcd9e8d57, z)];
    [x, y, z, w] = [high1 ^ y ^ k0, low1, high0 ^ w ^ k1, low0];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [x >>> 0, y >>> 0, z >>> 0, w >>> 0];
}

/** Converts the upper 24 bits of a word to a multiple of 2^-24 in [0, 1), which an f32 represents exactly. */
export function toUniform24(word: number): number {
  return (word >>> 8) * 2 ** -24;
}
