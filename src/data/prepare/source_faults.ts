/** Bad rows that a step's SQL found: where they are in the source. */

import { type BadRow, type BadRows, byPlace, MOST_EXAMPLES, shown } from "../bad_rows.ts";
import { forgetRejects } from "./bad_rows.ts";
import type { Engine } from "./engine.ts";
import { linesOf, recordsOf } from "./text_records.ts";

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
    await locate(path, found.filter(({ row, line }) => row.file === path && line === undefined), source);
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

/** Finds the lines of the rows: by their text, or by the values of the columns that were read. */
async function locate(path: string, missing: Found[], source: FaultSource): Promise<void> {
  const csv = typeof source.csv === "function" ? source.csv(path) : source.csv;
  const wanted = new Map<string, Found[]>();
  for (const found of missing) {
    const key = csv
      ? keyOf(Object.keys(csv.places).map((name) => found.row[name] ?? null))
      : String(found.row.line);
    wanted.set(key, [...wanted.get(key) ?? [], found]);
  }
  const see = (key: string, line: number) => {
    const found = wanted.get(key)?.shift();
    if (!found) return;
    found.line = line;
    if (wanted.get(key)?.length === 0) wanted.delete(key);
  };
  if (wanted.size === 0) return;
  if (csv) {
    const places = Object.values(csv.places);
    for await (const { fields, line } of recordsOf(path, csv.delimiter)) {
      see(keyOf(places.map((place) => fields[place] ?? null)), line);
      if (wanted.size === 0) return;
    }
  } else {
    for await (const { text, line } of linesOf(path)) {
      see(text, line);
      if (wanted.size === 0) return;
    }
  }
}

/** A value that is not there reads \N. */
function keyOf(values: readonly unknown[]): string {
  return JSON.stringify(values.map((value) => value === "\\N" ? null : value));
}
