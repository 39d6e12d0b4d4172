/** A table in files that users bring: CSV, JSON lines or Parquet, plain or compressed; which columns it has. */

import { expectParquet } from "../parquet.ts";
import { parquetFile } from "../sets/prepared_folder.ts";
import { UserError } from "../../user_error.ts";
import type { Engine } from "./engine.ts";
import { findInJson, namesWithin, nestedTwice, objectLines, pathsOf, typeAt } from "./nested_names.ts";
import { checkCompressed, fieldsOf, findFiles, firstLine, linesSql, type SourceFile } from "./sources.ts";
import { type Column, type Format, OWN, parquetOf, type TableSource } from "./table_select.ts";

const ENDINGS: Readonly<Record<string, Format>> = {
  csv: "csv",
  tsv: "csv",
  tab: "csv",
  txt: "csv",
  json: "json",
  jsonl: "json",
  ndjson: "json",
  parquet: "parquet",
  pq: "parquet",
};
const DELIMITERS = [",", "\t", ";", "|"];
const DELIMITER_NAMES: Readonly<Record<string, string>> = {
  ",": "commas",
  "\t": "tabs",
  ";": "semicolons",
  "|": "|",
};

/** A column that the user named by an option. */
export interface Wanted {
  readonly column: string;
  readonly option: string;
}

/**
 * Looks at the files of a path or glob.
 * @param what for messages, such as "a log". @param options.format of files whose names do not say it.
 * @throws UserError for files that are not there, damaged, of several kinds, or without a wanted column.
 */
export async function openTable(
  engine: Engine,
  pattern: string,
  what: string,
  wanted: readonly Wanted[],
  { format: given, signal }: { readonly format?: Format; readonly signal?: AbortSignal } = {},
): Promise<TableSource> {
  const files = await filesOf(pattern, what);
  const [first] = files;
  if (!first) throw new Error("a source without files");
  const format = formatOf(first.path, given);
  for (const { path } of files) {
    if (formatOf(path, given) !== format) {
      throw new UserError(
        `Expected files of one format at ${pattern}, found ${first.path} and ${path}. Name one kind of file.`,
      );
    }
  }
  if (format === "parquet") {
    for (const { path } of files) await expectParquet(parquetFile(path), "Fetch or write it again.");
  }
  await checkCompressed(files, signal);
  const names = wanted.map(({ column }) => column);
  const headerAt = async (path: string) => format === "csv" ? await firstLine(engine, path) : "";
  const header = await headerAt(first.path);
  const delimiter = format === "csv" ? delimiterOf(header, names) : "";
  const columnsAt = (path: string, header: string) =>
    columnsOf(engine, path, format, header, names, delimiter);
  const columns = await columnsAt(first.path, header);
  const nested = await expectColumns(engine, first.path, columns, wanted, format);
  for (const { path } of files.slice(1)) {
    const header = await headerAt(path);
    if (format === "csv") expectDelimiter(first.path, path, delimiterOf(header, names), delimiter);
    const others = await columnsAt(path, header);
    // Keys of JSON may be left out where there is nothing to say.
    if (format === "json") await expectColumns(engine, path, others, wanted, format);
    else expectSame(first.path, columns, path, others);
  }
  return { files, format, columns: [...columns, ...nested], delimiter };
}

async function filesOf(pattern: string, what: string): Promise<SourceFile[]> {
  const stat = await Deno.stat(pattern).catch(() => undefined);
  if (stat?.isDirectory) {
    throw new UserError(
      `Expected ${what} at ${pattern}, found a folder. Name the files in it, such as '${pattern}/*.parquet'.`,
    );
  }
  return findFiles(pattern, what);
}

/** @param given the format of a file whose name does not say it. */
function formatOf(path: string, given: Format | undefined): Format {
  const [, ending = "", compression] = /\.([a-z0-9]+?)(\.gz|\.zst)?$/i.exec(path) ?? [];
  const format = ENDINGS[ending.toLowerCase()];
  if (format && !(format === "parquet" && compression)) return format;
  if (!format && given) return given;
  throw new UserError(
    `${path}: expected a file whose name ends in .csv, .tsv, .txt, .json, .jsonl or .ndjson (and then in .gz or .zst if ` +
      "it is compressed), or in .parquet. Say what is in it by --format (csv, json or parquet), or rename or convert the file.",
  );
}

/** The delimiter with which the most wanted columns are there; of several, the one with the most columns. */
function delimiterOf(header: string, wanted: readonly string[]): string {
  const found = DELIMITERS.map((delimiter) => {
    const { fields } = fieldsOf(header, delimiter);
    return { delimiter, hits: wanted.filter((name) => fields.includes(name)).length, fields: fields.length };
  });
  found.sort((a, b) => b.hits - a.hits || b.fields - a.fields);
  return found[0]?.delimiter ?? ",";
}

function expectDelimiter(first: string, path: string, own: string, delimiter: string): void {
  if (own === delimiter) return;
  throw new UserError(
    `The columns of ${first} are separated by ${DELIMITER_NAMES[delimiter]}, ` +
      `those of ${path} by ${DELIMITER_NAMES[own]}. Use one of them in all files.`,
  );
}

async function columnsOf(
  engine: Engine,
  path: string,
  format: Format,
  header: string,
  wanted: readonly string[],
  delimiter: string,
): Promise<Column[]> {
  if (format === "parquet") {
    const rows = await engine.rows(`DESCRIBE SELECT * FROM ${parquetOf([path])}`);
    return rows.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }))
      .filter(({ name }) => !OWN.includes(name));
  }
  if (format === "csv") {
    const { fields, open } = fieldsOf(header, delimiter);
    if (open) {
      throw new UserError(
        `${path}:1: the quote of a name in the header is never closed: ${header.slice(0, 200)}`,
      );
    }
    const twice = fields.find((name, k) => wanted.includes(name) && fields.indexOf(name) < k);
    if (twice !== undefined) {
      throw new UserError(
        `${path}:1: expected one column "${twice}", found two. Rename one of them in the header.`,
      );
    }
    return fields.map((name) => ({ name, type: "VARCHAR" }));
  }
  const start = await engine.value(
    `SELECT trim(line) FROM ${linesSql([path])} WHERE trim(coalesce(line, '')) <> '' LIMIT 1`,
  );
  if (String(start ?? "").startsWith("[")) {
    throw new UserError(
      `${path}: expected JSON lines (one object on each line), found an array. Write each object on a line of its own, ` +
        "without brackets and commas around it.",
    );
  }
  const rows = await engine.rows(
    `SELECT DISTINCT unnest(json_keys(line)) AS name FROM (${objectLines(path)}) ORDER BY name`,
  );
  return rows.map(({ name }) => ({ name: String(name), type: "VARCHAR" }));
}

/** @returns the wanted columns with dotted names. @throws UserError for a wanted column that is not there. */
async function expectColumns(
  engine: Engine,
  path: string,
  columns: readonly Column[],
  wanted: readonly Wanted[],
  format: Format,
): Promise<Column[]> {
  const twice = format === "csv"
    ? undefined
    : await nestedTwice(engine, path, columns, wanted.map(({ column }) => column), format === "json");
  if (twice !== undefined) {
    throw new UserError(
      `${path}: expected ${twice} to be a value or a list, but it is nested twice, a list within a list. Write a row for each ` +
        "of the inner lists.",
    );
  }
  const nested = new Map<string, Column>();
  for (const one of wanted) {
    if (columns.some(({ name }) => name === one.column) || nested.has(one.column)) continue;
    const column = await nestedColumn(engine, path, columns, one.column, format);
    if (!column) throw new UserError(await missingText(engine, path, columns, one, format));
    nested.set(one.column, column);
  }
  return [...nested.values()];
}

/** The column of a dotted name, such as user.id. */
async function nestedColumn(
  engine: Engine,
  file: string,
  columns: readonly Column[],
  name: string,
  format: Format,
): Promise<Column | undefined> {
  if (format === "json") {
    const path = await findInJson(engine, file, name);
    return path && { name, type: path.each ? "VARCHAR[]" : "VARCHAR", path };
  }
  if (format === "csv") return undefined;
  const path = pathsOf(name).find((path) => typeAt(columns, path) !== undefined);
  return path && { name, type: typeAt(columns, path) ?? "VARCHAR", path };
}

async function missingText(
  engine: Engine,
  path: string,
  columns: readonly Column[],
  { column, option }: Wanted,
  format: Format,
): Promise<string> {
  const names = format === "csv"
    ? columns.map(({ name }) => name)
    : await namesWithin(engine, path, columns, format === "json");
  const place = format === "csv" ? `${path}:1` : path;
  const there = names.length === 0
    ? "no columns"
    : names.length === 1 && format === "csv"
    ? `one column, ${names[0]?.slice(0, 200)}`
    : `${names.slice(0, 40).join(", ")}${names.length > 40 ? ", ..." : ""}`;
  const near = nearest(column, names);
  const hint = near !== undefined
    ? `Is it "${near}"?`
    : format === "csv" && isNoHeader(names)
    ? "Is the header missing? Write a line with the columns' names above the first one."
    : option === "--like"
    ? "The set of --like is made of it: add it to the features."
    : names.length === 1 && format === "csv"
    ? "Separate the columns by commas, tabs, semicolons or |."
    : `Name the column with ${option}.`;
  return `${place}: expected a column "${column}" (${option}), found ${there}. ${hint}`;
}

/** Whether one of these is called as values are: where the first line of a file is no header. */
function isNoHeader(names: readonly string[]): boolean {
  return names.some((name) => /^-?\d+(\.\d+)?$/.test(name) || /^\d{4}-\d\d-\d\d([T ][\d:.,]+)?/.test(name));
}

function expectSame(
  first: string,
  columns: readonly Column[],
  path: string,
  others: readonly Column[],
): void {
  const text = ({ name, type }: Column) => `${name} ${type}`;
  if (columns.map(text).join("\n") === others.map(text).join("\n")) return;
  const names = columns.map(({ name }) => name);
  const otherNames = others.map(({ name }) => name);
  const lacks = names.filter((name) => !otherNames.includes(name));
  const more = otherNames.filter((name) => !names.includes(name));
  const retyped = columns.find(({ name, type }) => others.some((o) => o.name === name && o.type !== type));
  const type = others.find(({ name }) => name === retyped?.name)?.type;
  const differences = [
    ...lacks.length > 0 ? [`${path} lacks ${lacks.join(", ")}`] : [],
    ...more.length > 0 ? [`${first} lacks ${more.join(", ")}`] : [],
    ...retyped ? [`${retyped.name} is ${retyped.type} in the first, ${type} in the second`] : [],
  ];
  const order = `the order is ${names.join(", ")} in the first, ${otherNames.join(", ")} in the second`;
  throw new UserError(
    `Expected the same columns in all files, but ${first} and ${path} differ: ` +
      `${differences.join("; ") || order}. Give all files the same columns, or name files of one kind.`,
  );
}

/** The name that was probably meant. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const last = (text: string) => plain(text.split(".").at(-1) ?? "");
  return names.find((other) => plain(other) === plain(name)) ??
    names.find((other) => other.includes(".") && last(other) === plain(name)) ??
    names.find((other) => distance(plain(other), plain(name)) <= Math.min(2, name.length / 3));
}

/** Letters to put in, take out or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let k = 1; k <= b.length; k++) {
      const changed = (row[k - 1] ?? 0) + (a[i - 1] === b[k - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[k] ?? 0) + 1, (next[k - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
