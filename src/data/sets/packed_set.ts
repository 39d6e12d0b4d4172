/** Opens a prepared data set for training. Large sets are packed into cache files, not read into memory. */

import { createHash } from "node:crypto";
import { checkSplits, type Split } from "../click_log.ts";
import type { LogSource, OnProgress } from "../log_source.ts";
import { DamagedPackedFileError, PackedFileError } from "./packed_file.ts";
import { PackedLog, PackedLogWriter } from "./packed_log.ts";
import { PackedItems, PackedItemsWriter } from "./packed_items.ts";
import { computeTableChecksum, openPreparedSet } from "./prepared_folder.ts";
import type { Manifest } from "../manifest.ts";
import { type PreparedSet, readPreparedLog } from "../prepared_set.ts";
import type { TableName } from "../prepared_tables.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";
import { makeFolder, removeTemporaries } from "../../files/atomic_write.ts";
import { explainFileError, tryStat } from "../../files/local_file.ts";
import { Lock } from "../../files/lock.ts";
import { lockBeside } from "../../files/owned_folder.ts";

export interface PreparedOptions {
  /** Parts of the set (train, validation, test) that must have users; no part by default. */
  readonly needed?: readonly Split[];
  /** A set with at most this number of displayed items is read into memory; a larger set stays on disk. */
  readonly memoryRows: number;
  /** Cache folder for packed sets; undefined if the system has no cache folder. */
  readonly cache?: string;
  readonly onProgress?: OnProgress;
  readonly onNote?: (text: string) => void;
}

/**
 * Opens a prepared data set. @returns the log, a checksum of all files, and the manifest.
 * @throws UserError for a folder that is not a prepared data set, is damaged, or is inconsistent.
 */
export async function openPrepared(
  folder: string,
  { memoryRows, needed = [], cache, onProgress, onNote = console.error }: PreparedOptions,
): Promise<{ source: LogSource; sha256: string; manifest: Manifest }> {
  const set = await openPreparedSet(folder, (done, all) => onProgress?.("Reading users", done, all));
  onProgress?.("Checking files", 0, 1);
  const sha256 = await digest(set);
  checkSplits(folder, set.userSplit, needed);
  const { manifest } = set;
  if (set.rows <= memoryRows) return { source: await readPreparedLog(set, onProgress), sha256, manifest };
  if (cache === undefined) {
    throw new UserError(
      `${folder} has ${formatThousands(set.rows)} displayed items, too many for --memory-rows, ` +
        "and there is no cache folder for a packed copy: set HOME or XDG_CACHE_HOME, or raise --memory-rows.",
    );
  }
  try {
    await makeCache(`${cache}/logs`);
    const source = await pack(set, `${cache}/logs/${sha256.slice(0, 32)}`, onNote, onProgress);
    return { source, sha256, manifest };
  } catch (error) {
    if (!(error instanceof PackedFileError)) throw error;
    throw new UserError(
      `${error.message} Choose another folder for the cache of data sets with XDG_CACHE_HOME, ` +
        `or read this data set into memory with --memory-rows ${set.rows}.`,
      { cause: error },
    );
  }
}

/** Packs a data set into two files in the cache: `path`.items and `path`.clicks. */
async function pack(
  set: PreparedSet,
  path: string,
  onNote: (text: string) => void,
  onProgress: OnProgress | undefined,
): Promise<LogSource> {
  const items = await openPacked(`${path}.items`, PackedItems.open, onNote, async (path) => {
    using writer = PackedItemsWriter.create(path, set.shape(0));
    await set.readItems((chunk) => writer.write(chunk), onProgress);
    writer.finish();
  });
  try {
    const open = (path: string) => PackedLog.open(path, set.name, items, set.manifest.sampledPages);
    return await openPacked(`${path}.clicks`, open, onNote, async (path) => {
      using writer = PackedLogWriter.create(path);
      await set.readClicks(items.shape.count, (chunk) => writer.write(chunk), onProgress);
      writer.finish();
    });
  } catch (error) {
    items.close();
    throw error;
  }
}

/** Returns a checksum of all files of a set. @throws UserError if a file does not match the manifest. */
async function digest(set: PreparedSet): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(set.manifest.features));
  for (const part of ["users", "items", "pages"] as const) {
    for (const sha256 of (await expectChecksum(set, part)).each) hash.update(sha256);
  }
  return hash.digest("hex");
}

/** Returns a table's checksum. @throws UserError if the checksum differs from that in the manifest. */
export async function expectChecksum({ folder, manifest }: PreparedSet, part: TableName) {
  const found = await computeTableChecksum(folder, part);
  const recorded = manifest.files[part];
  if (!recorded || (recorded.sha256 === found.sha256 && recorded.bytes === found.bytes)) return found;
  const text = ({ bytes, sha256 }: typeof recorded) => `SHA-256 ${sha256.slice(0, 12)}..., ${bytes} bytes`;
  throw new UserError(
    `${found.path} does not match the manifest (${text({ ...recorded, ...found })}; expected ` +
      `${text(recorded)}): it was damaged or changed. Prepare the data again.`,
  );
}

/** Opens a file in the cache. A missing file is created, and a damaged file is created again. */
async function openPacked<T>(
  path: string,
  open: (path: string) => T,
  onNote: (text: string) => void,
  make: (path: string) => Promise<void>,
): Promise<T> {
  const usable = () => {
    if (!tryStat(path)?.isFile) return undefined;
    try {
      return open(path);
    } catch (error) {
      if (!(error instanceof DamagedPackedFileError)) throw error;
      onNote(`the cache's file ${error.fault}: the file is created again from the data set`);
      return undefined;
    }
  };
  const found = usable();
  if (found !== undefined) return found;
  // If another process is packing the same data set, wait for that process, and then use its file.
  let waited = false;
  using _lock = await inCache(
    path,
    () =>
      Lock.wait(lockBeside(path), path, (holder) => {
        waited = true;
        onNote(`waiting for ${holder}, which is packing the same data set`);
      }),
  );
  const theirs = waited ? usable() : undefined;
  if (theirs !== undefined) return theirs;
  await make(path);
  return open(path);
}

/** Creates the cache folder, and removes temporary files of killed processes. @throws PackedFileError. */
async function makeCache(folder: string): Promise<void> {
  await inCache(folder, async () => {
    await makeFolder(folder);
    removeTemporaries(folder);
  });
}

/** Calls `work`, and converts a system error to a {@link PackedFileError}. */
async function inCache<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const explained = explainFileError(error, "write", path);
    throw explained instanceof UserError
      ? new PackedFileError(explained.message, { cause: error })
      : explained;
  }
}
