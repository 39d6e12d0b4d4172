/**
 * Reads a prepared data set: Parquet files of users, items and pages, and a manifest. data/README.md has the schema. Whoever wrote it, each value that is read is as it says, or is refused.
 */

import type { Manifest } from "../manifest.ts";
import { type ItemFeatures, splits } from "../click_log.ts";
import type { ItemsShape } from "../item_catalogue.ts";
import type { SetFiles } from "./files.ts";
import { readItems } from "./items.ts";
import { type PageChunk, PageReader } from "./pages.ts";
import { type PreparedUsers, readUsers } from "./users.ts";
import { UserError } from "../../user_error.ts";

export class PreparedSet implements PreparedUsers {
  readonly userSplit: PreparedUsers["userSplit"];
  readonly userPages: PreparedUsers["userPages"];
  readonly userRows: PreparedUsers["userRows"];

  private constructor(readonly files: SetFiles, users: PreparedUsers) {
    this.userSplit = users.userSplit;
    this.userPages = users.userPages;
    this.userRows = users.userRows;
  }

  /**
   * Reads the users.
   * @param onUsers told how many users are read so far, and of how many, where the manifest says it.
   * @throws UserError for users that are not as they should be.
   */
  static async open(files: SetFiles, onUsers?: (done: number, all: number) => void): Promise<PreparedSet> {
    const { manifest } = files;
    expectUnsplit(files);
    const counts = manifest.counts?.users;
    const all = counts && counts.train + counts.validation + counts.test;
    const users = await readUsers(files, (done) => onUsers?.(done, all ?? done));
    const set = new PreparedSet(files, users);
    const { userSplit } = set;
    set.#expectCount("users", manifest.files.users?.rows, userSplit.length);
    splits.forEach((split, code) => {
      const found = userSplit.reduce((sum, own) => sum + (own === code ? 1 : 0), 0);
      set.#expectCount(`users of the ${split} part`, counts?.[split], found);
    });
    set.#expectCount("pages", manifest.counts?.pages, set.pages);
    set.#expectCount("displayed items", manifest.counts?.rows, set.rows);
    return set;
  }

  get folder(): string {
    return this.files.folder;
  }
  get manifest(): Manifest {
    return this.files.manifest;
  }
  get pages(): number {
    return this.userPages.at(-1) ?? 0;
  }
  /** Displayed items of all pages. */
  get rows(): number {
    return this.userRows.at(-1) ?? 0;
  }
  /** Short name for reports. */
  get name(): string {
    return this.manifest.name;
  }

  /** What its features say of so many items. */
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
    for (const table of this.files.part("items")) {
      before = await readItems(table, this.manifest, this.shape(0), before, take);
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
  async readPages(itemCount: number, take: (chunk: PageChunk, pagesBefore: number) => void): Promise<void> {
    const pages = new PageReader(this.folder, this, itemCount);
    for (const table of this.files.part("pages")) await pages.read(table, take);
    pages.end();
    const { counts, files } = this.manifest;
    this.#expectCount("pages", files.pages?.rows, pages.pages);
    this.#expectCount("clicks", counts?.clicks, pages.clicks);
    this.#expectCount("pages that are given", counts?.given, pages.given);
  }

  /** @throws UserError for another number than the manifest says. */
  #expectCount(what: string, expected: number | undefined, found: number): void {
    if (expected === undefined || expected === found) return;
    throw new UserError(
      `${this.folder}: the manifest says ${expected} ${what}, found ${found}. Prepare the data again.`,
    );
  }
}

/** What a preparation said that made a copy of a page for each of its clicks. */
const SPLIT = "pages with several clicks, split into one page a click";

/** @throws UserError for a set with such copies: none of them knows the page's other clicks. */
function expectUnsplit({ folder, manifest: { skipped, command } }: SetFiles): void {
  const split = skipped[SPLIT] ?? 0;
  if (split === 0) return;
  const words = command.map((word) => /^[\w./:@%+,-]+$/.test(word) ? word : `'${word}'`);
  throw new UserError(
    `${folder}: expected each page once, with all of its clicks, but an earlier version has split ${split} pages of ` +
      `several clicks into copies with one click each. Remove it and prepare it again: deno task data ${
        words.join(" ")
      }`,
  );
}
