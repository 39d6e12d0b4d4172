/** The pages of a prepared data set, held against what its users say of them. */

import { NONE } from "../click_log.ts";
import { foundText, wholeOf } from "./foreign_column.ts";
import { Growing } from "../growing.ts";
import type { TableFile } from "./files.ts";
import { ABSENT, type Column, readParquet, type RowRange } from "./parquet.ts";
import { MOST_PAGES, type PreparedUsers } from "./users.ts";
import { UserError } from "../../user_error.ts";

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
}

const PAGE_COLUMNS = {
  user: { of: "whole" },
  page: { of: "whole", optional: true },
  items: { of: "whole", list: true },
  clicked: { of: "whole" },
  also: { of: "whole", list: true, optional: true },
  given: { of: "truth", optional: true },
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
    for (let k = 0; k < count; k++) {
      this.#expectUser(columns, k, this.rows + items.length, fail);
      const size = this.#addItems(columns.items[k], items, k, fail);
      const click = clickOf(columns.clicked[k], size, k, fail);
      const page = columns.also === ABSENT ? NO_MORE : alsoOf(columns, k, fail);
      const isGiven = givenOf(columns, size, click, k, fail);
      sizes[k] = size;
      clicks[k] = click;
      also.push(page);
      given[k] = isGiven ? 1 : 0;
      if (isGiven) this.given++;
      else if (click !== NONE) this.clicks += 1 + page.length;
    }
    return { sizes, clicks, also, given, items: items.values() };
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
  const [shown, found] = [items[k], also[k]];
  if (!Array.isArray(shown) || !Array.isArray(found)) {
    return fail(k, "also to be a list, an empty one for no further click", foundText(found));
  }
  if (found.length === 0) return NO_MORE;
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

/** Whether a page is given as history. */
function givenOf(columns: PageColumns, size: number, click: number, k: number, fail: Fail): boolean {
  const given = columns.given === ABSENT ? false : columns.given[k];
  if (given === false) return false;
  if (given !== true) return fail(k, "given to be true or false", foundText(given));
  if (size === 1 && click === 0) return true;
  const found = `${size} items, clicked: ${foundText(columns.clicked[k])}`;
  return fail(k, "a given page to have one item, which is clicked", found);
}
