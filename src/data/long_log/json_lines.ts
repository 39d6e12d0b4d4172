/** A table of JSON lines. Values within objects have dotted names, such as user.id. */

import { shown } from "../bad_rows.ts";
import { byCodePoint } from "./order.ts";
import { UserError } from "../../user_error.ts";
import type { TableTaker, WantedColumns } from "./table_taker.ts";

/** The columns of a row are the wanted names, in their order. @throws UserError as readTable of table.ts does. */
export function readJsonLines(
  path: string,
  text: string,
  { names, ids }: WantedColumns,
  taker: TableTaker,
): void {
  if (/^\s*\[/.test(text)) {
    throw new UserError(
      `${path}: expected JSON lines (one object on each line), found an array. Write each object on a line of its own, ` +
        "without brackets and commas around it.",
    );
  }
  taker.header(names, 1);
  const missing = new Set(names);
  for (const { text: own, line, end } of linesOf(text)) {
    const object = objectOf(own);
    if (!object) {
      taker.broken({ kind: "not a JSON object", expected: "a JSON object", found: `"${shown(own)}"` }, line);
      continue;
    }
    const lists = new Map<number, readonly string[]>();
    const fields = names.map((name, k) => {
      const value = valueAt(object, name);
      const place = `${path}:${line}`;
      if (value !== undefined) missing.delete(name);
      if (Array.isArray(value)) lists.set(k, value.map((one) => listedText(one, place, name)));
      return ids.includes(name) ? idText(value, place, name) : textOf(value);
    });
    taker.row(fields, line, lists);
    taker.onRead?.(end / text.length);
  }
  const [name] = missing;
  if (name === undefined || text.trim() === "") return;
  throw new UserError(
    `${path}: expected a column "${name}", found ${
      namesOfJson(text).join(", ") || "no columns"
    }. Choose another one.`,
  );
}

/** How many lines are looked at for the names that there are. */
const SAMPLE = 10_000;

/** Names of all keys, in their order; those within objects are left to {@link namesOfJson}. */
export function keysOfJson(text: string): string[] {
  const keys = new Set<string>();
  let seen = 0;
  for (const { text: own } of linesOf(text)) {
    if (seen++ === SAMPLE) break;
    for (const key of Object.keys(objectOf(own) ?? {})) keys.add(key);
  }
  return [...keys].sort(byCodePoint);
}

/** Names of what may be a column: all but lists. */
export function namesOfJson(text: string): string[] {
  const names = new Set<string>();
  let seen = 0;
  for (const { text: own } of linesOf(text)) {
    if (seen++ === SAMPLE) break;
    addNames(names, "", objectOf(own) ?? {});
  }
  return [...names];
}

function addNames(names: Set<string>, before: string, object: JsonObject): void {
  for (const [key, value] of Object.entries(object)) {
    if (isObject(value)) addNames(names, `${before}${key}.`, value);
    else if (!Array.isArray(value)) names.add(before + key);
  }
}

function* linesOf(text: string): Generator<{ text: string; line: number; end: number }> {
  let line = 1;
  for (let at = 0; at < text.length; line++) {
    const next = text.indexOf("\n", at);
    const end = next < 0 ? text.length : next + 1;
    const own = text.slice(at, end).trim();
    if (own !== "") yield { text: own, line, end };
    at = end;
  }
}

/** A whole number of more digits than a double has, as it is written. */
class Digits {
  constructor(readonly text: string) {}
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Digits);
}

function objectOf(line: string): JsonObject | undefined {
  try {
    // Most lines have no such number, and are read much faster so.
    const value: unknown = /\d{16}/.test(line) ? JSON.parse(line, exactly) : JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Browsers of before 2025 may not say how a number is written: it is then no exact id. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || !source) return value;
  return /^-?\d+$/.test(source) ? new Digits(source) : value;
}

function valueAt(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  let value: unknown = object;
  for (const key of name.split(".")) {
    value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (value instanceof Digits) return value.text;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @throws UserError for a number that may stand for several ids. */
function idText(value: unknown, place: string, name: string): string {
  if (typeof value === "object" && !(value instanceof Digits)) return "";
  if (typeof value !== "number" || Number.isSafeInteger(value)) return textOf(value);
  throw inexact(value, place, name);
}

/** @throws UserError for a number that may stand for several values. */
function listedText(value: unknown, place: string, name: string): string {
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw inexact(value, place, name);
  }
  return textOf(value);
}

function inexact(value: number, place: string, name: string): UserError {
  return new UserError(
    `${place}: expected ${name} to be text or a whole number, exactly, found ${value}: different ids may have become one. ` +
      "Write the ids as text or integers.",
  );
}
