/** Opens files as a relation (rows with named columns), and builds SQL that reads a relation's values. */

import { expectParquet } from "../parquet.ts";
import { openParquetFile } from "../sets/prepared_folder.ts";
import { UserError } from "../../user_error.ts";
import { quoteShellWord } from "../../shell_word.ts";
import { formatLiteral, quoteIdentifier, type SqlEngine } from "./sql_engine.ts";
import { escapeGlob } from "./glob.ts";
import { checkCompressed, findFiles, readCsvHeader, readJsonKeys, type SourceFile } from "./sources.ts";
import { tryStat } from "../../files/local_file.ts";

export interface RelationColumn {
  readonly name: string;
  /** DuckDB type of the column: VARCHAR in a CSV file, JSON in a JSON lines file. */
  readonly type: string;
}

export interface Relation {
  /** Path for messages: the first data file or, for a SELECT, the file with the text of the SELECT. */
  readonly path: string;
  /** SQL of the relation, to be put after FROM. */
  readonly sql: string;
  readonly columns: readonly RelationColumn[];
  readonly files: readonly SourceFile[];
}

/** Columns that the SQL engine's file readers add: the location of each row. */
export const PLACE = ["filename", "file_row_number"] as const;

/** A column, and the option by which the user named it. */
export interface RequestedColumn {
  readonly column: string;
  readonly option: string;
}

type Format = "csv" | "tsv" | "json" | "parquet";
const ENDINGS: Readonly<Record<string, Format>> = {
  ...{ csv: "csv", tsv: "tsv", tab: "tsv", txt: "csv", json: "json", jsonl: "json", ndjson: "json" },
  ...{ parquet: "parquet", pq: "parquet" },
};

/**
 * Opens files with equal columns, all in one format: CSV with a header, TSV, JSON lines or Parquet.
 * @param pattern: a path or a glob. @param what: contents of the files, for messages, such as "a log".
 * @throws UserError for files that are missing, damaged or of several formats, or that lack a requested
 * column.
 */
export async function openFiles(
  engine: SqlEngine,
  pattern: string,
  what: string,
  wanted: readonly RequestedColumn[],
  signal?: AbortSignal,
): Promise<Relation> {
  if (tryStat(pattern)?.isDirectory) {
    throw new UserError(
      `Expected ${what} at ${pattern}, got a folder. Name files in the folder, such as '${pattern}/*.parquet'.`,
    );
  }
  const files = findFiles(pattern, what);
  const [path = "", ...others] = files.map((file) => file.path);
  const format = detectFormat(path);
  const other = others.find((other) => detectFormat(other) !== format);
  if (other !== undefined) {
    throw new UserError(
      `Expected files of one format at ${pattern}, got ${path} and ${other}. Name one kind of file.`,
    );
  }
  if (format === "parquet") {
    for (const { path } of files) await expectParquet(openParquetFile(path), "Fetch or write it again.");
  }
  await checkCompressed(files, signal);
  const columns = await columnsIn(engine, path, format);
  expectColumns(path, columns, wanted, format === "csv");
  for (const other of others) {
    const own = await columnsIn(engine, other, format);
    // A JSON lines file may lack keys that are not wanted.
    if (format === "json") expectColumns(other, own, wanted, false);
    else expectSame(path, columns, other, own);
  }
  const isWanted = ({ name }: RelationColumn) => wanted.some(({ column }) => column === name);
  const read = format === "json" ? columns.filter(isWanted) : columns;
  return {
    path,
    columns,
    files,
    sql: buildReaderSql([path, ...others], format, read.length > 0 ? read : columns),
  };
}

function detectFormat(path: string): Format {
  const [, ending = "", compression] = /\.([a-z0-9]+?)(\.gz|\.zst)?$/i.exec(path) ?? [];
  const format = ENDINGS[ending.toLowerCase()];
  if (format && !(format === "parquet" && compression)) return format;
  throw new UserError(
    `${path}: expected a file whose name ends in .csv, .tsv, .txt, .json, .jsonl, .ndjson ` +
      "(each also with .gz or .zst) or .parquet. " +
      "Rename or convert the file, or read it by a SELECT (data/recipes).",
  );
}

function buildReaderSql(
  paths: readonly string[],
  format: Format,
  columns: readonly RelationColumn[],
): string {
  const files = formatLiteral(paths.map(escapeGlob));
  const types = columns.map(({ name, type }) => `${formatLiteral(name)}: ${formatLiteral(type)}`).join(", ");
  switch (format) {
    case "parquet":
      return `read_parquet(${files}, filename = true, file_row_number = true, binary_as_string = true, ` +
        "hive_partitioning = false)";
    case "json":
      return `read_json(${files}, format = 'newline_delimited', columns = {${types}}, ` +
        "ignore_errors = true, filename = true)";
    default:
      return `read_csv(${files}, header = true, delim = '${format === "tsv" ? "\t" : ","}', ` +
        `quote = '"', escape = '"', ` +
        `auto_detect = false, columns = {${types}}, nullstr = '\\N', store_rejects = true, filename = true)`;
  }
}

async function columnsIn(engine: SqlEngine, path: string, format: Format): Promise<RelationColumn[]> {
  if (format === "parquet") {
    const columns = await readColumns(engine, buildReaderSql([path], format, []));
    return columns.filter(({ name }) => !PLACE.some((own) => own === name));
  }
  if (format === "json") return (await readJsonKeys(engine, path)).map((name) => ({ name, type: "JSON" }));
  const names = await readCsvHeader(engine, path, format === "tsv" ? "\t" : ",");
  const twice = names.find((name, k) => names.indexOf(name) < k);
  if (twice !== undefined) {
    throw new UserError(
      `${path}:1: expected one column "${twice}", got two. Rename one of them in the header.`,
    );
  }
  return names.map((name) => ({ name, type: "VARCHAR" }));
}

/** Returns the columns of a relation. @param sql: SQL of the relation, to be put after FROM. */
export async function readColumns(engine: SqlEngine, sql: string): Promise<RelationColumn[]> {
  const rows = await engine.rows(`DESCRIBE FROM ${sql}`);
  return rows.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
}

/** @throws UserError if a requested column is missing. */
export function expectColumns(
  path: string,
  columns: readonly RelationColumn[],
  wanted: readonly RequestedColumn[],
  isCsv = false,
): void {
  const names = columns.map(({ name }) => name);
  const missing = wanted.find(({ column }) => !names.includes(column));
  if (missing === undefined) return;
  const { column, option } = missing;
  const there = names.length === 0
    ? "no columns"
    : names.length === 1 && isCsv
    ? `one column, ${names[0]?.slice(0, 200)}`
    : `${names.slice(0, 40).join(", ")}${names.length > 40 ? ", ..." : ""}`;
  const near = findNearestName(column, names);
  const isUnsplit = isCsv && names.length === 1 && /[;|\t]/.test(names[0] ?? "");
  const hint = near !== undefined && !isUnsplit
    ? `Is it "${near}"?${/query|encoding/.test(option) ? "" : ` Then use ${option} ${quoteShellWord(near)}.`}`
    : isCsv && isNoHeader(names)
    ? "Is the header missing? Write a line with the columns' names above the first line."
    : isCsv && names.length === 1
    ? "Separate the columns by commas, or see data/recipes/delimiter.sql."
    : columns.some(({ name, type }) => column.startsWith(`${name}.`) && /^(JSON|STRUCT)/.test(type))
    ? "Read nested values by a SELECT: see data/recipes/nested_names.sql."
    : option === "--query"
    ? `Name it in the SELECT: ... AS ${column}.`
    : option === "--encoding-from"
    ? "The encoding of --encoding-from needs this column: add it to the features."
    : `Name one of these columns with ${option}.`;
  throw new UserError(
    `${path}${isCsv ? ":1" : ""}: expected a column "${column}" (${option}), got ${there}. ${hint}`,
  );
}

/** Returns true if a CSV file seems to lack a header: its first line has a number or a date. */
function isNoHeader(names: readonly string[]): boolean {
  return names.some((name) => /^-?\d+(\.\d+)?$/.test(name) || /^\d{4}-\d\d-\d\d([T ][\d:.,]+)?/.test(name));
}

function expectSame(
  first: string,
  columns: readonly RelationColumn[],
  path: string,
  others: readonly RelationColumn[],
): void {
  const text = (list: readonly RelationColumn[]) =>
    list.map(({ name, type }) => `${name} ${type}`).join(", ");
  const [here, there] = [text(columns), text(others)];
  if (here === there) return;
  throw new UserError(
    `Expected the same columns in all files, got ${here} in ${first}, and ${there} in ${path}. ` +
      "Pass only files with the same columns, or read the files by a SELECT (data/recipes).",
  );
}

/** Finds a name that equals, contains or is contained in `name`, ignoring case and punctuation. */
export function findNearestName(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  return names.find((other) => plain(other) === plain(name)) ??
    names.find((other) =>
      name.length > 2 && (plain(other).includes(plain(name)) || plain(name).includes(plain(other)))
    );
}

/** @throws UserError if values in a column of ids are lists, structs or the like. */
export function expectIds({ path, columns }: Relation, ids: readonly RequestedColumn[]): void {
  for (const { column, option } of ids) {
    const type = columns.find(({ name }) => name === column)?.type ?? "";
    if (!/\[\d*\]|^(STRUCT|MAP|UNION|BLOB|INTERVAL)/.test(type)) continue;
    throw new UserError(`${path}: expected ${column} (${option}) to be text or whole numbers, got ${type}.`);
  }
}

/**
 * Type of a column's values. "id": an exact id. "items": a list of ids. "ids": an id or a list of ids.
 * "list": a text or a list of texts. "text": any value, as text. "number": a number.
 */
export type ColumnType = "id" | "text" | "list" | "items" | "ids" | "number";

interface Read {
  /** SQL expression of the value. */
  readonly value: string;
  /** SQL that returns, as text, an id that may have been rounded, or NULL; "" if all ids are exact. */
  readonly inexact: string;
}

const NONE: Readonly<Record<ColumnType, string>> = {
  ...{ id: "NULL::VARCHAR", text: "NULL::VARCHAR", number: "NULL::DOUBLE" },
  ...{ list: "NULL::VARCHAR[]", items: "NULL::VARCHAR[]", ids: "NULL::VARCHAR[]" },
};

/**
 * Builds a query that reads a relation row by row. Each key of `values` becomes a column of texts, lists of
 * texts, or numbers (NULL for no value). The columns `file` and `row` locate a row; `row` counts from 1 (NULL
 * except for Parquet files). The column `inexact` has, as text, the row's first id that may have been
 * rounded (a fraction, or too large for an exact floating point number); NULL if all ids are exact.
 */
export function buildSelectSql(
  { sql, columns, path }: Relation,
  values: Readonly<Record<string, { readonly column: string | undefined; readonly as: ColumnType }>>,
): string {
  const getColumnType = (name: string | undefined) => columns.find((one) => one.name === name)?.type;
  const read = Object.entries(values).map(([name, { column, as }]) => {
    const type = getColumnType(column);
    const found = column === undefined || type === undefined
      ? { value: NONE[as], inexact: "" }
      : buildValueSql(quoteIdentifier(column), type, as);
    return { name, ...found };
  });
  const inexact = read.map((one) => one.inexact).filter((text) => text !== "");
  const [file, row] = PLACE.map((name) =>
    getColumnType(name) !== undefined || sql.includes(`${name} = true`) ? name : undefined
  );
  return [
    `SELECT ${file ?? formatLiteral(path)} AS file,`,
    `  ${row === undefined ? "NULL::BIGINT" : `${row} + 1`} AS "row",`,
    `  ${inexact.length > 0 ? `coalesce(${inexact.join(", ")})` : "NULL::VARCHAR"} AS inexact,`,
    read.map(({ name, value }) => `  ${value} AS ${quoteIdentifier(name)}`).join(",\n"),
    `FROM ${sql}`,
  ].join("\n");
}

function buildValueSql(column: string, type: string, as: ColumnType): Read {
  if (type === "JSON") return jsonValue(column, as);
  const isList = type.endsWith("]");
  const text = `CAST(${column} AS VARCHAR)`;
  if (as === "number") {
    return { value: `${type === "VARCHAR" ? "TRY_" : ""}CAST(${column} AS DOUBLE)`, inexact: "" };
  }
  if (isList && (as === "items" || as === "ids")) {
    const { value, inexact } = buildValueSql("x", type.replace(/\[\d*\]$/, ""), "id");
    const each = (x: string) => `list_transform(${column}, lambda x: ${x})`;
    return {
      value: each(value),
      inexact: inexact === "" ? "" : `list_filter(${each(inexact)}, lambda x: x IS NOT NULL)[1]`,
    };
  }
  if (as === "items") return { value: NONE.items, inexact: "" };
  if (as === "ids") {
    const { value, inexact } = buildValueSql(column, type, "id");
    return { value: `[${value}]`, inexact };
  }
  const float = type === "DOUBLE" || type === "FLOAT";
  // Above the largest exact whole number, several ids may have become one number.
  const small = `abs(${column}) < ${type === "FLOAT" ? 2 ** 24 : 2 ** 53}`;
  if (as === "list") {
    return {
      value: isList ? `CAST(${column} AS VARCHAR[])` : `[${text}]`,
      inexact: float ? `CASE WHEN NOT isnan(${column}) AND NOT (${small}) THEN ${text} END` : "",
    };
  }
  if (!float) return { value: text, inexact: "" };
  const whole = `${column} = floor(${column}) AND ${small}`;
  const value = `CASE WHEN ${whole} THEN CAST(CAST(${column} AS BIGINT) AS VARCHAR) `;
  // In a column of floats, NaN is a missing value, not an inexact value.
  return as === "id"
    ? { value: `${value}END`, inexact: `CASE WHEN NOT isnan(${column}) AND NOT (${whole}) THEN ${text} END` }
    : { value: `${value}ELSE ${text} END`, inexact: "" };
}

/** Builds SQL that reads a JSON value. Whole numbers of any length are read exactly; 5.0 is read as 5. */
function jsonValue(column: string, as: ColumnType): Read {
  const kind = (x: string) => `json_type(${x})`;
  const text = (x: string) => `json_extract_string(${x}, '$')`;
  const isFloat = (x: string) => `(${kind(x)} = 'DOUBLE' AND NOT regexp_full_match(${text(x)}, '-?[0-9]+'))`;
  const number = (x: string) => `TRY_CAST(${text(x)} AS DOUBLE)`;
  const isSmall = (x: string) => `coalesce(abs(${number(x)}) < ${2 ** 53}, false)`;
  const exact = (x: string) => `(${number(x)} = floor(${number(x)}) AND ${isSmall(x)})`;
  const id = (x: string) =>
    `CASE WHEN ${kind(x)} IN ('ARRAY', 'OBJECT') THEN NULL WHEN ${isFloat(x)} ` +
    `THEN CASE WHEN ${exact(x)} THEN CAST(CAST(${number(x)} AS BIGINT) AS VARCHAR) END ELSE ${text(x)} END`;
  const lost = (x: string) => `CASE WHEN ${isFloat(x)} AND NOT ${exact(x)} THEN ${text(x)} END`;
  const large = (x: string) => `CASE WHEN ${isFloat(x)} AND NOT ${isSmall(x)} THEN ${text(x)} END`;
  if (as === "number") {
    return {
      value: `CASE WHEN ${kind(column)} NOT IN ('ARRAY', 'OBJECT') THEN ${number(column)} END`,
      inexact: "",
    };
  }
  if (as === "text") return { value: text(column), inexact: "" };
  if (as === "id") return { value: id(column), inexact: lost(column) };
  const [one, fault] = as === "list" ? [text, large] : [id, lost];
  const each = (of: (x: string) => string) =>
    `list_transform(json_extract(${column}, '$[*]'), lambda x: ${of("x")})`;
  const isList = `${kind(column)} = 'ARRAY'`;
  return {
    value: `CASE WHEN ${isList} THEN ${each(one)} ELSE ${as === "items" ? "NULL" : `[${one(column)}]`} END`,
    inexact: `CASE WHEN ${isList} THEN list_filter(${each(fault)}, lambda x: x IS NOT NULL)[1] ` +
      `ELSE ${fault(column)} END`,
  };
}
