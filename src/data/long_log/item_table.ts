/** A table with a row for each item, as a text: CSV with a header. */

import { expectFew } from "../bad_rows.ts";
import type { BadRows } from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";
import { expectOne } from "./columns.ts";
import { Faults } from "./faults.ts";
import type { ItemColumn } from "./item_columns.ts";
import { isJson, readTable, type TableText } from "./table.ts";

export interface ItemFile extends TableText {
  /** The column with the item's id. */
  readonly key: string;
}

export interface ItemTable {
  /** For each row; empty for one without an id, which is of no item. */
  readonly ids: readonly string[];
  readonly columns: readonly ItemColumn[];
  readonly bad: BadRows;
}

/** @throws UserError for what is no such table: it names the line. */
export function readItems(file: ItemFile): ItemTable {
  const { path, key } = file;
  if (isJson(path)) {
    throw new UserError(
      `${path}: expected what is known of the items as CSV, found JSON lines. Write it as CSV, or prepare the log outside of ` +
        "the page: deno task data log --features.",
    );
  }
  const faults = new Faults(path);
  const ids: string[] = [];
  const table: { names: readonly string[]; texts: string[][] } = { names: [], texts: [] };
  let count = 0;
  readTable(file, { names: [key], ids: [key] }, {
    header(fields, line) {
      if (!fields.includes(key)) {
        throw new UserError(
          `${path}:${line}: expected a column "${key}" with the item's id, found ${
            fields.slice(0, 40).join(", ")
          }. Choose the column that has it.`,
        );
      }
      expectOne(path, fields, line, key);
      table.names = fields;
      table.texts = fields.map(() => []);
    },
    row(fields, line) {
      count++;
      const id = fields[table.names.indexOf(key)] ?? "";
      if (id === "") {
        faults.add(line, { kind: `${key} is empty`, expected: `${key} to be an id`, found: "nothing" });
      }
      ids.push(id);
      fields.forEach((text, k) => table.texts[k]?.push(text));
    },
    broken(fault, line) {
      count++;
      faults.add(line, fault);
    },
  });
  const bad = Faults.sum([faults]);
  expectFew(bad, count);
  const columns = table.names.map((name, k) => ({ name, texts: table.texts[k] ?? [] }));
  return { ids, columns: columns.filter(({ name }) => name !== key), bad };
}
