/**
 * Whether a zstd file is whole (RFC 8878): the decoders read what was cut off as if it were shorter. Walks from block to block,
 * reading their headers alone.
 */

const FRAME = 0xfd2fb528;
/** The first of 16 numbers of frames that hold no data. */
const SKIPPABLE = 0x184d2a50;
const RLE = 1;
const RESERVED = 3;
const CUT = "unexpected end of file";

/** @returns what is wrong; undefined for a whole file. */
export async function faultOfZstd(path: string): Promise<string | undefined> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  let at = 0;
  while (at < size) {
    const magic = await numberAt(file, at, 4);
    if (magic === undefined) return CUT;
    if (magic >= SKIPPABLE && magic < SKIPPABLE + 16) {
      const length = await numberAt(file, at + 4, 4);
      if (length === undefined) return CUT;
      at += 8 + length;
      continue;
    }
    if (magic !== FRAME) return "no frame where one should begin";
    const descriptor = await numberAt(file, at + 4, 1);
    if (descriptor === undefined) return CUT;
    const single = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    at += 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) +
      (sizeFlag === 0 ? (single ? 1 : 0) : 2 ** sizeFlag);
    for (let last = false; !last;) {
      const header = await numberAt(file, at, 3);
      if (header === undefined) return CUT;
      last = (header & 1) === 1;
      const type = (header >> 1) & 3;
      if (type === RESERVED) return "a block of an unknown type";
      at += 3 + (type === RLE ? 1 : header >> 3);
      if (at > size) return CUT;
    }
    if ((descriptor & 4) !== 0) at += 4; // a checksum
  }
  return at > size ? CUT : size === 0 ? "nothing in it" : undefined;
}

/** A whole number, little-endian; undefined where the file ends before. */
async function numberAt(file: Deno.FsFile, at: number, bytes: number): Promise<number | undefined> {
  const buffer = new Uint8Array(bytes);
  await file.seek(at, Deno.SeekMode.Start);
  for (let done = 0; done < bytes;) {
    const n = await file.read(buffer.subarray(done));
    if (n === null) return undefined;
    done += n;
  }
  return buffer.reduceRight((sum, byte) => sum * 256 + byte, 0);
}
