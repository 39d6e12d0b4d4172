/** Buffers of an exercise word by word: outputs that are whole numbers and have to be exact, and what stands behind inputs. */

import { UNWRITTEN } from "../../src/selftest/ladder/check.ts";
import type { Output } from "../../src/selftest/ladder/problem.ts";
import { type Matrix, matrix } from "../../src/tape/reference.ts";

/** Floats, and ones behind them: what a kernel reads past their end is then no zero, which would be right by chance. */
export function withOnesBehind(floats: Float32Array, count: number): Float32Array<ArrayBuffer> {
  const all = new Float32Array(floats.length + count).fill(1);
  all.set(floats);
  return all;
}

/** The same bits as whole numbers. */
export function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** The same bits as a kernel's buffer is given them. */
export function floatsOf(words: Uint32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}

/** Words as they were found; NaN where nothing was written. */
export function foundWords(found: Float32Array): number[] {
  return Array.from(bitsOf(found), (word) => word === UNWRITTEN ? NaN : word);
}

/** @param words [rows, columns], row by row. */
export function wordsOutput(words: Uint32Array<ArrayBuffer>, columns: number): Output {
  return {
    length: words.length,
    expected: wordsMatrix(words, columns),
    dense: foundWords,
    tolerance: 0,
  };
}

function wordsMatrix(words: Uint32Array, columns: number): Matrix {
  return matrix(words.length / columns, columns, (i, j) => words[i * columns + j] ?? NaN);
}
