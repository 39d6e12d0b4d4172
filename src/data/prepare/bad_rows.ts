/** Rows of a source that cannot be read. They are counted and shown by file and line; too many of them are an error. */

import { UserError } from "../../user_error.ts";
import { thousands } from "../../number_text.ts";
import type { Json } from "@duckdb/node-api";
import type { Engine } from "./engine.ts";
import { linesOf, recordsOf } from "./sources.ts";

/** A larger share of bad rows is refused. */
const MOST_BAD = 0.01;
/** Bad rows that are looked at, and of those that differ in what was found alone, shown. */
const MOST_EXAMPLES = 20;
const MOST_ALIKE = 3;

export interface BadRow {
  readonly file: string;
  /** Number of the line, from 1 with the header; in a Parquet file, of the row. */
  readonly line: number;
  /** What was expected and found. */
  readonly fault: string;
}

/** Bad rows of one reading. */
export interface BadRows {
  readonly total: number;
  /** How many there are, by kind. */
  readonly counts: ReadonlyMap<string, number>;
  /** The first ones by file and line. */
  readonly examples: readonly BadRow[];
}

export const noBadRows: BadRows = { total: 0, counts: new Map(), examples: [] };

/** The sum of several readings. */
export function joined(parts: readonly BadRows[], examples: readonly BadRow[] = []): BadRows {
  const counts = new Map<string, number>();
  for (const part of parts) {
    for (const [kind, n] of part.counts) counts.set(kind, (counts.get(kind) ?? 0) + n);
  }
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    counts,
    examples: [...examples, ...parts.flatMap((part) => part.examples)].sort(byPlace).slice(0, MOST_EXAMPLES),
  };
}

export function byPlace(a: BadRow, b: BadRow): number {
  return a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line;
}

/** Counts by kind and the first examples of each, a line each. */
export function badRowsText(bad: BadRows): string {
  const alike = Map.groupBy(bad.examples, ({ fault }) => fault.split(", found ")[0]);
  const few = new Set([...alike.values()].flatMap((rows) => rows.slice(0, MOST_ALIKE)));
  return [
    ...[...bad.counts].map(([kind, n]) => `  ${thousands(n)} x ${kind}`),
    ...bad.examples.filter((row) => few.has(row)).map(({ file, line, fault }) =>
      `  ${file}:${line}: ${fault}`
    ),
  ].join("\n");
}

/** A value that may be long, on one line. */
export function shown(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

/** Blank lines hold no row; those before a row come with it. */
const FAULTS = `
  SELECT DISTINCT ON (file_path, line_byte_position)
    file_path, ltrim(csv_line, E'\\r\\n') AS csv_line, column_name, error_type, error_message
  FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
  WHERE trim(coalesce(csv_line, ''), E' \\r\\n\\t') <> ''
  ORDER BY file_path, line_byte_position, error_type, column_name`;

/**
 * What the readers of CSV put aside since the last call (store_rejects).
 * @throws UserError for a quote that is never closed: everything behind it would be lost as one row.
 */
export async function takeRejects(engine: Engine): Promise<BadRows> {
  const tables = await engine.number(
    "SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('reject_errors', 'reject_scans')",
  );
  if (tables < 2) return noBadRows;
  if (await engine.number("SELECT count(*) FROM reject_errors") === 0) {
    await forgetRejects(engine);
    return noBadRows;
  }
  const open = await engine.rows(`SELECT * FROM (${FAULTS}) WHERE error_type = 'UNQUOTED VALUE' LIMIT 1`);
  if (open[0]) {
    const [line] = await linesIn([open[0]]);
    throw new UserError(
      `${open[0].file_path}:${line}: the quote of a value that begins here is never closed: ` +
        `${shown(String(open[0].csv_line))}. Close the quote, or double it if it is a part of the value.`,
    );
  }
  const kinds = await engine.rows(
    `SELECT column_name, error_type, count(*) AS n FROM (${FAULTS}) GROUP BY ALL ORDER BY ALL`,
  );
  const first = await engine.rows(`SELECT * FROM (${FAULTS}) LIMIT ${MOST_EXAMPLES}`);
  await forgetRejects(engine);
  const lines = await linesIn(first);
  return joined(
    kinds.map((row) => ({
      total: Number(row.n),
      counts: new Map([[kindOf(String(row.error_type), String(row.column_name)), Number(row.n)]]),
      examples: [],
    })),
    first.map((row, k) => ({
      file: String(row.file_path),
      line: lines[k] ?? 0,
      fault: faultOf(row),
    })),
  );
}

/** By their text: the engine's own line numbers count wrong behind a rejected row. */
async function linesIn(rows: readonly Record<string, Json>[]): Promise<number[]> {
  const found: Found[] = rows.map((row) => ({ row }));
  for (const path of new Set(rows.map((row) => String(row.file_path)))) {
    const own = found.filter(({ row }) => row.file_path === path);
    await locate(path, own, ({ csv_line: text }) => String(text).split(/\r?\n|\r$/, 1)[0] ?? "");
  }
  return found.map(({ line }) => line ?? 0);
}

/** Before rows are read again that were read before: the bad ones among them would be counted twice. */
export async function forgetRejects(engine: Engine): Promise<void> {
  await engine.run("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans");
}

/**
 * @param rows counts all of them, the bad ones among them.
 * @throws UserError for bad rows beyond the share that is let pass; with `strict`, for a single one.
 */
export async function judge(bad: BadRows, rows: () => Promise<number>, strict: boolean): Promise<void> {
  const [first] = bad.examples;
  if (bad.total === 0) return;
  if (strict) {
    throw new UserError(
      first ? `${first.file}:${first.line}: ${first.fault}. Correct or remove the row.` : badRowsText(bad),
    );
  }
  const all = await rows();
  if (bad.total <= MOST_BAD * all) return;
  throw new UserError(
    `${thousands(bad.total)} of ${thousands(all)} rows cannot be read, ` +
      `expected at most ${100 * MOST_BAD} %. Correct the source.\n${badRowsText(bad)}`,
  );
}

function kindOf(type: string, column: string): string {
  switch (type) {
    case "CAST":
      return `${column} cannot be read`;
    case "MISSING COLUMNS":
      return "a column is missing";
    case "TOO MANY COLUMNS":
      return "a column too many";
    default:
      return type.toLowerCase();
  }
}

function faultOf(row: Readonly<Record<string, Json>>): string {
  const [type, column, message, line] = [row.error_type, row.column_name, row.error_message, row.csv_line]
    .map(
      String,
    ) as [string, string, string, string];
  const cast = /Could not convert string "(.*)" to '(.*)'$/s.exec(message);
  if (type === "CAST" && cast) {
    return `expected ${column} to be ${typeText(cast[2] ?? "")}, found "${shown(cast[1] ?? "")}"`;
  }
  const columns = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (columns) return `expected ${columns[1]} values as in the header, found ${columns[2]}: ${shown(line)}`;
  return `${message.split("\n")[0]}: ${shown(line)}`;
}

function typeText(type: string): string {
  if (type === "BIGINT") return "a whole number below 2^63";
  if (type.startsWith("ENUM")) return `one of ${type.slice(5, -1).replaceAll("'", "")}`;
  if (type.startsWith("TIMESTAMP")) return "a time";
  return type.toLowerCase();
}

/** What is said of a fault. */
export interface FaultText {
  /** As in "3 x price cannot be read". */
  readonly kind: string;
  readonly expected: string;
  /** Column of the view that holds the value at fault; none where the line itself is. */
  readonly value?: string;
}

/** Of a CSV file: what separates values, and which column of it holds which value of the view. */
export interface CsvPlaces {
  readonly delimiter: string;
  readonly places: Readonly<Record<string, number>>;
}

export interface FaultSource {
  /** A view with the columns file, row (from 1) or line (its text) or neither, fault (NULL for a good row), and values. */
  readonly view: string;
  /** A table or view of the same rows with the column fault. */
  readonly counted: string;
  /** For CSV; a function of the path where a view has files of several kinds. */
  readonly csv?: CsvPlaces | ((path: string) => CsvPlaces | undefined);
  readonly texts: Readonly<Record<string, FaultText>>;
}

/** The counts by kind, and the first rows with their places. */
export async function faultsOf(engine: Engine, source: FaultSource): Promise<BadRows> {
  const counts = await engine.rows(
    `SELECT fault, count(*) AS n FROM ${source.counted} WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault`,
  );
  const bad = {
    total: counts.reduce((sum, { n }) => sum + Number(n), 0),
    counts: new Map(counts.map(({ fault, n }) => [textOf(source, String(fault)).kind, Number(n)])),
    examples: counts.length > 0 ? await examplesOf(engine, source) : [],
  };
  await forgetRejects(engine);
  return bad;
}

function textOf({ texts }: FaultSource, fault: string): FaultText {
  const text = texts[fault];
  if (!text) throw new Error(`no text for the fault "${fault}"`);
  return text;
}

interface Found {
  readonly row: Readonly<Record<string, unknown>>;
  line?: number;
}

async function examplesOf(engine: Engine, source: FaultSource): Promise<BadRow[]> {
  const rows = await engine.rows(
    `SELECT * FROM ${source.view} WHERE fault IS NOT NULL LIMIT ${MOST_EXAMPLES}`,
  );
  const found: Found[] = rows.map((row) => ({
    row,
    line: typeof row.row === "string" || typeof row.row === "number" ? Number(row.row) : undefined,
  }));
  for (const path of new Set(rows.map(({ file }) => String(file)))) {
    const csv = typeof source.csv === "function" ? source.csv(path) : source.csv;
    const missing = found.filter(({ row, line }) => row.file === path && line === undefined);
    if (!csv) await locate(path, missing, ({ line }) => String(line));
    else {await locate(path, missing, (row) =>
        keyOf(
          Object.keys(csv.places).map((name) => row[name] ?? null),
        ), csv);}
  }
  return found.map(({ row, line }) => {
    const text = textOf(source, String(row.fault));
    const value = text.value === undefined ? row.line : row[text.value];
    const what = value === null || value === undefined || value === ""
      ? "nothing"
      : `"${shown(String(value))}"`;
    return { file: String(row.file), line: line ?? 0, fault: `expected ${text.expected}, found ${what}` };
  }).sort(byPlace);
}

/** Finds the lines of rows by their text, or with `csv` by the values of the columns that were read. */
async function locate(
  path: string,
  missing: readonly Found[],
  keyOfRow: (row: Found["row"]) => string,
  csv?: CsvPlaces,
): Promise<void> {
  const wanted = Map.groupBy(missing, ({ row }) => keyOfRow(row));
  const places = Object.values(csv?.places ?? {});
  let left = missing.length;
  if (left === 0) return;
  for await (const { line, ...at } of csv ? recordsOf(path, csv.delimiter) : linesOf(path)) {
    const key = "text" in at ? at.text : keyOf(places.map((place) => at.fields[place] ?? null));
    const found = wanted.get(key)?.shift();
    if (!found) continue;
    found.line = line;
    if (--left === 0) return;
  }
}

/** A value that is not there reads \N. */
function keyOf(values: readonly unknown[]): string {
  return JSON.stringify(values.map((value) => value === "\\N" ? null : value));
}
