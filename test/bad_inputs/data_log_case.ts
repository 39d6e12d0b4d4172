/** Cases of `data log`, and small logs for them. */

import { bad, type Maker, type More, type Words } from "./corpus.ts";
import { file } from "./files.ts";

export const COLUMNS = ["--user", "uid", "--item", "sku", "--time", "ts", "--clicked", "label"] as const;
const ENGINE = ["--memory", "500MB", "--threads", "1"] as const;

export const log = (
  name: string,
  source: string,
  files: Maker,
  says: Words,
  more: More = {},
  args: readonly string[] = [],
) => bad(name, ["data", "log", "--source", source, ...COLUMNS, ...ENGINE, ...args], files, says, more);
export const csv = (
  name: string,
  text: string | Uint8Array,
  says: Words,
  more: More = {},
  args: readonly string[] = [],
) => log(name, "DIR/log.csv", file("log.csv", text), says, more, args);
/** A log that is prepared, with what is said of it. */
export const fine = (name: string, text: string | Uint8Array, says: Words, args: readonly string[] = []) =>
  csv(name, text, says, { code: 0, leaves: ["out/"] }, args);

export const HEAD = "uid,sku,ts,label\n";
/** A page of two items for each of so many users, the first clicked. */
export const rows = (users: number) =>
  Array.from(
    { length: users },
    (_, k) => `u${k},a,${1600000000 + k},1\nu${k},b,${1600000000 + k},0\n`,
  ).join("");
export const good = HEAD + rows(20);
export const many = (bad: string) => HEAD + rows(100) + bad;
export const ROW = { uid: "a", sku: "x", ts: 1600000000, label: 1 };
export const json = (row: unknown) => JSON.stringify(row) + "\n";
