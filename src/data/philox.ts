/**
 * Random words by counter: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * Four words follow from a counter and a key alone. So any page of any simulated user can be computed again by itself, on the
 * host and on the device, with the same bits: kernels that draw have the same functions in WGSL, word for word
 * (kernels/probe/philox.wgsl).
 *
 *   counter = (user, episode, page, purpose)     key = the seed
 */

/** What a draw is for, so that the draws of a page do not depend on each other. Where a purpose needs several slots: {@link getSlotPurpose}. */
export const purposes = {
  /** Which item of the slate is clicked, or none. */
  CHOICE: 0,
  /** Whether a policy explores, and with what. */
  EXPLORE: 1,
  /** A random slate. */
  SLATE: 2,
  /** Whether a user leaves. */
  LEAVE: 3,
  /** Which logged user a simulated one starts from. */
  START: 4,
  /** Which remembered pages are learned from. */
  REPLAY: 5,
  /** Which items a page may show. */
  POOL: 6,
} as const;

/** Purposes are below this. */
const PURPOSES = 16;

/** The purpose of a slot, 0 and up: each has its own words. */
export function getSlotPurpose(purpose: number, slot: number): number {
  return purpose + PURPOSES * slot;
}

/** Four whole numbers in 0..2^32 - 1. */
export type PhiloxCounter = [number, number, number, number];
/** Two whole numbers in 0..2^32 - 1. */
export type PhiloxKey = readonly [number, number];

/** The key of a seed, a whole number of 0..2^53 - 1. @throws RangeError for another one. */
export function makeKey(seed: number): PhiloxKey {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Expected a seed to be a whole number of 0 or more, got ${seed}`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** The upper 32 bits of a product, by four products of 16 bits, as a device has no longer ones. */
export function multiplyHigh(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const low = Math.imul(a0, b0) >>> 0;
  const middle0 = Math.imul(a0, b1) >>> 0;
  const middle1 = Math.imul(a1, b0) >>> 0;
  const carry = (low >>> 16) + (middle0 & 0xffff) + (middle1 & 0xffff);
  return (Math.imul(a1, b1) + (middle0 >>> 16) + (middle1 >>> 16) + (carry >>> 16)) >>> 0;
}

/** The words of a counter: user, episode, page, purpose. */
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

/** The upper 24 bits of a word as a number in [0, 1): a multiple of 2^-24, which an f32 holds exactly. */
export function toUniform24(word: number): number {
  return (word >>> 8) * 2 ** -24;
}
