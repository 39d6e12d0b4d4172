/** Numbers as cases write and read them. */

/** 0, 1, ..., n - 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** The same words, as f32; none where nothing was read. */
export const floats = (words: Uint32Array<ArrayBuffer> | undefined): Float32Array<ArrayBuffer> =>
  new Float32Array(words?.buffer ?? new ArrayBuffer(0));

/** For millions of words: a loop takes a part of what deepEqual does. */
export function sameWords(one: Uint32Array, other: ArrayLike<number> | undefined): boolean {
  return one.length === other?.length && one.every((word, k) => word === other[k]);
}
