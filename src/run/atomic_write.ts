/** Files that are either whole or not there, and errors of the file system in the user's words. */

import { UserError } from "../data/user_error.ts";

/** What a file holds: text (written as UTF-8), bytes, or several runs of bytes one after another. */
export type FileContents = string | Uint8Array | readonly Uint8Array[];

/**
 * Writes a file so that its name stands for the old contents or for all of the new ones, never for a part: the
 * bytes go to a temporary name in the same folder, are forced to the disk, and only then take the final name.
 *
 * @throws {UserError} naming the path, the cause and the remedy; the temporary file is removed
 */
export async function atomicWriteFile(path: string, contents: FileContents): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    for (const piece of pieces(contents)) await writeAll(file, piece);
    await file.sync(); // otherwise a power cut could leave the new name with old or empty blocks
  } catch (error) {
    await removeIfThere(temporary);
    throw explainFileError(error, "write", path);
  }
  try {
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfThere(temporary);
    throw explainFileError(error, "write", path);
  }
}

/**
 * Makes a folder and the folders above it; one that is there already is fine.
 *
 * @throws {UserError} when a file is in the way or the place cannot be written to
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw explainFileError(error, "make the folder", path);
  }
}

/**
 * Turns an error of the file system into a UserError with the path, the cause and the remedy.
 *
 * @param doing what failed, to be read after "cannot": "write", "read", "make the folder"
 * @returns the error to throw: a UserError, or `error` itself when it is no file-system error
 */
export function explainFileError(error: unknown, doing: string, path: string): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof Deno.errors.NotCapable) {
    return new UserError(
      `cannot ${doing} ${path}: this process was started without permission for it. ` +
        "Start it through its task (deno task ...), which permits the run folder, and name that folder with " +
        "--save-dir or --resume.",
      { cause: error },
    );
  }
  const code = errorCode(error);
  if (code === undefined) return error;
  const [cause, toWrite, toRead = toWrite] = CAUSES[code] ??
    [error.message, "Check the path, or choose another one."];
  const remedy = doing.startsWith("read") ? toRead : toWrite;
  return new UserError(`cannot ${doing} ${path}: ${cause}. ${remedy}`, { cause: error });
}

/** Cause and remedy by the operating system's code of the error; another remedy where something was to be read. */
const CAUSES: Readonly<Record<string, readonly [cause: string, remedy: string, toRead?: string]>> = {
  ENOSPC: ["the disk is full", "Free some space, or choose a folder on another disk."],
  EDQUOT: ["your disk quota is used up", "Free some space, or choose a folder on another disk."],
  EFBIG: ["the file would be larger than the system allows", "Raise the limit, or choose another disk."],
  EACCES: ["permission denied", "Change the permissions, or choose a path that this user may use."],
  EPERM: ["the system does not permit it", "Change the permissions, or choose another path."],
  EROFS: ["the file system is read-only", "Choose a folder that can be written to."],
  ENOENT: [
    "no such file or folder",
    "Check the spelling, and make the folder if it is missing.",
    "Check the spelling; relative paths start in the project's folder.",
  ],
  ENOTDIR: ["a part of this path is a file, not a folder", "Choose a path whose parts are folders."],
  EEXIST: ["a file of this name is in the way", "Remove or rename it, or choose another path."],
  EISDIR: [
    "it is a folder, and a file was expected",
    "Remove or rename the folder, or choose another path.",
    "Name a file in it, such as a run's best-loss.safetensors.",
  ],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter one."],
  EINVAL: ["the system does not take this name", "Choose a name without unusual characters."],
  EIO: ["the disk reports a fault", "Check the disk, or choose another one."],
};

function errorCode(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function pieces(contents: FileContents): readonly Uint8Array[] {
  if (typeof contents === "string") return [new TextEncoder().encode(contents)];
  return contents instanceof Uint8Array ? [contents] : contents;
}

/** `write` may take only a part of a large piece. */
async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // Never made, or beyond our reach: the error that led here is the one to report.
  }
}
