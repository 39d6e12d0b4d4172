/**
 * Reads the files that the user chose: one file in the layout of the paper's data, or all files of a prepared
 * data set. This file becomes a separate script, which is loaded when the user chooses the first file.
 */

import type { ClickLog } from "../../data/click_log.ts";
import { checkSource, MemoryLog } from "../../data/log_source.ts";
import type { FeatureManifest, Manifest, PageOrder } from "../../data/manifest.ts";
import { MOST_PAPER_BYTES, parsePaperLog } from "../../data/paper_log.ts";
import type { TableFile } from "../../data/parquet.ts";
import { PreparedSet, readPreparedLog } from "../../data/prepared_set.ts";
import type { TableName } from "../../data/prepared_tables.ts";
import { UserError } from "../../user_error.ts";
import { isPaperHead, suggestCommand } from "../../data/guess_columns.ts";
import { formatCount } from "../draw/text.ts";

/** A file that the user chose, with its path in the dropped folder. */
export interface ReaderFile {
  readonly path: string;
  readonly file: File;
}

export interface ReaderData {
  readonly kind: "paper" | "prepared";
  readonly log: ClickLog;
  readonly features?: FeatureManifest;
  /** Order of the items on a page: the displayed order, or an arbitrary one; undefined if unknown. */
  readonly pageOrder?: PageOrder | undefined;
}

export interface ReadContext {
  report(what: string): void;
  /** Parses manifest.json. @throws UserError if `text` is not a manifest */
  parseManifest(path: string, text: string): Manifest;
}

/** A CSV header or a line of JSON is searched for in this many bytes at the start of a file. */
const HEAD_BYTES = 1 << 16;

/**
 * Returns a shell command that prepares a log for the lab; undefined if the lab can read the files as is.
 * @throws UserError if a file is empty, or if there are several files but no prepared data set
 */
export async function checkFiles(files: readonly ReaderFile[]): Promise<string | undefined> {
  const [first, ...others] = files;
  const empty = files.find(({ file }) => file.size === 0);
  if (empty) {
    throw new UserError(`Expected a log, got an empty file: ${empty.path}. Choose the file with the log.`);
  }
  if (isPrepared(files)) return undefined;
  if (!first || others.length > 0) throw createFilesError(files);
  if (/\.(gz|zst)$/i.test(first.path)) return suggestCommand(first.path, "");
  const head = await readHead(first);
  return isPaperHead(head) ? undefined : suggestCommand(first.path, head);
}

/** Reads the chosen files. @throws UserError if a file is invalid or too large for the browser */
export async function readFiles(files: readonly ReaderFile[], context: ReadContext): Promise<ReaderData> {
  try {
    for (const file of files) await expectReadable(file);
    if (isPrepared(files)) return await readPrepared(files, context);
    const [first, ...others] = files;
    if (!first || others.length > 0) throw createFilesError(files);
    return await readPaper(first, context);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    throw new UserError(
      `The data do not fit in the memory of this tab (${error.message}). Use fewer users, or train in a ` +
        "terminal: deno task -q train --help.",
    );
  }
}

async function readPaper({ path, file }: ReaderFile, { report }: ReadContext): Promise<ReaderData> {
  if (file.size > MOST_PAPER_BYTES) {
    const [size, most] = [file.size, MOST_PAPER_BYTES].map(formatCount);
    throw new UserError(`${path}: expected at most ${most} bytes, got ${size}. Use a file with fewer users.`);
  }
  report(`Reading ${path}`);
  return { kind: "paper", log: parsePaperLog(path, await file.text()) };
}

const isManifest = ({ path }: ReaderFile) => path.split("/").at(-1) === "manifest.json";
const isPrepared = (files: readonly ReaderFile[]) =>
  files.some((file) => isManifest(file) || /\.parquet$/i.test(file.path));

function createFilesError(files: readonly ReaderFile[]): UserError {
  const paths = files.map(({ path }) => path).join(", ") || "nothing";
  return new UserError(
    `Expected one tab-separated log, or all files of a prepared data set, got ${paths}.`,
  );
}

async function readHead({ path, file }: ReaderFile): Promise<string> {
  const head = await file.slice(0, HEAD_BYTES).text();
  if (!head.includes("\0")) return head;
  throw new UserError(
    `${path}: expected text, got binary data. Choose a tab-separated log, or a prepared data set.`,
  );
}

/** Checks that a file can still be read. @throws UserError for a file that changed after it was chosen */
async function expectReadable({ path, file }: ReaderFile): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${path}: the browser can no longer read the file (${cause}), because it was changed, moved or ` +
        "removed. Choose the file again.",
    );
  }
}

async function readPrepared(files: readonly ReaderFile[], context: ReadContext): Promise<ReaderData> {
  const manifestFile = files.find(isManifest);
  if (!manifestFile) {
    const paths = files.map(({ path }) => path).join(", ");
    throw new UserError(
      "Expected all files of a prepared data set (manifest.json, users.parquet, items.parquet, " +
        `pages.parquet), got ${paths}. Choose the files of a folder that deno task data wrote.`,
    );
  }
  const manifest = context.parseManifest(manifestFile.path, await manifestFile.file.text());
  const part = (part: TableName) => listTableFiles(files, part);
  const set = await PreparedSet.open({ folder: manifest.name, manifest, part });
  const { log } = await readPreparedLog(set, (what, done, all) => {
    context.report(`${what}: ${Math.round(100 * done / Math.max(1, all))} %`);
  });
  const source = new MemoryLog(log);
  checkSource(source);
  const { features, pageOrder } = manifest;
  return { kind: "prepared", log, features, pageOrder };
}

/** Returns true if an array or string was too long, or could not be allocated. */
function isTooLarge(error: unknown): error is RangeError {
  return error instanceof RangeError && /allocation|length|size|memory/i.test(error.message);
}

/** Returns a table's single file, or all files in the table's folder, sorted by name. */
function listTableFiles(files: readonly ReaderFile[], part: TableName): TableFile[] {
  const single = files.filter(({ path }) => path.endsWith(`/${part}.parquet`) || path === `${part}.parquet`);
  const inFolder = files.filter(({ path }) => new RegExp(`(^|/)${part}/[^._/][^/]*\\.parquet$`).test(path));
  const found = single.length > 0 ? single : inFolder;
  if (found.length === 0) {
    throw new UserError(
      `Expected ${part}.parquet or a folder ${part} with Parquet files, got ${
        files.map(({ path }) => path).join(", ")
      }. Choose all files of the prepared data set at once.`,
    );
  }
  return found.toSorted((a, b) => a.path < b.path ? -1 : 1).map(({ path, file }) => ({
    path,
    open: () => ({
      byteLength: file.size,
      slice: (start: number, end?: number) => file.slice(start, end).arrayBuffer(),
      [Symbol.dispose]() {},
    }),
  }));
}
