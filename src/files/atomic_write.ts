/** Files that are either whole or not there. */

import { explainFileError } from "./file_error.ts";

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
