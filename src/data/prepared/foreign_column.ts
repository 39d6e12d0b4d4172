/**
 * Columns of Parquet files that others wrote: whether a column's type can be read, and whether each value is allowed
 * there. Nothing is rounded, cut off, or read as 0. For a value that is not allowed the functions return -1 or NaN and
 * throw nothing: they are called for millions of values.
 */

import type { SchemaElement, SchemaTree } from "hyparquet";

/** What a column is to hold. */
export interface ColumnType {
  readonly of: "whole" | "number" | "text" | "truth";
  /** Each row has a list of them. */
  readonly list?: boolean;
  /** The column may be missing. */
  readonly optional?: boolean;
}

/** A whole number of 0 to less than `end`; -1 for anything else, NULL as well. */
export function wholeOf(value: unknown, end: number): number {
  // 64-bit integers: what rounds here is beyond any end.
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && number < end && Number.isInteger(number) ? number : -1;
}

/** The 32-bit float next to a number; NaN for anything else, NULL and what is beyond such floats as well. */
export function floatOf(value: unknown): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  const float = typeof number === "number" ? Math.fround(number) : NaN;
  return Number.isFinite(float) ? float : NaN;
}

/** A value as a message has it. */
export function foundText(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string" && /^[a-z][\w.-]{0,59}$/i.test(value)) return value;
  if (typeof value === "string") return `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}"`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "a time" : value.toISOString();
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "a structure" : String(value);
}

/** What is expected of a type, in words. */
export function expectedText({ of, list }: ColumnType): string {
  const one = { whole: "whole numbers", number: "numbers", text: "text", truth: "true or false" }[of];
  return list ? `lists of ${one}` : one;
}

/** How such a column is written. */
export function remedyText({ of, list }: ColumnType): string {
  const one = { whole: "uint32", number: "float", text: "string", truth: "boolean" }[of];
  return list ? `list<${one}>` : one;
}

/** Whether a column's type can hold what is expected. Whether a number is whole shows in its value alone. */
export function fits(column: SchemaTree, { of, list = false }: ColumnType): boolean {
  const leaf = leafOf(column);
  if (leaf === undefined || isList(column) !== list) return false;
  const kind = kindOf(leaf);
  return of === kind || (of === "whole" && kind === "float") ||
    (of === "number" && (kind === "whole" || kind === "float" || kind === "decimal"));
}

/** A column's type, in Parquet's words. */
export function typeText(column: SchemaTree): string {
  const leaf = leafOf(column);
  if (leaf) return `${nameOf(leaf)}${isList(column) ? "[]" : ""}`;
  const { converted_type: type } = column.element;
  return type === "LIST" ? "nested lists" : type === "MAP" ? "MAP" : "STRUCT";
}

function isList({ element, children }: SchemaTree): boolean {
  return element.repetition_type === "REPEATED" || children.length > 0;
}

/** The values of a plain column, or of a list of plain values; undefined for what is nested otherwise. */
function leafOf(column: SchemaTree): SchemaElement | undefined {
  const { element, children } = column;
  if (children.length === 0) return element;
  const [repeated, ...others] = children;
  if (!repeated || others.length > 0 || element.converted_type !== "LIST") return undefined;
  if (element.repetition_type === "REPEATED" || repeated.element.repetition_type !== "REPEATED") {
    return undefined;
  }
  if (repeated.children.length === 0) return repeated.element; // as old writers have it
  const [value, ...more] = repeated.children;
  const plain = value && more.length === 0 && value.children.length === 0 &&
    value.element.repetition_type !== "REPEATED";
  return plain ? value.element : undefined;
}

function kindOf(
  { type, converted_type: converted, logical_type: logical }: SchemaElement,
): ColumnType["of"] | "float" | "decimal" | "other" {
  if (converted === "DECIMAL" || logical?.type === "DECIMAL") return "decimal";
  if (logical?.type === "FLOAT16") return "float";
  switch (type) {
    case "BOOLEAN":
      return "truth";
    case "INT32":
    case "INT64":
      return (converted === undefined || /^U?INT_/.test(converted)) &&
          (logical === undefined || logical.type === "INTEGER")
        ? "whole"
        : "other";
    case "FLOAT":
    case "DOUBLE":
      return "float";
    case "BYTE_ARRAY":
      return (converted === undefined || converted === "UTF8" || converted === "ENUM") &&
          (logical === undefined || logical.type === "STRING" || logical.type === "ENUM")
        ? "text"
        : "other";
    default:
      return "other";
  }
}

function nameOf(
  { type, converted_type: converted, logical_type: logical, precision, scale }: SchemaElement,
): string {
  if (converted === "DECIMAL" || logical?.type === "DECIMAL") return `DECIMAL(${precision}, ${scale ?? 0})`;
  if (converted === "UTF8" || logical?.type === "STRING") return "STRING";
  return converted ?? (logical?.type === "INTEGER" ? undefined : logical?.type) ?? type ?? "an unknown type";
}
