/** The text of a file of the reader's, plain or compressed; what compresses it is told by the end of its name. */

import { decompressZstd } from "hyparquet-compressors";
import { MOST_PAPER_BYTES } from "../../../data/paper_log.ts";
import { framesOfZstd, type ZstdFrames } from "../../../data/zstd_frames.ts";
import { UserError } from "../../../user_error.ts";
import { whole } from "../../draw/number.ts";
import type { OwnFile } from "../own_file.ts";
import { xxh64 } from "./xxh64.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** @throws UserError for a file that is damaged, cut off, or more than one string holds. */
export async function textOf({ path, file }: OwnFile): Promise<string> {
  expectSize(path, file.size);
  const pieces: string[] = [];
  const utf8 = new TextDecoder();
  let bytes = 0;
  const take = (piece: Uint8Array) => {
    bytes += piece.length;
    expectSize(path, bytes);
    pieces.push(utf8.decode(piece, { stream: true }));
  };
  if (/\.gz$/i.test(path)) await gunzip(path, file, take);
  else if (/\.zst$/i.test(path)) await unzstd(path, file, take);
  else return await file.text();
  return pieces.join("") + utf8.decode();
}

/** The beginning of the text; what can be read of it where the file is damaged there. @param bytes that are read, about */
export async function headOf({ path, file }: OwnFile, bytes: number): Promise<string> {
  if (/\.gz$/i.test(path)) return await inflatedHead(file, bytes);
  const head = file.slice(0, bytes);
  if (!/\.zst$/i.test(path)) return await head.text();
  const data = new Uint8Array(await head.arrayBuffer());
  const { frames, begun } = await framesOf(data);
  try {
    return new TextDecoder().decode(frameOf(data, frames[0]?.blocks ?? begun));
  } catch {
    return "";
  }
}

/** A part of the file would do, but where it ends in the midst, browsers throw away what they have made of it. */
async function inflatedHead(file: Blob, bytes: number): Promise<string> {
  const reader = inflated(file).getReader();
  const utf8 = new TextDecoder();
  let text = "";
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      text += utf8.decode(read.value, { stream: true });
      if (text.length >= bytes) break;
    }
    await reader.cancel();
  } catch {
    // Reading all of it will tell.
  }
  return text;
}

/** @throws UserError for more than one string holds. */
function expectSize(path: string, size: number): void {
  if (size <= MOST_PAPER_BYTES) return;
  throw new UserError(
    `${path}: ${whole(size)} bytes, expected at most ${
      whole(MOST_PAPER_BYTES)
    }. Give a part of its users, or leave out ` +
      "columns that are not needed.",
  );
}

function damaged(path: string, cause: unknown): UserError {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new UserError(
    `${path}: the compressed file is cut off or damaged (${words}). Fetch or write it again.`,
    { cause },
  );
}

function inflated(data: Blob): ReadableStream<Bytes> {
  return data.stream().pipeThrough(new DecompressionStream("gzip"));
}

/** Whatever ends a file in the midst of it, or does not fit its checksum, the browser refuses. */
async function inflate(data: Blob, take: (piece: Uint8Array) => void): Promise<void> {
  const reader = inflated(data).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) take(read.value);
}

/**
 * One gzip file, or several one after the other, as cat and bgzip make them. The browser knows the first form alone: of the other
 * one each is found by where the next one may begin.
 */
async function gunzip(path: string, file: Blob, take: (piece: Uint8Array) => void): Promise<void> {
  const starts = startsOfGzip(new Uint8Array(await file.arrayBuffer()));
  if (file.size === 0) throw damaged(path, "nothing in it");
  for (let start = 0; start < file.size;) {
    let cause: unknown;
    let next: number | undefined;
    for (const end of [file.size, ...starts.filter((at) => at > start)]) {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      try {
        await inflate(file.slice(start, end), (piece) => {
          expectSize(path, bytes += piece.length);
          pieces.push(piece);
        });
      } catch (error) {
        if (error instanceof UserError) throw error;
        cause ??= error;
        continue;
      }
      pieces.forEach(take);
      next = end;
      break;
    }
    if (next === undefined) throw damaged(path, cause);
    start = next;
  }
}

/** Wherever a gzip file may begin. */
function startsOfGzip(data: Bytes): number[] {
  const starts: number[] = [];
  for (let at = data.indexOf(0x1f); at >= 0; at = data.indexOf(0x1f, at + 1)) {
    if (data[at + 1] === 0x8b && data[at + 2] === 8) starts.push(at);
  }
  return starts;
}

async function unzstd(path: string, file: Blob, take: (piece: Uint8Array) => void): Promise<void> {
  const data = new Uint8Array(await file.arrayBuffer());
  const { frames, fault } = await framesOf(data);
  if (fault !== undefined) throw damaged(path, fault);
  const view = new DataView(data.buffer);
  for (const { start, end, hasChecksum } of frames) {
    let content: Uint8Array;
    try {
      content = decompressZstd(data.subarray(start, end));
    } catch (error) {
      throw damaged(path, error);
    }
    if (hasChecksum && xxh64(content) !== view.getUint32(end - 4, true)) {
      throw damaged(path, "wrong checksum");
    }
    take(content);
  }
}

function framesOf(data: Bytes): Promise<ZstdFrames> {
  return framesOfZstd(
    data.length,
    (at, bytes) =>
      at + bytes > data.length
        ? undefined
        : data.subarray(at, at + bytes).reduceRight((sum, byte) => sum * 256 + byte, 0),
  );
}

/** Blocks that the head of a frame is made of. */
const HEAD_BLOCKS = 4;

/** What the first blocks of a frame hold: as a frame of their own, with a window of 1 MiB and nothing else in its header. */
function frameOf(data: Bytes, blocks: readonly number[]): Uint8Array {
  const first = blocks.slice(0, HEAD_BLOCKS).map((at) => {
    const header = (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16);
    return data.slice(at, at + 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3));
  });
  for (const [k, block] of first.entries()) {
    block[0] = ((block[0] ?? 0) & ~1) | (k === first.length - 1 ? 1 : 0);
  }
  const bytes = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, ...first.flatMap((block) => [...block])];
  return first.length === 0 ? new Uint8Array() : decompressZstd(Uint8Array.from(bytes));
}
