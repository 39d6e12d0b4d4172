/** Bad rows of a preparation: what the engine puts aside, and what stops it. */

import {
  type BadRows,
  badRowsText,
  expectFew,
  joined,
  MOST_EXAMPLES,
  noBadRows,
  shown,
} from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";
import type { Json } from "@duckdb/node-api";
import type { Engine } from "./engine.ts";
import { linesAt } from "./sources.ts";

/** Blank lines hold no row; those before a row come with it. */
const FAULTS = `
  SELECT DISTINCT ON (file_path, line_byte_position)
    file_path, line_byte_position + length(csv_line) - length(ltrim(csv_line, E'\\r\\n')) AS start, column_name, error_type, error_message, csv_line
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
    const [line] = await linesOf([open[0]]);
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
  const lines = await linesOf(first);
  return joined(
    kinds.map((row) => ({
      total: Number(row.n),
      counts: new Map([[kindOf(String(row.error_type), String(row.column_name)), Number(row.n)]]),
      examples: [],
    })),
    first.map((row, k) => ({
      file: String(row.file_path),
      line: lines[k] ?? 0,
      fault: faultOf(
        String(row.error_type),
        String(row.column_name),
        String(row.error_message),
        String(row.csv_line),
      ),
    })),
  );
}

/** The engine's own line numbers count wrong behind a rejected row; its bytes are right, from 1. */
async function linesOf(rows: readonly Record<string, Json>[]): Promise<number[]> {
  const lines: number[] = [];
  for (const file of new Set(rows.map((row) => String(row.file_path)))) {
    const starts = rows.filter((row) => row.file_path === file).map((row) => Number(row.start) - 1);
    lines.push(...await linesAt(file, starts));
  }
  return lines;
}

/** Before rows are read again that were read before: the bad ones among them would be counted twice. */
export async function forgetRejects(engine: Engine): Promise<void> {
  await engine.run("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans");
}

/** @throws UserError for bad rows beyond the share that is let pass; with `strict`, for a single one. */
export function judge(bad: BadRows, rows: () => Promise<number>, strict: boolean): Promise<void> | void {
  if (bad.total === 0) return;
  if (strict) {
    const [first] = bad.examples;
    throw new UserError(
      first ? `${first.file}:${first.line}: ${first.fault}. Correct or remove the row.` : badRowsText(bad),
    );
  }
  return rows().then((all) => expectFew(bad, all));
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

function faultOf(type: string, column: string, message: string, line: string): string {
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
