/**
 * Reads a prepared data set: a folder with manifest.json and Parquet files of users, items and pages, or folders of such
 * files. data/README.md has the schema. Whoever wrote it, each value that is read is as it says, or is refused.
 */

import { type Manifest, readManifest } from "./manifest.ts";
import { type ItemFeatures, NONE, splits } from "./click_log.ts";
import { foundText, wholeOf } from "./foreign_column.ts";
import { Growing } from "./growing.ts";
import type { ItemsShape } from "./item_catalogue.ts";
import { ABSENT, readParquet } from "./parquet.ts";
import { partFiles } from "./part_files.ts";
import { readItems } from "./prepared_items.ts";
import { UserError } from "../user_error.ts";

/** Pages of a row group, in their order. */
export interface PageChunk {
  /** Displayed items of each page. */
  readonly sizes: Uint32Array;
  /** Place of the clicked item on its page, or {@link NONE}. */
  readonly clicks: Uint32Array;
  /** 1 for a page that is given as history. */
  readonly given: Uint8Array;
  /** The items of all of them, one after another. */
  readonly items: Uint32Array;
}

const USER_COLUMNS = {
  user: { of: "whole" },
  split: { of: "text" },
  pages: { of: "whole" },
  rows: { of: "whole" },
} as const;

const PAGE_COLUMNS = {
  user: { of: "whole" },
  page: { of: "whole", optional: true },
  items: { of: "whole", list: true },
  clicked: { of: "whole" },
  given: { of: "truth", optional: true },
} as const;

/** Pages and rows are numbered in 31 and 32 bits. */
const MOST_PAGES = 2 ** 31;
const MOST_ROWS = 2 ** 32;

export class PreparedSet {
  private constructor(
    readonly folder: string,
    readonly manifest: Manifest,
    /** [U] index into {@link splits}. */
    readonly userSplit: Uint8Array<ArrayBuffer>,
    /** [U+1] running numbers of pages and rows. */
    readonly userEvents: Uint32Array<ArrayBuffer>,
    readonly userRows: Uint32Array<ArrayBuffer>,
  ) {}

  /**
   * Reads manifest and users.
   * @param onUsers told how many users are read so far, and of how many, where the manifest says it.
   * @throws UserError for a folder that is no prepared data set, or a damaged one.
   */
  static async open(folder: string, onUsers?: (done: number, all: number) => void): Promise<PreparedSet> {
    const manifest = await readManifest(folder);
    const counts = manifest.counts?.users;
    const all = counts && counts.train + counts.validation + counts.test;
    const users = await readUsers(folder, (done) => onUsers?.(done, all ?? done));
    const set = new PreparedSet(folder, manifest, ...users);
    const { userSplit } = set;
    set.#expectCount("users", manifest.files.users?.rows, userSplit.length);
    splits.forEach((split, code) => {
      const found = userSplit.reduce((sum, own) => sum + (own === code ? 1 : 0), 0);
      set.#expectCount(`users of the ${split} part`, counts?.[split], found);
    });
    set.#expectCount("pages", manifest.counts?.pages, set.events);
    set.#expectCount("displayed items", manifest.counts?.rows, set.rows);
    return set;
  }

  get events(): number {
    return this.userEvents.at(-1) ?? 0;
  }
  get rows(): number {
    return this.userRows.at(-1) ?? 0;
  }
  /** Short name for reports. */
  get name(): string {
    return this.manifest.name;
  }

  /** Of so many items. */
  shape(count: number): ItemsShape {
    const { dense: { length: width }, tokens: fields } = this.manifest.features;
    const tokens = fields.reduce((most, { first, count }) => Math.max(most, first + count), 0);
    if (tokens > 0) return { kind: "mixed", count, width, tokens };
    return width > 0 ? { kind: "dense", count, width } : { kind: "one-hot", count, width: count };
  }

  /**
   * Hands over all items in order, a row group at a time.
   * @throws UserError for items that are not as the manifest says.
   */
  async readItems(take: (chunk: ItemFeatures, itemsBefore: number) => void): Promise<void> {
    let before = 0;
    for (const path of partFiles(this.folder, "items")) {
      before = await readItems(path, this.manifest, this.shape(0), before, take);
    }
    if (before === 0) {
      throw new UserError(`${this.folder}: expected at least one item, found none. Prepare the data again.`);
    }
    const { counts, files } = this.manifest;
    this.#expectCount("items", counts?.items, before);
    this.#expectCount("items", files.items?.rows, before);
  }

  /**
   * Hands over all pages in order, of so many items.
   * @throws UserError when they do not fit users and items: out of order, too few, an item or a click that is not there.
   */
  async readPages(itemCount: number, take: (chunk: PageChunk, eventsBefore: number) => void): Promise<void> {
    const { userEvents, userRows, manifest } = this;
    const users = this.userSplit.length;
    let [events, rows, user, clicks, given] = [0, 0, 0, 0, 0];
    for (const path of partFiles(this.folder, "pages")) {
      await readParquet(path, PAGE_COLUMNS, (columns, { before, rows: count }) => {
        const sizes = new Uint32Array(count);
        const places = new Uint32Array(count);
        const flags = new Uint8Array(count);
        const items = new Growing(Uint32Array);
        const fail = (k: number, expected: string, found: string): never => {
          throw new UserError(
            `${path}: page ${before + k + 1}: expected ${expected}, found ${found}. Prepare the data again.`,
          );
        };
        const numbered = columns.page !== ABSENT;
        const withGiven = columns.given !== ABSENT;
        for (let k = 0; k < count; k++) {
          while (user < users && events + k >= (userEvents[user + 1] ?? 0)) {
            this.#expectRows(user++, rows + items.length);
          }
          if (user === users) fail(k, `no more pages than the ${this.events} that users says`, "one");
          if (wholeOf(columns.user[k], users) !== user) {
            fail(
              k,
              `user ${user} (pages are sorted by user, as many as users says)`,
              foundText(columns.user[k]),
            );
          }
          const number = events + k - (userEvents[user] ?? 0);
          if (numbered && wholeOf(columns.page[k], MOST_PAGES) !== number) {
            fail(
              k,
              `page ${number} of user ${user} (pages of a user are numbered 0, 1, 2, ... in order)`,
              foundText(columns.page[k]),
            );
          }
          const page = columns.items[k];
          if (!Array.isArray(page) || page.length === 0) {
            return fail(k, "a list of displayed items", Array.isArray(page) ? "none" : foundText(page));
          }
          for (let place = 0; place < page.length; place++) {
            const item = wholeOf(page[place], itemCount);
            if (item < 0) fail(k, `items of 0..${itemCount - 1}`, foundText(page[place]));
            items.push(item);
          }
          sizes[k] = page.length;
          const click = columns.clicked[k];
          const place = click === null || click === undefined ? NONE : wholeOf(click, page.length);
          if (place < 0) {
            fail(
              k,
              `clicked to be a place on its page of ${page.length} items, from 0, or null for no click`,
              foundText(click),
            );
          }
          places[k] = place;
          const flag = withGiven ? columns.given[k] : false;
          if (flag === true) {
            flags[k] = 1;
            given++;
            if (page.length !== 1 || place !== 0) {
              fail(
                k,
                "a given page to have one item, which is clicked",
                `${page.length} items, clicked: ${foundText(click)}`,
              );
            }
          } else if (flag !== false) fail(k, "given to be true or false", foundText(flag));
          else if (place !== NONE) clicks++;
        }
        take({ sizes, clicks: places, given: flags, items: items.values() }, events);
        events += count;
        rows += items.length;
      });
    }
    if (events !== this.events || rows !== this.rows) {
      throw new UserError(
        `${this.folder}: users says ${this.events} pages with ${this.rows} displayed items, pages holds ${events} with ` +
          `${rows}. Prepare the data again.`,
      );
    }
    while (user < users) this.#expectRows(user++, userRows[user] ?? 0);
    this.#expectCount("pages", manifest.files.pages?.rows, events);
    this.#expectCount("clicks", manifest.counts?.clicks, clicks);
    this.#expectCount("pages that are given", manifest.counts?.given, given);
  }

  /** @throws UserError for a user with other displayed items than users says. @param end rows up to her end. */
  #expectRows(user: number, end: number): void {
    const expected = this.userRows[user + 1] ?? 0;
    if (end === expected) return;
    const begin = this.userRows[user] ?? 0;
    throw new UserError(
      `${this.folder}: users says that user ${user} has rows = ${expected - begin}, her pages hold ${
        end - begin
      } ` +
        "displayed items. Prepare the data again.",
    );
  }

  /** @throws UserError for another number than the manifest says. */
  #expectCount(what: string, expected: number | undefined, found: number): void {
    if (expected === undefined || expected === found) return;
    throw new UserError(
      `${this.folder}: the manifest says ${expected} ${what}, found ${found}. Prepare the data again.`,
    );
  }
}

async function readUsers(
  folder: string,
  onUsers: (done: number) => void,
): Promise<[Uint8Array<ArrayBuffer>, Uint32Array<ArrayBuffer>, Uint32Array<ArrayBuffer>]> {
  const split = new Growing(Uint8Array);
  // As doubles, to see where they go beyond 32 bits.
  let [pages, shown] = [0, 0];
  const events = new Growing(Uint32Array);
  const rows = new Growing(Uint32Array);
  events.push(0);
  rows.push(0);
  for (const path of partFiles(folder, "users")) {
    await readParquet(path, USER_COLUMNS, (columns, { rows: count }) => {
      for (let k = 0; k < count; k++) {
        const user = split.length;
        const fail = (expected: string, found: unknown): never => {
          throw new UserError(
            `${path}: user ${user}: expected ${expected}, found ${foundText(found)}. Prepare the data again.`,
          );
        };
        if (wholeOf(columns.user[k], MOST_ROWS) !== user) {
          fail("users numbered 0, 1, 2, ... in order", columns.user[k]);
        }
        const code = splits.findIndex((name) => name === columns.split[k]);
        if (code < 0) fail(`split to be ${splits.join(", ")}`, columns.split[k]);
        const ownPages = wholeOf(columns.pages[k], MOST_PAGES);
        if (ownPages < 0) fail("pages to be a whole number from 0 to less than 2^31", columns.pages[k]);
        const ownRows = wholeOf(columns.rows[k], MOST_ROWS);
        if (ownRows < 0) fail("rows to be a whole number from 0 to less than 2^32", columns.rows[k]);
        if (ownRows < ownPages || (ownPages === 0 && ownRows > 0)) {
          fail(`rows to be at least one for each of pages = ${ownPages}, and none without pages`, ownRows);
        }
        split.push(code);
        events.push(pages += ownPages);
        rows.push(shown += ownRows);
      }
      onUsers(split.length);
    });
  }
  if (split.length === 0) {
    throw new UserError(`${folder}: expected at least one user, found none. Prepare the data again.`);
  }
  if (shown >= MOST_ROWS || pages >= MOST_PAGES) {
    throw new UserError(
      `${folder}: ${shown} displayed items on ${pages} pages, expected fewer than 2^32 and 2^31. Prepare fewer users.`,
    );
  }
  return [split.values(), events.values(), rows.values()];
}
