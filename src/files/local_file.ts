/**
 * Reads files whose paths a user has typed, and explains errors of reading and writing. Only regular files on
 * this machine are read: reading a device or a FIFO may never end.
 */

import { UserError } from "../user_error.ts";
import { createHash, type Hash } from "node:crypto";

/**
 * Converts an error of the file system to a UserError that names path, cause and remedy.
 *
 * @param doing - the failed action: "write", "read" or "make the folder"
 * @returns a UserError, or `error` itself if the file system did not cause it
 */
export function explainFileError(error: unknown, doing: string, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const where = formatPath(path);
  if (error instanceof Deno.errors.NotCapable) {
    if (/^\/(dev|proc|sys)(\/|$)/.test(path)) {
      return new UserError(
        `cannot ${doing} ${where}: the path is in a system folder, which this program does not use. ` +
          "Choose another path.",
        { cause: error },
      );
    }
    return new UserError(
      `cannot ${doing} ${where}: this process has no permission for the path. ` +
        "Start the command with deno task, and name the folder with --save-dir or --resume.",
      { cause: error },
    );
  }
  const code = errorCode(error);
  if (code === undefined) return error;
  const [cause, toWrite, toRead = toWrite] = CAUSES[code] ??
    [error.message, "Check the path, or choose another path."];
  const remedy = doing.startsWith("read") ? toRead : toWrite;
  return new UserError(`cannot ${doing} ${where}: ${cause}. ${remedy}`, { cause: error });
}

/** Calls `work`, and throws its file-system errors as UserErrors; see {@link explainFileError}. */
export function withFileErrorsSync<T>(doing: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explainFileError(error, doing, path);
  }
}

/** Calls an asynchronous `work`, and throws its file-system errors as UserErrors. */
export async function withFileErrors<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainFileError(error, doing, path);
  }
}

/** Maximum length of a path in a message, in characters. Longer paths are shortened. */
const MOST_SHOWN = 300;

/** Formats a path for a message: on one line, and with at most about {@link MOST_SHOWN} characters. */
export function formatPath(path: string): string {
  if (path === "") return '"" (an empty path)';
  // deno-lint-ignore no-control-regex
  const line = path.replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  if (line.length <= MOST_SHOWN) return line;
  return `${line.slice(0, MOST_SHOWN / 2)}...${line.slice(-MOST_SHOWN / 4)} (${path.length} characters)`;
}

/** Cause and remedy of each error code of the system. `toRead`: remedy for a failed read, if it differs. */
const CAUSES: Readonly<Record<string, readonly [cause: string, remedy: string, toRead?: string]>> = {
  ENOSPC: ["the disk is full", "Free some space, or choose a folder on another disk."],
  EDQUOT: ["your disk quota is used up", "Free some space, or choose a folder on another disk."],
  EFBIG: [
    "the file would be larger than the system allows",
    "Raise the limit of the file size, or choose another disk.",
  ],
  EACCES: ["permission denied", "Change the permissions, or choose a path that this user may use."],
  EPERM: ["the system does not permit it", "Change the permissions, or choose another path."],
  EROFS: ["the file system is read-only", "Choose a folder in which files can be written."],
  ENOENT: [
    "no such file or folder",
    "Check the spelling, and create the folder if it is missing.",
    "Check the spelling. A relative path starts in the project folder.",
  ],
  ENOTDIR: ["a part of this path is a file, not a folder", "Choose a path that leads through folders only."],
  EEXIST: ["a file with this name exists", "Remove or rename the file, or choose another path."],
  EISDIR: [
    "the path is a folder, and a file was expected",
    "Remove or rename the folder, or choose another path.",
    "Name a file in the folder, such as best-loss.safetensors.",
  ],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter name."],
  EINVAL: ["the system does not accept this name", "Choose a name without unusual characters."],
  ELOOP: [
    "links lead to each other in a loop",
    "Remove one of these links, or choose another path.",
    "Name the file itself instead of a link to it.",
  ],
  ENXIO: ["nothing at the path can be read or written", "Choose a path of a regular file."],
  ENODEV: ["the path leads to a device that does not exist", "Choose a path of a regular file."],
  EBUSY: ["another program uses the file", "Wait until the program has ended, or choose another path."],
  ETXTBSY: ["the file is a running program", "Wait until the program has ended, or choose another path."],
  EMFILE: ["too many files are open", "Close other programs, or raise the limit of open files (ulimit -n)."],
  ENFILE: ["too many files are open on this machine", "Close other programs, or raise the system's limit."],
  ENOMEM: ["the system has no memory left", "Close other programs."],
  ENOTEMPTY: ["the folder is not empty", "Empty the folder, or choose another path."],
  ESTALE: ["the network drive has lost the file", "Connect the drive again."],
  ETIMEDOUT: ["the network drive does not answer", "Connect the drive again."],
  EIO: ["the disk reports an error", "Check the disk, or choose another disk."],
};

function errorCode(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Returns the metadata of a file or folder, following links; undefined if this fails. */
export function tryStat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined; // if the path is needed, opening it explains the error
  }
}

export async function pathExists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw explainFileError(error, "find", path);
  }
}

/** @throws UserError for a URL such as s3://bucket/x. Files are not fetched from other machines. */
export function expectLocal(path: string): void {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path) ?? [];
  if (scheme === undefined) return;
  throw new UserError(
    `Expected a path on this machine, got ${formatPath(path)}: only local files are read. ` +
      (scheme.toLowerCase() === "file"
        ? "Remove file:// from the path."
        : "Copy the data to this machine, or mount the bucket (data/spark/README.md)."),
  );
}

/**
 * Returns the metadata of a regular file without opening the file. Links are followed.
 * @throws UserError if the path does not exist, cannot be read, or is not a regular file.
 */
export function expectFile(path: string): Deno.FileInfo {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    throw explainMissing(error, path);
  }
  if (info.isFile) return info;
  throw new UserError(
    `${formatPath(path)}: expected a regular file, got ${describeFileKind(info)}. ${suggestRemedy(info)}`,
  );
}

/**
 * Opens a file for reading. Every file that may come from a user is opened with this function,
 * {@link readText} or {@link readBytes}, which refuse FIFOs and devices.
 * @throws UserError, before opening, if the path is neither a regular file nor a folder. Errors of
 * the file system are passed on as they are.
 */
export function openFile(path: string): Deno.FsFile {
  expectReadable(path);
  return Deno.openSync(path);
}

/** Reads a file from `position` until `bytes` is full or the file ends. @returns the number of bytes read */
export function readBytesAt(file: Deno.FsFile, position: number, bytes: Uint8Array): number {
  file.seekSync(position, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) return done;
    done += count;
  }
  return bytes.length;
}

export async function readText(path: string): Promise<string> {
  expectReadable(path);
  return await Deno.readTextFile(path);
}

export function readTextSync(path: string): string {
  expectReadable(path);
  return Deno.readTextFileSync(path);
}

export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  expectReadable(path);
  return await Deno.readFile(path);
}

export function readBytesSync(path: string): Uint8Array<ArrayBuffer> {
  expectReadable(path);
  return Deno.readFileSync(path);
}

/** Checks that a path is a regular file or a folder, because opening a FIFO or a device may block forever. */
function expectReadable(path: string): void {
  if (!Deno.statSync(path).isDirectory) expectFile(path);
}

/** Converts an error of a read to a UserError. If `path` is a broken link, the error names the target. */
export function explainMissing(error: unknown, path: string): unknown {
  if (!(error instanceof Deno.errors.NotFound)) return explainFileError(error, "read", path);
  let target: string;
  try {
    target = Deno.readLinkSync(path);
  } catch {
    return explainFileError(error, "read", path);
  }
  return new UserError(
    `${formatPath(path)} is a link to ${formatPath(target)}, which is missing. Correct or remove the link.`,
    { cause: error },
  );
}

export function describeFileKind(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a folder";
  if (info.isFifo) return "a FIFO (a named pipe)";
  if (info.isSocket) return "a socket";
  if (info.isBlockDevice) return "a block device";
  return info.isCharDevice ? "a character device" : "neither a file nor a folder";
}

function suggestRemedy(info: Deno.FileInfo): string {
  return info.isDirectory
    ? "Name a file in the folder."
    : "Write the data to a regular file, and name that file.";
}

/**
 * Computes the size and the hexadecimal SHA-256 checksum of a file. The file may be larger than memory.
 * @param also - another hash, which also gets all bytes of the file.
 * @throws UserError if the file cannot be read.
 */
export async function computeFileChecksum(
  path: string,
  also?: Hash,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  await withFileErrors("read", path, async () => {
    // The stream closes the file at its end.
    for await (const chunk of openFile(path).readable) {
      hash.update(chunk);
      also?.update(chunk);
      bytes += chunk.length;
    }
  });
  return { bytes, sha256: hash.digest("hex") };
}
