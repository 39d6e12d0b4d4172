/** A table as a text: CSV with a header, or JSON lines. Values come as text, as they are written; empty where there is none. */

import { readJsonLines } from "./json_lines.ts";
import { readRecords } from "./records.ts";
import { widthFault } from "./row_values.ts";
import type { TableTaker, WantedColumns } from "./table_taker.ts";

/** A file's text. */
export interface TableText {
  /** Also says by its ending what the text is. */
  readonly path: string;
  readonly text: string;
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
