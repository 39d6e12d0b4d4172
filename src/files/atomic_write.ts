/**
 * Files that are either whole or not there.
 *
 * Until the new contents of `train.csv` are whole they stand beside it in a temporary file, `.train.csv.clickgan-tmp`. Its
 * writer holds the operating system's lock on it; one that nobody holds was left by a process that was killed. The next
 * process that writes `train.csv` overwrites it, and the next one that owns the folder removes it.
 */

import { UserError } from "../user_error.ts";
import { describeFileKind, explainFileError, formatPath, openFile } from "./local_file.ts";
import { Buffer } from "node:buffer";
import { basename, dirname, join } from "node:path";
import { isAtPath, openLocked, tryLock } from "./lock.ts";
import { isHeld, requireMakeable, requireWritable } from "./write_scope.ts";

/** What a file holds: text (written as UTF-8), bytes, or several runs of bytes one after another. */
export type FileContents = string | Uint8Array | readonly Uint8Array[];

/** How long a file is waited for that another process is writing. */
const MOST_SECONDS = 30;
const LOOK_MS = 20;
/** Pieces are written together up to so many bytes. */
const RUN_BYTES = 2 ** 20;

/**
 * Writes a file so that its name stands for the old contents or for all of the new ones, never for a part: the
 * bytes go to a temporary file in the same folder, are forced to the disk, and only then take the final name. What
 * stood there keeps its permissions.
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
 * The same for contents that are made piece by piece, as they may be larger than memory.
 * @param make hands over the pieces in order; what it throws takes the file back.
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
 * Looks whether a file may be written at a path: nothing is there, or a regular file that is this process's own (it holds
 * the lock of the file or of a folder above it) or carries a mark. What is reached through a link is never replaced.
 * @param mark a text near the beginning or the end of every file of this kind, and in no other file. A line of its own has
 * a newline at both ends.
 * @returns the permissions that the file keeps. @throws UserError otherwise; errors of the file system as they are.
 */
export function expectReplaceable(path: string, mark?: string): number | undefined {
  const info = regularFile(path);
  if (!info) return undefined;
  const { mode } = info;
  if (!isHeld(path) && !(mark !== undefined && hasMark(path, mark))) {
    throw new UserError(
      `Expected ${formatPath(path)} to be free${
        mark === undefined ? "" : ", or an earlier file of this kind"
      }, found a file ` +
        "that this command did not make. Choose another path, or move the file away; nothing was changed.",
    );
  }
  return mode === null || Deno.build.os === "windows" ? undefined : mode & 0o777;
}

/**
 * Looks whether a file may be written in its place: nothing is there, or a regular file without a second name (a hard link),
 * which would be written to as well.
 * @throws UserError otherwise; errors of the file system as they are.
 */
export function expectSole(path: string): void {
  if ((regularFile(path)?.nlink ?? 1) === 1) return;
  throw new UserError(
    `Expected ${
      formatPath(path)
    } to be a file of its own, found a second name (a hard link) for it. Replace it by a copy.`,
  );
}

/** What stands at a path, without following a link; undefined for nothing. @throws UserError for no regular file. */
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
      : `Expected ${formatPath(path)} to be free or a regular file, found ${
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
 * Makes a folder and the folders above it; one that is there already is fine.
 *
 * @throws {UserError} when a file is in the way or the place cannot be written to
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

/** The same bytes in fewer runs: a snapshot has dozens of small tensors, and each write is a call of the system. */
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

/** `write` may take only a part of a large piece. */
async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

const ENDING = ".clickgan-tmp";

/** The temporary name of a file that will be at `path`. */
export function makeTemporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}${ENDING}`);
}

/** Whether a name is one that {@link makeTemporaryName} gives. */
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

/** Removes the temporary files of a folder whose writers are gone. Errors of the file system as they are. */
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

/** For cleaning up behind an error: what cannot be removed now is removed by the next owner. */
export function removeTemporary({ file, path }: TemporaryFile): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Gone, or beyond our reach: the error that led here is the one to report.
  }
  file.close();
}
