/** The pages of a prepared data set, held against what its users say of them. */

import { type Clicks, eventListsOf, FURTHER_CLICK, NONE } from "./click_log.ts";
import {
  ABSENT,
  type Column,
  foundText,
  readParquet,
  type RowRange,
  type TableFile,
  wholeOf,
} from "./parquet.ts";
import { Growing } from "./growing.ts";
import { MOST_PAGES, type PreparedUsers } from "./prepared_tables.ts";
import { UserError } from "../user_error.ts";

/** Pages of a row group, in their order. */
export interface PageChunk {
  /** Displayed items of each page. */
  readonly sizes: Uint32Array;
  /** Place of the clicked item on its page, or {@link NONE}. */
  readonly clicks: Uint32Array;
  /** Places of the further clicks on each page, in their order. */
  readonly also: readonly (readonly number[])[];
  /** 1 for a page that is given as history. */
  readonly given: Uint8Array;
  /** The items of all of them, one after another. */
  readonly items: Uint32Array;
  /** As of {@link Clicks}. */
  readonly eventPropensities: readonly (readonly number[])[];
  readonly eventCandidates: readonly (readonly number[])[];
}

const PAGE_COLUMNS = {
  user: "needed",
  page: "optional",
  items: "needed",
  clicked: "needed",
  also: "optional",
  given: "optional",
  propensities: "optional",
  candidates: "optional",
} as const;

type PageColumns = Readonly<Record<keyof typeof PAGE_COLUMNS, Column>>;

/** Throws for page k of a row group. */
type Fail = (k: number, expected: string, found: string) => never;

export class PageReader {
  /** Counts of all pages so far. */
  pages = 0;
  rows = 0;
  clicks = 0;
  given = 0;
  propensities = 0;
  /** Whose the last page is. */
  #user = 0;

  /** @param folder of the data set. @param items how many there are. */
  constructor(
    private readonly folder: string,
    private readonly users: PreparedUsers,
    private readonly items: number,
  ) {}

  /**
   * Hands over the pages of a file in order, a row group at a time.
   * @throws {UserError} for pages that do not fit users and items: out of order, an item or a click that is not there
   */
  async read(table: TableFile, take: (chunk: PageChunk, pagesBefore: number) => void): Promise<void> {
    await readParquet(table, PAGE_COLUMNS, (columns, range) => {
      const chunk = this.#chunkOf(table.path, columns, range);
      take(chunk, this.pages);
      this.pages += range.rows;
      this.rows += chunk.items.length;
    });
  }

  /** @throws {UserError} where users says more or fewer pages and displayed items than were read */
  end(): void {
    const { userPages, userRows } = this.users;
    const [pages, rows] = [userPages.at(-1) ?? 0, userRows.at(-1) ?? 0];
    if (this.pages === pages && this.rows === rows) return;
    throw new UserError(
      `${this.folder}: users has ${pages} pages with ${rows} displayed items, but pages has ${this.pages} with ` +
        `${this.rows}. Prepare the data again.`,
    );
  }

  #chunkOf(path: string, columns: PageColumns, { before, rows: count }: RowRange): PageChunk {
    const fail: Fail = (k, expected, found) => {
      throw new UserError(
        `${path}: page ${before + k + 1}: expected ${expected}, found ${found}. Prepare the data again.`,
      );
    };
    const sizes = new Uint32Array(count);
    const clicks = new Uint32Array(count);
    const also: (readonly number[])[] = [];
    const given = new Uint8Array(count);
    const items = new Growing(Uint32Array);
    const eventPropensities: (readonly number[])[] = [];
    const eventCandidates: (readonly number[])[] = [];
    for (let k = 0; k < count; k++) {
      this.#expectUser(columns, k, this.rows + items.length, fail);
      const size = this.#addItems(columns.items[k], items, k, fail);
      const click = clickOf(columns.clicked[k], size, k, fail);
      const page = alsoOf(columns, k, fail);
      const isGiven = givenOf(columns, size, click, k, fail);
      sizes[k] = size;
      clicks[k] = click;
      also.push(page);
      given[k] = isGiven ? 1 : 0;
      const chances = propensitiesOf(columns, size, k, fail);
      eventPropensities.push(chances);
      if (chances.length > 0) this.propensities++;
      eventCandidates.push(candidatesOf(columns, this.items, k, fail));
      if (isGiven) this.given++;
      else if (click !== NONE) this.clicks += 1 + page.length;
    }
    return { sizes, clicks, also, given, items: items.values(), eventPropensities, eventCandidates };
  }

  /** Whether page k is the next one of the user whose turn it is. @param rows displayed items before it. */
  #expectUser(columns: PageColumns, k: number, rows: number, fail: Fail): void {
    const { userPages, userSplit: { length: users } } = this.users;
    const page = this.pages + k;
    while (this.#user < users && page >= (userPages[this.#user + 1] ?? 0)) this.#expectRows(rows);
    const user = this.#user;
    if (user === users) fail(k, `no more than the ${userPages.at(-1) ?? 0} pages that users has`, "one");
    if (wholeOf(columns.user[k], users) !== user) {
      fail(k, `user ${user} (pages are sorted by user, as many as users has)`, foundText(columns.user[k]));
    }
    const number = page - (userPages[user] ?? 0);
    if (columns.page === ABSENT || wholeOf(columns.page[k], MOST_PAGES) === number) return;
    const expected = `page ${number} of user ${user} (pages of a user are numbered 0, 1, 2, ... in order)`;
    fail(k, expected, foundText(columns.page[k]));
  }

  /** Goes on to the next user. @param end displayed items up to the end of this one. */
  #expectRows(end: number): void {
    const user = this.#user++;
    const { userRows } = this.users;
    const [begin, expected] = [userRows[user] ?? 0, userRows[user + 1] ?? 0];
    if (end === expected) return;
    throw new UserError(
      `${this.folder}: users says that user ${user} has rows = ${expected - begin}, their pages hold ` +
        `${end - begin} displayed items. Prepare the data again.`,
    );
  }

  /** Adds the items of a page. @returns how many they are. */
  #addItems(page: unknown, items: Growing<Uint32Array<ArrayBuffer>>, k: number, fail: Fail): number {
    if (!Array.isArray(page) || page.length === 0) {
      return fail(k, "a list of displayed items", Array.isArray(page) ? "none" : foundText(page));
    }
    for (let place = 0; place < page.length; place++) {
      const item = wholeOf(page[place], this.items);
      if (item < 0) fail(k, `items of 0..${this.items - 1}`, foundText(page[place]));
      items.push(item);
    }
    return page.length;
  }
}

/** The place of the clicked item on a page of so many items, or {@link NONE}. */
function clickOf(click: unknown, size: number, k: number, fail: Fail): number {
  if (click === null || click === undefined) return NONE;
  const place = wholeOf(click, size);
  if (place >= 0) return place;
  const expected = `clicked to be a place on its page of ${size} items, from 0, or null for no click`;
  return fail(k, expected, foundText(click));
}

const NO_MORE: readonly number[] = [];

/** The places of a page's further clicks. Its items and its first click are as they should be. */
function alsoOf({ items, clicked, also }: PageColumns, k: number, fail: Fail): readonly number[] {
  const shown: unknown = items[k];
  const found = listOf(also, k, fail, "also", "for no further click");
  if (!Array.isArray(shown) || found.length === 0) return NO_MORE;
  const first = clicked[k];
  const places = found.map((place) => wholeOf(place, shown.length));
  const own = [typeof first === "bigint" ? Number(first) : first, ...places].map((place) =>
    shown[Number(place ?? -1)]
  );
  if (
    first !== null && first !== undefined && !places.includes(-1) &&
    new Set(own.map(Number)).size === own.length
  ) {
    return places;
  }
  const expected =
    `also to be places on its page of ${shown.length} items whose items are clicked once, and none without ` +
    "a click";
  return fail(k, expected, `${found.map(foundText).join(", ")}, clicked: ${foundText(first)}`);
}

/** What a page has of a column of lists; nothing without the column. @param none what an empty list says */
function listOf(column: Column, k: number, fail: Fail, name: string, none: string): readonly unknown[] {
  const found = column === ABSENT ? NO_MORE : column[k];
  if (Array.isArray(found)) return found;
  return fail(k, `${name} to be a list, an empty one ${none}`, foundText(found));
}

/** By which chance a page was shown. */
function propensitiesOf(columns: PageColumns, size: number, k: number, fail: Fail): readonly number[] {
  const found = listOf(columns.propensities, k, fail, "propensities", "where they are not known");
  if (found.length === 0) return NO_MORE;
  const chances = found.map((value) => typeof value === "bigint" ? Number(value) : value);
  const isChance = (value: unknown): value is number => typeof value === "number" && value > 0 && value <= 1;
  if ([1, size].includes(chances.length) && chances.every(isChance)) return chances;
  const expected = `propensities above 0 and up to 1, one for the page or one for each of its ${size} items`;
  return fail(k, expected, found.map(foundText).join(", "));
}

/** What a page was drawn from. */
function candidatesOf(columns: PageColumns, count: number, k: number, fail: Fail): readonly number[] {
  const found = listOf(columns.candidates, k, fail, "candidates", "where all items were");
  if (found.length === 0) return NO_MORE;
  const own = found.map((item) => wholeOf(item, count));
  const set = new Set(own);
  const shown: unknown = columns.items[k];
  const has = Array.isArray(shown) && shown.every((item) => set.has(Number(item)));
  if (has && set.size === own.length && !set.has(-1)) return own;
  const expected = `candidates of 0..${count - 1}, each once, what is displayed among them`;
  return fail(k, expected, found.map(foundText).join(", "));
}

/** Whether a page is given as history. */
function givenOf(columns: PageColumns, size: number, click: number, k: number, fail: Fail): boolean {
  const given = columns.given === ABSENT ? false : columns.given[k];
  if (given === false) return false;
  if (given !== true) return fail(k, "given to be true or false", foundText(given));
  if (size === 1 && click === 0) return true;
  const found = `${size} items, clicked: ${foundText(columns.clicked[k])}`;
  return fail(k, "a given page to have one item, which is clicked", found);
}

/** Puts pages together to the clicks of whole users; memory is that of a row group. */
export class WholeUsers {
  /** Whose the first page is that is not handed over yet. */
  #user = 0;
  #kept: PageChunk[] = [];

  constructor(private readonly users: PreparedUsers, private readonly take: (chunk: Clicks) => void) {}

  /** @param before pages before the chunk. */
  add(chunk: PageChunk, before: number): void {
    const { userSplit: { length: users }, userPages } = this.users;
    const pages = before + chunk.sizes.length;
    // The last user of the chunk may go on in the next.
    let end = this.#user;
    while (end < users && (userPages[end + 1] ?? Infinity) <= pages) end++;
    const whole = (userPages[end] ?? 0) - before;
    if (whole <= 0) {
      this.#kept.push(chunk);
      return;
    }
    this.#kept.push(part(chunk, 0, whole));
    this.#flush(end);
    if (whole < chunk.sizes.length) this.#kept.push(part(chunk, whole, chunk.sizes.length));
  }

  /** Hands over the last ones, those without pages as well. */
  end(): void {
    this.#flush(this.users.userSplit.length);
  }

  #flush(end: number): void {
    if (end > this.#user) this.take(chunkOf(this.users, this.#user, end, this.#kept));
    this.#user = end;
    this.#kept = [];
  }
}

/** Pages from `first` to `end` of a chunk. */
function part(chunk: PageChunk, first: number, end: number): PageChunk {
  const { sizes, clicks, also, given, items } = chunk;
  const rows = (from: number, to: number) => sizes.subarray(from, to).reduce((sum, size) => sum + size, 0);
  const start = rows(0, first);
  return {
    sizes: sizes.subarray(first, end),
    clicks: clicks.subarray(first, end),
    also: also.slice(first, end),
    given: given.subarray(first, end),
    items: items.subarray(start, start + rows(first, end)),
    eventPropensities: chunk.eventPropensities.slice(first, end),
    eventCandidates: chunk.eventCandidates.slice(first, end),
  };
}

/** Users `first` to `end` with all of their pages: a further click is an event with a row of its own. */
function chunkOf(set: PreparedUsers, first: number, end: number, chunks: readonly PageChunk[]): Clicks {
  const from = set.userPages[first] ?? 0;
  const pages = (set.userPages[end] ?? 0) - from;
  const further = chunks.reduce((sum, { also }) => also.reduce((sum, { length }) => sum + length, sum), 0);
  const events = pages + further;
  /** The event of each page. */
  const pageEvent = new Uint32Array(pages + 1);
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events);
  const eventGiven = new Uint8Array(events);
  const rowItem = new Uint32Array((set.userRows[end] ?? 0) - (set.userRows[first] ?? 0) + further);
  let [page, event, row] = [0, 0, 0];
  for (const { sizes, clicks, also, given, items } of chunks) {
    let item = 0;
    sizes.forEach((size, k) => {
      const click = clicks[k] ?? NONE;
      pageEvent[page++] = event;
      eventRows[event] = row;
      eventClick[event] = click === NONE ? NONE : row + click;
      eventGiven[event++] = given[k] ?? 0;
      rowItem.set(items.subarray(item, item + size), row);
      row += size;
      for (const place of also[k] ?? []) {
        eventRows[event] = row;
        eventClick[event] = row;
        eventGiven[event++] = FURTHER_CLICK;
        rowItem[row++] = items[item + place] ?? 0;
      }
      item += size;
    });
  }
  pageEvent[pages] = event;
  eventRows[events] = row;
  const lists = eventListsOf((name) =>
    chunks.flatMap(({ also, [name]: own }) =>
      own.flatMap((list, k) => [list, ...also[k]?.map(() => NO_MORE) ?? []])
    )
  );
  return {
    userSplit: set.userSplit.slice(first, end),
    userEvents: set.userPages.slice(first, end + 1).map((running) => pageEvent[running - from] ?? 0),
    eventRows,
    eventClick,
    ...(eventGiven.some((given) => given > 0) ? { eventGiven } : {}),
    rowItem,
    ...lists,
  };
}

/** Chunks of all users, one after another, as one. */
export function joinClicks(chunks: readonly Clicks[]): Clicks {
  const sum = (of: (chunk: Clicks) => number) => chunks.reduce((sum, chunk) => sum + of(chunk), 0);
  const count = sum(({ eventClick }) => eventClick.length);
  const userSplit = new Uint8Array(sum(({ userSplit }) => userSplit.length));
  const userEvents = new Uint32Array(userSplit.length + 1);
  const eventRows = new Uint32Array(count + 1);
  const eventClick = new Uint32Array(count);
  const eventGiven = new Uint8Array(count);
  const rowItem = new Uint32Array(sum(({ rowItem }) => rowItem.length));
  let [users, events, rows] = [0, 0, 0];
  for (const chunk of chunks) {
    userSplit.set(chunk.userSplit, users);
    chunk.userEvents.forEach((event, k) => userEvents[users + k] = events + event);
    chunk.eventClick.forEach((click, k) => {
      eventRows[events + k] = rows + (chunk.eventRows[k] ?? 0);
      eventClick[events + k] = click === NONE ? NONE : rows + click;
    });
    if (chunk.eventGiven) eventGiven.set(chunk.eventGiven, events);
    rowItem.set(chunk.rowItem, rows);
    users += chunk.userSplit.length;
    events += chunk.eventClick.length;
    rows += chunk.rowItem.length;
  }
  eventRows[events] = rows;
  const given = eventGiven.some((given) => given > 0) ? { eventGiven } : {};
  const lists = eventListsOf((name) =>
    chunks.some((chunk) => chunk[name])
      ? chunks.flatMap(({ eventClick, [name]: own }) => own ?? Array.from(eventClick, () => NO_MORE))
      : []
  );
  return { userSplit, userEvents, eventRows, eventClick, ...given, rowItem, ...lists };
}
