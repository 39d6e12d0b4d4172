/** Dotted names of columns: `user.id` is a field of a struct or object, `items.id` a list of a field of each element. */

import type { Engine } from "./engine.ts";
import { identifier, literal } from "./engine.ts";
import { linesSql } from "./sources.ts";

/** Where a value stands: the names down to it; with `each`, down to a list, and then the names within each element. */
export interface NestedPath {
  readonly names: readonly string[];
  readonly each?: readonly string[];
}

export interface Field {
  readonly name: string;
  /** As the engine writes it. */
  readonly type: string;
}

/** How many JSON lines of a file are looked at for the keys that there are. */
const JSON_SAMPLE = 10_000;
/** Names that a message lists within one column. */
const MOST_NAMES = 20;

/** A JSON pointer, which can name any key. */
export function pointerOf(names: readonly string[]): string {
  return names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The paths that a dotted name can mean: one for each way to go through at most one list; the plain one first. */
export function pathsOf(name: string): NestedPath[] {
  const names = name.split(".");
  if (names.length < 2 || names.includes("")) return [];
  return [
    { names },
    ...names.slice(1).map((_, k) => ({ names: names.slice(0, k + 1), each: names.slice(k + 1) })),
  ];
}

/** The fields of a STRUCT type as the engine writes it: STRUCT(a INTEGER, "b c" STRUCT(d VARCHAR)[]); none for others. */
export function fieldsOfType(type: string): Field[] {
  const inside = /^STRUCT\((.*)\)$/s.exec(type)?.[1];
  if (inside === undefined) return [];
  const fields: Field[] = [];
  let [depth, quoted, from] = [0, false, 0];
  for (let at = 0; at <= inside.length; at++) {
    const letter = inside[at];
    if (letter === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (letter === "(") depth++;
    else if (letter === ")") depth--;
    else if (letter === undefined || (letter === "," && depth === 0)) {
      const [, inQuotes, plain = "", rest = ""] =
        /^\s*(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(inside.slice(from, at)) ?? [];
      fields.push({ name: inQuotes?.replaceAll('""', '"') ?? plain, type: rest });
      from = at + 1;
    }
  }
  return fields;
}

/** The type at a path of a Parquet file, with [] for a list; undefined where nothing is. */
export function typeAt(columns: readonly Field[], { names, each }: NestedPath): string | undefined {
  const type = down(columns, names);
  if (each === undefined || type === undefined) return type;
  if (!type.endsWith("[]")) return undefined;
  const inner = down(fieldsOfType(type.slice(0, -2)), each);
  return inner === undefined ? undefined : `${inner}[]`;
}

function down(fields: readonly Field[], [name, ...rest]: readonly string[]): string | undefined {
  const type = fields.find((field) => field.name === name)?.type;
  return rest.length === 0 || type === undefined ? type : down(fieldsOfType(type), rest);
}

/** SQL for the value at a path of a row of Parquet. */
export function parquetPath({ names, each }: NestedPath): string {
  const [first = "", ...rest] = names;
  const within = (value: string, names: readonly string[]) =>
    names.reduce((value, name) => `struct_extract(${value}, ${literal(name)})`, value);
  const value = within(identifier(first), rest);
  return each === undefined ? value : `list_transform(${value}, lambda x: ${within("x", each)})`;
}

/** The path of a dotted name among the first lines of a file of JSON; undefined where nothing is. */
export async function findInJson(
  engine: Engine,
  file: string,
  name: string,
): Promise<NestedPath | undefined> {
  const paths = pathsOf(name);
  const found = paths.map(({ names, each }, k) =>
    `count(json_type(line, ${literal(pointerOf(names) + (each ? `/0${pointerOf(each)}` : ""))})) AS n${k}`
  );
  if (found.length === 0) return undefined;
  const [row = {}] = await engine.rows(`SELECT ${found.join(", ")} FROM (${objectLines(file)})`);
  return paths.find((_, k) => Number(row[`n${k}`]) > 0);
}

/** The first of these names that leads to a list within a list, in the first lines of JSON or by the types of Parquet. */
export async function nestedTwice(
  engine: Engine,
  file: string,
  columns: readonly Field[],
  wanted: readonly string[],
  isJson: boolean,
): Promise<string | undefined> {
  if (!isJson) return wanted.find((name) => listsOn(columns, name.split(".")) > 1);
  const found = wanted.map((name, k) => {
    const types = throughTwoLists(name.split(".")).map((pointer) => `json_type(line, ${literal(pointer)})`);
    return `count(coalesce(${types.join(", ")})) AS n${k}`;
  });
  const [row = {}] = await engine.rows(`SELECT ${found.join(", ")} FROM (${objectLines(file)})`);
  return wanted.find((_, k) => Number(row[`n${k}`]) > 0);
}

/** How many lists of a row of Parquet a path goes through. */
function listsOn(fields: readonly Field[], [name, ...rest]: readonly string[]): number {
  const type = fields.find((field) => field.name === name)?.type ?? "";
  const inner = type.replace(/(\[\d*\])+$/, "");
  const lists = type.slice(inner.length).split("]").length - 1;
  return lists + (rest.length > 0 ? listsOn(fieldsOfType(inner), rest) : 0);
}

/** JSON pointers down a path to the first value of a list within a list, for each pair of places where they may be. */
function throughTwoLists(names: readonly string[]): string[] {
  return names.flatMap((_, a) =>
    names.slice(a).map((_, b) =>
      names.map((name, k) => pointerOf([name]) + (k === a ? "/0" : "") + (k === a + b ? "/0" : "")).join("")
    )
  );
}

/** Names for a message: of the columns, and the dotted ones within them. */
export async function namesWithin(
  engine: Engine,
  file: string,
  columns: readonly Field[],
  isJson: boolean,
): Promise<string[]> {
  const names: string[] = [];
  for (const { name, type } of columns) {
    const inner = isJson
      ? await keysWithin(engine, file, name)
      : fieldsOfType(type.replace(/\[\]$/, "")).map((field) => field.name);
    names.push(...(inner.length === 0 ? [name] : inner.slice(0, MOST_NAMES).map((key) => `${name}.${key}`)));
  }
  return names;
}

async function keysWithin(engine: Engine, file: string, name: string): Promise<string[]> {
  const at = pointerOf([name]);
  const keys = (pointer: string) => `json_keys(line, ${literal(pointer)})`;
  const rows = await engine.rows(
    `SELECT DISTINCT unnest(list_concat(${keys(at)}, ${keys(`${at}/0`)})) AS name ` +
      `FROM (${objectLines(file)}) ORDER BY name`,
  );
  return rows.map((row) => String(row.name));
}

/** The first lines that are JSON objects. */
export function objectLines(file: string): string {
  return `SELECT line FROM ${linesSql([file])} ` +
    `WHERE json_valid(line) AND json_type(line) = 'OBJECT' LIMIT ${JSON_SAMPLE}`;
}
