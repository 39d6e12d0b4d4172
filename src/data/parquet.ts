/** Parquet files, a row group at a time. */

import { type AsyncBuffer, parquetMetadataAsync, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { explainFileError } from "../files/file_error.ts";
import { UserError } from "../user_error.ts";

/** A column of a row group. */
export type Column = ArrayLike<unknown>;

/**
 * Reads some columns of a file; memory is that of one row group.
 * @param take called for each row group in order, with the columns as named.
 * @param optional those of the columns that may be missing: their values are undefined then.
 * @throws UserError for a file that is missing, damaged, or lacks a column.
 */
export async function readParquet<Name extends string>(
  path: string,
  columns: readonly Name[],
  take: (columns: Readonly<Record<Name, Column>>, rows: number) => void,
  optional: readonly Name[] = [],
): Promise<void> {
  let opened: Deno.FsFile;
  try {
    opened = Deno.openSync(path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  using handle = opened;
  const file = bufferOf(handle);
  try {
    const metadata = await parquetMetadataAsync(file);
    const present = new Set(metadata.schema.map(({ name }) => name));
    const there = columns.filter((name) => present.has(name));
    const missing = columns.filter((name) => !present.has(name) && !optional.includes(name));
    if (missing.length > 0) {
      throw new UserError(
        `${path}: expected the columns ${columns.join(", ")}, ${missing.join(", ")} ${
          missing.length > 1 ? "are" : "is"
        } ` +
          `missing; found ${metadata.schema.filter((_, k) => k > 0).map(({ name }) => name).join(", ")}.`,
      );
    }
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rows = Number(group.num_rows);
      const read = {} as Record<Name, unknown[]>;
      for (const name of columns) read[name] = new Array<unknown>(rows);
      await parquetRead({
        file,
        metadata,
        compressors,
        columns: there,
        rowStart,
        rowEnd: rowStart + rows,
        onChunk({ columnName, columnData, rowStart: from }) {
          const name = columns.find((name) => name === columnName);
          if (name === undefined) return;
          const column = read[name];
          for (let k = 0; k < columnData.length; k++) {
            const row = from + k - rowStart;
            if (row >= 0 && row < rows) column[row] = columnData[k];
          }
        },
      });
      take(read, rows);
      rowStart += rows;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path}: no Parquet file, or a damaged one (${cause}). Prepare the data again.`, {
      cause: error,
    });
  }
}

function bufferOf(file: Deno.FsFile): AsyncBuffer {
  const byteLength = file.statSync().size;
  return {
    byteLength,
    slice(start, end = byteLength) {
      const bytes = new Uint8Array(end - start);
      file.seekSync(start, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) {
        const count = file.readSync(bytes.subarray(done));
        if (count === null) throw new Error("it ends too early");
        done += count;
      }
      return bytes.buffer;
    },
  };
}
