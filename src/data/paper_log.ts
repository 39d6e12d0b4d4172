/**
 * The log of a tab-separated text of the paper (Chen et al., ICML 2019): one line per event and displayed item,
 *   SessionId Time ItemId is_click raw_index session_new_index item_new_index tr_val_tst
 * Needed are session_new_index (the user), Time, item_new_index (the item), is_click (0 or 1) and tr_val_tst
 * (0 train, 1 validation, 2 test), in any order; other columns are skipped. Rows of one user with equal Time
 * are one event; times are told apart exactly, nanoseconds beyond 2^53 as well. An event may have several clicked items: its
 * first click is drawn, as the text does not say it, and so are the others.
 */

import { checkLog } from "./check_log.ts";
import { type ClickLog, FURTHER_CLICK, NONE, type Split, splits } from "./click_log.ts";
import { canonical } from "./decimal.ts";
import { parseRows, type Rows } from "./paper_rows.ts";
import { randomStream } from "./random.ts";
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
  const eventGiven: number[] = [];
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
    const [clicked, ...further] = clickedOf(rows, kept);
    eventRows.push(rowItem.length);
    eventClick.push(clicked === undefined ? NONE : rowItem.length + kept.indexOf(clicked));
    eventGiven.push(0);
    for (const row of kept) {
      rowItem.push(item[row]!);
      lastItem = Math.max(lastItem, item[row]!);
    }
    for (const row of further) {
      eventRows.push(rowItem.length);
      eventClick.push(rowItem.length);
      eventGiven.push(FURTHER_CLICK);
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
    ...(eventGiven.includes(FURTHER_CLICK) ? { eventGiven: Uint8Array.from(eventGiven) } : {}),
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

/** The clicked rows of an event, in an order that is drawn by its first line: that of the rows would make places matter. */
function clickedOf({ line, click }: Rows, event: readonly number[]): number[] {
  const clicked = event.filter((row) => click[row] === 1);
  if (clicked.length < 2) return clicked;
  const random = randomStream(line[event[0]!]!, "order of clicks");
  return Array.from(random.sampleWithoutReplacement(clicked.length, clicked.length), (k) => clicked[k]!);
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
