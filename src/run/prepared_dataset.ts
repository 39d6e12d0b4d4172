/** Opens a prepared data set for training: into memory, or, if it is large, packed into a file that is read user by user. */

import { createHash } from "node:crypto";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { PackedFileError } from "../data/sets/packed_file.ts";
import { PackedLog } from "../data/sets/packed_log.ts";
import { PackedItems } from "../data/sets/packed_items.ts";
import { PackedItemsWriter } from "../data/sets/packed_items_writer.ts";
import { PackedLogWriter } from "../data/sets/packed_log_writer.ts";
import { partFiles } from "../data/sets/part_files.ts";
import { openPreparedSet } from "../data/sets/prepared_folder.ts";
import type { Manifest } from "../data/manifest.ts";
import { readPreparedLog, readSetClicks, readSetItems } from "../data/prepared/read_log.ts";
import type { PreparedSet } from "../data/prepared/set.ts";
import { UserError } from "../user_error.ts";
import { checksum } from "./files/checksum.ts";
import { makeCache, openPacked } from "./packed_cache.ts";
import { thousands } from "../thousands.ts";

export interface PreparedOptions {
  readonly memoryRows: number;
  readonly cache?: string;
  readonly onProgress?: OnProgress;
  /** Told what is worth a line. */
  readonly onNote?: (text: string) => void;
}

/**
 * @returns the log, a checksum of all that it was read from, and what its manifest says.
 * @throws UserError for a folder that is no prepared data set, was damaged, or does not fit together.
 */
export async function openPrepared(
  folder: string,
  { memoryRows, cache, onProgress, onNote = console.error }: PreparedOptions,
): Promise<{ source: LogSource; sha256: string; manifest: Manifest }> {
  const set = await openPreparedSet(folder, (done, all) => onProgress?.("Reading users", done, all));
  onProgress?.("Checking files", 0, 1);
  const sha256 = await digest(set);
  const { manifest } = set;
  if (set.rows <= memoryRows) return { source: await readPreparedLog(set, onProgress), sha256, manifest };
  if (cache === undefined) {
    throw new UserError(
      `${folder} has ${
        thousands(set.rows)
      } displayed items, so it is to stay on disk, but there is no cache folder ` +
        "to pack it into: set HOME or XDG_CACHE_HOME, or raise --memory-rows.",
    );
  }
  try {
    await makeCache(`${cache}/logs`);
    const source = await pack(set, `${cache}/logs/${sha256.slice(0, 32)}`, onNote, onProgress);
    return { source, sha256, manifest };
  } catch (error) {
    if (!(error instanceof PackedFileError)) throw error;
    throw new UserError(
      `${error.message} This is the cache, where a data set that stays on disk is packed: name another folder for it ` +
        `with XDG_CACHE_HOME, or read this one into memory with --memory-rows ${set.rows}.`,
      { cause: error },
    );
  }
}

/** @param path of its two files in the cache, without their endings. */
async function pack(
  set: PreparedSet,
  path: string,
  onNote: (text: string) => void,
  onProgress: OnProgress | undefined,
): Promise<LogSource> {
  const items = await openPacked(`${path}.items`, PackedItems.open, onNote, async (path) => {
    using writer = PackedItemsWriter.create(path, set.shape(0));
    await readSetItems(set, (chunk) => writer.write(chunk), onProgress);
    writer.finish();
  });
  try {
    const open = (path: string) => PackedLog.open(path, set.name, items);
    return await openPacked(`${path}.clicks`, open, onNote, async (path) => {
      using writer = PackedLogWriter.create(path);
      await readSetClicks(set, items.shape.count, (chunk) => writer.write(chunk), onProgress);
      writer.finish();
    });
  } catch (error) {
    items.close();
    throw error;
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
