/** Which files a part of a prepared data set consists of. */

import type { Part } from "../prepared/files.ts";
import { explainMissing, kindOf } from "../../run/files/local_file.ts";
import { explainFileError } from "../../run/files/file_error.ts";
import { UserError } from "../../user_error.ts";

/**
 * The files of a part, in order: `users.parquet`, or the files of a folder `users` by name.
 * @throws UserError for none, for both, and for what stands among them and would be left out.
 */
export function partFiles(folder: string, part: Part): string[] {
  const single = `${folder}/${part}.parquet`;
  const several = `${folder}/${part}`;
  const [file, parts] = [infoOf(single), infoOf(several)];
  if (file && !file.isFile) {
    throw new UserError(
      `${single}: expected a Parquet file, found ${kindOf(file)}. ` +
        (file.isDirectory ? `Rename it to ${part}: a folder of Parquet files is named so.` : "Write a file."),
    );
  }
  if (file && parts?.isDirectory) {
    throw new UserError(
      `Expected ${part}.parquet or a folder ${part} in ${folder}, found both. Remove the one that is not meant.`,
    );
  }
  if (file) return [single];
  const names = parts?.isDirectory ? namesIn(several) : [];
  if (names.length > 0) return names.sort().map((name) => `${several}/${name}`);
  throw new UserError(
    `Expected ${part}.parquet, or a folder ${part} of Parquet files, in ${folder}, found neither. Prepare the data again.`,
  );
}

/** Hidden files and those that begin with _ are marks of the engine that wrote the folder. */
function namesIn(folder: string): string[] {
  const names: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      if (/^[._]/.test(name)) continue;
      if (!name.endsWith(".parquet")) {
        throw new UserError(
          `${folder}: expected files that end in .parquet, found ${name}, which would be left out. Rename or remove it.`,
        );
      }
      names.push(name);
    }
  } catch (error) {
    throw explainFileError(error, "read the folder", folder);
  }
  return names;
}

/** Undefined where there is nothing. @throws UserError for what cannot be looked at, such as a link into nowhere. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    if (error instanceof Deno.errors.NotFound && !isLink(path)) return undefined;
    throw explainMissing(error, path);
  }
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}
