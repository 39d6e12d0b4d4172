/** Reads the table of users and the table of items of a prepared data set. */

import { type ItemFeatures, splits } from "./click_log.ts";
import { formatValue, readParquet, toFloat32, toWholeNumber } from "./parquet.ts";
import type { ColumnValues, RequiredColumns, TableFile } from "./parquet.ts";
import { GrowingArray } from "./growing_array.ts";
import { UserError } from "../user_error.ts";
import type { ItemsShape } from "./item_catalogue.ts";
import type { OnProgress } from "./log_source.ts";
import type { Manifest } from "./manifest.ts";
import { type IdList, NumberIds, TextIds, type TextList, TextListWriter } from "./ids.ts";

export type TableName = "users" | "items" | "pages";

export interface SetFiles {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Returns the Parquet files of a table, in order. @throws UserError if the table has no files. */
  part(part: TableName): readonly TableFile[];
}

export interface PreparedUsers {
  /** [U] split of each user, as an index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] number of pages (`userPages[u]`) and of rows (`userRows[u]`) of all users before user u. */
  readonly userPages: Uint32Array<ArrayBuffer>;
  readonly userRows: Uint32Array<ArrayBuffer>;
}

const USER_COLUMNS = { user: "needed", split: "needed", pages: "needed", rows: "needed" } as const;

/** A data set must have fewer pages than this limit, and fewer displayed items than `MOST_ROWS`. */
export const MOST_PAGES = 2 ** 31;
const MOST_ROWS = 2 ** 32;

/** Reads users. @param onUsers: called with the number of users read. @throws UserError for a bad table. */
export async function readUsers(files: SetFiles, onUsers: (done: number) => void): Promise<PreparedUsers> {
  const { folder } = files;
  const userSplit = new GrowingArray(Uint8Array);
  // The sums of pages and rows are doubles, so that sums beyond 32 bits can be detected.
  let [pages, shown] = [0, 0];
  const userPages = new GrowingArray(Uint32Array);
  const userRows = new GrowingArray(Uint32Array);
  userPages.push(0);
  userRows.push(0);
  for (const table of files.part("users")) {
    const { path } = table;
    await readParquet(table, USER_COLUMNS, (columns, { rows: count }) => {
      for (let k = 0; k < count; k++) {
        const user = parseUser(path, columns, k, userSplit.length);
        userSplit.push(user.split);
        userPages.push(pages += user.pages);
        userRows.push(shown += user.rows);
      }
      onUsers(userSplit.length);
    });
  }
  if (userSplit.length === 0) {
    throw new UserError(`${folder}: expected at least one user, got none. Prepare the data again.`);
  }
  if (shown >= MOST_ROWS || pages >= MOST_PAGES) {
    throw new UserError(
      `${folder}: ${shown} displayed items on ${pages} pages, ` +
        "expected fewer than 2^32 items and 2^31 pages. Prepare fewer users.",
    );
  }
  return { userSplit: userSplit.values(), userPages: userPages.values(), userRows: userRows.values() };
}

/** Parses row k of a row group in the table of users. The row must belong to user number `user`. */
function parseUser(
  path: string,
  columns: Readonly<Record<keyof typeof USER_COLUMNS, ColumnValues>>,
  k: number,
  user: number,
): { split: number; pages: number; rows: number } {
  const fail = (expected: string, found: unknown): never => {
    throw new UserError(
      `${path}: user ${user}: expected ${expected}, got ${formatValue(found)}. Prepare the data again.`,
    );
  };
  if (toWholeNumber(columns.user[k], MOST_ROWS) !== user) {
    fail("users numbered 0, 1, 2, ... in order", columns.user[k]);
  }
  const split = splits.findIndex((name) => name === columns.split[k]);
  if (split < 0) fail(`split to be ${splits.join(", ")}`, columns.split[k]);
  const pages = toWholeNumber(columns.pages[k], MOST_PAGES);
  if (pages < 0) fail("pages to be a whole number from 0 to less than 2^31", columns.pages[k]);
  const rows = toWholeNumber(columns.rows[k], MOST_ROWS);
  if (rows < 0) fail("rows to be a whole number from 0 to less than 2^32", columns.rows[k]);
  if (rows < pages || (pages === 0 && rows > 0)) {
    fail(`rows to be at least one for each of pages = ${pages}, and none without pages`, rows);
  }
  return { split, pages, rows };
}

const MOST_ITEMS = 2 ** 32;

/**
 * Calls `take` with the items of each row group of a file.
 * @param before: number of items in earlier files. @returns `before` plus the number of items in this file.
 * @throws UserError if an item, a feature or a token contradicts the manifest.
 */
export async function readItems(
  table: TableFile,
  { features }: Manifest,
  shape: ItemsShape,
  before: number,
  take: (chunk: ItemFeatures, itemsBefore: number) => void,
): Promise<number> {
  const { path } = table;
  const { kind } = shape;
  const width = features.dense.length;
  const V = shape.kind === "mixed" ? shape.tokens : 0;
  const wanted: RequiredColumns<"item" | "dense" | "tokens"> = {
    item: "needed",
    dense: width > 0 ? "needed" : undefined,
    tokens: V > 0 ? "needed" : undefined,
  };
  let items = before;
  await readParquet(table, wanted, (columns, { rows: count }) => {
    const values = new Float32Array(kind === "one-hot" ? 0 : count * width);
    const first = new Uint32Array(count + 1);
    const token = new GrowingArray(Uint32Array);
    for (let k = 0; k < count; k++) {
      const fail: Fail = (expected, found) => {
        throw new UserError(
          `${path}: item ${items + k}: expected ${expected}, got ${found}. Prepare the data again.`,
        );
      };
      if (toWholeNumber(columns.item[k], MOST_ITEMS) !== items + k) {
        fail("items numbered 0, 1, 2, ... in order", formatValue(columns.item[k]));
      }
      if (width > 0) readDense(columns.dense[k], features.dense, values.subarray(k * width), fail);
      if (V > 0) readTokens(columns.tokens[k], V, token, fail);
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

/** Function that throws an error about the current item. */
type Fail = (expected: string, found: string) => never;

function readDense(dense: unknown, columns: Manifest["features"]["dense"], into: Float32Array, fail: Fail) {
  const width = columns.length;
  if (!Array.isArray(dense) || dense.length !== width) {
    const found = Array.isArray(dense) ? String(dense.length) : formatValue(dense);
    return fail(`${width} dense features as in the manifest`, found);
  }
  for (let place = 0; place < width; place++) {
    const value = toFloat32(dense[place]);
    if (Number.isNaN(value)) {
      fail(
        Number.isFinite(dense[place])
          ? "features that a 32-bit float holds (up to 3.4e38)"
          : "finite features",
        `${formatValue(dense[place])} for ${columns[place]?.name} in dense`,
      );
    }
    into[place] = value;
  }
}

/** Appends the tokens of an item to `into`. @param V: number of tokens in the data set. */
function readTokens(tokens: unknown, V: number, into: GrowingArray<Uint32Array<ArrayBuffer>>, fail: Fail) {
  if (!Array.isArray(tokens)) return fail("tokens to be a list, an empty one for none", formatValue(tokens));
  for (let place = 0; place < tokens.length; place++) {
    const id = toWholeNumber(tokens[place], V);
    if (id < 0) fail(`tokens of 0..${V - 1}`, formatValue(tokens[place]));
    into.push(id);
  }
  if (new Set(tokens).size < tokens.length) fail("each token once", tokens.slice(0, 100).join(", "));
}

/** For each table, the column that numbers its rows. */
const NUMBERS = { users: "user", items: "item" } as const;

/**
 * Reads the ids in the column `id` of a table. Without this column, the ids are the numbers 0 to count - 1.
 * @param count: expected number of users or items. @throws UserError if an id is missing or is not text.
 */
export async function readIds(
  files: SetFiles,
  part: "users" | "items",
  count: number,
  onProgress?: OnProgress,
): Promise<IdList> {
  const list = await readTexts(files, part, "id", count, onProgress);
  return list ? new TextIds(list) : new NumberIds(count);
}

/**
 * Reads a column that has a text per user or item. Returns undefined if the column is missing. @param count:
 * number of users or items. @throws UserError if a text is missing, or if a value is not text.
 */
export async function readTexts(
  files: SetFiles,
  part: "users" | "items",
  column: string,
  count: number,
  onProgress?: OnProgress,
): Promise<TextList | undefined> {
  const number = NUMBERS[part];
  const list = new TextListWriter();
  const wanted: Record<string, "optional"> = { [column]: "optional" };
  let rows = 0;
  for (const table of files.part(part)) {
    const { path } = table;
    rows += await readParquet(table, wanted, ({ [column]: texts = [] }, { before, rows }) => {
      if (texts.length === 0) return;
      onProgress?.(`Reading ids of ${part}`, list.length, count);
      for (let k = 0; k < rows; k++) {
        const text = texts[k];
        if (typeof text !== "string") {
          throw new UserError(
            `${path}: ${number} ${list.length}: expected ${column} to be text, got ${formatValue(text)} ` +
              `in row ${before + k + 1}. Give each ${number} a text, or leave the column out` +
              (column === "id" ? ": then the numbers are the ids." : "."),
          );
        }
        list.push(text);
      }
    });
  }
  if (list.length === 0 && rows === count) return undefined;
  if (list.length === count) return list.done();
  throw new UserError(
    `${files.folder}: expected the ${column} of each of the ${count} ${part}, got ${list.length}. ` +
      "Prepare the data again.",
  );
}
