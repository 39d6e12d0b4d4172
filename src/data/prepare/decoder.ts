/** Compressed files, told by the end of their name. */

import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";

/** What decompresses a file (.gz or .zst); undefined for a plain one. */
export function decoderOf(path: string): Transform | undefined {
  if (/\.gz$/i.test(path)) return createGunzip();
  return /\.zst$/i.test(path) ? createZstdDecompress() : undefined;
}
