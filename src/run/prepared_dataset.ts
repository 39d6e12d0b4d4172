/** Opens a prepared data set for training: into memory, or, if it is large, packed into a file that is read user by user. */

import { createHash } from "node:crypto";
import { type ClickLog, type Clicks, type ItemFeatures, NONE } from "../data/click_log.ts";
import { joinItems } from "../data/item_catalogue.ts";
import { type LogSource, MemoryLog, type OnProgress } from "../data/log_source.ts";
import { DamagedPackedFile, PackedFileError } from "../data/packed_file.ts";
import { PackedLog } from "../data/packed_log.ts";
import { PackedItems } from "../data/packed_items.ts";
import { PackedItemsWriter } from "../data/packed_items_writer.ts";
import { PackedLogWriter } from "../data/packed_log_writer.ts";
import { partFiles } from "../data/part_files.ts";
import type { PageChunk } from "../data/prepared_pages.ts";
import { PreparedSet } from "../data/prepared_set.ts";
import { UserError } from "../user_error.ts";
import { checksum } from "../files/checksum.ts";
import { makeFolder } from "../files/atomic_write.ts";
import { explainFileError } from "../files/file_error.ts";
import { Lock } from "../files/lock.ts";
import { lockBeside } from "../files/owned_folder.ts";
import { removeTemporaries } from "../files/temporary_file.ts";

export interface PreparedOptions {
  readonly memoryRows: number;
  readonly cache?: string;
  readonly onProgress?: OnProgress;
  /** Told what is worth a line. */
  readonly onNote?: (text: string) => void;
}

/**
 * @returns the log, and a checksum of all that it was read from.
 * @throws UserError for a folder that is no prepared data set, was damaged, or does not fit together.
 */
export async function openPrepared(
  folder: string,
  { memoryRows, cache, onProgress, onNote = console.error }: PreparedOptions,
): Promise<{ source: LogSource; sha256: string }> {
  const set = await PreparedSet.open(folder, (done, all) => onProgress?.("Reading users", done, all));
  onProgress?.("Checking files", 0, 1);
  const sha256 = await digest(set);
  const readItems = async (take: (chunk: ItemFeatures) => void) => {
    const all = set.manifest.counts?.items;
    await set.readItems((chunk, before) => {
      onProgress?.("Reading items", before + chunk.count, all ?? before + chunk.count);
      take(chunk);
    });
  };
  const readClicks = (items: number, take: (chunk: Clicks) => void) =>
    readUsers(set, items, take, (done, all) => onProgress?.("Reading pages", done, all));
  if (set.rows <= memoryRows) {
    const chunks: ItemFeatures[] = [];
    await readItems((chunk) => chunks.push(chunk));
    const items = joinItems(set.shape(0), chunks);
    const log = inMemory(set, items);
    await readClicks(items.count, log.take);
    return { source: new MemoryLog(log.whole()), sha256 };
  }
  if (cache === undefined) {
    throw new UserError(
      `${folder} has ${
        set.rows.toLocaleString("en")
      } displayed items, so it is to stay on disk, but there is no cache folder ` +
        "to pack it into: set HOME or XDG_CACHE_HOME, or raise --memory-rows.",
    );
  }
  const path = `${cache}/logs/${sha256.slice(0, 32)}`;
  try {
    await makeCache(`${cache}/logs`);
    const items = await openPacked(`${path}.items`, PackedItems.open, onNote, async (path) => {
      using writer = PackedItemsWriter.create(path, set.shape(0));
      await readItems((chunk) => writer.write(chunk));
      writer.finish();
    });
    try {
      const open = (path: string) => PackedLog.open(path, set.name, items);
      const source = await openPacked(`${path}.clicks`, open, onNote, async (path) => {
        using writer = PackedLogWriter.create(path);
        await readClicks(items.shape.count, (chunk) => writer.write(chunk));
        writer.finish();
      });
      return { source, sha256 };
    } catch (error) {
      items.close();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof PackedFileError)) throw error;
    throw new UserError(
      `${error.message} This is the cache, where a data set that stays on disk is packed: name another folder for it ` +
        `with XDG_CACHE_HOME, or read this one into memory with --memory-rows ${set.rows}.`,
      { cause: error },
    );
  }
}

/** Opens a file of the cache: it is made where there is none, and made anew where it is not as it was written. */
async function openPacked<T>(
  path: string,
  open: (path: string) => T,
  onNote: (text: string) => void,
  make: (path: string) => Promise<void>,
): Promise<T> {
  const usable = async () => {
    if (!await exists(path)) return undefined;
    try {
      return open(path);
    } catch (error) {
      if (!(error instanceof DamagedPackedFile)) throw error;
      onNote(`the cache's file ${error.fault}: it is made anew from the data set`);
      return undefined;
    }
  };
  const found = await usable();
  if (found !== undefined) return found;
  // Another process may be packing the same data set: it is waited for, and its file taken.
  let waited = false;
  using _lock = await inCache(
    path,
    () =>
      Lock.wait(lockBeside(path), path, (holder) => {
        waited = true;
        onNote(`waiting for ${holder}, which packs the same data set`);
      }),
  );
  const theirs = waited ? await usable() : undefined;
  if (theirs !== undefined) return theirs;
  await make(path);
  return open(path);
}

async function makeCache(folder: string): Promise<void> {
  await inCache(folder, async () => {
    await makeFolder(folder);
    removeTemporaries(folder); // of processes that were killed while they packed
  });
}

/** Has what the system says of the cache told as such. */
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

/** Of all files, in order. @throws UserError for one that is not as the manifest says. */
async function digest(set: PreparedSet): Promise<string> {
  const { folder, manifest } = set;
  const hash = createHash("sha256").update(JSON.stringify(manifest.features));
  for (const part of ["users", "items", "pages"] as const) {
    const recorded = manifest.files[part];
    for (const path of partFiles(folder, part)) {
      const found = await checksum(path);
      if (recorded && recorded.sha256 !== found.sha256) {
        throw new UserError(
          `${path} is not what the manifest says (SHA-256 ${found.sha256.slice(0, 12)}..., expected ` +
            `${recorded.sha256.slice(0, 12)}...): it was damaged or changed. Prepare the data again.`,
        );
      }
      if (recorded && recorded.bytes !== found.bytes) {
        throw new UserError(
          `${path} is not what the manifest says (${found.bytes} bytes, expected ${recorded.bytes}): it was damaged or ` +
            "changed. Prepare the data again.",
        );
      }
      hash.update(found.sha256);
    }
  }
  return hash.digest("hex");
}

/** Hands over the pages as whole users; memory is that of a row group. */
async function readUsers(
  set: PreparedSet,
  items: number,
  take: (chunk: Clicks) => void,
  onRead?: (done: number, all: number) => void,
): Promise<void> {
  let user = 0;
  let kept: PageChunk[] = [];
  let events = 0;
  const users = set.userSplit.length;
  const flush = (end: number) => {
    if (end > user) take(chunkOf(set, user, end, kept));
    user = end;
    kept = [];
  };
  await set.readPages(items, (chunk, before) => {
    events = before + chunk.sizes.length;
    onRead?.(events, set.events);
    // The last user of the chunk may go on in the next.
    let end = user;
    while (end < users && (set.userEvents[end + 1] ?? Infinity) <= events) end++;
    const whole = (set.userEvents[end] ?? 0) - before;
    if (whole <= 0) {
      kept.push(chunk);
      return;
    }
    kept.push(part(chunk, 0, whole));
    flush(end);
    if (whole < chunk.sizes.length) kept.push(part(chunk, whole, chunk.sizes.length));
  });
  flush(users);
}

/** Pages from `first` to `end` of a chunk. */
function part({ sizes, clicks, given, items }: PageChunk, first: number, end: number): PageChunk {
  const rows = (from: number, to: number) => sizes.subarray(from, to).reduce((sum, size) => sum + size, 0);
  const start = rows(0, first);
  return {
    sizes: sizes.subarray(first, end),
    clicks: clicks.subarray(first, end),
    given: given.subarray(first, end),
    items: items.subarray(start, start + rows(first, end)),
  };
}

/** Users `first` to `end` with all of their pages. */
function chunkOf(set: PreparedSet, first: number, end: number, chunks: readonly PageChunk[]): Clicks {
  const from = set.userEvents[first] ?? 0;
  const events = (set.userEvents[end] ?? 0) - from;
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events);
  const eventGiven = new Uint8Array(events);
  const rowItem = new Uint32Array((set.userRows[end] ?? 0) - (set.userRows[first] ?? 0));
  let [event, row] = [0, 0];
  for (const { sizes, clicks, given, items } of chunks) {
    rowItem.set(items, row);
    sizes.forEach((size, k) => {
      eventRows[event] = row;
      const click = clicks[k] ?? NONE;
      eventClick[event] = click === NONE ? NONE : row + click;
      eventGiven[event] = given[k] ?? 0;
      row += size;
      event++;
    });
  }
  eventRows[events] = row;
  return {
    userSplit: set.userSplit.slice(first, end),
    userEvents: set.userEvents.slice(first, end + 1).map((running) => running - from),
    eventRows,
    eventClick,
    ...(eventGiven.includes(1) ? { eventGiven } : {}),
    rowItem,
  };
}

/** Collects chunks into one log. */
function inMemory(
  set: PreparedSet,
  items: ItemFeatures,
): { take: (chunk: Clicks) => void; whole: () => ClickLog } {
  const eventRows = new Uint32Array(set.events + 1);
  const eventClick = new Uint32Array(set.events);
  const eventGiven = new Uint8Array(set.events);
  const rowItem = new Uint32Array(set.rows);
  let [events, rows] = [0, 0];
  return {
    take(chunk) {
      chunk.eventClick.forEach((click, k) => {
        eventRows[events + k] = rows + (chunk.eventRows[k] ?? 0);
        eventClick[events + k] = click === NONE ? NONE : rows + click;
      });
      if (chunk.eventGiven) eventGiven.set(chunk.eventGiven, events);
      rowItem.set(chunk.rowItem, rows);
      events += chunk.eventClick.length;
      rows += chunk.rowItem.length;
      eventRows[events] = rows;
    },
    whole: () => ({
      name: set.name,
      items,
      userSplit: set.userSplit,
      userEvents: set.userEvents,
      eventRows,
      eventClick,
      ...(eventGiven.includes(1) ? { eventGiven } : {}),
      rowItem,
    }),
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
