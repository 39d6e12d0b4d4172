/** Reads the reader's own files. What is returned is plain data, as the worker has classes of its own. */

import { type ClickLog, splits } from "../../../data/click_log.ts";
import { checkSource, MemoryLog } from "../../../data/log_source.ts";
import { parseLongLog } from "../../../data/long_log/long_log.ts";
import type { Features, Manifest, Places } from "../../../data/manifest.ts";
import { parsePaperLog } from "../../../data/paper_log.ts";
import type { Part, TableFile } from "../../../prepared/files.ts";
import { expectParts } from "../../../prepared/parts.ts";
import { readPreparedLog } from "../../../prepared/read_log.ts";
import { PreparedSet } from "../../../prepared/set.ts";
import { UserError } from "../../../user_error.ts";
import type { ChosenColumns, OwnFile } from "../own_file.ts";
import { isManifest, type LogFiles, lookAt } from "./look.ts";
import { textOf } from "./own_text.ts";

/** What files say, or what is wrong with them. */
export type Read<T> = T | { readonly fault: string };

/** What the files hold. */
export interface OwnData {
  readonly kind: "paper" | "prepared";
  readonly log: ClickLog;
  /** What the features of its items mean, where the data say it. */
  readonly features?: Features;
  /** Whether the items of its pages are in the order in which they were shown, where that is known. */
  readonly places?: Places | undefined;
  /** How files were understood, and what of them is left out. */
  readonly notes?: readonly string[];
}

/** What the worker has. */
export interface Reading {
  /** Told what is being done. */
  tell(what: string): void;
  /** @throws UserError of the worker's for what is no manifest */
  parseManifest(path: string, text: string): Manifest;
}

/** @param columns of a log, where they have names of their own */
export function readOwn(
  files: readonly OwnFile[],
  columns: ChosenColumns | undefined,
  reading: Reading,
): Promise<Read<OwnData>> {
  return outcome(async () => {
    for (const file of files) await expectReadable(file);
    const found = await lookAt(files);
    if (found.kind === "prepared") return await readPrepared(files, reading);
    if (found.kind === "log") return await readLong(found, columns, reading);
    const { path } = found.log;
    return { kind: "paper", log: parsePaperLog(path, await textOf(found.log)) };
  });
}

/** @throws UserError for a file that has changed since it was chosen: browsers do not read such ones. */
async function expectReadable({ path, file }: OwnFile): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${path}: the browser cannot read the file any more (${cause}). It was changed, moved or removed after it was chosen: ` +
        "choose it again.",
    );
  }
}

async function readLong(
  { log, items }: LogFiles,
  columns: ChosenColumns | undefined,
  { tell }: Reading,
): Promise<OwnData> {
  let told = 0;
  const onRead = (share: number) => {
    const percent = Math.floor(100 * share);
    if (percent === told) return;
    told = percent;
    tell(`Reading rows: ${percent} %`);
  };
  const file = { path: log.path, text: await textOf(log) };
  const key = columns?.itemKey ?? columns?.log.item ?? "item";
  const known = items && { path: items.path, text: await textOf(items), key };
  return { kind: "prepared", ...await parseLongLog(file, { columns: columns?.log, items: known, onRead }) };
}

/** A set's manifest.json and its tables. */
async function readPrepared(
  files: readonly OwnFile[],
  { tell, parseManifest }: Reading,
): Promise<OwnData> {
  const about = files.find(isManifest);
  if (!about) {
    throw new UserError(
      `Expected the files of a prepared data set, manifest.json, users.parquet, items.parquet and pages.parquet, all at once; ` +
        `got ${files.map(({ path }) => path).join(", ")}. A folder that deno task data made has them.`,
    );
  }
  const manifest = parseManifest(about.path, await about.file.text());
  const part = (part: Part) => tablesOf(files, part);
  const set = await PreparedSet.open({ folder: manifest.name, manifest, part });
  const { log } = await readPreparedLog(set, (what, done, all) => {
    tell(`${what}: ${Math.round(100 * done / Math.max(1, all))} %`);
  });
  const source = new MemoryLog(log);
  expectParts(source.name, source, splits);
  checkSource(source);
  const { features, places } = manifest;
  return { kind: "prepared", log, features, places };
}

/** What browsers throw where an array or a text is too long, or is not granted. */
function isTooLarge(error: unknown): error is RangeError {
  return error instanceof RangeError && /allocation|length|size|memory/i.test(error.message);
}

/** What comes of reading, for the scripts beside this one, which have classes of their own. */
export async function outcome<T>(read: () => Promise<T>): Promise<Read<T>> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) return { fault: error.message };
    if (isTooLarge(error)) {
      return {
        fault:
          `The data do not fit the memory of this tab (${error.message}). Give a part of the users, or train in a terminal: ` +
          "deno task train --help.",
      };
    }
    throw error;
  }
}

/** The files of a table, in the order of their names: its own, or those of its folder. */
function tablesOf(files: readonly OwnFile[], part: Part): TableFile[] {
  const single = files.filter(({ path }) => path.endsWith(`/${part}.parquet`) || path === `${part}.parquet`);
  const inFolder = files.filter(({ path }) => new RegExp(`(^|/)${part}/[^._/][^/]*\\.parquet$`).test(path));
  const found = single.length > 0 ? single : inFolder;
  if (found.length === 0) {
    throw new UserError(
      `Expected ${part}.parquet, or a folder ${part} of Parquet files, among ${
        files.map(({ path }) => path).join(", ")
      }, found neither. Give all files of the prepared data set at once.`,
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
