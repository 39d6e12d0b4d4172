/** A table as a text: CSV with a header, or JSON lines. Values come as text, as they are written; empty where there is none. */

import { readJsonLines } from "./json_lines.ts";
import { readRecords } from "./records.ts";
import { type Fault, widthFault } from "./row_values.ts";

/** A file's text. */
export interface TableText {
  /** Also says by its ending what the text is. */
  readonly path: string;
  readonly text: string;
}

/** Columns by their names: those that are wanted, and which of them are ids, that must be exact. */
export interface WantedColumns {
  readonly names: readonly string[];
  readonly ids: readonly string[];
}

export type Lists = ReadonlyMap<number, readonly string[]>;

/** Takes a table row by row. */
export interface TableTaker {
  /** Called first. @param fields names of the columns */
  header(fields: readonly string[], line: number): void;
  /** @param lists of JSON: what is in a field that is a list, by its place */
  row(fields: readonly string[], line: number, lists?: Lists): void;
  /** A row that is none. */
  broken(fault: Fault, line: number): void;
  /** Told which share of the text is read. */
  onRead?: ((share: number) => void) | undefined;
}

/** How a value that is missing may be written in CSV, beside leaving it empty. */
const NULL = "\\N";

/** Whether a file is JSON lines, by its name. */
export function isJson(path: string): boolean {
  return /\.(json|jsonl|ndjson)(\.gz|\.zst)?$/i.test(path);
}

/** @throws UserError for what is no table, or an id that is not exact: it names the line. */
export function readTable({ path, text }: TableText, wanted: WantedColumns, taker: TableTaker): void {
  if (isJson(path)) return readJsonLines(path, text, wanted, taker);
  let width: number | undefined;
  readRecords(path, text, wanted.names, ({ fields, line }) => {
    if (width === undefined) {
      width = fields.length;
      taker.header(fields, line);
    } else if (fields.length !== width) taker.broken(widthFault(fields, width), line);
    else taker.row(fields.includes(NULL) ? fields.map((text) => text === NULL ? "" : text) : fields, line);
  }, taker.onRead);
}
