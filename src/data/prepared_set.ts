/**
 * Reads a prepared data set: a manifest, and Parquet files with tables of users, items and pages (see
 * data/README.md). The files are in a folder, or were dropped on a web page. All values are checked, because
 * any program may have written the files.
 */

import type { Manifest } from "./manifest.ts";
import { type Clicks, type ItemFeatures, listUsers, splits } from "./click_log.ts";
import { type ItemsShape, joinItems } from "./item_catalogue.ts";
import { type PreparedUsers, readItems, readUsers, type SetFiles } from "./prepared_tables.ts";
import { countContextFeatures, PageReader } from "./prepared_pages.ts";
import { UserError } from "../user_error.ts";
import { MemoryLog, type OnProgress } from "./log_source.ts";

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
   * Reads the table of users. @throws UserError for a table that is invalid or contradicts the manifest.
   * @param onUsers: called with the number of users read so far and the number of all users.
   */
  static async open(files: SetFiles, onUsers?: (done: number, all: number) => void): Promise<PreparedSet> {
    const { manifest } = files;
    const counts = manifest.counts?.users;
    const all = counts && counts.train + counts.validation + counts.test;
    const users = await readUsers(files, (done) => onUsers?.(done, all ?? done));
    const set = new PreparedSet(files, users);
    set.#expectCount("users", manifest.files.users?.rows, users.userSplit.length);
    for (const split of splits) {
      set.#expectCount(`users of the ${split} part`, counts?.[split], listUsers(users, split).length);
    }
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
  get rows(): number {
    return this.userRows.at(-1) ?? 0;
  }
  get name(): string {
    return this.manifest.name;
  }

  /** Returns the shape of a catalogue of `count` items: its kind, and its numbers of features and tokens. */
  shape(count: number): ItemsShape {
    const { dense: { length: width }, tokens: fields } = this.manifest.features;
    const tokens = fields.reduce((most, { first, count }) => Math.max(most, first + count), 0);
    if (tokens > 0) return { kind: "mixed", count, width, tokens };
    return width > 0 ? { kind: "dense", count, width } : { kind: "one-hot", count, width: count };
  }

  /**
   * Calls `take` with the items of each row group, in order.
   * @returns the number of items. @throws UserError for items that contradict the manifest.
   */
  async readItems(take: (chunk: ItemFeatures) => void, onProgress?: OnProgress): Promise<number> {
    const { counts, files } = this.manifest;
    let done = 0;
    for (const table of this.files.part("items")) {
      done = await readItems(table, this.manifest, this.shape(0), done, (chunk, before) => {
        const read = before + chunk.count;
        onProgress?.("Reading items", read, counts?.items ?? read);
        take(chunk);
      });
    }
    if (done === 0) {
      throw new UserError(`${this.folder}: expected at least one item, got none. Prepare the data again.`);
    }
    this.#expectCount("items", counts?.items, done);
    this.#expectCount("items", files.items?.rows, done);
    return done;
  }

  /**
   * Calls `take` repeatedly, each time with the clicks of the next users.
   * @param items: number of items in the data set. @param atOnce: true to pass all users in one call,
   * which needs memory for the whole log.
   * @returns the numbers of pages, rows, clicks, context events, earlier pages, and pages with propensities.
   * @throws UserError if pages are missing or in a wrong order, or have unknown items.
   */
  async readClicks(
    items: number,
    take: (chunk: Clicks) => void,
    onProgress?: OnProgress,
    atOnce = false,
  ): Promise<Pick<PageReader, "pages" | "rows" | "clicks" | "context" | "earlier" | "propensities">> {
    const widths = countContextFeatures(this.manifest.features);
    const pages = new PageReader(this.folder, this, items, widths, take, atOnce);
    for (const table of this.files.part("pages")) {
      await pages.read(table, (read) => onProgress?.("Reading pages", read, this.pages));
    }
    pages.end();
    const { counts, files, timeSplit } = this.manifest;
    if (pages.earlier > 0 && !timeSplit) {
      throw new UserError(
        `${this.folder}: expected timeSplit in the manifest, because some pages have earlier = true. ` +
          "Add timeSplit (see data/README.md).",
      );
    }
    this.#expectCount("pages", files.pages?.rows, pages.pages);
    this.#expectCount("clicks", counts?.clicks, pages.clicks);
    this.#expectCount("context events", counts?.context, pages.context);
    this.#expectCount("earlier pages", counts?.earlier, pages.earlier);
    this.#expectCount("pages with propensities", counts?.propensities, pages.propensities);
    return pages;
  }

  /** @throws UserError if the manifest's number (`expected`) differs from the files' number (`found`). */
  #expectCount(what: string, expected: number | undefined, found: number): void {
    if (expected === undefined || expected === found) return;
    throw new UserError(
      `${this.folder}: expected ${expected} ${what} as in the manifest, got ${found}. ` +
        "Prepare the data again.",
    );
  }
}

/** Reads a prepared data set into memory. @throws UserError for a damaged or inconsistent data set. */
export async function readPreparedLog(set: PreparedSet, onProgress?: OnProgress): Promise<MemoryLog> {
  const itemChunks: ItemFeatures[] = [];
  await set.readItems((chunk) => itemChunks.push(chunk), onProgress);
  const items = joinItems(set.shape(0), itemChunks);
  const all: Clicks[] = [];
  await set.readClicks(items.count, (clicks) => all.push(clicks), onProgress, true);
  const [clicks] = all;
  if (!clicks) throw new Error("readClicks did not pass clicks to its callback");
  const sampled = set.manifest.sampledPages && { sampledPages: true };
  return new MemoryLog({ name: set.name, items, ...sampled, ...clicks });
}
