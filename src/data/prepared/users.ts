/** The users of a prepared data set. */

import { splits } from "../click_log.ts";
import { foundText, wholeOf } from "./foreign_column.ts";
import { Growing } from "../growing.ts";
import { type Column, readParquet } from "./parquet.ts";
import type { SetFiles } from "./files.ts";
import { UserError } from "../../user_error.ts";

export interface PreparedUsers {
  /** [U] index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] running numbers of pages, and of what they display. */
  readonly userPages: Uint32Array<ArrayBuffer>;
  readonly userRows: Uint32Array<ArrayBuffer>;
}

const USER_COLUMNS = {
  user: { of: "whole" },
  split: { of: "text" },
  pages: { of: "whole" },
  rows: { of: "whole" },
} as const;

/** Pages and rows are numbered in 31 and 32 bits. */
export const MOST_PAGES = 2 ** 31;
const MOST_ROWS = 2 ** 32;

/**
 * @param onUsers told how many are read so far.
 * @throws {UserError} for what is no user, or more pages and rows than can be numbered
 */
export async function readUsers(files: SetFiles, onUsers: (done: number) => void): Promise<PreparedUsers> {
  const { folder } = files;
  const userSplit = new Growing(Uint8Array);
  // As doubles, to see where they go beyond 32 bits.
  let [pages, shown] = [0, 0];
  const userPages = new Growing(Uint32Array);
  const userRows = new Growing(Uint32Array);
  userPages.push(0);
  userRows.push(0);
  for (const table of files.part("users")) {
    const { path } = table;
    await readParquet(table, USER_COLUMNS, (columns, { rows: count }) => {
      for (let k = 0; k < count; k++) {
        const user = userOf(path, columns, k, userSplit.length);
        userSplit.push(user.split);
        userPages.push(pages += user.pages);
        userRows.push(shown += user.rows);
      }
      onUsers(userSplit.length);
    });
  }
  if (userSplit.length === 0) {
    throw new UserError(`${folder}: expected at least one user, found none. Prepare the data again.`);
  }
  if (shown >= MOST_ROWS || pages >= MOST_PAGES) {
    throw new UserError(
      `${folder}: ${shown} displayed items on ${pages} pages, expected fewer than 2^32 and 2^31. Prepare fewer users.`,
    );
  }
  return { userSplit: userSplit.values(), userPages: userPages.values(), userRows: userRows.values() };
}

/** What row k says, which must be of this user. */
function userOf(
  path: string,
  columns: Readonly<Record<keyof typeof USER_COLUMNS, Column>>,
  k: number,
  user: number,
): { split: number; pages: number; rows: number } {
  const fail = (expected: string, found: unknown): never => {
    throw new UserError(
      `${path}: user ${user}: expected ${expected}, found ${foundText(found)}. Prepare the data again.`,
    );
  };
  if (wholeOf(columns.user[k], MOST_ROWS) !== user) {
    fail("users numbered 0, 1, 2, ... in order", columns.user[k]);
  }
  const split = splits.findIndex((name) => name === columns.split[k]);
  if (split < 0) fail(`split to be ${splits.join(", ")}`, columns.split[k]);
  const pages = wholeOf(columns.pages[k], MOST_PAGES);
  if (pages < 0) fail("pages to be a whole number from 0 to less than 2^31", columns.pages[k]);
  const rows = wholeOf(columns.rows[k], MOST_ROWS);
  if (rows < 0) fail("rows to be a whole number from 0 to less than 2^32", columns.rows[k]);
  if (rows < pages || (pages === 0 && rows > 0)) {
    fail(`rows to be at least one for each of pages = ${pages}, and none without pages`, rows);
  }
  return { split, pages, rows };
}
