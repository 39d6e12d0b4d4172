/** A growing CSV file of numbers, such as the losses of a run: a fixed header, one row an append. */

import { UserError } from "../user_error.ts";
import { atomicWriteFile } from "../files/atomic_write.ts";
import { explainFileError } from "../files/file_error.ts";

/** The part of an open file that a log uses. */
export type LogFile = Pick<Deno.FsFile, "writeSync" | "truncateSync" | "close">;

/** A log open for appending. Rows are kept in memory until `flush` or `close`. */
export class CsvLog {
  readonly #file: LogFile;
  readonly #path: string;
  readonly #columns: number;
  /** Bytes that are safely in the file. */
  #size: number;
  #pending = "";

  /** Use `create` or `resume`; `file` must be open for appending, and `size` is what it holds. */
  constructor(file: LogFile, path: string, columns: number, size: number) {
    this.#file = file;
    this.#path = path;
    this.#columns = columns;
    this.#size = size;
  }

  /**
   * Starts a new log and writes its header.
   *
   * @throws {UserError} when a file of that name is there already (no log is lost by mistake), or cannot be made
   */
  static async create(path: string, columns: readonly string[]): Promise<CsvLog> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { append: true, createNew: true });
    } catch (error) {
      throw explainFileError(error, "start the log", path);
    }
    const log = new CsvLog(file, path, columns.length, 0);
    log.append(columns);
    try {
      log.flush();
    } catch (error) {
      file.close();
      throw error;
    }
    return log;
  }

  /**
   * Opens a log again. Rows for which `keep` says no are dropped (those written after the checkpoint that the run
   * resumes from), and so is a last line that was cut short.
   *
   * @param keep is given the number in a row's first column
   * @throws {UserError} when the file is missing, has another header or holds a damaged row
   */
  static async resume(
    path: string,
    columns: readonly string[],
    keep: (firstColumnValue: number) => boolean,
  ): Promise<CsvLog> {
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      throw explainFileError(error, "read the log", path);
    }
    const kept = keptText(text, path, columns, keep);
    if (kept !== text) await atomicWriteFile(path, kept);
    try {
      const file = await Deno.open(path, { append: true });
      return new CsvLog(file, path, columns.length, new TextEncoder().encode(kept).length);
    } catch (error) {
      throw explainFileError(error, "write", path);
    }
  }

  /** Adds a row; a number reads back as the same float. @throws {RangeError} when a value is missing or extra */
  append(values: readonly (number | string)[]): void {
    if (values.length !== this.#columns) {
      throw new RangeError(`${this.#path}: ${this.#columns} values expected, got ${values.length}`);
    }
    this.#pending += row(values);
  }

  /**
   * Writes the rows that are waiting. After an error the file holds whole rows and the waiting ones are kept, so that
   * a later flush can succeed.
   *
   * @throws {UserError} naming the file when the disk is full or gone
   */
  flush(): void {
    const bytes = new TextEncoder().encode(this.#pending);
    try {
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      this.#forgetTornRow();
      throw explainFileError(error, "write", this.#path);
    }
    this.#size += bytes.length;
    this.#pending = "";
  }

  /** Flushes and closes; the file is closed even when the flush fails. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#file.close();
    }
  }

  #forgetTornRow(): void {
    try {
      this.#file.truncateSync(this.#size);
    } catch {
      // The failed write is what matters; `resume` drops a torn row as well.
    }
  }
}

/** What a resumed log goes on from: the header and the rows to keep. */
function keptText(
  text: string,
  path: string,
  columns: readonly string[],
  keep: (firstColumnValue: number) => boolean,
): string {
  const header = row(columns);
  if (header.startsWith(text)) return header; // stopped while the header was written
  if (!text.startsWith(header)) {
    const found = text.split("\n", 1)[0];
    throw new UserError(
      `${path}: expected the header "${header.trimEnd()}", found "${found}". ` +
        "Move this file away, or resume the run that it belongs to.",
    );
  }
  const lines = text.slice(header.length).split("\n");
  lines.pop(); // "" after the last newline, or a torn line
  const kept = lines.filter((line, index) => {
    const first = Number(line.split(",", 1)[0] || NaN);
    if (fieldCount(line) !== columns.length || Number.isNaN(first)) {
      throw new UserError(
        `${path}:${index + 2}: expected ${columns.length} values, the first a number, found "${line}". ` +
          "Correct or remove this line.",
      );
    }
    return keep(first);
  });
  return header + kept.map((line) => line + "\n").join("");
}

function row(values: readonly (number | string)[]): string {
  return values.map(field).join(",") + "\n";
}

function field(value: number | string): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (/[\r\n]/.test(value)) {
    throw new RangeError(`a log's text must be one line, got ${JSON.stringify(value)}`);
  }
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Number of fields of a line; commas between quotes do not count. */
function fieldCount(line: string): number {
  return line.replace(/"(?:[^"]|"")*"/g, "").split(",").length;
}
