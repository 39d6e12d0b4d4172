/**
 * A click log in memory, or in a file that is read user by user. A training step reads only the users of its
 * batch, so a log in a file may be larger than memory.
 */

import { buildEventLists, checkLog, checkSplits, getRowWidth, listUsers, NONE, splits } from "./click_log.ts";
import type { ClickLog, Clicks, Split } from "./click_log.ts";
import { type ItemCatalogue, MemoryItems, restrictToOwnItems } from "./item_catalogue.ts";
import type { ContextColumn, TimeSplit } from "./manifest.ts";
import { formatThousands } from "../number_text.ts";
import { UserError } from "../user_error.ts";

/** Index of a log's users: their splits, and the offsets of their events and rows; 13 bytes per user. */
export interface UserIndex {
  /** [U] split of each user, as an index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] `userEvents[u]` is the number of events of all users before user u. */
  readonly userEvents: Uint32Array<ArrayBuffer>;
  /** [U+1] `userRows[u]` is the number of rows of all users before user u. */
  readonly userRows: Uint32Array<ArrayBuffer>;
  /** [U+1] `userCounted[u]` is the number of events of all users before user u that a model predicts. */
  readonly userCounted: Uint32Array<ArrayBuffer>;
  /** Number of rows of those events of the log that a model does not predict, such as context events. */
  readonly otherRows: number;
}

/** Returns the number of events that a model predicts, of rows of these events, and of other events. */
export function computeLogSize(
  { userEvents, userRows, userCounted, otherRows }: UserIndex,
): { events: number; rows: number; context: number } {
  const [all = 0, rows = 0, events = 0] = [userEvents.at(-1), userRows.at(-1), userCounted.at(-1)];
  return { events, rows: rows - otherRows, context: all - events };
}

/** A click log that is read user by user, in memory ({@link MemoryLog}) or in a file (`PackedLog`). */
export interface LogSource extends UserIndex {
  /** Short name of the log in reports, such as "demo" or a file name. */
  readonly name: string;
  /** Catalogue of the log's items. */
  readonly items: ItemCatalogue;
  /** The whole log; undefined if the log is in a file. */
  readonly log: ClickLog | undefined;
  /** True if the unclicked items of pages are sampled negatives (`data log --pages sampled`). */
  readonly sampledPages?: boolean;
  /** X, the number of context features per row; see {@link Clicks.rowFeatures}. */
  readonly rowWidth: number;
  /**
   * Reads the clicks of some users. Items have the same numbers as in the catalogue. @param users: ascending
   * distinct user numbers. @throws UserError for damaged data.
   */
  read(users: Uint32Array): Clicks;
  /** Returns a log with the same clicks, but with another catalogue, another split, or fewer features. */
  with(change: {
    readonly items?: ItemCatalogue;
    readonly userSplit?: UserIndex["userSplit"];
    /** Ascending indices of the context features to keep. */
    readonly rowColumns?: readonly number[];
  }): LogSource;
}

/** Selects columns of a matrix [rows, width]. @param columns - ascending indices. @returns [rows, columns] */
export function selectColumns(
  values: Float32Array<ArrayBuffer>,
  width: number,
  columns: readonly number[],
): Float32Array<ArrayBuffer> {
  if (columns.length === width) return values;
  const X = columns.length;
  return new Float32Array(X * values.length / width).map((_, k) =>
    values[width * Math.floor(k / X) + columns[k % X]!]!
  );
}

/** A log in memory, as a {@link LogSource}. Its arrays are not copied. */
export class MemoryLog implements LogSource {
  readonly userRows: Uint32Array<ArrayBuffer>;
  readonly userCounted: Uint32Array<ArrayBuffer>;
  readonly otherRows: number = 0;

  /** Catalogue of the log's items. */
  readonly items: ItemCatalogue;

  /**
   * Computes the offsets of each user's rows and predicted events.
   * @throws {UserError} for inconsistent item features. {@link checkLog} checks all other arrays of a log
   */
  constructor(readonly log: ClickLog) {
    this.items = new MemoryItems(log.items);
    const { userEvents, eventRows, eventKind } = log;
    this.userRows = userEvents.map((event) => eventRows[event] ?? 0);
    this.userCounted = userEvents.slice();
    if (!eventKind) return;
    let context = 0;
    for (let user = 0; user < log.userSplit.length; user++) {
      for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
        if (!eventKind[e]) continue;
        context++;
        this.otherRows += (eventRows[e + 1] ?? 0) - (eventRows[e] ?? 0);
      }
      this.userCounted[user + 1] = (userEvents[user + 1] ?? 0) - context;
    }
  }

  get name(): string {
    return this.log.name;
  }
  get sampledPages(): boolean {
    return this.log.sampledPages ?? false;
  }
  get rowWidth(): number {
    return getRowWidth(this.log);
  }
  get userSplit(): UserIndex["userSplit"] {
    return this.log.userSplit;
  }
  get userEvents(): UserIndex["userEvents"] {
    return this.log.userEvents;
  }

  read(users: Uint32Array): Clicks {
    const { log } = this;
    const { rowWidth: X } = this;
    const window = makeWindow(this, users);
    let [e, row] = [0, 0];
    for (const user of users) {
      const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
      const [first, end] = [log.eventRows[from] ?? 0, log.eventRows[to] ?? 0];
      for (let event = from; event < to; event++, e++) {
        window.eventRows[e + 1] = row + (log.eventRows[event + 1] ?? 0) - first;
        const click = log.eventClick[event] ?? NONE;
        window.eventClick[e] = click === NONE ? NONE : row + click - first;
        if (window.eventKind) window.eventKind[e] = log.eventKind?.[event] ?? 0;
      }
      window.rowItem.set(log.rowItem.subarray(first, end), row);
      if (log.rowFeatures) window.rowFeatures?.set(log.rowFeatures.subarray(X * first, X * end), X * row);
      row += end - first;
    }
    const events = (user: number) => [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0] as const;
    const lists = buildEventLists((name) =>
      log[name] ? Array.from(users, (user) => log[name]?.slice(...events(user)) ?? []).flat() : []
    );
    return { ...window, ...lists };
  }

  with({ items, userSplit = this.userSplit, rowColumns }: Parameters<LogSource["with"]>[0]): MemoryLog {
    const { rowFeatures, ...log } = this.log;
    const values = rowFeatures &&
      (rowColumns ? selectColumns(rowFeatures, this.rowWidth, rowColumns) : rowFeatures);
    const features = values && values.length > 0 ? { rowFeatures: values } : {};
    return new MemoryLog({ ...log, ...features, userSplit, items: items?.items ?? log.items });
  }
}

export function toLogSource(clicks: ClickLog | LogSource): LogSource {
  return "read" in clicks ? clicks : new MemoryLog(clicks);
}

/** Returns a log of some users and of the items that they saw. @throws UserError for damaged data. */
export function readLog(source: LogSource, users: Uint32Array): ClickLog {
  return toClickLog(source, source.read(users));
}

/** Converts clicks that were read from `source` to a log. The log has only the items shown in `clicks`. */
export function toClickLog(source: LogSource, clicks: Clicks): ClickLog {
  return { ...clicks, name: source.name, ...restrictToOwnItems(clicks, source.items) };
}

/** Allocates {@link Clicks} for some users. Fills in `userSplit` and `userEvents`; all else is 0. */
export function makeWindow(
  { userSplit, userEvents, userRows, userCounted, rowWidth }: UserIndex & Pick<LogSource, "rowWidth">,
  users: Uint32Array,
): Clicks {
  const events = new Uint32Array(users.length + 1);
  let rows = 0;
  users.forEach((user, k) => {
    events[k + 1] = (events[k] ?? 0) + (userEvents[user + 1] ?? 0) - (userEvents[user] ?? 0);
    rows += (userRows[user + 1] ?? 0) - (userRows[user] ?? 0);
  });
  const count = events[users.length] ?? 0;
  const anyGiven = userCounted.at(-1) !== userEvents.at(-1);
  return {
    userSplit: Uint8Array.from(users, (user) => userSplit[user] ?? 0),
    userEvents: events,
    eventRows: new Uint32Array(count + 1),
    eventClick: new Uint32Array(count),
    ...(anyGiven ? { eventKind: new Uint8Array(count) } : {}),
    rowItem: new Uint32Array(rows),
    ...(rowWidth > 0 ? { rowFeatures: new Float32Array(rowWidth * rows) } : {}),
  };
}

/** Fully checks a log in memory. For a log in a file, only checks that each split in `needed` has users. */
export function checkSource(source: LogSource, needed: readonly Split[] = splits): void {
  if (source.log) checkLog(source.log, needed);
  else checkSplits(source.name, source.userSplit, needed);
}

/** Largest number of rows (displayed items) that {@link walk} reads at once; each takes 12 bytes or more. */
const WALK_ROWS = 2 ** 20;

/** Callback that reports progress: in the task `what`, `done` of `all` units of work are completed. */
export type OnProgress = (what: string, done: number, all: number) => void;

/** Progress of a data preparation. */
export interface PreparationStatus {
  readonly title: string;
  /** Number of the current step of an SQL script, which has `of` steps; both are 0 if no script runs. */
  readonly number: number;
  readonly of: number;
  /** Number of completed runs of the step's SQL, which runs `rounds` times. */
  readonly round: number;
  readonly rounds: number;
}

/** Makes a progress status with a title, for work that is not a step of an SQL script. */
export function makeStatus(title: string): PreparationStatus {
  return { title, number: 0, of: 0, round: 0, rounds: 1 };
}

/** Yields logs of limited size with the clicks of `users`; in a yielded log, users may have other numbers. */
export function* walk(
  source: LogSource,
  users: Iterable<number>,
  onPart?: (done: number, all: number) => void,
): Generator<{ readonly log: Clicks; readonly users: Uint32Array<ArrayBuffer> }> {
  const all = Uint32Array.from(users);
  if (source.log) {
    yield { log: source.log, users: all };
    return;
  }
  for (let first = 0; first < all.length;) {
    let [end, rows] = [first, 0];
    while (end < all.length) {
      rows += countRows(source, all[end] ?? 0);
      if (rows > WALK_ROWS && end > first) break;
      end++;
    }
    const log = source.read(all.subarray(first, end));
    onPart?.(first, all.length);
    yield { log, users: Uint32Array.from(log.userSplit, (_, place) => place) };
    first = end;
  }
}

export function countRows({ userRows }: UserIndex, user: number): number {
  return (userRows[user + 1] ?? 0) - (userRows[user] ?? 0);
}
export function countEvents({ userEvents }: UserIndex, user: number): number {
  return (userEvents[user + 1] ?? 0) - (userEvents[user] ?? 0);
}
/** Returns the number of a user's events that a model predicts. */
export function countScored({ userCounted }: UserIndex, user: number): number {
  return (userCounted[user + 1] ?? 0) - (userCounted[user] ?? 0);
}

/** Returns true if a predicted page of any of the users has a click (or none, if `isClicked` is false). */
function hasPage(source: LogSource, users: Uint32Array, isClicked: boolean): boolean {
  for (const { log, users: places } of walk(source, users)) {
    for (const user of places) {
      for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
        if ((log.eventClick[e] !== NONE) === isClicked && !log.eventKind?.[e]) return true;
      }
    }
  }
  return false;
}

/** Returns true if any user of the split clicked on a page whose clicks a model predicts. */
export function hasClicks(source: LogSource, split: Split): boolean {
  return hasPage(source, listUsers(source, split), true);
}

/** Returns true if train users (or all users, if there are none) have a predicted page without a click. */
export function hasPagesWithoutClick(source: LogSource): boolean {
  const train = listUsers(source, "train");
  return hasPage(source, train.length > 0 ? train : listUsers(source, "all"), false);
}

/** @throws UserError if all pages have a click. */
export function expectPagesWithoutClick(source: LogSource): void {
  if (hasPagesWithoutClick(source)) return;
  throw new UserError(
    `Expected a log in which some pages have no click, got ${source.name}, ` +
      "where every page has a click. From this log, a model learns to rank items, " +
      "but not how often users click nothing. Rank items with deno task recommend.",
  );
}

/** Sizes and properties of a training run's data. */
export interface DataSizes {
  /** Numbers of train, validation and test users. */
  readonly users: readonly [number, number, number];
  /** Number of pages whose clicks a model predicts. */
  readonly pages: number;
  readonly rows: number;
  readonly items: number;
  /** N if item ids are hashed to 2 x N tokens; absent if item ids are not hashed. */
  readonly hashed?: number;
  readonly warnings?: readonly string[];
  /** Names of all item features. */
  readonly features?: readonly string[];
  /** Dates of a split by time; absent for a split by users. */
  readonly timeSplit?: TimeSplit;
  readonly context?: readonly ContextColumn[];
}

/** Describes the numbers of users, pages, impressions and items of a data set in one phrase. */
export function describeDataSizes({ users, pages, rows, items }: DataSizes): string {
  const [train, validation, test] = users.map(formatThousands);
  const [page, row, item] = [pages, rows, items].map(formatThousands);
  return `${train} train, ${validation} validation and ${test} test users, ` +
    `${page} pages, ${row} impressions of ${item} items`;
}

export function computeDataSizes(source: LogSource): DataSizes {
  const count = (split: "train" | "validation" | "test") => listUsers(source, split).length;
  const { events: pages, rows } = computeLogSize(source);
  const users = [count("train"), count("validation"), count("test")] as const;
  return { users, pages, rows, items: source.items.shape.count };
}
