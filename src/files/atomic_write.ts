/**
 * Writes files atomically: after a write, a file either has all new contents or is unchanged.
 *
 * New contents of `train.csv` are first written to the temporary file `.train.csv.clickgan-tmp` in the same
 * folder. The writing process locks the temporary file. If the process is killed, the temporary file stays
 * until the next write of `train.csv` overwrites it, or the next command that locks the folder removes it.
 */

import { UserError } from "../user_error.ts";
import { describeFileKind, formatPath, openFile, readBytesAt, withFileErrors } from "./local_file.ts";
import { Buffer } from "node:buffer";
import { basename, dirname, join } from "node:path";
import { isAtPath, openLocked, tryLock } from "./lock.ts";
import { isHeld, requireMakeable, requireWritable } from "./write_scope.ts";

/** Contents of a file: text (written as UTF-8), an array of bytes, or several arrays (written in order). */
export type FileContents = string | Uint8Array | readonly Uint8Array[];

/** Maximum time, in seconds, to wait for a file that another process is writing. */
const MOST_SECONDS = 30;
const LOOK_MS = 20;
/** Small arrays are joined up to this size, in bytes, so that one call writes them. */
const RUN_BYTES = 2 ** 20;

/**
 * Writes a file atomically: at any time, the file has either all old or all new contents. The bytes are
 * written to a temporary file in the same folder and flushed to the disk. Then the temporary file is renamed.
 * An existing file keeps its permissions.
 *
 * @param mark - see {@link expectReplaceable}
 * @throws {UserError} that names path, cause and remedy
 */
export function writeFileAtomically(path: string, contents: FileContents, mark?: string): Promise<void> {
  return writeAtomically(path, async (write) => {
    for (const run of runs(pieces(contents))) await write(run);
  }, mark);
}

/**
 * Writes a file atomically and in pieces, so that the contents may be larger than memory.
 * @param make - passes all contents, in order, to `write`. If `make` throws, the temporary file is removed.
 */
export async function writeAtomically(
  path: string,
  make: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  mark?: string,
): Promise<void> {
  const temporary = await withFileErrors("write", path, async () => {
    expectReplaceable(path, mark);
    return await waitForTemporary(path);
  });
  try {
    await make((bytes) => withFileErrors("write", path, () => writeAll(temporary.file, bytes)));
    await withFileErrors("write", path, async () => {
      const mode = expectReplaceable(path, mark); // again, because a file may have appeared meanwhile
      if (mode !== undefined) Deno.chmodSync(temporary.path, mode);
      await temporary.file.sync(); // otherwise, a power cut could leave old or empty blocks
      await Deno.rename(temporary.path, requireWritable(path));
    });
  } catch (error) {
    removeTemporary(temporary);
    throw error;
  }
  temporary.file.close(); // after renaming, because closing unlocks the file
}

/** The first and the last 4,096 bytes of a file are searched for a mark (see {@link expectReplaceable}). */
const SEARCHED = 4096;

/**
 * Checks that a file may be written at a path. An existing file must be a regular file (not a link). It must
 * contain `mark`, except if this process has locked the file or the file's folder.
 * @param mark - text that only files of one kind contain, near the beginning or the end. A mark that begins
 * with a newline is found only at the start of a line. @returns the file's permissions.
 * @throws UserError if the file may not be written. Errors of the file system are passed on as they are.
 */
export function expectReplaceable(path: string, mark?: string): number | undefined {
  const info = regularFile(path);
  if (!info) return undefined;
  const { mode } = info;
  if (!isHeld(path) && !(mark !== undefined && hasMark(path, mark))) {
    throw new UserError(
      `${formatPath(path)} exists already${mark === undefined ? "" : ", and this command did not write it"}` +
        ". Choose another path, or move the file away; nothing was changed.",
    );
  }
  return mode === null || Deno.build.os === "windows" ? undefined : mode & 0o777;
}

/**
 * Checks that a file may be changed in place. An existing file must be a regular file without further hard
 * links, because a write would change the file under all its names.
 * @throws UserError if the file may not be changed. Errors of the file system are passed on as they are.
 */
export function expectSole(path: string): void {
  if ((regularFile(path)?.nlink ?? 1) === 1) return;
  throw new UserError(
    `Expected a file without hard links, got ${formatPath(path)} with several. Replace it by a copy.`,
  );
}

/** Returns a file's metadata; undefined for a missing file. @throws UserError if not a regular file. */
function regularFile(path: string): Deno.FileInfo | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (info.isFile) return info;
  throw new UserError(
    info.isDirectory
      ? `cannot write ${formatPath(path)}: the path is a folder, not a file. Choose another path.`
      : `Expected ${formatPath(path)} to be a regular file or missing, got ${
        info.isSymlink ? "a link" : describeFileKind(info)
      }. ` +
        (info.isSymlink ? "Name the link's target, or remove the link." : "Choose another path."),
  );
}

function hasMark(path: string, mark: string): boolean {
  using file = openFile(path);
  const { size } = file.statSync();
  const ends = [0, Math.max(0, size - SEARCHED)].map((at) => {
    const bytes = new Uint8Array(Math.min(SEARCHED, size));
    readBytesAt(file, at, bytes);
    return new TextDecoder().decode(bytes);
  });
  return ends.some((text, k) => `${k === 0 ? "\n" : ""}${text}`.includes(mark));
}

async function waitForTemporary(path: string): Promise<TemporaryFile> {
  for (let waited = 0; waited < 1000 * MOST_SECONDS; waited += LOOK_MS) {
    const temporary = openTemporary(path);
    if (temporary) return temporary;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  throw new UserError(
    `cannot write ${path}: another process has been writing it for ${MOST_SECONDS} s. Wait until it ends.`,
  );
}

/**
 * Creates a folder, including missing parent folders.
 * @throws {UserError} if the path is a file, or if the folder cannot be created
 */
export async function makeFolder(path: string): Promise<void> {
  await withFileErrors("make the folder", path, () => Deno.mkdir(requireMakeable(path), { recursive: true }));
}

function pieces(contents: FileContents): readonly Uint8Array[] {
  if (typeof contents === "string") return [new TextEncoder().encode(contents)];
  return contents instanceof Uint8Array ? [contents] : contents;
}

/** Joins small arrays, so that fewer system calls write them. */
function* runs(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for (const piece of pieces) {
    if (length > 0 && length + piece.length > RUN_BYTES) {
      yield Buffer.concat(waiting);
      [waiting, length] = [[], 0];
    }
    if (piece.length >= RUN_BYTES) yield piece;
    else {
      waiting.push(piece);
      length += piece.length;
    }
  }
  if (length > 0) yield Buffer.concat(waiting);
}

/** Calls `file.write` until all bytes are written: one call may write only a part of a large array. */
async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

const ENDING = ".clickgan-tmp";

export function makeTemporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}${ENDING}`);
}

/** Returns true for names of temporary files (see {@link makeTemporaryName}). */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(ENDING) && name.length > ENDING.length + 1;
}

export interface TemporaryFile {
  readonly file: Deno.FsFile;
  readonly path: string;
}

/**
 * Opens and locks an empty temporary file, for the new contents of the file at `path`.
 * @returns undefined if another process has locked the temporary file. @throws UserError if the temporary
 * file's path is a link, a folder or a device. Errors of the file system are passed on as they are.
 */
export function openTemporary(path: string): TemporaryFile | undefined {
  const temporary = makeTemporaryName(path);
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

/** Removes temporary files of ended processes from a folder. Throws file-system errors unchanged. */
export function removeTemporaries(folder: string): void {
  for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
    if (!isFile || !isTemporaryName(name)) continue;
    const path = join(folder, name);
    try {
      using file = Deno.openSync(path, { read: true, write: true });
      if (tryLock(file) && isAtPath(file, path)) Deno.removeSync(requireWritable(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // another process may have just renamed it
    }
  }
}

/** Removes a temporary file after an error. Does not throw if the removal fails. */
export function removeTemporary({ file, path }: TemporaryFile): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The file is already removed, or cannot be removed. The caller reports the earlier error only.
  }
  file.close();
}
