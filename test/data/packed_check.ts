/** Packed files as tests alter them. */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { DamagedPackedFile, HEADER_WORDS, seal } from "../../src/data/sets/packed_file.ts";

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

/** A file with any bit turned over, with bytes moved, or under another name is refused. @param altered a path for it. */
export function refusesAltered(original: string, altered: string, open: (path: string) => Disposable): void {
  const whole = Deno.readFileSync(original);
  const sealed = resealed(whole, basename(altered));
  const openAltered = (bytes: Uint8Array) => {
    Deno.writeFileSync(altered, bytes);
    using _ = open(altered);
  };
  openAltered(sealed);
  const refuses = (bytes: Uint8Array) =>
    assert.throws(
      () => openAltered(bytes),
      (error) => error instanceof DamagedPackedFile || assert.fail(`got ${error}`),
    );
  fc.assert(
    fc.property(fc.nat(8 * whole.length - 1), (bit) => refuses(flipped(sealed, bit))),
    { numRuns: 500, seed: 11 },
  );
  refuses(whole); // of another name
  const swapped = sealed.slice();
  swapped.copyWithin(64, 72, 80);
  refuses(swapped);
}
