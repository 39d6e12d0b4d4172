/** Prepared data sets, good or with damage. */

import { NONE } from "../../src/data/click_log.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { oneEngine, parquet } from "../one_engine.ts";
import type { Maker } from "./corpus.ts";

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
