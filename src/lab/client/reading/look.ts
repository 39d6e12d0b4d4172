/** What the reader's files are: told by their names, and by the names of their columns. */

import { guessColumns } from "../../../data/long_log/columns.ts";
import { namesOfJson } from "../../../data/long_log/json_lines.ts";
import { headerOf } from "../../../data/long_log/records.ts";
import { isJson } from "../../../data/long_log/table.ts";
import { UserError } from "../../../user_error.ts";
import type { OwnFile } from "../own_file.ts";
import { headOf } from "./own_text.ts";

/** A table, with the names of its columns. */
export interface OwnTable extends OwnFile {
  readonly fields: readonly string[];
}

/** A log with a row for each displayed item, and what is known of the items, where that is given. */
export interface LogFiles {
  readonly kind: "log";
  readonly log: OwnTable;
  readonly items: OwnTable | undefined;
}

export type Looked =
  | LogFiles
  | { readonly kind: "paper"; readonly log: OwnFile }
  | { readonly kind: "prepared" };

/** What is wrong with a compressed file is told when all of it is read. */
const COMPRESSED = /\.(gz|zst)$/i;
/** Bytes of a file that are looked at. */
const HEAD_BYTES = 1 << 18;
/** What a table's name ends in. */
const TABLE = /\.(csv|tsv|tab|txt|json|jsonl|ndjson)(\.gz|\.zst)?$/i;

/** Of a prepared data set. */
export function isManifest({ path }: OwnFile): boolean {
  return path.split("/").at(-1) === "manifest.json";
}

/** @throws UserError for files that do not belong together. */
export async function lookAt(files: readonly OwnFile[]): Promise<Looked> {
  const empty = files.find(({ path, file }) => file.size === 0 && !COMPRESSED.test(path));
  if (empty) throw new UserError(`${empty.path}: the file is empty. Choose the file that has the log in it.`);
  if (files.some((file) => isManifest(file) || /\.parquet$/i.test(file.path))) {
    return { kind: "prepared" };
  }
  const tables = await Promise.all(files.map(tableOf));
  const logs = logsOf(tables);
  if (logs.length > 1) throw filesFault(files, severalLogs(logs));
  const [first, ...others] = tables;
  if (!first || others.length > 1) throw filesFault(files, "");
  if (others.length === 0 && isPaper(first)) return { kind: "paper", log: first };
  const [log, items] = [first, ...others].sort((a, b) =>
    signsOf(b) - signsOf(a) || b.file.size - a.file.size
  );
  if (!log) throw filesFault(files, "");
  const other = [log, ...items ? [items] : []].find((table) => !isTable(table));
  if (other) throw filesFault(files, ` ${other.path} is neither.`);
  return { kind: "log", log, items };
}

/** Those with the columns of a log; where these have names of their own, those that have the same as another. */
function logsOf(all: readonly OwnTable[]): OwnTable[] {
  const tables = all.filter((table) => isTable(table) && table.fields.length > 0);
  const known = tables.filter((table) => signsOf(table) === MOST_SIGNS);
  if (known.length > 0) return known;
  const columns = ({ fields }: OwnTable) => JSON.stringify(fields.toSorted());
  return tables.filter((table) =>
    tables.some((other) => other !== table && columns(other) === columns(table))
  );
}

function severalLogs(logs: readonly OwnTable[]): string {
  const [ending = ""] = TABLE.exec(logs[0]?.path ?? "") ?? [];
  return ` There are ${logs.length} logs among them. Put those into a folder of their own, prepare them together with ` +
    `deno task data log --source 'FOLDER/*${ending}' and its other options, and give the page all files of that set.`;
}

function filesFault(files: readonly OwnFile[], remedy: string): UserError {
  return new UserError(
    `Expected one log, and beside it at most one table of its items, or the files of a prepared data set, got ${
      files.map(({ path }) => path).join(", ") || "nothing"
    }.${remedy}`,
  );
}

/** A file in the paper's layout, which may have any name: it is told by its columns. */
function isPaper({ fields }: OwnTable): boolean {
  return ["session_new_index", "tr_val_tst"].some((name) => fields.includes(name));
}

function isTable(table: OwnTable): boolean {
  return TABLE.test(table.path) && !isPaper(table);
}

/** What a table of items has no column for, as the names are guessed. */
const SIGNS = ["user", "time", "clicked"] as const;
const MOST_SIGNS = SIGNS.length;

function signsOf({ fields }: OwnTable): number {
  const guess = guessColumns(fields);
  return SIGNS.filter((role) => guess[role] !== undefined).length;
}

async function tableOf(file: OwnFile): Promise<OwnTable> {
  return { ...file, fields: await fieldsOf(file) };
}

async function fieldsOf(file: OwnFile): Promise<string[]> {
  const head = await headOf(file, HEAD_BYTES);
  if (head.includes("\0") && !COMPRESSED.test(file.path)) {
    throw new UserError(
      `${file.path}: expected text, found bytes that are none. Give a log as CSV, TSV or JSON lines, or a prepared data set.`,
    );
  }
  return isJson(file.path) ? namesOfJson(head) : headerOf(head);
}
