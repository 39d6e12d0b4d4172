/**
 * Reads the reader's own files: a script of its own, which the worker loads when the first such file is given. What it returns
 * is plain data, as the worker has classes of its own.
 */

import type { ClickLog } from "../../data/click_log.ts";
import { type LongLog, parseLongLog } from "../../data/long_log/long_log.ts";
import type { Manifest } from "../../data/manifest.ts";
import { MOST_PAPER_BYTES, parsePaperLog } from "../../data/paper_log.ts";
import type { Part, TableFile } from "../../prepared/files.ts";
import { readPreparedLog } from "../../prepared/read_log.ts";
import { PreparedSet } from "../../prepared/set.ts";
import { UserError } from "../../user_error.ts";
import { whole } from "../draw/number.ts";
import type { OwnFile } from "./own_file.ts";

/** What files say, or what is wrong with them. */
export type Read<T> = T | { readonly fault: string };

/** Told what is being done. */
type Tell = (what: string) => void;

/** A file in the paper's layout. */
export function readPaper({ path, file }: OwnFile): Promise<Read<{ readonly log: ClickLog }>> {
  return outcome(async () => {
    expectSize(path, file);
    return { log: parsePaperLog(path, await file.text()) };
  });
}

/** A CSV file with a row for each displayed item. */
export function readLong({ path, file }: OwnFile, tell: Tell): Promise<Read<LongLog>> {
  return outcome(async () => {
    expectSize(path, file);
    let told = 0;
    return await parseLongLog(path, await file.text(), (share) => {
      const percent = Math.floor(100 * share);
      if (percent === told) return;
      told = percent;
      tell(`Reading rows: ${percent} %`);
    });
  });
}

/** The tables of a prepared data set, whose manifest was read. */
export function readPrepared(
  manifest: Manifest,
  files: readonly OwnFile[],
  tell: Tell,
): Promise<Read<{ readonly log: ClickLog }>> {
  return outcome(async () => {
    const part = (part: Part) => tablesOf(files, part);
    const set = await PreparedSet.open({ folder: manifest.name, manifest, part });
    const { log } = await readPreparedLog(set, (what, done, all) => {
      tell(`${what}: ${Math.round(100 * done / Math.max(1, all))} %`);
    });
    return { log };
  });
}

/** What browsers throw where an array or a text is too long, or is not granted. */
function isTooLarge(error: unknown): error is RangeError {
  return error instanceof RangeError && /allocation|length|size|memory/i.test(error.message);
}

/** @throws UserError for more than one string holds. */
function expectSize(path: string, { size }: File): void {
  if (size <= MOST_PAPER_BYTES) return;
  throw new UserError(
    `${path}: ${whole(size)} bytes, expected at most ${
      whole(MOST_PAPER_BYTES)
    }. Give a part of its users, or leave out ` +
      "columns that are not needed.",
  );
}

async function outcome<T>(read: () => Promise<T>): Promise<Read<T>> {
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
