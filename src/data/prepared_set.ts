/**
 * Reads a prepared data set: a folder with manifest.json and Parquet files of users, items and pages, or folders of such
 * files. data/README.md has the schema. Whoever wrote it, each value that is read is as it says, or is refused.
 */

import { type Manifest, readManifest } from "./manifest.ts";
import { type ItemFeatures, splits } from "./click_log.ts";
import type { ItemsShape } from "./item_catalogue.ts";
import { partFiles } from "./part_files.ts";
import { readItems } from "./prepared_items.ts";
import { type PageChunk, PageReader } from "./prepared_pages.ts";
import { type PreparedUsers, readUsers } from "./prepared_users.ts";
import { UserError } from "../user_error.ts";

export class PreparedSet implements PreparedUsers {
  readonly userSplit: PreparedUsers["userSplit"];
  readonly userEvents: PreparedUsers["userEvents"];
  readonly userRows: PreparedUsers["userRows"];

  private constructor(readonly folder: string, readonly manifest: Manifest, users: PreparedUsers) {
    this.userSplit = users.userSplit;
    this.userEvents = users.userEvents;
    this.userRows = users.userRows;
  }

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
    const set = new PreparedSet(folder, manifest, users);
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
    const pages = new PageReader(this.folder, this, itemCount);
    for (const path of partFiles(this.folder, "pages")) await pages.read(path, take);
    pages.end();
    const { counts, files } = this.manifest;
    this.#expectCount("pages", files.pages?.rows, pages.events);
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
