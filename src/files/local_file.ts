/**
 * Reads files whose paths come from the user, and explains errors of reading and writing. Only regular files on this machine are
 * read, because reading a device or a FIFO may never end.
 */

import { UserError } from "../user_error.ts";
import { createHash, type Hash } from "node:crypto";

/**
 * Converts an error of the file system to a UserError that names path, cause and remedy.
 *
 * @param doing: the action that failed, as a verb after "cannot": "write", "read", "make the folder"
 * @returns a UserError, or `error` itself if `error` is not an error of the file system
 */
export function explainFileError(error: unknown, doing: string, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const where = formatPath(path);
  if (error instanceof Deno.errors.NotCapable) {
    if (/^\/(dev|proc|sys)(\/|$)/.test(path)) {
      return new UserError(
        `cannot ${doing} ${where}: the path is in a system folder that this program must not use. ` +
          "Choose a path of a regular file or folder.",
        { cause: error },
      );
    }
    return new UserError(
      `cannot ${doing} ${where}: this process was started without permission for it. ` +
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
  return new UserError(`cannot ${doing} ${where}: ${cause}. ${remedy}`, { cause: error });
}

/** Largest number of characters of a path in a message. Longer paths are shortened. */
const MOST_SHOWN = 300;

/** Formats a path for a message: on one line, and shortened if the path is long. */
export function formatPath(path: string): string {
  if (path === "") return '"" (an empty path)';
  // deno-lint-ignore no-control-regex
  const line = path.replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  if (line.length <= MOST_SHOWN) return line;
  return `${line.slice(0, MOST_SHOWN / 2)}...${line.slice(-MOST_SHOWN / 4)} (${path.length} characters)`;
}

/** Cause and remedy by the operating system's error code. A third text, if present, is the remedy after a failed read. */
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
  EEXIST: ["a file of this name exists", "Remove or rename the file, or choose another path."],
  EISDIR: [
    "it is a folder, and a file was expected",
    "Remove or rename the folder, or choose another path.",
    "Name a file in it, such as a run's best-loss.safetensors.",
  ],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter one."],
  EINVAL: ["the system does not take this name", "Choose a name without unusual characters."],
  ELOOP: [
    "links lead to each other in a loop",
    "Remove the loop, or choose another path.",
    "Name the file itself instead of a link to it.",
  ],
  ENXIO: ["the path leads to nothing that can be read or written", "Choose a path of a regular file."],
  ENODEV: ["the path leads to a device that does not exist", "Choose a path of a regular file."],
  EBUSY: ["another program uses the file", "Wait until the program has ended, or choose another path."],
  ETXTBSY: ["the file is a running program", "Wait until the program has ended, or choose another path."],
  EMFILE: ["too many files are open", "Close other programs, or raise the limit (ulimit -n)."],
  ENFILE: ["too many files are open on this machine", "Close other programs, or raise the limit."],
  ENOMEM: ["the system has no memory left", "Close other programs."],
  ENOTEMPTY: ["the folder is not empty", "Empty it, or choose another path."],
  ESTALE: ["the network drive has lost the file", "Connect the drive again."],
  ETIMEDOUT: ["the network drive does not answer", "Connect the drive again."],
  EIO: ["the disk reports a fault", "Check the disk, or choose another one."],
};

function errorCode(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

export async function pathExists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw explainFileError(error, "look at", path);
  }
}

/** @throws UserError for a URL such as s3://bucket/x. Files are not fetched from other machines. */
export function expectLocal(path: string): void {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path) ?? [];
  if (scheme === undefined) return;
  throw new UserError(
    `Expected a path on this machine, got ${formatPath(path)}: only local files are read. ` +
      (scheme.toLowerCase() === "file"
        ? "Name it without file://."
        : "Fetch the data first, or mount the bucket (data/spark/README.md), and name the file or folder."),
  );
}

/**
 * Stats a regular file without opening the file. Links are followed.
 * @throws UserError if the path does not exist, cannot be read, or does not lead to a regular file.
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
 * Opens a file for reading. Use this function, {@link readText} or {@link readBytes} for every file that a user may have replaced.
 * Opening a FIFO or a device would block the process, and Ctrl-C would not stop it.
 * @throws UserError if the path is not a file or a folder; the path is then not opened. Other errors are thrown unchanged.
 */
export function openFile(path: string): Deno.FsFile {
  expectReadable(path);
  return Deno.openSync(path);
}

/** Returns the text of a file. @throws as {@link openFile}. */
export async function readText(path: string): Promise<string> {
  expectReadable(path);
  return await Deno.readTextFile(path);
}

export function readTextSync(path: string): string {
  expectReadable(path);
  return Deno.readTextFileSync(path);
}

/** Returns the bytes of a file. @throws as {@link openFile}. */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  expectReadable(path);
  return await Deno.readFile(path);
}

export function readBytesSync(path: string): Uint8Array<ArrayBuffer> {
  expectReadable(path);
  return Deno.readFileSync(path);
}

/** Checks that a path leads to a file or a folder. Folders are accepted, because reading a folder fails without blocking. */
function expectReadable(path: string): void {
  if (!Deno.statSync(path).isDirectory) expectFile(path);
}

/** Converts an error of reading a path to a UserError. If the path is a broken link, the message reports the broken link. */
export function explainMissing(error: unknown, path: string): unknown {
  if (!(error instanceof Deno.errors.NotFound)) return explainFileError(error, "read", path);
  let target: string;
  try {
    target = Deno.readLinkSync(path);
  } catch {
    return explainFileError(error, "read", path);
  }
  return new UserError(
    `${formatPath(path)} is a link to ${formatPath(target)}, which is not there. Correct or remove the link.`,
    { cause: error },
  );
}

/** Names the kind of a file that is not regular, such as "a folder". */
export function describeFileKind(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a folder";
  if (info.isFifo) return "a FIFO (a named pipe)";
  if (info.isSocket) return "a socket";
  if (info.isBlockDevice) return "a block device";
  return info.isCharDevice ? "a character device" : "something that is neither file nor folder";
}

function suggestRemedy(info: Deno.FileInfo): string {
  return info.isDirectory ? "Name a file in it." : "Write the data to a file first, and name that file.";
}

/**
 * Computes the size and the hexadecimal SHA-256 checksum of a file. The file may be larger than memory.
 * @param also: a second hash that also gets the file's bytes. @throws UserError if the file cannot be read.
 */
export async function computeFileChecksum(
  path: string,
  also?: Hash,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    // The stream closes the file at its end.
    for await (const chunk of openFile(path).readable) {
      hash.update(chunk);
      also?.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  return { bytes, sha256: hash.digest("hex") };
}
