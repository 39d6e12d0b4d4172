/** The ids that the tables of a prepared data set give its users and items. */

import { foundText } from "./foreign_column.ts";
import { type Ids, NumberIds, TextIds } from "../ids.ts";
import { readParquet } from "./parquet.ts";
import type { SetFiles } from "./files.ts";
import { TextListWriter } from "../text_list.ts";
import { UserError } from "../../user_error.ts";

/** A table that gives ids: its files, and the column of the numbers. */
const NUMBERS = { users: "user", items: "item" } as const;

/**
 * Reads the column `id` of a table. Where there is none, the numbers are the ids.
 * @param count of the users or items that there must be.
 * @throws UserError for an id that is no text, or another number of them.
 */
export async function readIds(files: SetFiles, part: "users" | "items", count: number): Promise<Ids> {
  const number = NUMBERS[part];
  const list = new TextListWriter();
  const wanted = { id: { of: "text", optional: true } } as const;
  let rows = 0;
  for (const table of files.part(part)) {
    const { path } = table;
    rows += await readParquet(table, wanted, ({ id }, { before, rows }) => {
      if (id.length === 0) return;
      for (let k = 0; k < rows; k++) {
        const text = id[k];
        if (typeof text !== "string") {
          throw new UserError(
            `${path}: ${number} ${list.length}: expected id to be text, found ${foundText(text)} in row ` +
              `${
                before + k + 1
              }. Give each ${number} an id, or leave the column out: then the numbers are the ids.`,
          );
        }
        list.push(text);
      }
    });
  }
  if (list.length === 0 && rows === count) return new NumberIds(count);
  if (list.length === count) return new TextIds(list.done());
  throw new UserError(
    `${files.folder}: expected an id for each of the ${count} ${part}, found ${list.length}. Prepare the data again.`,
  );
}
