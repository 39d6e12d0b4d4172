/** Packed files in the cache folder: made when they are first asked for, and made anew when they are damaged. */

import { DamagedPackedFile, PackedFileError } from "../data/sets/packed_file.ts";
import { makeFolder } from "./files/atomic_write.ts";
import { explainFileError } from "./files/file_error.ts";
import { Lock } from "./files/lock.ts";
import { lockBeside } from "./files/owned_folder.ts";
import { removeTemporaries } from "./files/temporary_file.ts";
import { UserError } from "../user_error.ts";

/** Opens a file of the cache: it is made where there is none, and made anew where it is not as it was written. */
export async function openPacked<T>(
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

/** Makes the folder, and clears what killed processes left in it. @throws PackedFileError when the system refuses. */
export async function makeCache(folder: string): Promise<void> {
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

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
