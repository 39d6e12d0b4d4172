/** How the rows of a table are read: one SELECT for CSV, JSON lines and Parquet. Values come as text, as written. */

import { identifier, literal } from "./engine.ts";
import { plainPath } from "./glob.ts";
import { type NestedPath, parquetPath, pointerOf } from "./nested_names.ts";
import { linesSql, type SourceFile } from "./sources.ts";

export const formats = ["csv", "json", "parquet"] as const;
export type Format = (typeof formats)[number];

export interface Column {
  readonly name: string;
  /** As the engine writes it; VARCHAR for CSV and JSON. */
  readonly type: string;
  /** Where it stands, if its name is a dotted one: behind the columns of the file. */
  readonly path?: NestedPath;
}

/** Files of one format with the same columns. */
export interface TableSource {
  readonly files: readonly SourceFile[];
  readonly format: Format;
  readonly columns: readonly Column[];
  /** What separates the columns of CSV. */
  readonly delimiter: string;
}

/** Columns that the readers add. */
export const OWN = ["clickgan file", "file_row_number"];

export function parquetOf(paths: readonly string[]): string {
  const files = literal(paths.map(plainPath));
  return `read_parquet(${files}, filename = 'clickgan file', file_row_number = true, ` +
    "binary_as_string = true, hive_partitioning = false)";
}

/**
 * What a value is read as: an id must be exact, a list may be one, items are a list, also where it is written as text
 * ("3 17 5", "[3, 17]", "a|b"), numbers and times are text to be cast.
 */
export type ReadAs = "id" | "text" | "list" | "items" | "number";

/**
 * A query with a row for each row of the files:
 *
 *     file, row, line     where it is: of Parquet the row from 1, of JSON the line's text, of CSV neither
 *     broken              a line that is no JSON object
 *     inexact             an id that is a floating point number and no exact whole one, or a value of a list that is one
 *                         beyond those that are exact, as text: others may have become the same number
 *     and a column for each of `values`, NULL where there is no value or none is wanted: text, lists of text, numbers
 */
export function selectOf(
  { files, format, columns, delimiter }: TableSource,
  values: Readonly<Record<string, { readonly column: string | undefined; readonly as: ReadAs }>>,
): string {
  const paths = files.map(({ path }) => path);
  const read: { name: string; value: string; inexact: string }[] = [];
  const pointers: string[] = [];
  for (const [name, { column, as }] of Object.entries(values)) {
    const place = columns.findIndex((one) => one.name === column);
    const none = as === "list" || as === "items"
      ? "NULL::VARCHAR[]"
      : as === "number"
      ? "NULL::DOUBLE"
      : "NULL::VARCHAR";
    if (column === undefined || (place < 0 && format !== "json")) {
      read.push({ name, value: none, inexact: "" });
    } else if (format === "csv") {
      read.push({ name, ...csvValue(`c${place}`, as) });
    } else if (format === "parquet") {
      const { type, path }: Column = columns[place] ?? { name, type: "VARCHAR" };
      read.push({ name, ...parquetValue(path ? parquetPath(path) : identifier(column), type, as) });
    } else {
      const { names, each }: NestedPath = columns[place]?.path ?? { names: [column] };
      pointers.push(pointerOf(names));
      read.push({ name, ...jsonValue(pointers.length, pointers.at(-1) ?? "", as, each) });
    }
  }
  const place = format === "csv"
    ? `NULL::BIGINT AS "row", NULL::VARCHAR AS line, false AS broken`
    : format === "parquet"
    ? `file_row_number + 1 AS "row", NULL::VARCHAR AS line, false AS broken`
    : `NULL::BIGINT AS "row", line, broken`;
  const inexact = read.map((one) => one.inexact).filter((text) => text !== "");
  return [
    `SELECT "clickgan file" AS file, ${place},`,
    `  ${inexact.length > 0 ? `coalesce(${inexact.join(", ")})` : "NULL::VARCHAR"} AS inexact,`,
    read.map(({ name, value }) => `  ${value} AS ${identifier(name)}`).join(",\n"),
    `FROM ${format === "json" ? jsonOf(paths, pointers) : format === "csv" ? csvOf() : parquetOf(paths)}`,
  ].join("\n");

  function csvOf(): string {
    const types = columns.map((_, k) => `'c${k}': 'VARCHAR'`).join(", ");
    const [files, delim] = [literal(paths.map(plainPath)), literal(delimiter)];
    return `read_csv(${files}, header = true, delim = ${delim}, quote = '"', escape = '"', ` +
      `auto_detect = false, columns = {${types}}, nullstr = '\\N', store_rejects = true, filename = 'clickgan file')`;
  }
}

function csvValue(column: string, as: ReadAs): { value: string; inexact: string } {
  const value = as === "number"
    ? `TRY_CAST(${column} AS DOUBLE)`
    : as === "list"
    ? `[${column}]`
    : as === "items"
    ? splitText(column)
    : column;
  return { value, inexact: "" };
}

/** An element x of a JSON array as an id: whole numbers of programs that know floats only are whole. */
const idOfJson =
  `CASE WHEN json_type(x) = 'DOUBLE' AND x::DOUBLE = floor(x::DOUBLE) AND abs(x::DOUBLE) < ${2 ** 53} ` +
  "THEN x::DOUBLE::BIGINT::VARCHAR ELSE json_extract_string(x, '$') END";

/**
 * A list that is written as text: a JSON array, or values between |, semicolons, commas or spaces, the first of these that is
 * there, and brackets around.
 */
function splitText(text: string): string {
  const inside = `trim(${text}, '[](){} ')`;
  const separator = ["|", ";", ","].map((sign) =>
    `WHEN contains(${inside}, '${sign}') THEN '\\s*[${sign}]\\s*'`
  );
  const parts = `list_filter(regexp_split_to_array(${inside}, CASE ${
    separator.join(" ")
  } ELSE '\\s+' END), lambda x: x <> '')`;
  const json = `CASE WHEN json_valid(${text}) THEN ${text} END`;
  return `CASE WHEN starts_with(trim(${text}), '[') AND json_valid(${text}) ` +
    `THEN list_transform(json_extract(${json}, '$[*]'), lambda x: ${idOfJson}) ` +
    `ELSE list_transform(${parts}, lambda x: trim(x, ${literal(`"'`)})) END`;
}

function parquetValue(column: string, type: string, as: ReadAs): { value: string; inexact: string } {
  const text = `CAST(${column} AS VARCHAR)`;
  const plain = { value: text, inexact: "" };
  const float = type === "DOUBLE" || type === "FLOAT";
  // Behind the last exact one, the next number is the same.
  const small = `abs(${column}) < ${type === "FLOAT" ? 2 ** 24 : 2 ** 53}`;
  if (as === "number") return { value: `CAST(${column} AS DOUBLE)`, inexact: "" };
  if (as === "items") return parquetItems(column, type);
  if (as === "list") {
    return {
      value: type.endsWith("[]") ? `CAST(${column} AS VARCHAR[])` : `[${text}]`,
      inexact: float ? `CASE WHEN NOT isnan(${column}) AND NOT (${small}) THEN ${text} END` : "",
    };
  }
  if (!float) return plain;
  const whole = `${column} = floor(${column}) AND ${small}`;
  const value = `CASE WHEN ${whole} THEN CAST(CAST(${column} AS BIGINT) AS VARCHAR) `;
  // What has no value is NaN in a column of floats.
  return as === "id"
    ? { value: `${value}END`, inexact: `CASE WHEN NOT isnan(${column}) AND NOT (${whole}) THEN ${text} END` }
    : { value: `${value}ELSE ${text} END`, inexact: "" };
}

function parquetItems(column: string, type: string): { value: string; inexact: string } {
  if (!type.endsWith("]")) return { value: splitText(parquetValue(column, type, "text").value), inexact: "" };
  const { value, inexact } = parquetValue("x", type.replace(/\[\d*\]$/, ""), "id");
  const each = (x: string) => `list_transform(${column}, lambda x: ${x})`;
  return {
    value: each(value),
    inexact: inexact === "" ? "" : `list_filter(${each(inexact)}, lambda x: x IS NOT NULL)[1]`,
  };
}

/**
 * @param k of the pointers, from 1.
 * @param each the names within each element of the list that is there.
 */
function jsonValue(
  k: number,
  pointer: string,
  as: ReadAs,
  each?: readonly string[],
): { value: string; inexact: string } {
  const [text, type] = [`v[${k}]`, `t[${k}]`];
  // Whole numbers of any length come as they are written.
  const isFloat = (text: string) => `NOT regexp_full_match(${text}, '-?[0-9]+')`;
  const isSmall = (text: string) => `coalesce(abs(TRY_CAST(${text} AS DOUBLE)) < ${2 ** 53}, false)`;
  const float = `${type} = 'DOUBLE' AND ${isFloat(text)}`;
  if (as === "number") {
    return {
      value: `CASE WHEN ${type} NOT IN ('ARRAY', 'OBJECT') THEN TRY_CAST(${text} AS DOUBLE) END`,
      inexact: "",
    };
  }
  if (as === "list" || as === "items") {
    const list = `json_extract(line, ${literal(pointer)})`;
    const all = `json_extract(${list}, '$[*]')`;
    const elements = each === undefined
      ? all
      : `list_transform(${all}, lambda x: json_extract(x, ${literal(pointerOf(each))}))`;
    const values = as === "items"
      ? `list_transform(${elements}, lambda x: ${idOfJson})`
      : `json_transform(${list}, '["VARCHAR"]')`;
    const large = `${isFloat("x::VARCHAR")} AND NOT ${isSmall("x::VARCHAR")}`;
    const other = as === "items" ? splitText(text) : `[${text}]`;
    return {
      value: `CASE ${type} WHEN 'ARRAY' THEN ${values} ELSE ${other} END`,
      inexact: `CASE WHEN ${type} = 'ARRAY' THEN list_filter(${elements}, ` +
        `lambda x: json_type(x) = 'DOUBLE' AND ${large})[1]::VARCHAR ` +
        `WHEN ${float} AND NOT ${isSmall(text)} THEN ${text} END`,
    };
  }
  if (as === "text") return { value: text, inexact: "" };
  const exact = `TRY_CAST(${text} AS DOUBLE) = floor(TRY_CAST(${text} AS DOUBLE)) AND ${isSmall(text)}`;
  return {
    value: `CASE WHEN ${type} IN ('ARRAY', 'OBJECT') THEN NULL ` +
      `WHEN ${float} THEN CASE WHEN ${exact} THEN CAST(CAST(CAST(${text} AS DOUBLE) AS BIGINT) AS VARCHAR) END ` +
      `ELSE ${text} END`,
    inexact: `CASE WHEN ${float} AND NOT (${exact}) THEN ${text} END`,
  };
}

function jsonOf(paths: readonly string[], pointers: readonly string[]): string {
  return [
    `(SELECT "clickgan file", line, NOT whole AS broken,`,
    `  CASE WHEN whole THEN json_extract_string(line, ${literal(pointers)}) END AS v,`,
    `  CASE WHEN whole THEN json_type(line, ${literal(pointers)}) END AS t`,
    `FROM (SELECT * REPLACE (rtrim(line, chr(13)) AS line), json_valid(line) AND coalesce(json_type(CASE WHEN json_valid(line) THEN line END) = 'OBJECT', false) AS whole`,
    `  FROM ${linesSql(paths)} WHERE trim(coalesce(line, '')) <> ''))`,
  ].join("\n");
}
