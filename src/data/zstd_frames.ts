/** Where the frames of zstd data are (RFC 8878): the decoders read what was cut off as if it were shorter. */

const FRAME = 0xfd2fb528;
/** The first of 16 numbers of frames that hold no data. */
const SKIPPABLE = 0x184d2a50;
const RLE = 1;
const RESERVED = 3;

/** What is said of data that ended too early. */
export const CUT = "unexpected end of file";

/** A frame that holds data. */
export interface ZstdFrame {
  /** Of its first byte, and of the byte behind it and its checksum. */
  readonly start: number;
  readonly end: number;
  readonly hasChecksum: boolean;
  /** Where its blocks begin, with their headers. */
  readonly blocks: readonly number[];
}

/** What was found up to the end, or up to what is wrong. */
export interface ZstdFrames {
  /** Whole ones. */
  readonly frames: readonly ZstdFrame[];
  /** Where the whole blocks are of a frame that is not. */
  readonly begun: readonly number[];
  /** What is wrong; undefined for whole data. */
  readonly fault: string | undefined;
}

/** Reads a whole number, little-endian; undefined where the data end before. */
export type ReadNumber = (at: number, bytes: number) => number | undefined | Promise<number | undefined>;

/** Walks from block to block, reading their headers alone. @param size of the data, in bytes */
export async function framesOfZstd(size: number, read: ReadNumber): Promise<ZstdFrames> {
  const frames: ZstdFrame[] = [];
  let blocks: number[] = [];
  const broken = (fault: string) => ({ frames, begun: blocks, fault });
  let at = 0;
  while (at < size) {
    const start = at;
    blocks = [];
    const magic = await read(at, 4);
    if (magic === undefined) return broken(CUT);
    if (magic >= SKIPPABLE && magic < SKIPPABLE + 16) {
      const length = await read(at + 4, 4);
      if (length === undefined) return broken(CUT);
      at += 8 + length;
      continue;
    }
    if (magic !== FRAME) return broken("no frame where one should begin");
    const descriptor = await read(at + 4, 1);
    if (descriptor === undefined) return broken(CUT);
    const single = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    at += 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) +
      (sizeFlag === 0 ? (single ? 1 : 0) : 2 ** sizeFlag);
    for (let last = false; !last;) {
      const header = await read(at, 3);
      if (header === undefined) return broken(CUT);
      last = (header & 1) === 1;
      const type = (header >> 1) & 3;
      if (type === RESERVED) return broken("a block of an unknown type");
      const begin = at;
      at += 3 + (type === RLE ? 1 : header >> 3);
      if (at > size) return broken(CUT);
      blocks.push(begin);
    }
    const hasChecksum = (descriptor & 4) !== 0;
    if (hasChecksum) at += 4;
    if (at > size) return broken(CUT);
    frames.push({ start, end: at, hasChecksum, blocks });
  }
  return { frames, begun: [], fault: at > size ? CUT : size === 0 ? "nothing in it" : undefined };
}
