/**
 * Click log in a packed file, from which users are read one by one. The file has these sections:
 *
 *   header     16 words: mark (2 words), version, numbers of users U, events E and rows R, number of rows of
 *              events that are not predicted, number of context features X per row, zeros, three checksums
 *   users      for each user, in order:
 *                events   two words per event: number of rows, with the event's kind in the top two bits (see
 *                         KINDS), and position of the click on the page, or NONE
 *                rows     a word per row: the displayed item
 *                context  [rows, X] f32, the context features of the rows
 *   index      userEvents [U+1], userRows [U+1], userCounted [U+1] words, userSplit [U] bytes
 *
 * All words are little-endian: f32 in `context`, else u32. The data of a user follow the header and the data
 * of all earlier users (e events, r rows), so begin at byte 64 + 8 e + 4 (1 + X) r. Users with consecutive
 * numbers are adjacent in the file, so one read loads them.
 */

import { ADDITIONAL_CLICK, CONTEXT_EVENT, EARLIER_PAGE, getRowWidth, isPage, NONE } from "../click_log.ts";
import type { Clicks, ItemFeatures } from "../click_log.ts";
import { type ItemCatalogue, toCatalogue } from "../item_catalogue.ts";
import { type LogSource, makeWindow, selectColumns, type UserIndex } from "../log_source.ts";
import { HEADER_WORDS, PackedFile, PackedFileWriter } from "./packed_file.ts";
import { GrowingArray } from "../growing_array.ts";
import { UserError } from "../../user_error.ts";

const MAGIC = [0x63696c63, 0x676f6c6b]; // "clicklog"
const VERSION = 4;
/** Kinds of events. The file stores an event's kind in two bits, as an index into this list. */
const KINDS = [0, EARLIER_PAGE, CONTEXT_EVENT, ADDITIONAL_CLICK];
/** 2^30, a factor that shifts an index of {@link KINDS} into the top two bits of a word. */
const KIND_UNIT = 0x40000000;

/** @param width - number of context features per row in the file */
function computeOffset({ userEvents, userRows }: UserIndex, width: number, user: number): number {
  return 4 * HEADER_WORDS + 8 * (userEvents[user] ?? 0) + 4 * (1 + width) * (userRows[user] ?? 0);
}

/** A log that stays on disk, except for an index (13 bytes per user) and a buffer for reads. */
export class PackedLog implements LogSource, Disposable {
  /** Always undefined, because the whole log is never in memory. */
  readonly log: undefined = undefined;
  /** Buffer for the words of one read. */
  #words = new Uint32Array();

  private constructor(
    private readonly file: PackedFile,
    readonly name: string,
    readonly items: ItemCatalogue,
    readonly sampledPages: boolean,
    /** Number of context features per row in the file. */
    private readonly fileWidth: number,
    /** Indices of the context features that are read. */
    private readonly rowColumns: readonly number[],
    readonly userSplit: UserIndex["userSplit"],
    readonly userEvents: UserIndex["userEvents"],
    readonly userRows: UserIndex["userRows"],
    readonly userCounted: UserIndex["userCounted"],
    readonly otherRows: number,
  ) {}

  /**
   * Opens a file that {@link PackedLogWriter} wrote, and verifies the checksums of the whole file.
   * @param name: name of the log, for reports. @param items: catalogue of the log's items.
   * @throws {UserError} for a file that cannot be read, is of another kind, or has changed.
   */
  static open(
    path: string,
    name: string,
    items: ItemFeatures | ItemCatalogue,
    sampledPages = false,
  ): PackedLog {
    const file = PackedFile.open(path, "click log");
    try {
      const [, , , users = 0, events = 0, rows = 0, otherRows = 0, rowWidth = 0] = file.header(
        MAGIC,
        VERSION,
      );
      const end = 4 * HEADER_WORDS + 8 * events + 4 * (1 + rowWidth) * rows;
      const index = new Uint32Array(3 * (users + 1));
      file.readAt(end, index);
      const part = (k: number) => index.subarray(k * (users + 1), (k + 1) * (users + 1));
      const userSplit = new Uint8Array(users);
      file.readAt(end + index.byteLength, userSplit);
      return new PackedLog(
        file,
        name,
        toCatalogue(items),
        sampledPages,
        rowWidth,
        Array.from({ length: rowWidth }, (_, k) => k),
        userSplit,
        part(0),
        part(1),
        part(2),
        otherRows,
      );
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get rowWidth(): number {
    return this.rowColumns.length;
  }

  /** Returns the log with other items, another split or fewer features. Both logs share one open file. */
  with(change: Parameters<LogSource["with"]>[0]): PackedLog {
    const { name, file, sampledPages, fileWidth, userEvents, userRows, userCounted, otherRows } = this;
    const { items = this.items, userSplit = this.userSplit } = change;
    const columns = change.rowColumns?.map((k) => this.rowColumns[k]!) ?? this.rowColumns;
    const index = [userSplit, userEvents, userRows, userCounted, otherRows] as const;
    return new PackedLog(file, name, items, sampledPages, fileWidth, columns, ...index);
  }

  /**
   * Reads the clicks of some users. One read of the file loads all users with consecutive numbers.
   * @param users: user numbers, ascending and distinct. @throws {UserError} for an unreadable or damaged file
   */
  read(users: Uint32Array): Clicks {
    const window = makeWindow(this, users);
    const place = { user: 0, row: 0 };
    for (let first = 0; first < users.length;) {
      let end = first + 1;
      while (end < users.length && users[end] === (users[end - 1] ?? 0) + 1) end++;
      this.#readRun(users[first] ?? 0, end - first, window, place);
      first = end;
    }
    return window;
  }

  /** Copies consecutive users to `window`, from position `place` (user and row) on, and advances `place`. */
  #readRun(first: number, count: number, window: Clicks, place: { user: number; row: number }): void {
    const { fileWidth: X } = this;
    const position = computeOffset(this, X, first);
    const length = (computeOffset(this, X, first + count) - position) / 4;
    if (this.#words.length < length) this.#words = new Uint32Array(length);
    const words = this.#words;
    this.file.readAt(position, words.subarray(0, length));
    const values = new Float32Array(words.buffer);
    let at = 0;
    for (let user = first; user < first + count; user++, place.user++) {
      const start = place.row;
      let row = start;
      for (let e = window.userEvents[place.user] ?? 0; e < (window.userEvents[place.user + 1] ?? 0); e++) {
        const page = words[at++] ?? 0;
        const click = words[at++] ?? 0;
        window.eventClick[e] = click === NONE ? NONE : row + click;
        if (window.eventKind) window.eventKind[e] = KINDS[Math.floor(page / KIND_UNIT)] ?? 0;
        window.eventRows[e + 1] = row += page % KIND_UNIT;
      }
      for (; place.row < row; place.row++) {
        const item = words[at++] ?? 0;
        const { count } = this.items.shape;
        if (item >= count) {
          throw this.file.damaged(`user ${user} is shown item ${item}, but there are ${count} items`);
        }
        window.rowItem[place.row] = item;
      }
      const own = X * (row - start);
      const selected = selectColumns(values.subarray(at, at + own), X, this.rowColumns);
      window.rowFeatures?.set(selected, this.rowWidth * start);
      at += own;
    }
  }

  /** Closes the file, after which no user can be read. */
  close(): void {
    this.file.close();
  }
  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const MOST = 2 ** 32 - 1;

/**
 * Writes a packed log user by user. Keeps only the index (13 bytes per user) in memory.
 *
 * @example
 * ```ts ignore
 * using writer = PackedLogWriter.create("log.clicks");
 * for (const chunk of chunks) writer.write(chunk);
 * writer.finish();
 * ```
 */
export class PackedLogWriter implements Disposable {
  readonly #split = new GrowingArray(Uint8Array);
  readonly #events = new GrowingArray(Uint32Array);
  readonly #rows = new GrowingArray(Uint32Array);
  readonly #counted = new GrowingArray(Uint32Array);
  #totals = { events: 0, rows: 0, counted: 0, otherRows: 0 };
  #rowWidth = 0;

  private constructor(private readonly file: PackedFileWriter) {
    for (const running of [this.#events, this.#rows, this.#counted]) running.push(0);
  }

  /** Creates a temporary file, which {@link finish} renames to `path`. @throws {UserError} on failure */
  static create(path: string): PackedLogWriter {
    return new PackedLogWriter(PackedFileWriter.create(path));
  }

  /** Appends users with all their events. @throws UserError for more than 2^32 - 1 events or rows. */
  write({ userSplit, userEvents, eventRows, eventClick, eventKind, rowItem, rowFeatures }: Clicks): void {
    const X = getRowWidth({ rowItem, rowFeatures });
    if (rowItem.length > 0) this.#rowWidth = X;
    const totals = this.#totals;
    const events = (userEvents.at(-1) ?? 0) - (userEvents[0] ?? 0);
    if (totals.events + events > MOST || totals.rows + rowItem.length > MOST) {
      throw new UserError(
        `Expected a log of at most ${MOST} events and ${MOST} rows for ${this.file.path}, got more.`,
      );
    }
    const words = new Uint32Array(2 * events + (1 + X) * rowItem.length);
    const values = new Float32Array(words.buffer);
    let at = 0;
    for (let user = 0; user < userSplit.length; user++) {
      const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
      const [first, end] = [eventRows[from] ?? 0, eventRows[to] ?? 0];
      for (let e = from; e < to; e++) {
        const [row, next, click] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0, eventClick[e] ?? NONE];
        const kind = eventKind?.[e] ?? 0;
        const given = !isPage(kind);
        const clicked = click !== NONE;
        if (
          next <= row || (clicked && (click < row || click >= next)) ||
          (given && (!clicked || next > row + 1))
        ) {
          throw new UserError(
            `Expected a page with at most one click on its rows, or another event with one clicked ` +
              `row, got event ${e - from} of user ${this.#split.length} with rows ${row}..${next - 1} ` +
              `and a click at ${click}.`,
          );
        }
        words[at++] = next - row + KIND_UNIT * KINDS.indexOf(kind);
        words[at++] = click === NONE ? NONE : click - row;
        if (kind === 0) totals.counted++;
        else totals.otherRows += next - row;
      }
      words.set(rowItem.subarray(first, end), at);
      at += end - first;
      if (rowFeatures) values.set(rowFeatures.subarray(X * first, X * end), at);
      at += X * (end - first);
      totals.events += to - from;
      totals.rows += end - first;
      this.#split.push(userSplit[user] ?? 0);
      this.#events.push(totals.events);
      this.#rows.push(totals.rows);
      this.#counted.push(totals.counted);
    }
    this.file.append(words.subarray(0, at));
  }

  /** Completes the file, and gives it its final name. @throws UserError if the file cannot be written. */
  finish(): void {
    const { events, rows, otherRows } = this.#totals;
    const split = this.#split.values();
    for (const running of [this.#events, this.#rows, this.#counted]) this.file.append(running.values());
    this.file.append(split);
    this.file.finish([...MAGIC, VERSION, split.length, events, rows, otherRows, this.#rowWidth]);
  }

  /** Removes the temporary file if {@link finish} was not called. */
  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
