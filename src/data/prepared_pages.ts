/** Reads the table of pages of a prepared data set, and checks that it agrees with the table of users. */

import { ADDITIONAL_CLICK, buildEventLists, CONTEXT_EVENT, EARLIER_PAGE, NONE } from "./click_log.ts";
import type { Clicks, eventLists } from "./click_log.ts";
import { ABSENT, formatValue, readParquet, toFloat32, toWholeNumber } from "./parquet.ts";
import type { ColumnValues, TableFile } from "./parquet.ts";
import { GrowingArray } from "./growing_array.ts";
import type { ContextFeature, FeatureManifest } from "./manifest.ts";
import { MOST_PAGES, type PreparedUsers } from "./prepared_tables.ts";
import { UserError } from "../user_error.ts";

const PAGE_COLUMNS = {
  user: "needed",
  page: "optional",
  items: "needed",
  clicked: "needed",
  additional_clicks: "optional",
  context: "optional",
  earlier: "optional",
  propensities: "optional",
  candidates: "optional",
  impression_features: "optional",
  page_features: "optional",
} as const;

type PageColumns = Readonly<Record<keyof typeof PAGE_COLUMNS, ColumnValues>>;

/** Function that throws an error about the current page. */
type Fail = (expected: string, found: string) => never;

/** Buffer of events (pages, context events, additional clicks) that were read and are not yet returned. */
class Pending {
  /** For each user whose pages were all read: the index after the user's last event in the buffer. */
  userEnds: number[] = [];
  /** Number of displayed items of each event. */
  readonly sizes = new GrowingArray(Uint32Array);
  /** Position of each event's clicked item on the page; {@link NONE} without a click. */
  readonly positions = new GrowingArray(Uint32Array);
  /** Kind of each event; see {@link Clicks.eventKind}. */
  readonly kinds = new GrowingArray(Uint8Array);
  readonly items = new GrowingArray(Uint32Array);
  readonly features = new GrowingArray(Float32Array);
  readonly lists: Readonly<Record<typeof eventLists[number], (readonly number[])[]>> = {
    eventPropensities: [],
    eventCandidates: [],
  };

  push(size: number, position: number, kind: number, propensities = NO_MORE, candidates = NO_MORE): void {
    this.sizes.push(size);
    this.positions.push(position);
    this.kinds.push(kind);
    this.lists.eventPropensities.push(propensities);
    this.lists.eventCandidates.push(candidates);
  }

  /** Removes and returns events of users whose pages were all read. @param width: context features per row */
  shift(width: number): Omit<Clicks, "userSplit"> {
    const userEvents = Uint32Array.from([0].concat(this.userEnds));
    this.userEnds = [];
    const events = userEvents.at(-1) ?? 0;
    const eventRows = new Uint32Array(events + 1);
    this.sizes.shift(events).forEach((size, e) => eventRows[e + 1] = (eventRows[e] ?? 0) + size);
    const eventClick = this.positions.shift(events)
      .map((position, e) => position === NONE ? NONE : position + (eventRows[e] ?? 0));
    const eventKind = this.kinds.shift(events);
    return {
      userEvents,
      eventRows,
      eventClick,
      ...(eventKind.some((kind) => kind > 0) ? { eventKind } : {}),
      rowItem: this.items.shift(eventRows[events] ?? 0),
      ...(width > 0 ? { rowFeatures: this.features.shift(width * (eventRows[events] ?? 0)) } : {}),
      ...buildEventLists((name) => this.lists[name].splice(0, events)),
    };
  }
}

export class PageReader {
  pages = 0;
  rows = 0;
  clicks = 0;
  context = 0;
  earlier = 0;
  propensities = 0;
  /** Number of the user whose page is read next. */
  #user = 0;
  /** Number of the first user whose events were not yet passed to `take`. */
  #first = 0;
  readonly #pending = new Pending();

  /**
   * @param folder: path of the data set, for messages. @param items: number of items in the data set.
   * @param take: called after each row group with the clicks of the users whose pages were all read.
   * @param atOnce: true to call `take` only once, at the end.
   */
  constructor(
    private readonly folder: string,
    private readonly users: PreparedUsers,
    private readonly items: number,
    private readonly widths: ContextWidths,
    private readonly take: (chunk: Clicks) => void,
    private readonly atOnce: boolean,
  ) {}

  /**
   * Reads the pages of one file.
   * @param onPages: called after each row group with the total number of pages read.
   * @throws {UserError} for a page out of order, an unknown item, or an invalid click
   */
  async read(table: TableFile, onPages: (pages: number) => void): Promise<void> {
    await readParquet(table, PAGE_COLUMNS, (columns, { before, rows: count }) => {
      let k = 0;
      const fail: Fail = (expected, found) => {
        throw new UserError(
          `${table.path}: page ${before + k + 1}: expected ${expected}, got ${found}. ` +
            "Prepare the data again.",
        );
      };
      for (; k < count; k++) this.#add(columns, k, fail);
      onPages(this.pages);
      if (!this.atOnce) this.#handOver();
    });
  }

  /** Passes the last users to the callback `take`. @throws UserError if pages or rows are missing. */
  end(): void {
    const { userPages, userRows } = this.users;
    const [pages, rows] = [userPages.at(-1) ?? 0, userRows.at(-1) ?? 0];
    if (this.pages === pages && this.rows === rows) return this.#handOver();
    throw new UserError(
      `${this.folder}: expected ${pages} pages with ${rows} displayed items, according to the table ` +
        `of users, got ${this.pages} with ${this.rows}. Prepare the data again.`,
    );
  }

  #handOver(): void {
    this.#endUsers();
    const [first, end] = [this.#first, this.#user];
    if (end === first) return;
    this.#first = end;
    this.take({
      userSplit: this.users.userSplit.slice(first, end),
      ...this.#pending.shift(this.widths.impression + this.widths.page),
    });
  }

  #add(columns: PageColumns, k: number, fail: Fail): void {
    this.#expectUser(columns, k, fail);
    const shown = parseItems(columns.items[k], this.items, fail);
    const size = shown.length;
    const click = parseClick(columns.clicked[k], size, fail);
    const additional = parseAdditionalClicks(columns, k, fail);
    const isContext = parseContextFlag(columns, size, click, k, fail);
    const isEarlier = this.#parseEarlierFlag(columns, isContext, k, fail);
    const propensities = parsePropensities(columns, size, k, fail);
    const candidates = parseCandidates(columns, this.items, k, fail);
    const kind = isContext ? CONTEXT_EVENT : isEarlier ? EARLIER_PAGE : 0;
    this.#pending.push(size, click, kind, propensities, candidates);
    for (const item of shown) this.#pending.items.push(item);
    const features = parseContext(columns, this.widths, size, k, fail);
    const width = this.widths.impression + this.widths.page;
    for (const value of features) this.#pending.features.push(value);
    for (const position of additional) {
      this.#pending.push(1, 0, ADDITIONAL_CLICK);
      this.#pending.items.push(shown[position] ?? 0);
      for (let j = 0; j < width; j++) this.#pending.features.push(features[position * width + j] ?? 0);
    }
    this.pages++;
    this.rows += size;
    if (propensities.length > 0) this.propensities++;
    if (isContext) this.context++;
    else if (isEarlier) this.earlier++;
    else if (click !== NONE) this.clicks += 1 + additional.length;
  }

  /** Returns true if page k belongs to the history of a validation or test user, and is not predicted. */
  #parseEarlierFlag(columns: PageColumns, isContext: boolean, k: number, fail: Fail): boolean {
    if (!parseFlag(columns, "earlier", k, fail)) return false;
    if (isContext) return fail("a context event or an earlier page", "both");
    if (this.users.userSplit[this.#user] !== 0) return true;
    return fail("earlier pages only of validation and test users", "one of a train user");
  }

  /** Checks that row k of the row group is the next page of the current user. */
  #expectUser(columns: PageColumns, k: number, fail: Fail): void {
    const { userPages, userSplit: { length: users } } = this.users;
    this.#endUsers();
    const user = this.#user;
    if (user === users) fail(`no more than the ${userPages.at(-1) ?? 0} pages that users has`, "one");
    if (toWholeNumber(columns.user[k], users) !== user) {
      fail(`user ${user} (pages are sorted by user; users has their numbers)`, formatValue(columns.user[k]));
    }
    const number = this.pages - (userPages[user] ?? 0);
    if (columns.page === ABSENT || toWholeNumber(columns.page[k], MOST_PAGES) === number) return;
    const expected = `page ${number} of user ${user} (pages of a user are numbered 0, 1, 2, ... in order)`;
    fail(expected, formatValue(columns.page[k]));
  }

  /** Moves `#user` to the first user with unread pages. @throws UserError if a user's row count is wrong. */
  #endUsers(): void {
    const { userPages, userRows, userSplit: { length: users } } = this.users;
    for (; this.#user < users && this.pages >= (userPages[this.#user + 1] ?? 0); this.#user++) {
      const user = this.#user;
      const [begin, end] = [userRows[user] ?? 0, userRows[user + 1] ?? 0];
      if (this.rows !== end) {
        throw new UserError(
          `${this.folder}: expected ${end - begin} displayed items of user ${user}, according to the table ` +
            `of users, got ${this.rows - begin}. Prepare the data again.`,
        );
      }
      this.#pending.userEnds.push(this.#pending.sizes.length);
    }
  }
}

/** Parses a page's displayed items. @param count: number of items in the data set. */
function parseItems(page: unknown, count: number, fail: Fail): readonly number[] {
  if (!Array.isArray(page) || page.length === 0) {
    return fail("a list of displayed items", Array.isArray(page) ? "an empty list" : formatValue(page));
  }
  return page.map((value) => {
    const item = toWholeNumber(value, count);
    return item < 0 ? fail(`items of 0..${count - 1}`, formatValue(value)) : item;
  });
}

/** Returns the position of the clicked item on a page; {@link NONE} for a page without a click. */
function parseClick(click: unknown, size: number, fail: Fail): number {
  if (click === null || click === undefined) return NONE;
  const position = toWholeNumber(click, size);
  if (position >= 0) return position;
  const expected = `clicked to be a position on its page of ${size} items, from 0, or null for no click`;
  return fail(expected, formatValue(click));
}

const NO_MORE: readonly number[] = [];

function parseAdditionalClicks(
  { items, clicked, additional_clicks }: PageColumns,
  k: number,
  fail: Fail,
): readonly number[] {
  const shown: unknown = items[k];
  const found = parseList(additional_clicks, k, fail, "additional_clicks", "for no additional click");
  if (!Array.isArray(shown) || found.length === 0) return NO_MORE;
  const first = clicked[k];
  const positions = found.map((position) => toWholeNumber(position, shown.length));
  const own = [typeof first === "bigint" ? Number(first) : first, ...positions].map((position) =>
    shown[Number(position ?? -1)]
  );
  if (
    first !== null && first !== undefined && !positions.includes(-1) &&
    new Set(own.map(Number)).size === own.length
  ) {
    return positions;
  }
  const expected =
    `additional_clicks to be other positions on its page of ${shown.length} items, each item once, ` +
    "and empty without a click";
  return fail(expected, `${found.map(formatValue).join(", ")}, clicked: ${formatValue(first)}`);
}

function parseList(
  column: ColumnValues,
  k: number,
  fail: Fail,
  name: string,
  none: string,
): readonly unknown[] {
  const found = column === ABSENT ? NO_MORE : column[k];
  if (Array.isArray(found)) return found;
  return fail(`${name} to be a list, an empty one ${none}`, formatValue(found));
}

function parsePropensities(columns: PageColumns, size: number, k: number, fail: Fail): readonly number[] {
  const found = parseList(columns.propensities, k, fail, "propensities", "where they are unknown");
  if (found.length === 0) return NO_MORE;
  const chances = found.map((value) => typeof value === "bigint" ? Number(value) : value);
  const isChance = (value: unknown): value is number => typeof value === "number" && value > 0 && value <= 1;
  if ([1, size].includes(chances.length) && chances.every(isChance)) return chances;
  const expected = `propensities above 0 and up to 1, one for the page or one for each of its ${size} items`;
  return fail(expected, found.map(formatValue).join(", "));
}

function parseCandidates(columns: PageColumns, count: number, k: number, fail: Fail): readonly number[] {
  const found = parseList(columns.candidates, k, fail, "candidates", "for all items");
  if (found.length === 0) return NO_MORE;
  const own = found.map((item) => toWholeNumber(item, count));
  const set = new Set(own);
  const shown: unknown = columns.items[k];
  const has = Array.isArray(shown) && shown.every((item) => set.has(Number(item)));
  if (has && set.size === own.length && !set.has(-1)) return own;
  const expected = `candidates of 0..${count - 1}, each once, including the displayed items`;
  return fail(expected, found.map(formatValue).join(", "));
}

/** Number of context features per impression (a displayed item of a page), and per page. */
export type ContextWidths = Readonly<Record<ContextFeature["kind"], number>>;

export function countContextFeatures({ context = [] }: FeatureManifest): ContextWidths {
  const count = (kind: ContextFeature["kind"]) => context.filter((feature) => feature.kind === kind).length;
  return { impression: count("impression"), page: count("page") };
}

/** Returns the context features of a page's rows: per row, impression features, then page features. */
function parseContext(
  columns: PageColumns,
  { impression, page }: ContextWidths,
  size: number,
  k: number,
  fail: Fail,
): readonly number[] {
  const values = (name: "impression_features" | "page_features", count: number): readonly number[] => {
    if (count === 0) return NO_MORE;
    const column = columns[name];
    const found: unknown = column === ABSENT ? undefined : column[k];
    if (!Array.isArray(found) || found.length !== count) {
      const got = Array.isArray(found)
        ? String(found.length)
        : column === ABSENT
        ? "no column"
        : formatValue(found);
      return fail(`${count} numbers in ${name} as in the manifest`, got);
    }
    return found.map((value) => {
      const number = toFloat32(value);
      return Number.isNaN(number) ? fail(`${name} to be finite numbers`, formatValue(value)) : number;
    });
  };
  const ofItems = values("impression_features", impression * size);
  const ofPage = values("page_features", page);
  if (impression === 0 && page === 0) return NO_MORE;
  return Array.from({ length: size }, (_, row) => [
    ...ofItems.slice(row * impression, (row + 1) * impression),
    ...ofPage,
  ]).flat();
}

function parseFlag(columns: PageColumns, name: "context" | "earlier", k: number, fail: Fail): boolean {
  const flag = columns[name] === ABSENT ? false : columns[name][k];
  return typeof flag === "boolean" ? flag : fail(`${name} to be true or false`, formatValue(flag));
}

function parseContextFlag(columns: PageColumns, size: number, click: number, k: number, fail: Fail): boolean {
  if (!parseFlag(columns, "context", k, fail)) return false;
  if (size === 1 && click === 0) return true;
  const found = `${size} items, clicked: ${formatValue(columns.clicked[k])}`;
  return fail("a context event to have one item, which is clicked", found);
}
