/**
 * CSV file of numbers with a fixed header, to which rows are appended, for example the losses of a run. Each
 * save of the run stores a mark: the file's length and checksum at that time. A run can be resumed only if
 * the file still begins with these bytes.
 */

import { formatCsvRow } from "../csv.ts";
import { requireWritable } from "../files/write_scope.ts";
import { createHash } from "node:crypto";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { expectSole } from "../files/atomic_write.ts";
import { explainFileError, readBytesSync, withFileErrorsSync } from "../files/local_file.ts";

/** Methods of an open file that {@link CsvLog} calls. */
export type LogFile = Pick<Deno.FsFile, "writeSync" | "truncateSync" | "syncSync" | "close">;

/** Mark of a log: the file's length in bytes at a save of the run, and the SHA-256 of these bytes. */
export const logMarkSchema = v.strictObject({ bytes: v.whole(0), sha256: v.string() });
export type LogMark = v.InferOutput<typeof logMarkSchema>;

/** Maximum size of a log's row in bytes. */
const LONGEST_ROW = 4096;

/** A CSV log that is open for appending. New rows stay in memory until `flush` or `close`. */
export class CsvLog {
  readonly #hash = createHash("sha256");
  #size = 0;
  #pending = "";

  /** @param file - file that is open for appending. @param bytes - current content of the file */
  constructor(
    private readonly file: LogFile,
    private readonly path: string,
    private readonly columns: number,
    bytes = new Uint8Array(),
  ) {
    this.#written(bytes);
  }

  /** Creates a log with a header. @throws {UserError} if the log has rows, or if it cannot be written */
  static begin(path: string, columns: readonly string[]): CsvLog {
    CsvLog.expectUnbegun(path, columns);
    return withFileErrorsSync("start the log", path, () => {
      expectSole(path);
      const file = Deno.openSync(requireWritable(path), { append: true, create: true });
      try {
        file.truncateSync(0);
        const log = new CsvLog(file, path, columns.length);
        log.append(columns);
        log.flush();
        return log;
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  /** Checks that a log does not exist, or has no rows. @throws {UserError} if the log has rows */
  static expectUnbegun(path: string, columns: readonly string[]): void {
    const bytes = readIfThere(path);
    if (bytes === undefined || row(columns).startsWith(new TextDecoder().decode(bytes))) return;
    throw new UserError(
      `Expected no log at ${path}, found a file of ${bytes.length} bytes. ` +
        "Nothing was changed: move the file away, or choose another folder.",
    );
  }

  /**
   * Checks that the rows which a log had at a save of the run have not changed since the save.
   * @param iteration - expected iteration in the last of these rows; undefined to skip this check
   * @throws {UserError} if the rows have changed, or if the last row has another iteration
   */
  static expectMarked(path: string, { bytes, sha256 }: LogMark, iteration?: number): void {
    const found = readIfThere(path) ?? new Uint8Array();
    if (found.length >= bytes && digest(found.subarray(0, bytes)) === sha256) {
      const last = /([^\n,]*)[^\n]*\n$/.exec(
        new TextDecoder().decode(found.subarray(0, bytes).slice(-LONGEST_ROW)),
      )?.[1];
      if (
        iteration === undefined || Number(last) === iteration || (iteration === 0 && last === "iteration")
      ) return;
      throw new UserError(
        `Expected a snapshot of iteration ${last} (the last iteration in ${path}), got a snapshot of ` +
          `iteration ${iteration}. Put the snapshot of iteration ${last} back.`,
      );
    }
    throw new UserError(
      `Expected the first ${bytes} bytes of ${path} to be unchanged since the run was last saved, ` +
        `found ${found.length < bytes ? `only ${found.length}` : "changed bytes"}. ` +
        "Put the old file back. Otherwise the run cannot be resumed, but its snapshots are intact: start a " +
        "new run from one of its snapshots with --init.",
    );
  }

  /**
   * Opens a log and removes the rows that were added after `mark` was stored.
   * @throws {UserError} if older rows have changed
   */
  static resume(path: string, columns: readonly string[], mark: LogMark): CsvLog {
    CsvLog.expectMarked(path, mark);
    return withFileErrorsSync("write", path, () => {
      expectSole(path);
      const file = Deno.openSync(requireWritable(path), { read: true, append: true });
      try {
        file.truncateSync(mark.bytes);
        return new CsvLog(file, path, columns.length, readBytesSync(path));
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  /**
   * Returns the file's current length and checksum. Rows that wait for `flush` are not included. First, the
   * file is synced to disk, so that a power cut cannot remove rows that the checksum includes.
   * @throws {UserError} if the disk fails
   */
  mark(): LogMark {
    withFileErrorsSync("write", this.path, () => this.file.syncSync());
    return { bytes: this.#size, sha256: this.#hash.copy().digest("hex") };
  }

  /** Adds a row. Numbers are stored without rounding. @throws {RangeError} for too few or too many values */
  append(values: readonly (number | string)[]): void {
    if (values.length !== this.columns) {
      throw new RangeError(`${this.path}: ${this.columns} values expected, got ${values.length}`);
    }
    this.#pending += row(values);
  }

  /**
   * Writes the pending rows. If writing fails, none of these rows remains in the file, and the next flush
   * writes them all. @throws {UserError} with the file's name, if the disk is full or missing
   */
  flush(): void {
    const bytes = new TextEncoder().encode(this.#pending);
    try {
      for (let done = 0; done < bytes.length;) done += this.file.writeSync(bytes.subarray(done));
    } catch (error) {
      this.#forgetTornRow();
      throw explainFileError(error, "write", this.path);
    }
    this.#written(bytes);
    this.#pending = "";
  }

  /** Flushes and closes the log. The file is closed even if flushing fails. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.file.close();
    }
  }

  #written(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  #forgetTornRow(): void {
    try {
      this.file.truncateSync(this.#size);
    } catch {
      // The caller reports the failed write, and `resume` removes an incomplete row.
    }
  }
}

function readIfThere(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return readBytesSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw explainFileError(error, "read the log", path);
  }
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function row(values: readonly (number | string)[]): string {
  const broken = values.find((value) => /[\r\n]/.test(String(value)));
  if (broken === undefined) return formatCsvRow(values);
  throw new RangeError(`a log's text must be one line, got ${JSON.stringify(broken)}`);
}
