/** A table with a row for each item, as a text: CSV with a header, or JSON lines. */

import { expectFew } from "../bad_rows.ts";
import type { BadRows } from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";
import { expectOne } from "./columns.ts";
import { Faults } from "./faults.ts";
import type { ItemColumn } from "./item_columns.ts";
import { keysOfJson } from "./json_lines.ts";
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

interface BuiltColumn extends ItemColumn {
  readonly texts: string[];
  readonly lists: Map<number, readonly string[]> | undefined;
}

/** @throws UserError for what is no such table: it names the line. */
export function readItems(file: ItemFile): ItemTable {
  const { path, text, key } = file;
  const faults = new Faults(path);
  const ids: string[] = [];
  const table: { columns: BuiltColumn[] } = { columns: [] };
  const names = isJson(path) ? [...new Set([...keysOfJson(text), key])] : [key];
  let [count, place] = [0, -1];
  readTable(file, { names, ids: [key] }, {
    header(fields, line) {
      if (!fields.includes(key)) {
        throw new UserError(
          `${path}:${line}: expected a column "${key}" with the item's id, found ${
            fields.slice(0, 40).join(", ")
          }. Choose the column that has it.`,
        );
      }
      expectOne(path, fields, line, key);
      table.columns = fields.map((name) => ({
        name,
        texts: [],
        lists: isJson(path) ? new Map<number, readonly string[]>() : undefined,
      }));
      place = fields.indexOf(key);
    },
    row(fields, line, lists) {
      count++;
      const id = fields[place] ?? "";
      if (id === "") {
        faults.add(line, { kind: `${key} is empty`, expected: `${key} to be an id`, found: "nothing" });
      }
      for (const [k, list] of lists ?? []) table.columns[k]?.lists?.set(ids.length, list);
      ids.push(id);
      fields.forEach((text, k) => table.columns[k]?.texts.push(text));
    },
    broken(fault, line) {
      count++;
      faults.add(line, fault);
    },
  });
  const bad = Faults.sum([faults]);
  expectFew(bad, count);
  return { ids, columns: table.columns.filter(({ name }) => name !== key), bad };
}
