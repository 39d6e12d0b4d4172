/** The files of a source: which there are, whether they are whole, and what columns they have. */

import { createReadStream } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../user_error.ts";
import { expectFile, expectLocal } from "../../run/files/local_file.ts";
import { shownPath } from "../../run/files/file_error.ts";
import { decoderOf } from "./decoder.ts";
import { type Engine, literal } from "./engine.ts";
import { filesOf, plainPath } from "./glob.ts";
import { faultOfZstd } from "./zstd_frames.ts";

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
      await pipeline(createReadStream(path), decoder, nowhere, { signal });
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
 * The numbers, from 1, of the lines that begin at these bytes of a text file (of what it holds, if it is compressed).
 * @param starts ascending, from 0.
 */
export async function linesAt(path: string, starts: readonly number[]): Promise<number[]> {
  const lines: number[] = [];
  let [line, before] = [1, 0];
  const file = createReadStream(path);
  const decoder = decoderOf(path);
  for await (const chunk of decoder ? file.pipe(decoder) : file) {
    let from = 0;
    for (;;) {
      const next = starts[lines.length];
      if (next === undefined) return lines;
      const end = Math.min(chunk.length, next - before);
      for (let at = chunk.indexOf(10, from); at >= 0 && at < end; at = chunk.indexOf(10, at + 1)) line++;
      from = end;
      if (before + chunk.length <= next) break;
      lines.push(line);
    }
    before += chunk.length;
  }
  while (lines.length < starts.length) lines.push(line);
  return lines;
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
