/** Files that a user names: regular ones on this machine. Anything else may keep a reader waiting for ever. */

import { createHash, type Hash } from "node:crypto";
import { explainFileError, shownPath } from "./file_error.ts";
import { UserError } from "../user_error.ts";

/** @throws UserError for an address such as s3://bucket/x: nothing is fetched. */
export function expectLocal(path: string): void {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path) ?? [];
  if (scheme === undefined) return;
  throw new UserError(
    `Expected a path on this machine, found ${shownPath(path)}: only local files are read. ` +
      (scheme.toLowerCase() === "file"
        ? "Name it without file://."
        : "Fetch the data first, or mount the bucket (data/spark/README.md), and name the file or folder."),
  );
}

/**
 * A regular file, or a link to one.
 * @throws UserError for what is not there, cannot be looked at, or is something else; it is not opened.
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
    `${shownPath(path)}: expected a regular file, found ${kindOf(info)}. ${remedyOf(info)}`,
  );
}

/** The error to throw for a path that cannot be looked at: a link into nowhere is said to be one. */
export function explainMissing(error: unknown, path: string): unknown {
  if (!(error instanceof Deno.errors.NotFound)) return explainFileError(error, "read", path);
  let target: string;
  try {
    target = Deno.readLinkSync(path);
  } catch {
    return explainFileError(error, "read", path);
  }
  return new UserError(
    `${shownPath(path)} is a link to ${shownPath(target)}, which is not there. Correct or remove the link.`,
    { cause: error },
  );
}

/** What something that is no regular file is, in words. */
export function kindOf(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a folder";
  if (info.isFifo) return "a FIFO (a named pipe)";
  if (info.isSocket) return "a socket";
  if (info.isBlockDevice) return "a block device";
  return info.isCharDevice ? "a character device" : "something that is neither file nor folder";
}

function remedyOf(info: Deno.FileInfo): string {
  return info.isDirectory ? "Name a file in it." : "Write the data to a file first, and name that file.";
}

/**
 * SHA-256 of a file of any size, in hexadecimal, in bounded memory.
 * @param also takes the bytes, too. @throws UserError for a file that cannot be read.
 */
export async function checksum(path: string, also?: Hash): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const file = await Deno.open(path);
    // The stream closes the file.
    for await (const chunk of file.readable) {
      hash.update(chunk);
      also?.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  return { bytes, sha256: hash.digest("hex") };
}
