/** Rows of a source that cannot be read. They are counted and shown by file and line; too many of them are an error. */

import { UserError } from "../user_error.ts";
import { thousands } from "../thousands.ts";

/** A larger share of bad rows is refused. */
const MOST_BAD = 0.01;
/** Bad rows that are looked at, and of those that differ in what was found alone, shown. */
export const MOST_EXAMPLES = 20;
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

/** @param all rows, the bad ones among them. @throws UserError for bad rows beyond the share that is let pass. */
export function expectFew(bad: BadRows, all: number): void {
  if (bad.total <= MOST_BAD * all) return;
  throw new UserError(
    `${thousands(bad.total)} of ${thousands(all)} rows cannot be read, ` +
      `expected at most ${100 * MOST_BAD} %. Correct the source.\n${badRowsText(bad)}`,
  );
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
