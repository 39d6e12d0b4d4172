/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * Counter and key alone determine four words. So any page of any simulated user can be recomputed by itself, on the host and
 * on the device, with the same bits: kernels have the same functions in WGSL (kernels/probe/philox.wgsl).
 *
 *   counter = (user, episode, page, purpose)     key = the seed
 */

/** Purposes of draws, so that the draws of a page are independent. Purposes with several slots use {@link getSlotPurpose}. */
export const purposes = {
  /** Clicked item of the slate, or none. */
  CHOICE: 0,
  /** Exploration of a policy. */
  EXPLORE: 1,
  SLATE: 2,
  /** End of a user's episode. */
  LEAVE: 3,
  /** Logged user whose history a simulated one starts from. */
  START: 4,
  /** Sampled pages of the replay buffer. */
  REPLAY: 5,
  /** Candidate items of a page. */
  POOL: 6,
} as const;

/** Exclusive upper limit of the purposes. */
const PURPOSES = 16;

/** Returns the purpose of a slot, 0 and up: each has its own words. */
export function getSlotPurpose(purpose: number, slot: number): number {
  return purpose + PURPOSES * slot;
}

/** Four whole numbers in 0..2^32 - 1. */
export type PhiloxCounter = [number, number, number, number];
/** Two whole numbers in 0..2^32 - 1. */
export type PhiloxKey = readonly [number, number];

/** Returns the key of a seed. @param seed a whole number of 0..2^53 - 1. @throws RangeError for any other number. */
export function makeKey(seed: number): PhiloxKey {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Expected a seed to be a whole number of 0 or more, got ${seed}`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** Returns the upper 32 bits of a product from four 16-bit products, because WGSL has no 64-bit integers. */
export function multiplyHigh(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const low = Math.imul(a0, b0) >>> 0;
  const middle0 = Math.imul(a0, b1) >>> 0;
  const middle1 = Math.imul(a1, b0) >>> 0;
  const carry = (low >>> 16) + (middle0 & 0xffff) + (middle1 & 0xffff);
  return (Math.imul(a1, b1) + (middle0 >>> 16) + (middle1 >>> 16) + (carry >>> 16)) >>> 0;
}

/** Computes the four words of a counter (user, episode, page, purpose). */
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

/** Converts the upper 24 bits of a word to a number in [0, 1): a multiple of 2^-24, which an f32 represents exactly. */
export function toUniform24(word: number): number {
  return (word >>> 8) * 2 ** -24;
}
