/** Finds the files of a source, checks that each file is complete, and reads the names of columns. */

import { createReadStream } from "node:fs";
import { type Transform, Writable } from "node:stream";
import { pipeline as piped } from "node:stream/promises";
import { splitCsvRow } from "../../csv.ts";
import { UserError } from "../../user_error.ts";
import { expectFile, expectLocal, formatPath, openFile, readBytesAt } from "../../files/local_file.ts";
import { formatLiteral, type SqlEngine } from "./sql_engine.ts";
import { escapeGlob, expandGlob } from "./glob.ts";
import { createGunzip, createZstdDecompress } from "node:zlib";

export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
}

/** Returns the files of a path or glob, sorted by name. @throws UserError for missing or unreadable files. */
export function findFiles(pattern: string, what: string): SourceFile[] {
  expectLocal(pattern);
  const files = expandGlob(pattern).map((path) => ({ path, bytes: expectFile(path).size }));
  if (files.length > 0) return files;
  throw new UserError(
    `Expected ${what} at ${formatPath(pattern)}, got no such file. ` +
      `Check the path (relative paths start at ${Deno.cwd()}); ` +
      (/[{}]/.test(pattern)
        ? "braces are not expanded: use * in a glob, or list the files in a SELECT (--query)."
        : "quote a glob, so that the shell does not expand it."),
  );
}

/** Reads compressed files to the end. @throws UserError for a truncated file, which DuckDB would accept. */
export async function checkCompressed(files: readonly SourceFile[], signal?: AbortSignal): Promise<void> {
  for (const { path } of files) {
    const decoder = createDecoder(path);
    if (!decoder) continue;
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    try {
      const fault = /\.zst$/i.test(path) ? checkZstd(path) : undefined;
      if (fault !== undefined) throw new Error(fault);
      await piped(createReadStream(path), decoder, nowhere, { signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      const cause = error instanceof Error ? error.message : String(error);
      throw new UserError(
        `${path}: the compressed file is truncated or damaged (${cause}). Fetch or write it again.`,
        { cause: error },
      );
    }
  }
}

/**
 * Builds SQL that reads each line of a text file as one value. The delimiter is chr(1), which does not occur
 * in text. Lines end with \n or \r\n.
 */
function linesSql(path: string): string {
  return `read_csv(${formatLiteral(escapeGlob(path))}, header = false, delim = chr(1), quote = '', ` +
    "escape = '', columns = {'line': 'VARCHAR'}, auto_detect = false, strict_mode = false)";
}

/** Reads the header of a CSV file. @throws UserError for an empty file, and for an unclosed quote. */
export async function readCsvHeader(engine: SqlEngine, path: string, delimiter: string): Promise<string[]> {
  const line = await engine.value(`SELECT line FROM ${linesSql(path)} LIMIT 1`);
  if (line === null) throw new UserError(`${path}: expected a header line and rows, got an empty file.`);
  const header = String(line).replace(/^\ufeff/, "").replace(/\r$/, "");
  const { fields, open } = splitCsvRow(header, delimiter);
  if (!open) return fields;
  throw new UserError(`${path}:1: expected closed quotes in the header, got ${header.slice(0, 200)}`);
}

/** Number of lines at the beginning of a JSON lines file that are searched for keys. */
const JSON_SAMPLE = 10_000;

/** Returns the keys of the objects in the first lines of a JSON lines file, sorted. */
export async function readJsonKeys(engine: SqlEngine, path: string): Promise<string[]> {
  const objects = `SELECT line FROM ${linesSql(path)} ` +
    `WHERE json_valid(line) AND json_type(line) = 'OBJECT' LIMIT ${JSON_SAMPLE}`;
  const rows = await engine.rows(
    `SELECT DISTINCT unnest(json_keys(line)) AS name FROM (${objects}) ORDER BY name`,
  );
  return rows.map(({ name }) => String(name));
}

/** Returns the decompressor of a file whose name ends in .gz or .zst; undefined for any other file. */
function createDecoder(path: string): Transform | undefined {
  if (/\.gz$/i.test(path)) return createGunzip();
  return /\.zst$/i.test(path) ? createZstdDecompress() : undefined;
}

// Checks that a zstd file (RFC 8878) is complete: zstd decoders accept truncated files. Reads only headers.

const FRAME = 0xfd2fb528;
/** First of the 16 consecutive magic numbers of zstd's skippable frames, which contain no data. */
const SKIPPABLE = 0x184d2a50;
const RLE = 1;
const RESERVED = 3;
const CUT = "unexpected end of file";

/** @returns the fault of a zstd file; undefined if the file is complete. */
export function checkZstd(path: string): string | undefined {
  using file = openFile(path);
  const { size } = file.statSync();
  let at = 0;
  while (at < size) {
    const magic = numberAt(file, at, 4);
    if (magic === undefined) return CUT;
    if (magic >= SKIPPABLE && magic < SKIPPABLE + 16) {
      const length = numberAt(file, at + 4, 4);
      if (length === undefined) return CUT;
      at += 8 + length;
      continue;
    }
    if (magic !== FRAME) return "no frame header";
    const descriptor = numberAt(file, at + 4, 1);
    if (descriptor === undefined) return CUT;
    const single = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    at += 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) +
      (sizeFlag === 0 ? (single ? 1 : 0) : 2 ** sizeFlag);
    for (let last = false; !last;) {
      const header = numberAt(file, at, 3);
      if (header === undefined) return CUT;
      last = (header & 1) === 1;
      const type = (header >> 1) & 3;
      if (type === RESERVED) return "a block of an unknown type";
      at += 3 + (type === RLE ? 1 : header >> 3);
      if (at > size) return CUT;
    }
    if ((descriptor & 4) !== 0) at += 4; // the frame ends with a checksum
  }
  return at > size ? CUT : size === 0 ? "an empty file" : undefined;
}

/** Reads a little-endian whole number of `bytes` bytes at offset `at`; undefined if the file is shorter. */
function numberAt(file: Deno.FsFile, at: number, bytes: number): number | undefined {
  const buffer = new Uint8Array(bytes);
  if (readBytesAt(file, at, buffer) < bytes) return undefined;
  return buffer.reduceRight((sum, byte) => sum * 256 + byte, 0);
}
