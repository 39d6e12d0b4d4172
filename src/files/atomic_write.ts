/**
 * Files that are either whole or not there.
 *
 * Until the new contents of `train.csv` are whole they stand beside it in a temporary file, `.train.csv.clickgan-tmp`. Its
 * writer holds the operating system's lock on it; one that nobody holds was left by a process that was killed. The next
 * process that writes `train.csv` overwrites it, and the next one that owns the folder removes it.
 */

import { UserError } from "../user_error.ts";
import { explainFileError } from "./local_file.ts";
import { Buffer } from "node:buffer";
import { basename, dirname, join } from "node:path";
import { holdsPath, openLocked, tryLock } from "./lock.ts";
import { makeable, writable } from "./write_scope.ts";

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
 * stood there keeps its permissions; of a link, the file that it leads to is replaced.
 *
 * @throws {UserError} naming the path, the cause and the remedy; the temporary file is removed
 */
export function atomicWriteFile(path: string, contents: FileContents): Promise<void> {
  return atomicWrite(path, async (write) => {
    for (const run of runs(pieces(contents))) await write(run);
  });
}

/**
 * The same for contents that are made piece by piece, as they may be larger than memory.
 * @param make hands over the pieces in order; what it throws takes the file back.
 */
export async function atomicWrite(
  path: string,
  make: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const { target, mode, temporary } = await orExplained(path, async () => {
    const found = replaced(path);
    return { ...found, temporary: await waitForTemporary(found.target) };
  });
  try {
    await make((bytes) => orExplained(path, () => writeAll(temporary.file, bytes)));
    await orExplained(path, async () => {
      if (mode !== undefined) Deno.chmodSync(temporary.path, mode);
      await temporary.file.sync(); // otherwise a power cut could leave the new name with old or empty blocks
      await Deno.rename(temporary.path, writable(target));
    });
  } catch (error) {
    discardTemporary(temporary);
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

/** Where the file really stands, and what its permissions are. */
function replaced(path: string): { target: string; mode?: number } {
  try {
    const target = Deno.lstatSync(path).isSymlink ? Deno.realPathSync(path) : path;
    const { isFile, mode } = Deno.statSync(target);
    if (!isFile) return { target };
    return { target, mode: mode === null || Deno.build.os === "windows" ? undefined : mode & 0o777 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { target: path };
    throw error;
  }
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
    await Deno.mkdir(makeable(path), { recursive: true });
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
      if (tryLock(file) && holdsPath(file, path)) Deno.removeSync(writable(path));
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
