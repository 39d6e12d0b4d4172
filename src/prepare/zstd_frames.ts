/** Whether a zstd file is whole. */

import { framesOfZstd } from "../data/zstd_frames.ts";

/** Walks from block to block, reading their headers alone. @returns what is wrong; undefined for a whole file. */
export async function faultOfZstd(path: string): Promise<string | undefined> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const { fault } = await framesOfZstd(size, async (at, bytes) => {
    if (at + bytes > size) return undefined;
    const buffer = new Uint8Array(bytes);
    await file.seek(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes;) {
      const n = await file.read(buffer.subarray(done));
      if (n === null) return undefined;
      done += n;
    }
    return buffer.reduceRight((sum, byte) => sum * 256 + byte, 0);
  });
  return fault;
}
