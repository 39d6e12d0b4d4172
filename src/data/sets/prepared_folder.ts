/** A prepared data set in a folder. */

import { MANIFEST, type Manifest, parseManifest } from "../manifest.ts";
import { explainFileError, shownPath } from "../../run/files/file_error.ts";
import type { SetFiles } from "../prepared/files.ts";
import { PreparedSet } from "../prepared/set.ts";
import { UserError } from "../../user_error.ts";
import { expectFile, expectLocal } from "../../run/files/local_file.ts";
import { parquetFile } from "./parquet_file.ts";
import { partFiles } from "./part_files.ts";
import { thousands } from "../../thousands.ts";

/** A larger one is no list of what there is. */
const MOST_BYTES = 2 ** 26;

/**
 * Reads manifest and users.
 * @param onUsers told how many users are read so far, and of how many, where the manifest says it.
 * @throws UserError for a folder that is no prepared data set, or a damaged one.
 */
export async function openPreparedSet(
  folder: string,
  onUsers?: (done: number, all: number) => void,
): Promise<PreparedSet> {
  return await PreparedSet.open(setFiles(folder, await readManifest(folder)), onUsers);
}

/** The files of a set whose manifest was read. */
export function setFiles(folder: string, manifest: Manifest): SetFiles {
  return { folder, manifest, part: (part) => partFiles(folder, part).map(parquetFile) };
}

/** @throws UserError when the folder is no prepared data set. */
export async function readManifest(folder: string): Promise<Manifest> {
  expectLocal(folder);
  const path = `${folder}/${MANIFEST}`;
  let text: string;
  try {
    const { size } = expectFile(path);
    if (size > MOST_BYTES) {
      throw new UserError(
        `${path} has ${thousands(size)} bytes, ` +
          `expected at most ${thousands(MOST_BYTES)}. Prepare the data again.`,
      );
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (isMissing(error)) {
      throw new UserError(
        `Expected a prepared data set, a folder with a ${MANIFEST}, found none in ${shownPath(folder)}. ` +
          "Make one with deno task data.",
      );
    }
    throw explainFileError(error, "read", path);
  }
  return parseManifest(path, text);
}

function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof UserError && error.cause instanceof Deno.errors.NotFound);
}
