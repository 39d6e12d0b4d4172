/** Parquet files that others wrote, a row group at a time. */

import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../user_error.ts";

/** A file that is open. */
export interface OpenFile extends Disposable {
  /** Of the file. */
  readonly byteLength: number;
  /** The bytes from `start` to `end`, the file's end by default. */
  slice(start: number, end?: number): ArrayBuffer | Promise<ArrayBuffer>;
}

/** A file of a table. */
export interface TableFile {
  /** For messages. */
  readonly path: string;
  /** @throws UserError for a file that cannot be opened. */
  open(): OpenFile;
}

/** A column of a row group; its values are still to be checked one by one. */
export type ColumnValues = ArrayLike<unknown>;
/** Stands for a column that is not there, or not wanted. */
export const ABSENT: ColumnValues = [];

/** Rows of a file before a row group, and in it. */
export interface RowRange {
  readonly before: number;
  readonly rows: number;
}

/** Which columns are to be read, and whether they must be there; undefined for those that are not. */
export type RequiredColumns<Name extends string> = Readonly<Record<Name, "needed" | "optional" | undefined>>;

/**
 * Reads some columns of a file; memory is that of one row group.
 * @param take called for each row group in order, with the columns as named.
 * @returns how many rows there are.
 * @throws UserError for a file that is missing, damaged, or encrypted, lacks a column, or has one twice.
 */
export async function readParquet<Name extends string>(
  table: TableFile,
  columns: RequiredColumns<Name>,
  take: (columns: Readonly<Record<Name, ColumnValues>>, range: RowRange) => void,
): Promise<number> {
  const { path } = table;
  using file = table.open();
  try {
    await expectMagic(path, file);
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    expectPlain(path, metadata);
    expectCodecs(path, metadata);
    const names = Object.keys(columns) as Name[];
    const there = expectColumns(path, metadata, names, columns);
    let before = 0;
    for (const group of metadata.row_groups) {
      const rows = toWholeNumber(group.num_rows, 2 ** 31);
      if (rows < 0) throw new Error(`a row group of ${group.num_rows} rows`);
      if (rows > 0) take(await readGroup(file, metadata, names, there, { before, rows }), { before, rows });
      before += rows;
    }
    if (BigInt(before) !== BigInt(metadata.num_rows)) {
      throw new Error(`it says ${metadata.num_rows} rows and has ${before}`);
    }
    return before;
  } catch (error) {
    throw damaged(path, error, "Prepare the data again.");
  }
}

/** @throws UserError for a file that does not begin and end as one. @param remedy what to do then. */
export async function expectParquet(table: TableFile, remedy: string): Promise<void> {
  const { path } = table;
  using file = table.open();
  try {
    await expectMagic(path, file);
  } catch (error) {
    throw damaged(path, error, remedy);
  }
}

function damaged(path: string, error: unknown, remedy: string): UserError {
  if (error instanceof UserError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  return new UserError(`${path}: not a Parquet file, or a damaged one (${cause}). ${remedy}`, {
    cause: error,
  });
}

const MAGIC = "PAR1";
const ENCRYPTED = "PARE";
/** Magic, length of the metadata, magic: less is no file of the kind. */
const LEAST_BYTES = 12;

/** Where the first bytes are missing, the metadata at the end point to wrong places. */
async function expectMagic(path: string, file: OpenFile): Promise<void> {
  const { byteLength } = file;
  if (byteLength === 0) throw new UserError(`${path} is empty. Prepare the data again.`);
  if (byteLength < LEAST_BYTES) throw new Error(`it has ${byteLength} bytes`);
  const text = async (at: number) => String.fromCharCode(...new Uint8Array(await file.slice(at, at + 4)));
  const [begin, end] = [await text(0), await text(byteLength - 4)];
  if (begin === ENCRYPTED && end === ENCRYPTED) throw encrypted(path);
  if (begin !== MAGIC) throw new Error("it does not begin as one");
  if (end !== MAGIC) throw new Error("it does not end as one");
}

function expectPlain(path: string, { row_groups }: FileMetaData): void {
  if (row_groups.some(({ columns }) => columns.some((column) => column.crypto_metadata))) {
    throw encrypted(path);
  }
}

/** What hyparquet reads by itself. */
const OWN_CODECS = ["UNCOMPRESSED", "SNAPPY"];

/** @throws UserError for a compression that cannot be read here: a page carries fewer than a host. */
function expectCodecs(path: string, { row_groups }: FileMetaData): void {
  const others = Object.entries(compressors).filter(([, read]) => read).map(([codec]) => codec);
  const known = new Set([...OWN_CODECS, ...others]);
  const used = row_groups.flatMap(({ columns }) => columns.map(({ meta_data }) => meta_data?.codec));
  const unknown = used.find((codec) => codec !== undefined && !known.has(codec));
  if (unknown === undefined) return;
  throw new UserError(
    `${path}: expected a compression that can be read here (${[...known].join(", ")}), found ${unknown}. ` +
      "Write the file with one of these.",
  );
}

function encrypted(path: string): UserError {
  return new UserError(
    `${path}: expected a plain Parquet file, found an encrypted one. Write it without a key.`,
  );
}

/** @returns those columns that are there, each once. */
function expectColumns<Name extends string>(
  path: string,
  metadata: FileMetaData,
  names: readonly Name[],
  columns: RequiredColumns<Name>,
): Name[] {
  const found = parquetSchema(metadata).children.map(({ element }) => element.name);
  const there = names.filter((name) => columns[name] && found.includes(name));
  const needed = names.filter((name) => columns[name] === "needed");
  const missing = needed.filter((name) => !there.includes(name));
  if (missing.length > 0) {
    throw new UserError(
      `${path}: expected the columns ${needed.join(", ")}, ` +
        `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing; found ${
          found.join(", ") || "none"
        }.`,
    );
  }
  const twice = there.find((name) => found.indexOf(name) !== found.lastIndexOf(name));
  if (twice === undefined) return there;
  throw new UserError(`${path}: expected one column ${twice}, found several. Leave out all but one of them.`);
}

async function readGroup<Name extends string>(
  file: AsyncBuffer,
  metadata: FileMetaData,
  names: readonly Name[],
  there: readonly Name[],
  { before, rows }: RowRange,
): Promise<Record<Name, ColumnValues>> {
  // Whatever fails in onChunk would be lost: it only takes down what there is.
  const chunks: { readonly name: string; readonly data: ColumnValues; readonly from: number }[] = [];
  await parquetRead({
    file,
    metadata,
    compressors,
    columns: [...there],
    rowStart: before,
    rowEnd: before + rows,
    onChunk: ({ columnName, columnData, rowStart }) =>
      chunks.push({ name: columnName, data: columnData, from: rowStart }),
  });
  const read = Object.fromEntries(names.map((name) => [name, ABSENT])) as Record<Name, ColumnValues>;
  for (const name of there) {
    const column = new Array<unknown>(rows);
    let filled = 0;
    for (const { data, from } of chunks.filter((chunk) => chunk.name === name)) {
      for (let k = 0; k < data.length; k++) {
        const row = from + k - before;
        if (row < 0 || row >= rows) continue;
        column[row] = data[k];
        filled++;
      }
    }
    if (filled !== rows) throw new Error(`${name} has ${filled} values in ${rows} rows`);
    read[name] = column;
  }
  return read;
}

// Values of Parquet files that others wrote, whatever type their column has: whether each is allowed there. Nothing is
// rounded, cut off, or read as 0. For a value that is not allowed the functions return -1 or NaN and throw nothing: they
// are called for millions of values.

/** A whole number of 0 to less than `end`; -1 for anything else, NULL as well. */
export function toWholeNumber(value: unknown, end: number): number {
  // 64-bit integers: what rounds here is beyond any end.
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && number < end && Number.isInteger(number) ? number : -1;
}

/** The 32-bit float next to a number; NaN for anything else, NULL and what is beyond such floats as well. */
export function toFloat32(value: unknown): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  const float = typeof number === "number" ? Math.fround(number) : NaN;
  return Number.isFinite(float) ? float : NaN;
}

/** A value as a message has it. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string" && /^[a-z][\w.-]{0,59}$/i.test(value)) return value;
  if (typeof value === "string") return `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}"`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "a time" : value.toISOString();
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "a structure" : String(value);
}
