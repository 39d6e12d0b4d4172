/**
 * The log of a tab-separated text of the paper (Chen et al., ICML 2019): one line per event and displayed item,
 *   SessionId Time ItemId is_click raw_index session_new_index item_new_index tr_val_tst
 * Needed are session_new_index (the user), Time, item_new_index (the item), is_click (0 or 1) and tr_val_tst
 * (0 train, 1 validation, 2 test), in any order; other columns are skipped. Rows of one user with equal Time
 * are one event; times are told apart exactly, nanoseconds beyond 2^53 as well.
 */

import { checkLog } from "./check_log.ts";
import { type ClickLog, NONE, type Split, splits } from "./click_log.ts";
import { canonical } from "./decimal.ts";
import { parseRows, type Rows } from "./paper_rows.ts";
import { UserError } from "../user_error.ts";

/** A text is one string, and V8's end at 2^29 characters: a file of more bytes than this is not read. */
export const MOST_PAPER_BYTES = 500_000_000;

/**
 * A log with one-hot items (ids 0 to the largest in the text).
 *
 * Users are the distinct ids, in ascending order, renumbered from 0; events are sorted by Time; the rows of
 * an event keep the text's order. As in the paper's preparation, a row equal to an earlier one in (user,
 * Time, item) is dropped, and if any of them is clicked, a clicked one is kept.
 *
 * @param path of the text, for messages; its last part names the log. @param needed parts that must have users.
 * @throws UserError with path and line where there is one
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
  const log = buildLog(path, rows);
  checkLog(log, needed);
  return log;
}

/** The ids of its users, in the order of their numbers. @throws UserError as {@link parsePaperLog}. */
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
    const clicked = clickedOf(path, rows, kept);
    eventRows.push(rowItem.length);
    eventClick.push(clicked === undefined ? NONE : rowItem.length + kept.indexOf(clicked));
    for (const row of kept) {
      rowItem.push(item[row]!);
      lastItem = Math.max(lastItem, item[row]!);
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
    rowItem: Uint32Array.from(rowItem),
  };
}

/** The rows by user and Time; those of one event in the file's order. */
function sortedRows({ line, user, time, rest }: Rows): Uint32Array {
  const order = Uint32Array.from(line, (_, row) => row);
  return order.sort((a, b) => user[a]! - user[b]! || time[a]! - time[b]! || rest[a]! - rest[b]! || a - b);
}

/** Where the event that starts at `start` ends. */
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

/** The rows of an event, each item once. A clicked row that replaces another moves to its own place. */
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

/** The clicked row of an event, if one is. @throws {UserError} for two of them */
function clickedOf(path: string, rows: Rows, event: readonly number[]): number | undefined {
  const { line, user, time, rest, item, click } = rows;
  const [clicked, other] = event.filter((row) => click[row] === 1);
  if (clicked === undefined || other === undefined) return clicked;
  const exact = rest[other] === 0 ? time[other] : BigInt(time[other]!) + BigInt(rest[other]!);
  throw new UserError(
    `${path}:${line[other]}: user ${user[other]} clicked item ${item[other]} and, ` +
      `in line ${line[clicked]}, item ${item[clicked]} at the same Time ${exact}. ` +
      "Expected at most one clicked item per event; " +
      "give the clicks different Times or keep one.",
  );
}

/** @throws UserError for two Times that differ and are one as doubles: their rows would become one event. */
function expectSameTime(path: string, { line, user, time, digits }: Rows, a: number, b: number): void {
  const exact = (row: number) => digits.get(row) ?? canonical(String(time[row]));
  if (exact(a) === exact(b)) return;
  throw new UserError(
    `${path}:${line[b]}: user ${user[b]} has a Time here and another one in line ${line[a]} that cannot be ` +
      `told apart: both are read as ${time[b]}. Write fewer digits, or whole numbers such as nanoseconds.`,
  );
}
