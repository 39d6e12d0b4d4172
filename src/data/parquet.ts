/** Reads Parquet files that any engine wrote, one row group at a time. */

import { parquetMetadataAsync, parquetRead, parquetSchema } from "hyparquet";
import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../user_error.ts";

export interface OpenFile extends Disposable {
  readonly byteLength: number;
  /** Reads the bytes from `start` to before `end`; without `end`, to the end of the file. */
  slice(start: number, end?: number): ArrayBuffer | Promise<ArrayBuffer>;
}

/** One of the Parquet files of a table. */
export interface TableFile {
  readonly path: string;
  /** @throws UserError for a file that cannot be opened. */
  open(): OpenFile;
}

/** Values of one column in a row group, of any type. */
export type ColumnValues = ArrayLike<unknown>;
/** Values of a column that was not requested, or that the file lacks. */
export const ABSENT: ColumnValues = [];

/** Number of rows of a row group, and number of rows in the file before this row group. */
export interface RowRange {
  readonly before: number;
  readonly rows: number;
}

/** Requirement for each column: "needed" (must be in the file), "optional", or undefined (not read). */
export type RequiredColumns<Name extends string> = Readonly<Record<Name, "needed" | "optional" | undefined>>;

/**
 * Reads some columns of a file, one row group at a time. @param take: called once per row group, in the
 * file's order, with the columns.
 * @returns the number of rows of the file.
 * @throws UserError if the file is missing, damaged or encrypted, or if a column is missing or occurs twice.
 */
export async function readParquet<Name extends string>(
  table: TableFile,
  columns: RequiredColumns<Name>,
  take: (columns: Readonly<Record<Name, ColumnValues>>, range: RowRange) => void,
): Promise<number> {
  const { path } = table;
  return await withParquet(table, "Prepare the data again.", async (file) => {
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    expectPlain(path, metadata);
    expectCodecs(path, metadata);
    const names = Object.keys(columns) as Name[];
    const there = expectColumns(path, metadata, names, columns);
    let before = 0;
    for (const group of metadata.row_groups) {
      const rows = toWholeNumber(group.num_rows, 2 ** 31);
      if (rows < 0) throw new Error(`expected row groups of 0 or more rows, got ${group.num_rows}`);
      if (rows > 0) take(await readGroup(file, metadata, names, there, { before, rows }), { before, rows });
      before += rows;
    }
    if (BigInt(before) !== BigInt(metadata.num_rows)) {
      throw new Error(`expected ${metadata.num_rows} rows as in the metadata, got ${before}`);
    }
    return before;
  });
}

/** Returns the names of a file's columns. @throws UserError if the file is missing, damaged or encrypted. */
export async function listParquetColumns(table: TableFile): Promise<string[]> {
  return await withParquet(table, "Write the file again.", async (file) => {
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    return parquetSchema(metadata).children.map(({ element }) => element.name);
  });
}

/** @throws UserError if a file does not begin and end with "PAR1". @param remedy: advice in the message. */
export async function expectParquet(table: TableFile, remedy: string): Promise<void> {
  await withParquet(table, remedy, () => Promise.resolve());
}

/** Opens a file, checks that it begins and ends with "PAR1", and calls `use`. */
async function withParquet<T>(
  table: TableFile,
  remedy: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  using file = table.open();
  try {
    await expectMagic(table.path, file);
    return await use(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    const text = `${table.path}: not a Parquet file, or a damaged one (${cause}). ${remedy}`;
    throw new UserError(text, { cause: error });
  }
}

const MAGIC = "PAR1";
const ENCRYPTED = "PARE";
/** Smallest size of a Parquet file: 4 bytes "PAR1", 4 bytes for the size of the metadata, 4 bytes "PAR1". */
const LEAST_BYTES = 12;

/** Checks that a file begins and ends with "PAR1". */
async function expectMagic(path: string, file: OpenFile): Promise<void> {
  const { byteLength } = file;
  if (byteLength === 0) {
    throw new UserError(`${path}: expected a Parquet file, got an empty file. Prepare the data again.`);
  }
  if (byteLength < LEAST_BYTES) throw new Error(`it has ${byteLength} bytes`);
  const text = async (at: number) => String.fromCharCode(...new Uint8Array(await file.slice(at, at + 4)));
  const [begin, end] = [await text(0), await text(byteLength - 4)];
  if (begin === ENCRYPTED && end === ENCRYPTED) throw encrypted(path);
  if (begin !== MAGIC) throw new Error(`it does not begin with ${MAGIC}`);
  if (end !== MAGIC) throw new Error(`it does not end with ${MAGIC}`);
}

function expectPlain(path: string, { row_groups }: FileMetaData): void {
  if (row_groups.some(({ columns }) => columns.some((column) => column.crypto_metadata))) {
    throw encrypted(path);
  }
}

/** Codecs that hyparquet decodes without hyparquet-compressors. */
const OWN_CODECS = ["UNCOMPRESSED", "SNAPPY"];

/** @throws UserError for an unsupported codec. */
function expectCodecs(path: string, { row_groups }: FileMetaData): void {
  const others = Object.entries(compressors).filter(([, read]) => read).map(([codec]) => codec);
  const known = new Set([...OWN_CODECS, ...others]);
  const used = row_groups.flatMap(({ columns }) => columns.map(({ meta_data }) => meta_data?.codec));
  const unknown = used.find((codec) => codec !== undefined && !known.has(codec));
  if (unknown === undefined) return;
  throw new UserError(
    `${path}: expected a supported compression (${[...known].join(", ")}), got ${unknown}. ` +
      "Write the file again with one of these compressions.",
  );
}

function encrypted(path: string): UserError {
  return new UserError(
    `${path}: expected a plain Parquet file, got an encrypted one. Write the file without encryption.`,
  );
}

/** @returns the requested columns. @throws UserError if a column is needed but missing, or occurs twice. */
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
        `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing; ` +
        `got ${found.join(", ") || "none"}.`,
    );
  }
  const twice = there.find((name) => found.indexOf(name) !== found.lastIndexOf(name));
  if (twice === undefined) return there;
  throw new UserError(`${path}: expected one column ${twice}, got several. Keep one of them.`);
}

async function readGroup<Name extends string>(
  file: AsyncBuffer,
  metadata: FileMetaData,
  names: readonly Name[],
  there: readonly Name[],
  { before, rows }: RowRange,
): Promise<Record<Name, ColumnValues>> {
  // onChunk only collects the data, because an error that onChunk throws would be lost.
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
    if (filled !== rows) throw new Error(`expected ${rows} values of ${name}, got ${filled}`);
    read[name] = column;
  }
  return read;
}

// Functions that convert values of any Parquet type. They never truncate, or round to a whole number. For an
// invalid value they return -1 or NaN, because throwing errors is too slow for millions of values.

/** Returns the value if it is a whole number from 0 to `end` - 1; otherwise -1, for example for NULL. */
export function toWholeNumber(value: unknown, end: number): number {
  // Number() rounds only integers beyond 2^53, which are larger than any `end`.
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && number < end && Number.isInteger(number) ? number : -1;
}

/** Returns the 32-bit float nearest to a number; NaN for a number out of range or a value of another type. */
export function toFloat32(value: unknown): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  const float = typeof number === "number" ? Math.fround(number) : NaN;
  return Number.isFinite(float) ? float : NaN;
}

export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string" && /^[a-z][\w.-]{0,59}$/i.test(value)) return value;
  if (typeof value === "string") return `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}"`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "a time" : value.toISOString();
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "a structure" : String(value);
}
