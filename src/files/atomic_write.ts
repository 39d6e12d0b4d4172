/**
 * Files that are either complete or absent.
 *
 * The new contents of `train.csv` are first written to a temporary file beside it, `.train.csv.clickgan-tmp`. Its writer
 * holds the operating system's lock on it; an unlocked one was left by a process that was killed. The next process that
 * writes `train.csv` overwrites it, and the next one that owns the folder removes it.
 */

import { UserError } from "../user_error.ts";
import { describeFileKind, explainFileError, formatPath, openFile } from "./local_file.ts";
import { Buffer } from "node:buffer";
import { basename, dirname, join } from "node:path";
import { isAtPath, openLocked, tryLock } from "./lock.ts";
import { isHeld, requireMakeable, requireWritable } from "./write_scope.ts";

/** Contents of a file: text (written as UTF-8), bytes, or several runs of bytes one after another. */
export type FileContents = string | Uint8Array | readonly Uint8Array[];

/** Maximum wait for a file that another process is writing. */
const MOST_SECONDS = 30;
const LOOK_MS = 20;
/** Smaller pieces are joined up to this size. */
const RUN_BYTES = 2 ** 20;

/**
 * Writes a file so that its name refers to the old contents or to all of the new ones, never to a part: the bytes go to a
 * temporary file in the same folder, are forced to the disk, and only then take the final name. The permissions of the old
 * file stay.
 *
 * @param mark see {@link expectReplaceable}
 * @throws {UserError} naming the path, the cause and the remedy; the temporary file is removed
 */
export function writeFileAtomically(path: string, contents: FileContents, mark?: string): Promise<void> {
  return writeAtomically(path, async (write) => {
    for (const run of runs(pieces(contents))) await write(run);
  }, mark);
}

/**
 * Writes contents piece by piece, as they may be larger than memory.
 * @param make writes the pieces in order; if it throws, the temporary file is removed.
 */
export async function writeAtomically(
  path: string,
  make: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  mark?: string,
): Promise<void> {
  const temporary = await orExplained(path, async () => {
    expectReplaceable(path, mark);
    return await waitForTemporary(path);
  });
  try {
    await make((bytes) => orExplained(path, () => writeAll(temporary.file, bytes)));
    await orExplained(path, async () => {
      const mode = expectReplaceable(path, mark); // something may have been put there meanwhile
      if (mode !== undefined) Deno.chmodSync(temporary.path, mode);
      await temporary.file.sync(); // otherwise a power cut could leave the new name with old or empty blocks
      await Deno.rename(temporary.path, requireWritable(path));
    });
  } catch (error) {
    removeTemporary(temporary);
    throw error;
  }
  temporary.file.close(); // only now: until it has its name, it is locked
}

async function orExplained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainFileError(error, "write", path);
  }
}

/** Bytes at each end of a file that are searched for a mark. */
const SEARCHED = 4096;

/**
 * Checks that a file may be written at a path: nothing exists there, or a regular file that is this process's own (it holds
 * the lock of the file or of a folder above it) or carries a mark. A file behind a link is never replaced.
 * @param mark a text near the beginning or the end of every file of this kind, and in no other file. A line of its own has a
 * newline at both ends.
 * @returns the permissions that the file keeps. @throws UserError otherwise; errors of the file system unchanged.
 */
export function expectReplaceable(path: string, mark?: string): number | undefined {
  const info = regularFile(path);
  if (!info) return undefined;
  const { mode } = info;
  if (!isHeld(path) && !(mark !== undefined && hasMark(path, mark))) {
    throw new UserError(
      `Expected ${formatPath(path)} to be free${
        mark === undefined ? "" : ", or an earlier file of this kind"
      }, got a file ` +
        "that this command did not make. Choose another path, or move the file away; nothing was changed.",
    );
  }
  return mode === null || Deno.build.os === "windows" ? undefined : mode & 0o777;
}

/**
 * Checks that a file may be written in its place: nothing exists there, or a regular file without a second name (a hard
 * link), which would change as well.
 * @throws UserError otherwise; errors of the file system unchanged.
 */
export function expectSole(path: string): void {
  if ((regularFile(path)?.nlink ?? 1) === 1) return;
  throw new UserError(
    `Expected ${
      formatPath(path)
    } to be a file of its own, got a second name (a hard link) for it. Replace it by a copy.`,
  );
}

/** Returns the file at a path, without following a link; undefined for nothing. @throws UserError unless it is a regular file. */
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
      ? `cannot write ${formatPath(path)}: it is a folder, and a file was expected. Choose another path.`
      : `Expected ${formatPath(path)} to be free or a regular file, got ${
        info.isSymlink ? "a link" : describeFileKind(info)
      }. ` +
        (info.isSymlink ? "Name the file that it leads to, or remove the link." : "Choose another path."),
  );
}

function hasMark(path: string, mark: string): boolean {
  using file = openFile(path);
  const { size } = file.statSync();
  const ends = [0, Math.max(0, size - SEARCHED)].map((at) => {
    const bytes = new Uint8Array(Math.min(SEARCHED, size));
    file.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0, read: number | null = 0; read !== null && done < bytes.length; done += read ?? 0) {
      read = file.readSync(bytes.subarray(done));
    }
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
    `cannot write ${path}: another process has been writing it for ${MOST_SECONDS} seconds. Wait until it has ended.`,
  );
}

/**
 * Creates a folder and the folders above it, unless they exist.
 * @throws {UserError} if a file is in the way or the folder cannot be written to
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(requireMakeable(path), { recursive: true });
  } catch (error) {
    throw explainFileError(error, "make the folder", path);
  }
}

function pieces(contents: FileContents): readonly Uint8Array[] {
  if (typeof contents === "string") return [new TextEncoder().encode(contents)];
  return contents instanceof Uint8Array ? [contents] : contents;
}

/** Joins pieces into fewer runs: a snapshot has dozens of small tensors, and each write is a system call. */
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

/** Writes all bytes, because `write` may take only a part of a large piece. */
async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

const ENDING = ".clickgan-tmp";

export function makeTemporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}${ENDING}`);
}

/** Returns true for a name that {@link makeTemporaryName} gives. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(ENDING) && name.length > ENDING.length + 1;
}

/** An empty file that only this process writes to. */
export interface TemporaryFile {
  readonly file: Deno.FsFile;
  readonly path: string;
}

/**
 * Opens the temporary file of the one that will be at `path`, empty.
 * @returns undefined while another process writes it.
 * @throws UserError if something else has its name; errors of the file system unchanged.
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

/** Removes the temporary files of a folder whose writers have ended. Errors of the file system are unchanged. */
export function removeTemporaries(folder: string): void {
  for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
    if (!isFile || !isTemporaryName(name)) continue;
    const path = join(folder, name);
    try {
      using file = Deno.openSync(path, { read: true, write: true });
      if (tryLock(file) && isAtPath(file, path)) Deno.removeSync(requireWritable(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // its writer has just given it its name
    }
  }
}

/** Cleans up after an error: a file that cannot be removed now is removed by the next owner. */
export function removeTemporary({ file, path }: TemporaryFile): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Already removed, or not removable: the error that led here is the one to report.
  }
  file.close();
}
