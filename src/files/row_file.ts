/** Writes tables to CSV or Parquet files, a group of rows at a time. Each file is written atomically. */

import { ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { type Cell, formatCsvRow, isFormula } from "../csv.ts";
import { writeAtomically } from "./atomic_write.ts";
import { UserError } from "../user_error.ts";

/** A column of a table file. `of` returns a row's value in this column. */
export interface RowColumn<Row> {
  readonly name: string;
  readonly type: "STRING" | "INT32" | "FLOAT" | "BOOLEAN";
  readonly nullable?: boolean;
  of(row: Row): Exclude<Cell, undefined>;
}

/** Smallest number of rows per Parquet row group; only the last group may be smaller. */
const ROWS = 2 ** 16;

/** Number of rows that were written, and of CSV cells that a spreadsheet may run as formulas. */
export interface RowsWritten {
  readonly rows: number;
  readonly formulas: number;
}

type Write = (bytes: Uint8Array) => Promise<void>;
type Groups<Row> = AsyncIterable<readonly Row[]>;

export const ROW_FORMATS = ["csv", "parquet"] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

/**
 * Returns the format of a file with the extension .csv or .parquet. @param what - purpose of the file, for
 * messages. @throws UserError for any other extension.
 */
function parseRowFormat(path: string, what: string): RowFormat {
  const ending = path.replace(/^.*\./, "").toLowerCase();
  const format = ROW_FORMATS.find((name) => name === ending);
  if (format !== undefined && path.includes(".")) return format;
  throw new UserError(
    `Expected a .parquet or .csv file for the ${what}, got ${path}. Choose a name with one of these endings.`,
  );
}

/**
 * Writes rows to a file in the format of its extension.
 * @param what - purpose of the file, for messages. @param shared - an existing CSV file is replaced only if
 * its first `shared` column names equal those of `columns`. @throws UserError on failure.
 */
export async function writeRows<Row>(
  path: string,
  what: string,
  columns: readonly RowColumn<Row>[],
  lists: AsyncIterable<readonly Row[]>,
  shared = columns.length,
): Promise<RowsWritten> {
  const format = parseRowFormat(path, what);
  let count = 0;
  async function* groups(): AsyncGenerator<Row[]> {
    let group: Row[] = [];
    for await (const rows of lists) {
      for (const row of rows) group.push(row);
      count += rows.length;
      if (group.length < ROWS) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }
  let formulas = 0;
  await writeAtomically(path, async (write) => {
    if (format === "csv") formulas = await writeCsv(columns, groups(), write);
    else await writeParquet(what, columns, groups(), write);
  }, getRowsMark(path, what, columns.slice(0, shared), shared === columns.length));
  return { rows: count, formulas };
}

/**
 * Returns a text that identifies files with the purpose `what`: in a CSV file the names of `columns`, in a
 * Parquet file "clickgan" and `what`. @param isWhole - true if `columns` are all columns of the file
 */
export function getRowsMark(
  path: string,
  what: string,
  columns: readonly { name: string }[],
  isWhole = true,
): string {
  if (parseRowFormat(path, what) === "parquet") return findMaker(what);
  const header = `\n${formatCsvRow(columns.map(({ name }) => name))}`;
  return isWhole ? header : header.replace(/\n$/, ",");
}

function findMaker(what: string): string {
  return `clickgan ${what}`;
}

/** Writes a CSV file. @returns the number of cells that a spreadsheet may run as formulas. */
async function writeCsv<Row>(
  columns: readonly RowColumn<Row>[],
  groups: Groups<Row>,
  write: Write,
): Promise<number> {
  let formulas = 0;
  const counted = (cell: Cell): Cell => {
    if (isFormula(cell)) formulas++;
    // Nine significant digits identify every 32-bit float.
    return typeof cell === "number" ? Number(cell.toPrecision(9)) : cell;
  };
  const encoder = new TextEncoder();
  await write(encoder.encode(formatCsvRow(columns.map(({ name }) => name))));
  for await (const rows of groups) {
    const lines = rows.map((row) => formatCsvRow(columns.map((column) => counted(column.of(row)))));
    await write(encoder.encode(lines.join("")));
  }
  return formulas;
}

async function writeParquet<Row>(
  what: string,
  columns: readonly RowColumn<Row>[],
  groups: Groups<Row>,
  write: Write,
): Promise<void> {
  const listColumnNames = (rows: readonly Row[]) =>
    columns.map(({ name, type, nullable = false, of }) => ({
      name,
      data: rows.map((row) => of(row)),
      type,
      nullable,
    }));
  async function* data(): AsyncGenerator<ColumnSource[]> {
    for await (const rows of groups) yield listColumnNames(rows);
  }
  await writeParquetGroups(
    schemaFromColumnData({ columnData: listColumnNames([]) }),
    data(),
    write,
    findMaker(what),
  );
}

/** Writes a Parquet file. Each row group is written as soon as it is available. */
export async function writeParquetGroups(
  schema: ParquetWriter["schema"],
  groups: AsyncIterable<ColumnSource[]>,
  write: Write,
  createdBy = "clickgan",
): Promise<void> {
  const file = new ParquetWriter({ writer: new FlushingWriter(write), schema, createdBy });
  for await (const columnData of groups) {
    await file.write({ columnData, rowGroupSize: columnData[0]?.data.length ?? 0 });
  }
  await file.finish();
}

/** Buffers the bytes of one row group, and then passes the bytes to `write`. */
class FlushingWriter extends ByteWriter {
  constructor(private readonly write: Write) {
    super();
  }
  async flush(): Promise<void> {
    const bytes = this.getBytes().slice();
    this.index = 0;
    await this.write(bytes);
  }
  override finish(): Promise<void> {
    return this.flush();
  }
}
