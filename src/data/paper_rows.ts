/**
 * Rows of a file in the paper's layout, as its text has them. Lines are split by hand: the format has no quoting (a quote
 * in a SessionId is a plain character).
 */

import { canonical, DECIMAL, EXACT_DIGITS, MOST_DIGITS } from "./decimal.ts";
import { UserError } from "../user_error.ts";

const columns = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"] as const;
type Column = typeof columns[number];

/** One-hot items cost memory per possible id; an id above this is a raw id, not an index. */
const maxItem = 10_000_000;

/** The columns of the file, a place per row. */
export interface Rows {
  readonly line: number[];
  readonly user: number[];
  /** The double next to the Time, and what a whole number has beyond it. */
  readonly time: number[];
  readonly rest: number[];
  /** All digits of a Time that is not a whole number and has more digits than a double, by its row. */
  readonly digits: Map<number, string>;
  readonly item: number[];
  readonly click: number[];
  /** Split code of each user in the file. */
  readonly splitOf: Map<number, number>;
}

/** @throws {UserError} with file and line for what is no row, or a user in two parts */
export function parseRows(path: string, text: string): Rows {
  if (text.trim() === "") {
    throw new UserError(
      `${path}: the file is empty. Expected a header line and a row per event and displayed item.`,
    );
  }
  const rows: Rows = {
    line: [],
    user: [],
    time: [],
    rest: [],
    digits: new Map(),
    item: [],
    click: [],
    splitOf: new Map(),
  };
  const firstLine = new Map<number, number>();
  let header: Header | undefined;
  for (let start = text.startsWith("\ufeff") ? 1 : 0, line = 1; start < text.length; line++) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const content = text.slice(start, text[end - 1] === "\r" ? end - 1 : end);
    start = end + 1;
    if (header === undefined) header = parseHeader(path, content);
    else if (content !== "") addRow(path, rows, firstLine, line, parseRow(path, line, content, header));
  }
  if (rows.line.length === 0) {
    throw new UserError(
      `${path}: a header and no rows. Expected a row per event and displayed item below it.`,
    );
  }
  return rows;
}

interface Header {
  /** Where each needed column is in a row. */
  readonly place: Readonly<Record<Column, number>>;
  /** How many columns there are. */
  readonly width: number;
}

function parseHeader(path: string, header: string): Header {
  const found = header.split("\t").map((name) => name.trim());
  const missing = columns.filter((name) => !found.includes(name));
  if (missing.length > 0) {
    const hint = found.length === 1 && header.includes(",")
      ? "The file seems to be separated by commas; separate the columns by tabs."
      : "The first line must name the columns.";
    throw new UserError(
      `${path}:1: expected tab-separated columns ${columns.join(", ")} (any order, others are skipped), ` +
        `but ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing; ` +
        `found ${found.join(", ")}. ${hint}`,
    );
  }
  const twice = columns.find((name) => found.indexOf(name) < found.lastIndexOf(name));
  if (twice !== undefined) {
    throw new UserError(
      `${path}:1: expected one column ${twice}, found several. Rename all but one of them in the header.`,
    );
  }
  const place = Object.fromEntries(columns.map((name) => [name, found.indexOf(name)])) as Record<
    Column,
    number
  >;
  return { place, width: found.length };
}

interface Row extends Time {
  readonly user: number;
  readonly item: number;
  readonly click: number;
  readonly split: number;
}

function parseRow(path: string, line: number, content: string, { place, width }: Header): Row {
  const fields = content.split("\t");
  if (fields.length !== width) {
    throw new UserError(
      `${path}:${line}: expected ${width} tab-separated values as in the header, found ${fields.length}. ` +
        "Correct or remove the row.",
    );
  }
  const fail = (name: Column, expected: string): never => {
    throw new UserError(
      `${path}:${line}: expected ${name} to be ${expected}, found "${fields[place[name]]}".`,
    );
  };
  const whole = (name: Column, max: number, expected: string): number => {
    const field = fields[place[name]]!;
    const value = /^\d+$/.test(field) ? Number(field) : NaN;
    return value <= max ? value : fail(name, expected);
  };
  const user = whole("session_new_index", Number.MAX_SAFE_INTEGER, "a whole number, 0 or more (the user)");
  const item = whole("item_new_index", Number.MAX_SAFE_INTEGER, "a whole number, 0 or more (the item)");
  if (item > maxItem) {
    fail("item_new_index", `at most ${maxItem} (is it a raw id? Renumber the items from 0)`);
  }
  const click = whole("is_click", 1, "0 or 1 (1 for the clicked item)");
  const split = whole("tr_val_tst", 2, "0 (train), 1 (validation) or 2 (test)");
  return { user, item, click, split, ...timeOf(fields[place.Time]!.trim(), (text) => fail("Time", text)) };
}

interface Time {
  /** The double next to it. */
  readonly time: number;
  /** What a whole number has beyond the double. */
  readonly rest: number;
  /** All digits, of what is no whole number and has more of them than a double. */
  readonly digits?: string;
}

function timeOf(field: string, fail: (expected: string) => never): Time {
  const time = DECIMAL.test(field) ? Number(field) : NaN;
  if (!Number.isFinite(time)) fail("a number");
  if (field.length <= EXACT_DIGITS) return { time, rest: 0 };
  if (/^[+-]?\d+$/.test(field)) {
    if (field.length > MOST_DIGITS) fail(`a number of at most ${MOST_DIGITS} digits`);
    return { time, rest: Number(BigInt(field) - BigInt(time)) };
  }
  const digits = canonical(field);
  return digits === canonical(String(time)) ? { time, rest: 0 } : { time, rest: 0, digits };
}

/** @param firstLine the first line of each user */
function addRow(
  path: string,
  rows: Rows,
  firstLine: Map<number, number>,
  line: number,
  { user, item, click, split, time, rest, digits }: Row,
): void {
  const before = rows.splitOf.get(user);
  if (before === undefined) {
    rows.splitOf.set(user, split);
    firstLine.set(user, line);
  } else if (before !== split) {
    throw new UserError(
      `${path}:${line}: user ${user} has tr_val_tst ${split} here ` +
        `and ${before} in line ${firstLine.get(user)}. ` +
        "All rows of a user must be in one part.",
    );
  }
  if (digits !== undefined) rows.digits.set(rows.line.length, digits);
  rows.line.push(line);
  rows.user.push(user);
  rows.time.push(time);
  rows.rest.push(rest);
  rows.item.push(item);
  rows.click.push(click);
}
