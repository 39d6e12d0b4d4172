/**
 * Reads a prepared data set: a folder with manifest.json and Parquet files of users, items and pages, or folders of such
 * files. data/README.md has the schema.
 */

import { type Manifest, readManifest } from "./manifest.ts";
import { type ItemFeatures, NONE, splits } from "./click_log.ts";
import { Growing } from "./growing.ts";
import type { ItemsShape } from "./item_catalogue.ts";
import { readParquet } from "./parquet.ts";
import { UserError } from "../user_error.ts";

type Part = "users" | "items" | "pages";

/** The files of a part, in order: `users.parquet`, or the files of a folder `users` by name. @throws UserError for none. */
export function partFiles(folder: string, part: Part): string[] {
  const single = `${folder}/${part}.parquet`;
  if (isFile(single)) return [single];
  let names: string[] = [];
  try {
    names = [...Deno.readDirSync(`${folder}/${part}`)].map(({ name }) => name).filter((name) =>
      /^[^._].*\.parquet$/.test(name)
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
  }
  if (names.length > 0) return names.sort().map((name) => `${folder}/${part}/${name}`);
  throw new UserError(
    `Expected ${part}.parquet, or a folder ${part} of Parquet files, in ${folder}, found neither. Prepare the data again.`,
  );
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

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
    return new PreparedSet(folder, manifest, ...users);
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
  }

  /**
   * Hands over all pages in order, of so many items.
   * @throws UserError when they do not fit users and items: out of order, too few, an item or a click that is not there.
   */
  async readPages(itemCount: number, take: (chunk: PageChunk, eventsBefore: number) => void): Promise<void> {
    let events = 0;
    let rows = 0;
    let user = 0;
    for (const path of partFiles(this.folder, "pages")) {
      await readParquet(path, ["user", "items", "clicked", "given"], (columns, count) => {
        const sizes = new Uint32Array(count);
        const clicks = new Uint32Array(count);
        const flags = new Uint8Array(count);
        const items = new Growing(Uint32Array);
        const fail = (page: number, fault: string): never => {
          throw new UserError(`${path}: page ${page + 1}: ${fault}. Prepare the data again.`);
        };
        for (let k = 0; k < count; k++) {
          while (events + k >= (this.userEvents[user + 1] ?? Infinity)) user++;
          const owner = Number(columns.user[k]);
          if (owner !== user) {
            fail(
              k,
              `expected user ${user} (pages are sorted by user, as many as users says), found ${
                columns.user[k]
              }`,
            );
          }
          const page = columns.items[k];
          if (!Array.isArray(page) || page.length === 0) {
            return fail(k, "expected a list of displayed items, found none");
          }
          for (const item of page) {
            const number = Number(item);
            if (!(number >= 0 && number < itemCount)) {
              fail(k, `expected items of 0..${itemCount - 1}, found ${item}`);
            }
            items.push(number);
          }
          sizes[k] = page.length;
          const click = columns.clicked[k];
          clicks[k] = click === null || click === undefined ? NONE : Number(click);
          if (clicks[k] !== NONE && !(Number(click) >= 0 && Number(click) < page.length)) {
            fail(
              k,
              `expected clicked to be a place on its page of ${page.length} items, from 0, found ${click}`,
            );
          }
          if (columns.given[k] === true) {
            flags[k] = 1;
            if (page.length !== 1 || clicks[k] !== 0) {
              fail(k, "expected a given page to have one item, which is clicked");
            }
          }
        }
        take({ sizes, clicks, given: flags, items: items.values() }, events);
        events += count;
        rows += items.length;
      }, ["given"]);
    }
    if (events !== this.events || rows !== this.rows) {
      throw new UserError(
        `${this.folder}: users says ${this.events} pages with ${this.rows} displayed items, pages holds ${events} with ` +
          `${rows}. Prepare the data again.`,
      );
    }
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
    await readParquet(path, ["user", "split", "pages", "rows"], (columns, count) => {
      for (let k = 0; k < count; k++) {
        const user = split.length;
        const fail = (fault: string): never => {
          throw new UserError(`${path}: user ${user}: ${fault}. Prepare the data again.`);
        };
        if (Number(columns.user[k]) !== user) {
          fail(`expected users numbered 0, 1, 2, ... in order, found ${columns.user[k]}`);
        }
        const code = splits.findIndex((name) => name === columns.split[k]);
        if (code < 0) fail(`expected split to be ${splits.join(", ")}, found ${columns.split[k]}`);
        split.push(code);
        events.push(pages += Number(columns.pages[k]));
        rows.push(shown += Number(columns.rows[k]));
      }
      onUsers(split.length);
    });
  }
  if (shown >= 2 ** 32 || pages >= 2 ** 31) {
    throw new UserError(
      `${folder}: ${shown} displayed items on ${pages} pages, expected fewer than 2^32 and 2^31. Prepare fewer users.`,
    );
  }
  return [split.values(), events.values(), rows.values()];
}

/** The items of a file. @returns how many there are up to its end. */
async function readItems(
  path: string,
  { features }: Manifest,
  shape: ItemsShape,
  before: number,
  take: (chunk: ItemFeatures, itemsBefore: number) => void,
): Promise<number> {
  const { kind } = shape;
  const width = features.dense.length;
  const V = shape.kind === "mixed" ? shape.tokens : 0;
  const names = ["item", ...(width > 0 ? ["dense"] : []), ...(V > 0 ? ["tokens"] : [])];
  let items = before;
  await readParquet(path, names, (columns, count) => {
    const values = new Float32Array(kind === "one-hot" ? 0 : count * width);
    const first = new Uint32Array(count + 1);
    const token = new Growing(Uint32Array);
    for (let k = 0; k < count; k++) {
      const fail = (fault: string): never => {
        throw new UserError(`${path}: item ${items + k}: ${fault}. Prepare the data again.`);
      };
      if (Number(columns.item?.[k]) !== items + k) {
        fail(`expected items numbered 0, 1, 2, ... in order, found ${columns.item?.[k]}`);
      }
      const dense = columns.dense?.[k] ?? [];
      if (!Array.isArray(dense) || dense.length !== width) {
        return fail(
          `expected ${width} dense features as in the manifest, found ${
            Array.isArray(dense) ? dense.length : dense
          }`,
        );
      }
      dense.forEach((value, place) => {
        if (!Number.isFinite(value)) {
          fail(`expected finite features, found ${value} for ${features.dense[place]?.name}`);
        }
        values[k * width + place] = value;
      });
      const tokens = columns.tokens?.[k] ?? [];
      if (!Array.isArray(tokens)) return fail("expected a list of tokens");
      if (new Set(tokens).size < tokens.length) fail(`expected each token once, found ${tokens.join(", ")}`);
      for (const value of tokens) {
        if (!(value >= 0 && value < V)) fail(`expected tokens of 0..${V - 1}, found ${value}`);
        token.push(Number(value));
      }
      first[k + 1] = token.length;
    }
    const tokens = { count: V, first, token: token.values() };
    if (kind === "one-hot") take({ kind, count }, items);
    else if (kind === "dense") take({ kind, count, width, values }, items);
    else take({ kind, count, width, values, tokens }, items);
    items += count;
  });
  return items;
}
