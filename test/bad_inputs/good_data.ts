/** Logs in the paper's layout and prepared data sets, good or with damage. */

import { writePaperFile } from "../command_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import type { Maker } from "./corpus.ts";
import { type Contents, file } from "./files.ts";
import { NONE } from "../../src/data/click_log.ts";
import { oneEngine, parquet } from "../prepared_folder.ts";

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

/** SQL that makes a table anew, from the good tables users, items and pages. */
export interface Damage {
  readonly users?: string;
  readonly items?: string;
  readonly pages?: string;
  /** Of the manifest. */
  readonly manifest?: string | Readonly<Record<string, unknown>>;
}

const PARTS = ["users", "items", "pages"] as const;

/** A set of 90 users over 30 items with two dense features, in the folder `set`. */
export function prepared(damage: Damage = {}, name = "set"): Maker {
  return async (folder) => {
    await (tables ??= makeTables());
    Deno.mkdirSync(`${folder}/${name}`);
    for (const part of PARTS) {
      await parquet(`${folder}/${name}/${part}.parquet`, damage[part] ?? `FROM ${part}`);
    }
    const { manifest = {} } = damage;
    const json = typeof manifest === "string" ? manifest : JSON.stringify({ ...goodManifest, ...manifest });
    Deno.writeTextFileSync(`${folder}/${name}/manifest.json`, json);
  };
}

export const goodManifest = {
  format: "clickgan-dataset",
  version: 1,
  features: { dense: [{ name: "price" }, { name: "age" }], tokens: [] },
};

/** One Parquet file of a query. */
export function parquetFile(name: string, sql: string): Maker {
  return (folder) => parquet(`${folder}/${name}`, sql);
}

let tables: Promise<void> | undefined;

/** The good tables, in the engine that the tests of a file share. */
async function makeTables(): Promise<void> {
  const log = smallLog(31, { users: 90, items: 30, width: 0 });
  const [users, pages]: [string[], string[]] = [[], []];
  log.userSplit.forEach((split, user) => {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    const shown = (log.eventRows[to] ?? 0) - (log.eventRows[from] ?? 0);
    const part = ["train", "validation", "test"][split];
    users.push(`(${user}::UINTEGER, 'u${user}', '${part}', ${to - from}::UINTEGER, ${shown}::UINTEGER)`);
    for (let e = from; e < to; e++) {
      const [row, next] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const click = log.eventClick[e] ?? NONE;
      const clicked = click === NONE ? "NULL" : String(click - row);
      const items = Array.from(log.rowItem.subarray(row, next));
      pages.push(
        `(${user}::UINTEGER, ${e - from}::UINTEGER, make_timestamp(1600000000000000 + ${e}), ` +
          `[${items}]::UINTEGER[], ${clicked}::UINTEGER, false)`,
      );
    }
  });
  const items = Array.from(
    { length: 30 },
    (_, i) => `(${i}::UINTEGER, 'i${i}', [${i / 8}, ${i % 3}]::FLOAT[], []::UINTEGER[])`,
  );
  await (await oneEngine()).run(`
    CREATE TABLE users AS FROM (VALUES ${users}) AS t("user", id, split, pages, rows);
    CREATE TABLE items AS FROM (VALUES ${items}) AS t(item, id, dense, tokens);
    CREATE TABLE pages AS FROM (VALUES ${pages}) AS t("user", page, time, items, clicked, given)`);
}
