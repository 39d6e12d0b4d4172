/**
 * Reads the tab-separated files of the paper (Chen et al., ICML 2019): one line per event and displayed item,
 *   SessionId Time ItemId is_click raw_index session_new_index item_new_index tr_val_tst
 * Needed are session_new_index (the user), Time, item_new_index (the item), is_click (0 or 1) and tr_val_tst
 * (0 train, 1 validation, 2 test), in any order; other columns are skipped. Rows of one user with equal Time
 * are one event; times are told apart exactly, nanoseconds beyond 2^53 as well.
 *
 * Lines are split by hand: the format has no quoting (a quote in a SessionId is a plain character).
 */

import { checkLog } from "./check_log.ts";
import { type ClickLog, NONE, type Split, splits } from "./click_log.ts";
import { canonical, DECIMAL, EXACT_DIGITS, MOST_DIGITS } from "./decimal.ts";
import { expectFile, expectLocal } from "./local_file.ts";
import { explainFileError, shownPath } from "../files/file_error.ts";
import { UserError } from "../user_error.ts";

const columns = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"] as const;
type Column = typeof columns[number];

/** One-hot items cost memory per possible id; an id above this is a raw id, not an index. */
const maxItem = 10_000_000;

/** A file is read as one string, and V8's end at 2^29 characters. */
const maxBytes = 500_000_000;

/** The columns of the file, a place per row. */
interface Rows {
  readonly line: number[];
  readonly user: number[];
  /** The double next to the Time, and what a whole number has beyond it. */
  readonly time: number[];
  readonly rest: number[];
  /** Of rows whose Time is no whole number and has more digits than a double: all of them. */
  readonly digits: Map<number, string>;
  readonly item: number[];
  readonly click: number[];
  /** Split code of each user in the file. */
  readonly splitOf: Map<number, number>;
}

/**
 * Reads a file of the paper's layout into a log with one-hot items (ids 0 to the largest in the file).
 *
 * Users are the distinct ids, in ascending order, renumbered from 0; events are sorted by Time; the rows of
 * an event keep the file's order. As in the paper's preparation, a row equal to an earlier one in (user,
 * Time, item) is dropped, and if any of them is clicked, a clicked one is kept.
 *
 * @param needed parts that must have users.
 * @throws UserError with file and line where there is one
 */
export function readPaperFile(path: string, needed: readonly Split[] = splits): ClickLog {
  const rows = parseRows(path, readText(path));
  const present = new Set(rows.splitOf.values());
  for (const split of needed) {
    const code = splits.indexOf(split);
    if (!present.has(code)) {
      throw new UserError(
        `${path}: no ${split} users (rows with tr_val_tst ${code}). Users of ${
          needed.join(", ")
        } are needed: ` +
          `give some users tr_val_tst ${code}.`,
      );
    }
  }
  const log = buildLog(path, rows);
  checkLog(log, needed);
  return log;
}

function readText(path: string): string {
  expectLocal(path);
  if (path === "") {
    throw new UserError("Expected the path of a tab-separated file, found an empty one. Name the file.");
  }
  try {
    if (Deno.statSync(path).isDirectory) {
      throw new UserError(
        `${path}: expected a tab-separated file, found a directory. Give the path of a file in it.`,
      );
    }
    const { size } = expectFile(path);
    if (size > maxBytes) {
      throw new UserError(
        `${path}: ${size.toLocaleString("en")} bytes, expected at most ${maxBytes.toLocaleString("en")}. ` +
          `Give a part of its users, or leave out columns that are not needed.`,
      );
    }
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new UserError(
        `${shownPath(path)}: there is no such file. Check the path; relative ones start at ${Deno.cwd()}.`,
      );
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new UserError(`${path}: the file may not be read. Check its permissions.`);
    }
    throw explainFileError(error, "read", path);
  }
}

/** Where each needed column is in a row, and how many columns there are. */
function parseHeader(path: string, header: string): { place: Record<Column, number>; width: number } {
  const found = header.split("\t").map((name) => name.trim());
  const missing = columns.filter((name) => !found.includes(name));
  if (missing.length > 0) {
    const hint = found.length === 1 && header.includes(",")
      ? "The file seems to be separated by commas; separate the columns by tabs."
      : "The first line must name the columns.";
    throw new UserError(
      `${path}:1: expected tab-separated columns ${
        columns.join(", ")
      } (any order, others are skipped), but ` +
        `${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing; found ${
          found.join(", ")
        }. ${hint}`,
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

function parseRows(path: string, text: string): Rows {
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
  let header: ReturnType<typeof parseHeader> | undefined;
  for (let start = text.startsWith("\ufeff") ? 1 : 0, line = 1; start < text.length; line++) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const content = text.slice(start, text[end - 1] === "\r" ? end - 1 : end);
    start = end + 1;
    if (header === undefined) {
      header = parseHeader(path, content);
      continue;
    }
    if (content === "") continue;

    const { place, width } = header;
    const fields = content.split("\t");
    if (fields.length !== width) {
      throw new UserError(
        `${path}:${line}: expected ${width} tab-separated values as in the header, found ${fields.length}. ` +
          `Mend or remove the row.`,
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
    const timeField = fields[place.Time]!.trim();
    const time = DECIMAL.test(timeField) ? Number(timeField) : NaN;
    if (!Number.isFinite(time)) fail("Time", "a number");
    let rest = 0;
    if (timeField.length > EXACT_DIGITS) {
      if (/^[+-]?\d+$/.test(timeField)) {
        if (timeField.length > MOST_DIGITS) fail("Time", `a number of at most ${MOST_DIGITS} digits`);
        rest = Number(BigInt(timeField) - BigInt(time));
      } else if (canonical(timeField) !== canonical(String(time))) {
        rows.digits.set(rows.line.length, canonical(timeField));
      }
    }

    const before = rows.splitOf.get(user);
    if (before === undefined) {
      rows.splitOf.set(user, split);
      firstLine.set(user, line);
    } else if (before !== split) {
      throw new UserError(
        `${path}:${line}: user ${user} has tr_val_tst ${split} here and ${before} in line ${
          firstLine.get(user)
        }. ` +
          `All rows of a user must be in one part.`,
      );
    }
    rows.line.push(line);
    rows.user.push(user);
    rows.time.push(time);
    rows.rest.push(rest);
    rows.item.push(item);
    rows.click.push(click);
  }
  if (rows.line.length === 0) {
    throw new UserError(
      `${path}: a header and no rows. Expected a row per event and displayed item below it.`,
    );
  }
  return rows;
}

function buildLog(path: string, rows: Rows): ClickLog {
  const { line, user, time, rest, item, click, splitOf } = rows;
  const order = Uint32Array.from(line, (_, row) => row);
  order.sort((a, b) => user[a]! - user[b]! || time[a]! - time[b]! || rest[a]! - rest[b]! || a - b);

  const userEvents: number[] = [],
    eventRows: number[] = [],
    eventClick: number[] = [],
    rowItem: number[] = [];
  const userSplit: number[] = [];
  let lastItem = 0;
  for (let start = 0, end = 0; start < order.length; start = end) {
    const first = order[start]!;
    const sameUser = start > 0 && user[order[start - 1]!] === user[first];
    if (!sameUser) {
      userEvents.push(eventClick.length);
      userSplit.push(splitOf.get(user[first]!)!);
    }
    // The rows of the event without repetitions. A clicked row that replaces another moves to its own place.
    const kept = new Map<number, number>();
    for (end = start; end < order.length; end++) {
      const row = order[end]!;
      if (user[row] !== user[first] || time[row] !== time[first] || rest[row] !== rest[first]) break;
      if (rows.digits.size > 0) expectSameTime(path, rows, first, row);
      const earlier = kept.get(item[row]!);
      if (earlier !== undefined && click[earlier]! >= click[row]!) continue;
      kept.delete(item[row]!);
      kept.set(item[row]!, row);
    }
    eventRows.push(rowItem.length);
    let clicked: number | undefined;
    let clickedPlace = NONE;
    for (const row of kept.values()) {
      if (click[row] === 1) {
        if (clicked !== undefined) {
          throw new UserError(
            `${path}:${line[row]}: user ${user[row]} clicked item ${item[row]} and, in line ${
              line[clicked]
            }, ` +
              `item ${item[clicked]} at the same Time ${
                rest[row] === 0 ? time[row] : BigInt(time[row]!) + BigInt(rest[row]!)
              }. Expected at most one clicked item per event; ` +
              `give the clicks different Times or keep one.`,
          );
        }
        clicked = row;
        clickedPlace = rowItem.length;
      }
      rowItem.push(item[row]!);
      lastItem = Math.max(lastItem, item[row]!);
    }
    eventClick.push(clickedPlace);
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
    rowItem: Uint32Array.from(rowItem),
  };
}

/** @throws UserError for two Times that differ and are one as doubles: their rows would become one event. */
function expectSameTime(path: string, { line, user, time, digits }: Rows, a: number, b: number): void {
  const exact = (row: number) => digits.get(row) ?? canonical(String(time[row]));
  if (exact(a) === exact(b)) return;
  throw new UserError(
    `${path}:${line[b]}: user ${user[b]} has a Time here and another one in line ${
      line[a]
    } that cannot be told ` +
      `apart: both are read as ${time[b]}. Write fewer digits, or whole numbers such as nanoseconds.`,
  );
}
