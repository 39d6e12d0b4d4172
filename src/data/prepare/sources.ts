/** The files of a source: which there are, whether they are whole, and what columns they have. */

import { createReadStream } from "node:fs";
import { pipeline, type Transform, Writable } from "node:stream";
import { pipeline as piped } from "node:stream/promises";
import { UserError } from "../../user_error.ts";
import { expectFile, expectLocal } from "../../files/local_file.ts";
import { shownPath } from "../../files/file_error.ts";
import { type Engine, literal } from "./engine.ts";
import { filesOf, plainPath } from "./glob.ts";
import { createGunzip, createZstdDecompress } from "node:zlib";

export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * The files that a path or glob stands for, in the order of their names.
 * @throws UserError when there are none, or one of them is no file that can be read.
 */
export function findFiles(pattern: string, what: string): SourceFile[] {
  const files = findFilesIfAny(pattern);
  if (files.length > 0) return files;
  throw new UserError(
    `Expected ${what} at ${shownPath(pattern)}, found no such file. ` +
      `Check the path (relative ones start at ${Deno.cwd()}); ` +
      "quote a glob, so that the shell leaves it alone.",
  );
}

/** @param folder that the pattern is within; its name is no pattern. */
export function findFilesIfAny(pattern: string, folder?: string): SourceFile[] {
  expectLocal(folder ?? pattern);
  return filesOf(pattern, folder).map((path) => ({ path, bytes: expectFile(path).size }));
}

/** How the name of a plain file goes on, and of a compressed one. */
export const COMPRESSIONS = ["", ".gz", ".zst"];

/**
 * Reads compressed files to their end: the engine reads one that was cut off as if it were a shorter one.
 * @throws UserError for one that is damaged.
 */
export async function checkCompressed(files: readonly SourceFile[], signal?: AbortSignal): Promise<void> {
  for (const { path } of files) {
    const decoder = decoderOf(path);
    if (!decoder) continue;
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    try {
      const fault = /\.zst$/i.test(path) ? await faultOfZstd(path) : undefined;
      if (fault !== undefined) throw new Error(fault);
      await piped(createReadStream(path), decoder, nowhere, { signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      const cause = error instanceof Error ? error.message : String(error);
      throw new UserError(
        `${path}: the compressed file is cut off or damaged (${cause}). Fetch or write it again.`,
        { cause: error },
      );
    }
  }
}

/**
 * Lines of text files as one column, and the file's path; chr(1) is in no sane text. Lines may end in either way (not
 * strict); where they end in both there are more blank ones.
 */
export function linesSql(paths: readonly string[]): string {
  const files = literal(paths.map(plainPath));
  return `read_csv(${files}, header = false, delim = chr(1), quote = '', escape = '', ` +
    "columns = {'line': 'VARCHAR'}, auto_detect = false, strict_mode = false, filename = 'clickgan file')";
}

/** How many rows there are below the headers, the bad ones among them. */
export async function rowsOfCsv(engine: Engine, paths: readonly string[]): Promise<number> {
  return await engine.number(`SELECT count(*) FROM ${linesSql(paths)}`) - paths.length;
}

/** The first line of a text file, whatever it is compressed with. @throws UserError for an empty file. */
export async function firstLine(engine: Engine, path: string): Promise<string> {
  const line = await engine.value(`SELECT line FROM ${linesSql([path])} LIMIT 1`);
  if (line === null) throw new UserError(`${path} is empty. Expected a header line and rows.`);
  return String(line).replace(/^\ufeff/, "").replace(/\r$/, "");
}

/** @throws UserError for a file whose header lacks a column or has them in another order than expected. */
export async function expectHeader(
  engine: Engine,
  files: readonly SourceFile[],
  columns: readonly string[],
): Promise<void> {
  for (const { path } of files) {
    const header = await firstLine(engine, path);
    const found = header.split(",").map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
    if (found.length === columns.length && found.every((name, k) => name === columns[k])) continue;
    const missing = columns.filter((name) => !found.includes(name));
    const other = [";", "\t", "|"].find((delimiter) => header.split(delimiter).length === columns.length);
    const hint = other
      ? `The columns seem to be separated by ${other === "\t" ? "tabs" : other}: separate them by commas.`
      : missing.length > 0
      ? `Missing: ${missing.join(", ")}.`
      : "Put them in this order.";
    throw new UserError(
      `${path}:1: expected the columns ${columns.join(",")}, found ${header.slice(0, 200)}. ${hint}`,
    );
  }
}

export interface TextLine {
  readonly text: string;
  /** Number of the line, from 1. */
  readonly line: number;
}

export interface TextRecord {
  readonly fields: readonly string[];
  /** Number of its first line, from 1. */
  readonly line: number;
}

/** Lines of a plain or compressed file, without what ends them. */
export async function* linesOf(path: string): AsyncGenerator<TextLine> {
  let rest = "";
  let line = 1;
  for await (const chunk of chunksOf(path)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) yield { text: text.replace(/\r$/, ""), line: line++ };
  }
  if (rest !== "") yield { text: rest, line };
}

/** Records of CSV: a quoted value may go over several lines. */
export async function* recordsOf(path: string, delimiter: string): AsyncGenerator<TextRecord> {
  let begun: TextLine | undefined;
  for await (const { text, line } of linesOf(path)) {
    const record: TextLine = begun ? { text: `${begun.text}\n${text}`, line: begun.line } : { text, line };
    const { fields, open } = fieldsOf(record.text, delimiter);
    begun = open ? record : undefined;
    if (!open) yield { fields, line: record.line };
  }
}

/** @returns the values of a record of CSV, and whether the last one's quote is still open. */
export function fieldsOf(text: string, delimiter: string): { fields: string[]; open: boolean } {
  const fields: string[] = [];
  for (let at = 0;;) {
    let value = "";
    if (text[at] === '"') {
      for (at++;; at += 2) {
        const end = text.indexOf('"', at);
        if (end < 0) return { fields: [...fields, value + text.slice(at)], open: true };
        value += text.slice(at, end);
        at = end;
        if (text[at + 1] !== '"') break;
        value += '"';
      }
      at++;
    }
    const end = text.indexOf(delimiter, at);
    fields.push(value + text.slice(at, end < 0 ? undefined : end));
    if (end < 0) return { fields, open: false };
    at = end + delimiter.length;
  }
}

async function* chunksOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const decoder = decoderOf(path);
  // Whoever reads stops when everything is found; that the rest is not read is no error.
  const bytes = decoder ? pipeline(file, decoder, () => {}) : file;
  const utf8 = new TextDecoder();
  for await (const chunk of bytes) yield utf8.decode(chunk, { stream: true });
}

/** What decompresses a file (.gz or .zst); undefined for a plain one. */
function decoderOf(path: string): Transform | undefined {
  if (/\.gz$/i.test(path)) return createGunzip();
  return /\.zst$/i.test(path) ? createZstdDecompress() : undefined;
}

// Whether a zstd file is whole (RFC 8878): the decoders read what was cut off as if it were shorter. Walks from block to block,
// reading their headers alone.

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
