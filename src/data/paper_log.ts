/**
 * Parses the tab-separated format of the paper (Chen et al., ICML 2019). An event is a page that a user was
 * shown. The first line of a file names the columns. Each other line is a displayed item of an event. Five
 * columns are required, in any order: session_new_index (the user), Time, item_new_index (the item), is_click
 * (0 or 1) and tr_val_tst (0 train, 1 validation, 2 test). Other columns are ignored. A user's rows with
 * equal Times form one event. Times are compared exactly, even above 2^53 (nanoseconds). An event may have
 * several clicked items. The order of these clicks is not in the file, so an order is drawn at random.
 */

import { ADDITIONAL_CLICK, type ClickLog, NONE, type Split, splits } from "./click_log.ts";
import { createRandomStream } from "./random.ts";
import { UserError } from "../user_error.ts";

/** Largest file size in bytes. The file is read into one string, which V8 limits to 2^29 characters. */
export const MOST_PAPER_BYTES = 500_000_000;

/**
 * Parses a log with one-hot items, which are numbered from 0 to the largest item number in the text.
 *
 * Users are numbered from 0, in the order of their ids. Events are sorted by Time; rows of one event keep the
 * order of the text. If several rows have equal user, Time and item, only the first clicked row is kept (or,
 * if none is clicked, the first row).
 *
 * @param path: its last part becomes the log's name. @param needed: splits that must have users.
 * @throws UserError that names the path and, for a faulty line, the line's number
 */
export function parsePaperLog(path: string, text: string, needed: readonly Split[] = splits): ClickLog {
  const rows = parseRows(path, text);
  const present = new Set(rows.splitOf.values());
  for (const split of needed) {
    const code = splits.indexOf(split);
    if (!present.has(code)) {
      throw new UserError(
        `${path}: no ${split} users (rows with tr_val_tst ${code}). ` +
          `Users of ${needed.join(", ")} are needed: give some users tr_val_tst ${code}.`,
      );
    }
  }
  return buildLog(path, rows);
}

/** Returns the user ids, by user number. @throws UserError for the same faults as {@link parsePaperLog}. */
export function parsePaperUsers(path: string, text: string): number[] {
  return [...parseRows(path, text).splitOf.keys()].sort((a, b) => a - b);
}

function buildLog(path: string, rows: Rows): ClickLog {
  const { user, item, splitOf } = rows;
  const order = sortedRows(rows);
  const userSplit: number[] = [];
  const userEvents: number[] = [];
  const eventRows: number[] = [];
  const eventClick: number[] = [];
  const eventKind: number[] = [];
  const rowItem: number[] = [];
  let lastItem = 0;
  for (let start = 0, end = 0; start < order.length; start = end) {
    const first = order[start]!;
    if (start === 0 || user[order[start - 1]!] !== user[first]) {
      userEvents.push(eventClick.length);
      userSplit.push(splitOf.get(user[first]!)!);
    }
    end = endOfEvent(path, rows, order, start);
    const kept = withoutRepetitions(rows, order.subarray(start, end));
    const [clicked, ...further] = drawClickOrder(rows, kept);
    eventRows.push(rowItem.length);
    eventClick.push(clicked === undefined ? NONE : rowItem.length + kept.indexOf(clicked));
    eventKind.push(0);
    for (const row of kept) {
      rowItem.push(item[row]!);
      lastItem = Math.max(lastItem, item[row]!);
    }
    for (const row of further) {
      eventRows.push(rowItem.length);
      eventClick.push(rowItem.length);
      eventKind.push(ADDITIONAL_CLICK);
      rowItem.push(item[row]!);
    }
  }
  userEvents.push(eventClick.length);
  eventRows.push(rowItem.length);
  return {
    name: path.split(/[\\/]/).pop()!,
    items: { kind: "one-hot", count: lastItem + 1 },
    userSplit: Uint8Array.from(userSplit),
    userEvents: Uint32Array.from(userEvents),
    eventRows: Uint32Array.from(eventRows),
    eventClick: Uint32Array.from(eventClick),
    ...(eventKind.includes(ADDITIONAL_CLICK) ? { eventKind: Uint8Array.from(eventKind) } : {}),
    rowItem: Uint32Array.from(rowItem),
  };
}

/** Returns the row indices, sorted by user and Time. Rows of one event keep the order of the file. */
function sortedRows({ line, user, time, rest }: Rows): Uint32Array {
  const order = Uint32Array.from(line, (_, row) => row);
  return order.sort((a, b) => user[a]! - user[b]! || time[a]! - time[b]! || rest[a]! - rest[b]! || a - b);
}

function endOfEvent(path: string, rows: Rows, order: Uint32Array, start: number): number {
  const { user, time, rest } = rows;
  const first = order[start]!;
  for (let end = start + 1; end < order.length; end++) {
    const row = order[end]!;
    if (user[row] !== user[first] || time[row] !== time[first] || rest[row] !== rest[first]) return end;
    if (rows.digits.size > 0) expectSameTime(path, rows, first, row);
  }
  return order.length;
}

/** Keeps one row per item of an event: its first clicked row or, if none is clicked, its first row. */
function withoutRepetitions({ item, click }: Rows, event: Uint32Array): number[] {
  const kept = new Map<number, number>();
  for (const row of event) {
    const earlier = kept.get(item[row]!);
    if (earlier !== undefined && click[earlier]! >= click[row]!) continue;
    kept.delete(item[row]!);
    kept.set(item[row]!, row);
  }
  return [...kept.values()];
}

/** Shuffles an event's clicked rows, because the file does not contain the order of the clicks. */
function drawClickOrder({ line, click }: Rows, event: readonly number[]): number[] {
  const clicked = event.filter((row) => click[row] === 1);
  if (clicked.length < 2) return clicked;
  const random = createRandomStream(line[event[0]!]!, "order of clicks");
  return Array.from(random.sampleWithoutReplacement(clicked.length, clicked.length), (k) => clicked[k]!);
}

/** @throws UserError if two different Times round to one double, so two events would become one. */
function expectSameTime(path: string, { line, user, time, digits }: Rows, a: number, b: number): void {
  const exact = (row: number) => digits.get(row) ?? canonicalizeNumber(String(time[row]));
  if (exact(a) === exact(b)) return;
  throw new UserError(
    `${path}:${line[b]}: expected Times that differ as float64, but the Times of user ` +
      `${user[b]} here and in line ${line[a]} round to ${time[b]}. Use fewer digits, or whole nanoseconds.`,
  );
}

// No CSV library is used, because the format has no quoting: a quote in a SessionId is a plain character.

const columns = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"] as const;
type Column = typeof columns[number];

/** Largest accepted item_new_index (a larger one is probably a raw id, and would need much memory). */
const maxItem = 10_000_000;

/** Returns empty columns, to which the parser appends one entry per row of the file. */
const noRows = () => ({
  line: new Array<number>(),
  user: new Array<number>(),
  time: new Array<number>(),
  rest: new Array<number>(),
  /** All digits of a fractional Time ({@link Time.digits}), keyed by row index. */
  digits: new Map<number, string>(),
  item: new Array<number>(),
  click: new Array<number>(),
  splitOf: new Map<number, number>(),
});
type Rows = Readonly<ReturnType<typeof noRows>>;

/** @throws {UserError} that names file and line, if a row is malformed or a user is in two splits */
function parseRows(path: string, text: string): Rows {
  if (text.trim() === "") {
    throw new UserError(
      `${path}: the file is empty. Expected a header line, and a row per displayed item of an event.`,
    );
  }
  const rows = noRows();
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
      `${path}: expected rows below the header, found none.`,
    );
  }
  return rows;
}

interface Header {
  /** Index of each required column among the cells of a row. */
  readonly place: Readonly<Record<Column, number>>;
  readonly width: number;
}

function parseHeader(path: string, header: string): Header {
  const found = header.split("\t").map((name) => name.trim());
  const missing = columns.filter((name) => !found.includes(name));
  if (missing.length > 0) {
    const hint = found.length === 1 && header.includes(",")
      ? "The file seems to be separated by commas. Separate the columns by tabs, or run " +
        `deno task -q data log --source ${path}`
      : "The first line must name the columns.";
    throw new UserError(
      `${path}:1: expected tab-separated columns ${columns.join(", ")} (in any order), ` +
        `but ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing; ` +
        `got ${found.join(", ")}. ${hint}`,
    );
  }
  const twice = columns.find((name) => found.indexOf(name) < found.lastIndexOf(name));
  if (twice !== undefined) {
    throw new UserError(
      `${path}:1: expected one column ${twice}, got several. Rename all but one of them in the header.`,
    );
  }
  const place = Object.fromEntries(columns.map((name) => [name, found.indexOf(name)]));
  return { place: place as Header["place"], width: found.length };
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
      `${path}:${line}: expected ${width} tab-separated values as in the header, got ${fields.length}. ` +
        "Correct or remove the row.",
    );
  }
  const fail = (name: Column, expected: string): never => {
    throw new UserError(`${path}:${line}: expected ${name} to be ${expected}, got "${fields[place[name]]}".`);
  };
  const whole = (name: Column, max: number, expected: string): number => {
    const field = fields[place[name]]!;
    const value = /^\d+$/.test(field) ? Number(field) : NaN;
    return value <= max ? value : fail(name, expected);
  };
  const user = whole("session_new_index", Number.MAX_SAFE_INTEGER, "a whole number, 0 or more (the user)");
  const item = whole("item_new_index", Number.MAX_SAFE_INTEGER, "a whole number, 0 or more (the item)");
  if (item > maxItem) {
    fail("item_new_index", `at most ${maxItem} (renumber the items from 0 if this is a raw id)`);
  }
  const click = whole("is_click", 1, "0 or 1 (1 for the clicked item)");
  const split = whole("tr_val_tst", 2, "0 (train), 1 (validation) or 2 (test)");
  return { user, item, click, split, ...parseTime(fields[place.Time]!.trim(), (text) => fail("Time", text)) };
}

interface Time {
  /** Time, rounded to the nearest double. */
  readonly time: number;
  /** Rounding error (exact Time minus `time`) if the Time is a whole number; else 0. */
  readonly rest: number;
  /** All digits of a fractional Time; undefined if the sum `time` + `rest` is the exact Time. */
  readonly digits?: string;
}

function parseTime(field: string, fail: (expected: string) => never): Time {
  const time = DECIMAL.test(field) ? Number(field) : NaN;
  if (!Number.isFinite(time)) fail("a number");
  if (field.length <= EXACT_DIGITS) return { time, rest: 0 };
  if (/^[+-]?\d+$/.test(field)) {
    if (field.length > MOST_DIGITS) fail(`a number of at most ${MOST_DIGITS} digits`);
    return { time, rest: Number(BigInt(field) - BigInt(time)) };
  }
  const digits = canonicalizeNumber(field);
  return digits === canonicalizeNumber(String(time)) ? { time, rest: 0 } : { time, rest: 0, digits };
}

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
        `and ${before} in line ${firstLine.get(user)}. All rows of a user must have the same tr_val_tst.`,
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

/** Number of decimal digits that a double always represents exactly. */
const EXACT_DIGITS = 15;
/** Number of decimal digits that two doubles (rounded number and rounding error) represent exactly. */
const MOST_DIGITS = 30;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Converts all notations of a number (1.50, 15e-1) to one text. @param text: must match {@link DECIMAL}. */
export function canonicalizeNumber(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const short = digits.replace(/0+$/, "");
  if (short === "") return "0";
  const power = Number(exponent) - fraction.length + digits.length - short.length;
  return `${sign === "-" ? "-" : ""}${short}e${power}`;
}
