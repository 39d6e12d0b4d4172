/** Logs in the paper's layout, good or with damage. */

import { writePaperFile } from "../command_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import type { Maker } from "./corpus.ts";
import { type Contents, file } from "./files.ts";

export const COLUMNS = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"] as const;
export type Column = typeof COLUMNS[number];

let text: string | undefined;

/** 90 users, a third in each part, over 30 items. */
export function paperText(): string {
  if (text === undefined) {
    const path = Deno.makeTempFileSync({ prefix: "clickgan-bad-" });
    try {
      writePaperFile(path, smallLog(31, { users: 90, items: 30, width: 0 }));
      text = Deno.readTextFileSync(path);
    } finally {
      Deno.removeSync(path);
    }
  }
  return text;
}

/** log.tsv; without a change it is a good one. */
export function paper(change: (text: string) => Contents = (text) => text, name = "log.tsv"): Maker {
  return (folder) => file(name, change(paperText()))(folder);
}

/** log.tsv with a value of one line, from 1, replaced. */
export function paperCell(number: number, column: Column, value: string): Maker {
  return paper((text) =>
    text.split("\n").map((line, k) => {
      if (k + 1 !== number) return line;
      const cells = line.split("\t");
      cells[COLUMNS.indexOf(column)] = value;
      return cells.join("\t");
    }).join("\n")
  );
}

/** A log of these rows, in the order of the columns. */
export function paperRows(rows: readonly (readonly (string | number)[])[]): Maker {
  return file("log.tsv", [COLUMNS, ...rows].map((row) => row.join("\t")).join("\n") + "\n");
}

/** Rows of `users` users in a part, from user `first` on, with a page of `page` items each whose first is clicked. */
export function usersOf(first: number, users: number, part: number, page = 3, clicks = true): (number)[][] {
  const rows: number[][] = [];
  for (let user = first; user < first + users; user++) {
    for (let item = 0; item < page; item++) rows.push([user, 1, item, clicks && item === 0 ? 1 : 0, part]);
  }
  return rows;
}
