/**
 * Temporary files: `.train.csv.clickgan-tmp` beside `train.csv`, until the new contents are whole. Its writer holds the
 * operating system's lock on it; one that nobody holds was left by a process that was killed. The next process that
 * writes `train.csv` overwrites it, and the next one that owns the folder removes it.
 */

import { basename, dirname, join } from "node:path";
import { holdsPath, openLocked, tryLock } from "./lock.ts";

const ENDING = ".clickgan-tmp";

/** The temporary name of a file that will be at `path`. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}${ENDING}`);
}

/** Whether a name is one that {@link temporaryName} gives. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(ENDING) && name.length > ENDING.length + 1;
}

/** An empty file that this process alone writes to. */
export interface TemporaryFile {
  readonly file: Deno.FsFile;
  readonly path: string;
}

/**
 * Opens the temporary file of the one that will be at `path`, empty.
 * @returns undefined while another process writes it.
 * @throws UserError when something else has its name; errors of the file system as they are.
 */
export function openTemporary(path: string): TemporaryFile | undefined {
  const temporary = temporaryName(path);
  const file = openLocked(temporary, "a temporary file");
  if (!file) return undefined;
  try {
    file.truncateSync(0);
  } catch (error) {
    file.close();
    throw error;
  }
  return { file, path: temporary };
}

/** Removes the temporary files of a folder whose writers are gone. Errors of the file system as they are. */
export function removeTemporaries(folder: string): void {
  for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
    if (!isFile || !isTemporaryName(name)) continue;
    const path = join(folder, name);
    try {
      using file = Deno.openSync(path, { read: true, write: true });
      if (tryLock(file) && holdsPath(file, path)) Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // its writer has just given it its name
    }
  }
}

/** For cleaning up behind an error: what cannot be removed now is removed by the next owner. */
export function discardTemporary({ file, path }: TemporaryFile): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Gone, or beyond our reach: the error that led here is the one to report.
  }
  file.close();
}
