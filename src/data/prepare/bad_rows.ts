/** Counts and shows the rows of a source that cannot be read (bad rows). Too many bad rows are an error. */

import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";
import type { Json } from "@duckdb/node-api";
import type { SqlEngine } from "./sql_engine.ts";

/** Largest accepted share of bad rows. */
const MOST_BAD = 0.01;
/** Number of example rows that a message shows per kind of fault. */
const MOST_EXAMPLES = 3;

export interface BadRow {
  /** Location of the row: "log.csv:3" or, without a row number, the file and (if known) user and item. */
  readonly place: string;
  readonly fault: string;
}

/** Number of bad rows by kind of fault, and examples. */
export interface BadRowSummary {
  readonly total: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly examples: readonly BadRow[];
}

export const noBadRows: BadRowSummary = { total: 0, counts: new Map(), examples: [] };

export function mergeBadRows(parts: readonly BadRowSummary[]): BadRowSummary {
  const counts = new Map<string, number>();
  for (const [kind, n] of parts.flatMap((part) => [...part.counts])) {
    counts.set(kind, (counts.get(kind) ?? 0) + n);
  }
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    counts,
    examples: parts.flatMap(({ examples }) => examples),
  };
}

/** Formats a summary: a line per kind of fault with the number of bad rows, then a line per example. */
export function formatBadRows({ counts, examples }: BadRowSummary): string {
  return [
    ...[...counts].map(([kind, n]) => `  ${formatThousands(n)} x ${kind}`),
    ...examples.map(({ place, fault }) => `  ${place}: ${fault}`),
  ].join("\n");
}

/** Shortens a value to one line of at most 60 characters. */
export function shortenValue(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

/** SELECT that lists the rows that the CSV reader rejected. Blank lines before a row's text are cut off. */
const REJECTS = `
  SELECT DISTINCT ON (file_path, line_byte_position)
    file_path, ltrim(csv_line, E'\\r\\n') AS csv_line, error_type, error_message
  FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
  WHERE trim(coalesce(csv_line, ''), E' \\r\\n\\t') <> ''
  ORDER BY file_path, line_byte_position, error_type, column_idx`;

/**
 * Returns the rows that CSV readers with store_rejects have rejected since the last call.
 * @throws UserError for a quote that is never closed, because all text after it would be one row.
 */
export async function takeRejects(engine: SqlEngine): Promise<BadRowSummary> {
  const tables = await engine.number(
    "SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('reject_errors', 'reject_scans')",
  );
  if (tables < 2) return noBadRows;
  const counts = await engine.rows(
    `SELECT error_type, count(*) AS n FROM (${REJECTS}) GROUP BY ALL ORDER BY ALL`,
  );
  const first = await engine.rows(
    `SELECT * FROM (${REJECTS}) QUALIFY row_number() OVER (PARTITION BY error_type) <= ${MOST_EXAMPLES}`,
  );
  await forgetRejects(engine);
  const open = first.find(({ error_type }) => error_type === "UNQUOTED VALUE");
  if (open) {
    throw new UserError(
      `${open.file_path}: expected closed quotes, got an open quote in the row that begins with ` +
        `${shortenValue(String(open.csv_line))}. Close the quote, or double it if it is a part of the value.`,
    );
  }
  return {
    total: counts.reduce((sum, { n }) => sum + Number(n), 0),
    counts: new Map(counts.map(({ error_type, n }) => [describeType(String(error_type)), Number(n)])),
    examples: first.map((row) => ({ place: String(row.file_path), fault: rejectText(row) })),
  };
}

/** Deletes the list of rejected rows, so that bad rows are not counted twice if the file is read again. */
export async function forgetRejects(engine: SqlEngine): Promise<void> {
  await engine.run("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans");
}

/**
 * @param rows: function that counts all rows, good and bad.
 * @throws UserError if more than 1 % of the rows are bad or, with `strict`, if one row is bad.
 */
export async function rejectIfTooBad(
  bad: BadRowSummary,
  rows: () => Promise<number>,
  strict: boolean,
): Promise<void> {
  const [first] = bad.examples;
  if (bad.total === 0) return;
  if (strict) {
    throw new UserError(
      first ? `${first.place}: ${first.fault}. Correct or remove the row.` : formatBadRows(bad),
    );
  }
  const all = await rows();
  if (bad.total <= MOST_BAD * all) return;
  throw new UserError(
    `Expected at most ${100 * MOST_BAD} % invalid rows, ` +
      `got ${formatThousands(bad.total)} of ${formatThousands(all)}. Correct the source.\n` +
      formatBadRows(bad),
  );
}

/** Descriptions of faults, by DuckDB's type of error. */
const TYPES: Readonly<Record<string, string>> = {
  "MISSING COLUMNS": "too few columns",
  "TOO MANY COLUMNS": "too many columns",
};
const describeType = (type: string) => TYPES[type] ?? type.toLowerCase();

function rejectText({ error_message, csv_line }: Readonly<Record<string, Json>>): string {
  const [message, line] = [String(error_message), shortenValue(String(csv_line))];
  const columns = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (columns) return `expected ${columns[1]} values as in the header, got ${columns[2]}: ${line}`;
  return `${message.split("\n")[0]}: ${line}`;
}

/** Parts of the message about a kind of fault. */
export interface FaultMessage {
  /** Description of the fault, which follows the number of rows, as in "3 x price cannot be read". */
  readonly kind: string;
  readonly expected: string;
  /** Name of the column of {@link FaultSource.view} that has the faulty value. */
  readonly value: string;
}

export interface FaultSource {
  /** Name of a view of rows: file, row number (NULL if unknown), fault (NULL for a good row) and values. */
  readonly view: string;
  /** Name of the table or view from which faults are counted: the rows of `view`, with a column `fault`. */
  readonly counted: string;
  readonly texts: Readonly<Record<string, FaultMessage>>;
}

/** Counts the bad rows of each kind of fault, and reads the first three rows of each kind as examples. */
export async function readBadRows(
  engine: SqlEngine,
  { view, counted, texts }: FaultSource,
): Promise<BadRowSummary> {
  const counts = await engine.rows(
    `SELECT fault, count(*) AS n FROM ${counted} WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault`,
  );
  if (counts.length === 0) return noBadRows;
  const formatFault = (fault: Json | undefined) => {
    const text = texts[String(fault)];
    if (!text) throw new Error(`no text for the fault "${fault}"`);
    return text;
  };
  const rows = await engine.rows(
    `SELECT * FROM ${view} WHERE fault IS NOT NULL ` +
      `QUALIFY row_number() OVER (PARTITION BY fault) <= ${MOST_EXAMPLES} ORDER BY fault`,
  );
  await forgetRejects(engine);
  return {
    total: counts.reduce((sum, { n }) => sum + Number(n), 0),
    counts: new Map(counts.map(({ fault, n }) => [formatFault(fault).kind, Number(n)])),
    examples: rows.map((row) => {
      const { expected, value } = formatFault(row.fault);
      return {
        place: formatRowLocation(row),
        fault: `expected ${expected}, got ${quotedValue(row[value])}`,
      };
    }),
  };
}

function formatRowLocation(row: Readonly<Record<string, Json>>): string {
  if (row.row !== null && row.row !== undefined) return `${row.file}:${row.row}`;
  const who = ["user", "item"].flatMap((name) =>
    row[`${name}_id`] ? [`${name} ${quotedValue(row[`${name}_id`])}`] : []
  );
  return [String(row.file), ...who].join(", ");
}

function quotedValue(value: Json | undefined): string {
  return value === null || value === undefined || value === ""
    ? "nothing"
    : `"${shortenValue(String(value))}"`;
}
