/** Packed files as tests alter them. */

import { crc32 } from "node:zlib";
import { HEADER_WORDS, seal } from "../src/data/packed_file.ts";

/** Gives an altered file the checksums of what it now holds, so that what reads it must see by itself what is wrong. */
export function resealed(bytes: Uint8Array, path: string): Uint8Array {
  const own = bytes.slice();
  if (own.length < 4 * HEADER_WORDS) return own;
  seal(new Uint32Array(own.buffer, 0, HEADER_WORDS), path, crc32(own.subarray(4 * HEADER_WORDS)));
  return own;
}

/** The file with one bit turned over. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const own = bytes.slice();
  own[bit >> 3] = (own[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return own;
}
