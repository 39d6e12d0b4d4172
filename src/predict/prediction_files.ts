/** Files of predictions: CSV, or Parquet in row groups. They appear whole, or not at all. */

import { ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { atomicWrite } from "../files/atomic_write.ts";
import { UserError } from "../user_error.ts";
import type { Prediction } from "./predictions.ts";

/** Rows that are written at once, and the last user's. */
const ROWS = 2 ** 16;

/** Names of the columns in files, their order, and their types in Parquet. */
const COLUMNS = [
  { name: "user", of: "user", type: "STRING" },
  { name: "page", of: "page", type: "INT32" },
  { name: "place", of: "place", type: "INT32" },
  { name: "item", of: "item", type: "STRING" },
  { name: "utility", of: "utility", type: "FLOAT" },
  { name: "probability", of: "probability", type: "FLOAT" },
  { name: "no_click", of: "noClick", type: "FLOAT" },
  { name: "clicked", of: "clicked", type: "BOOLEAN" },
] as const satisfies readonly { name: string; of: keyof Prediction; type: string }[];

type Write = (bytes: Uint8Array) => Promise<void>;
type Format = (groups: AsyncIterable<Prediction[]>, write: Write) => Promise<void>;

const FORMATS: ReadonlyMap<string, Format> = new Map([["csv", writeCsv], ["parquet", writeParquet]]);

/** @throws UserError for a file whose name does not end in a format. */
export function expectFormat(path: string): void {
  formatOf(path);
}

function formatOf(path: string): Format {
  const format = FORMATS.get(path.replace(/^.*\./, "").toLowerCase());
  if (format !== undefined && path.includes(".")) return format;
  throw new UserError(
    `Expected a file that ends in .parquet or .csv for the predictions, got ${path}. Give it one of these endings.`,
  );
}

/**
 * Writes lists of rows one after another.
 * @returns how many rows there are. @throws UserError when the file cannot be written.
 */
export async function writePredictions(path: string, lists: AsyncIterable<Prediction[]>): Promise<number> {
  const format = formatOf(path);
  let count = 0;
  async function* groups(): AsyncGenerator<Prediction[]> {
    let group: Prediction[] = [];
    for await (const rows of lists) {
      for (const row of rows) group.push(row);
      count += rows.length;
      if (group.length < ROWS) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }
  await atomicWrite(path, (write) => format(groups(), write));
  return count;
}

async function writeCsv(groups: AsyncIterable<Prediction[]>, write: Write): Promise<void> {
  const encoder = new TextEncoder();
  await write(encoder.encode(COLUMNS.map(({ name }) => name).join(",") + "\n"));
  for await (const rows of groups) {
    const lines = rows.map((row) => COLUMNS.map(({ of }) => csvField(row[of])).join(",") + "\n");
    await write(encoder.encode(lines.join("")));
  }
}

/** Nine digits tell all 32-bit floats apart. */
function csvField(value: Prediction[keyof Prediction]): string {
  if (typeof value === "number") return String(Number(value.toPrecision(9)));
  if (typeof value === "boolean") return value ? "1" : "0";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

async function writeParquet(groups: AsyncIterable<Prediction[]>, write: Write): Promise<void> {
  const columnsOf = (rows: readonly Prediction[]) =>
    COLUMNS.map(({ name, of, type }) => ({ name, data: rows.map((row) => row[of]), type, nullable: false }));
  const writer = new FileWriter(write);
  const schema = schemaFromColumnData({ columnData: columnsOf([]) });
  const file = new ParquetWriter({ writer, schema, createdBy: "clickgan" });
  for await (const rows of groups) {
    await file.write({ columnData: columnsOf(rows), rowGroupSize: rows.length });
  }
  await file.finish();
}

/** Hands over what is written after each row group. */
class FileWriter extends ByteWriter {
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
