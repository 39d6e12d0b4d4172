import { createHash } from "node:crypto";
import { MANIFEST, type Manifest, parseManifest } from "../manifest.ts";
import {
  computeFileChecksum,
  describeFileKind,
  expectFile,
  expectLocal,
  explainFileError,
  explainMissing,
  formatPath,
  openFile,
  readBytesAt,
  readText,
  withFileErrorsSync,
} from "../../files/local_file.ts";
import { PreparedSet } from "../prepared_set.ts";
import type { SetFiles, TableName } from "../prepared_tables.ts";
import type { OpenFile, TableFile } from "../parquet.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";

/** Largest size of a manifest in bytes. */
const MOST_BYTES = 2 ** 26;

/**
 * Opens a prepared data set: reads the manifest and the table of users.
 * @param onUsers: called with the number of users read so far, and the number of all users.
 * @throws UserError for a folder that is not a prepared data set, or is damaged.
 */
export async function openPreparedSet(
  folder: string,
  onUsers?: (done: number, all: number) => void,
): Promise<PreparedSet> {
  return await PreparedSet.open(setFiles(folder, await readManifest(folder)), onUsers);
}

/** Returns the files of a prepared data set, given its manifest. */
export function setFiles(folder: string, manifest: Manifest): SetFiles {
  return { folder, manifest, part: (part) => listTableFiles(folder, part).map(openParquetFile) };
}

/** Reads a prepared data set's manifest. @throws UserError for a folder that is not a prepared data set. */
export async function readManifest(folder: string): Promise<Manifest> {
  expectLocal(folder);
  const path = `${folder}/${MANIFEST}`;
  let text: string;
  try {
    const { size } = expectFile(path);
    if (size > MOST_BYTES) {
      throw new UserError(
        `${path} has ${formatThousands(size)} bytes, ` +
          `expected at most ${formatThousands(MOST_BYTES)}. Prepare the data again.`,
      );
    }
    text = await readText(path);
  } catch (error) {
    if (isMissing(error)) {
      throw new UserError(
        `Expected a prepared data set (a folder with ${MANIFEST}), got ${formatPath(folder)}, ` +
          "which has no such file. Prepare a data set with deno task data.",
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

/**
 * Lists the files of a table, in order. For example, the table of users is either the file `users.parquet`,
 * or all files in the folder `users`, sorted by name.
 * @throws UserError if file and folder exist, if neither exists, or for another extension in the folder.
 */
export function listTableFiles(folder: string, part: TableName): string[] {
  const single = `${folder}/${part}.parquet`;
  const several = `${folder}/${part}`;
  const [file, parts] = [statTable(single), statTable(several)];
  if (file && !file.isFile) {
    throw new UserError(
      `${single}: expected a Parquet file, got ${describeFileKind(file)}. ` +
        (file.isDirectory ? `Rename the folder to ${part}, without an extension.` : "Write a file."),
    );
  }
  if (file && parts?.isDirectory) {
    throw new UserError(
      `Expected ${part}.parquet or a folder ${part} in ${folder}, got both. Remove one of them.`,
    );
  }
  if (file) return [single];
  const names = parts?.isDirectory ? namesIn(several) : [];
  if (names.length > 0) {
    const paths = names.sort().map((name) => `${several}/${name}`);
    paths.forEach(expectFile);
    return paths;
  }
  throw new UserError(
    `Expected ${part}.parquet, or a folder ${part} of Parquet files, in ${folder}, got neither. ` +
      "Prepare the data again.",
  );
}

/** Lists a folder's Parquet files. Names that begin with . or _ (such as _SUCCESS) are skipped. */
function namesIn(folder: string): string[] {
  const all = withFileErrorsSync("read the folder", folder, () => [...Deno.readDirSync(folder)]);
  const names = all.map(({ name }) => name).filter((name) => !/^[._]/.test(name));
  const other = names.find((name) => !name.endsWith(".parquet"));
  if (other === undefined) return names;
  throw new UserError(
    `${folder}: expected files that end in .parquet, got ${other}, which would be left out. ` +
      `Rename or remove ${other}.`,
  );
}

/** Returns a path's metadata; undefined if the path does not exist. @throws UserError if reading fails. */
function statTable(path: string): Deno.FileInfo | undefined {
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

/**
 * Computes the checksum of a table. If a table has several files, their concatenation is hashed.
 * @returns path of the table's file or folder, size in bytes, checksum, and checksum of each file.
 */
export async function computeTableChecksum(
  folder: string,
  part: TableName,
): Promise<{ path: string; bytes: number; sha256: string; each: readonly string[] }> {
  const paths = listTableFiles(folder, part);
  const [whole, each] = [createHash("sha256"), new Array<string>()];
  let bytes = 0;
  for (const path of paths) {
    const found = await computeFileChecksum(path, paths.length > 1 ? whole : undefined);
    bytes += found.bytes;
    each.push(found.sha256);
  }
  const [path = "", next] = paths;
  const [first = ""] = each;
  if (next === undefined) return { path, bytes, sha256: first, each };
  return { path: `${folder}/${part}`, bytes, sha256: whole.digest("hex"), each };
}

export function openParquetFile(path: string): TableFile {
  const open = () => {
    expectFile(path);
    return openFile(path);
  };
  return { path, open: () => toOpenFile(withFileErrorsSync("read", path, open)) };
}

function toOpenFile(file: Deno.FsFile): OpenFile {
  const byteLength = file.statSync().size;
  return {
    byteLength,
    slice(start: number, end = byteLength): ArrayBuffer {
      if (start < 0 || end < start || end > byteLength) throw new Error(`it ends before byte ${end}`);
      const bytes = new Uint8Array(end - start);
      if (readBytesAt(file, start, bytes) < bytes.length) throw new Error("it ends too early");
      return bytes.buffer;
    },
    [Symbol.dispose]: () => file.close(),
  };
}
