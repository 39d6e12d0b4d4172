import assert from "node:assert/strict";
import { ADDITIONAL_CLICK, type ClickLog, listClickedRows } from "../src/data/click_log.ts";
import { formatLiteral } from "../src/data/prepare/sql_engine.ts";
import { getSharedEngine, makeFolderWith, writeParquet } from "./prepared_folder.ts";
import { openPrepared } from "../src/data/sets/packed_set.ts";
import { expectRefusal } from "./case_table.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";

interface Shape {
  readonly files?: number;
  readonly rowGroup?: number;
}

/** Writes a prepared data set as another program could: tables by SQL, and a minimal manifest. */
export async function writeSet(
  folder: string,
  log: ClickLog,
  { files = 1, rowGroup = 2048 }: Shape = {},
): Promise<void> {
  const { items } = log;
  const pages: string[] = [];
  const users: string[] = [];
  log.userSplit.forEach((split, user) => {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    let [page, rows] = [0, 0];
    for (let e = from; e < to; e++) {
      if (log.eventKind?.[e] === ADDITIONAL_CLICK) continue;
      const [row, next] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const [click, ...also] = listClickedRows(log, e).map((click) => click - row);
      const shown = Array.from(log.rowItem.subarray(row, next));
      pages.push(
        `(${user}, ${page++}, [${shown}], ${click ?? "NULL"}, [${also}]::UINTEGER[], ` +
          `${log.eventKind?.[e] === 1})`,
      );
      rows += next - row;
    }
    users.push(`(${user}, 'u${user}', '${["train", "validation", "test"][split]}', ${page}, ${rows})`);
  });
  const known = Array.from({ length: items.count }, (_, i) => {
    const dense = items.kind === "one-hot"
      ? []
      : Array.from(items.values.subarray(i * items.width, (i + 1) * items.width));
    // SQL reads a literal without an exponent as a decimal, whose conversion to FLOAT would round again.
    const numbers = dense.map((value) => value.toExponential());
    const tokens = items.kind === "mixed"
      ? Array.from(items.tokens.token.subarray(items.tokens.first[i], items.tokens.first[i + 1]))
      : [];
    return `(${i}, 'i${i}', [${numbers}]::FLOAT[], [${tokens}]::UINTEGER[])`;
  });
  const write = (sql: string, path: string) => writeParquet(path, sql, `, ROW_GROUP_SIZE ${rowGroup}`);
  await write(`FROM (VALUES ${users}) AS t("user", id, split, pages, rows)`, `${folder}/users.parquet`);
  await write(`FROM (VALUES ${known}) AS t(item, id, dense, tokens)`, `${folder}/items.parquet`);
  if (files > 1) await Deno.mkdir(`${folder}/pages`);
  for (let k = 0; k < files; k++) {
    const part = pages.slice(
      Math.floor(k * pages.length / files),
      Math.floor((k + 1) * pages.length / files),
    );
    await write(
      `FROM (VALUES ${part}) AS t("user", page, items, clicked, additional_clicks, context)`,
      files > 1 ? `${folder}/pages/part-${String(k).padStart(5, "0")}.parquet` : `${folder}/pages.parquet`,
    );
  }
  const manifest = {
    format: "clickgan-dataset",
    version: 1,
    features: {
      dense: Array.from(
        { length: items.kind === "one-hot" ? 0 : items.width },
        (_, k) => ({ name: `f${k}` }),
      ),
      tokens: items.kind === "mixed" ? [{ name: "category", first: 0, count: items.tokens.count }] : [],
    },
  };
  await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify(manifest));
}

export async function rewrite(folder: string, part: string, sql: string): Promise<void> {
  const path = formatLiteral(`${folder}/${part}.parquet`);
  const engine = await getSharedEngine();
  await engine.run(`CREATE OR REPLACE TABLE t AS FROM ${path}; COPY (${sql}) TO ${path} (FORMAT parquet)`);
}

/** Log of 30 users and 12 items (two features, 9 tokens), with context pages and pages of several clicks. */
export const foreignLog = createSmallLog(21, {
  users: 30,
  items: 12,
  width: 2,
  tokens: 9,
  given: 0.3,
  further: 0.3,
});
export const logPages = [...foreignLog.eventClick.keys()].filter((e) =>
  foreignLog.eventKind?.[e] !== ADDITIONAL_CLICK
);
let template: Promise<string> | undefined;

async function makeTemplate(): Promise<string> {
  const folder = await makeFolderWith();
  await writeSet(folder, foreignLog);
  return folder;
}

export async function copySet(): Promise<string> {
  const from = await (template ??= makeTemplate());
  const folder = await makeFolderWith();
  for (const { name } of Deno.readDirSync(from)) await Deno.copyFile(`${from}/${name}`, `${folder}/${name}`);
  return folder;
}

export async function withCopy(use: (folder: string) => Promise<void>): Promise<void> {
  await use(await copySet());
}

export async function expectRefused(folder: string, says: RegExp | string, what?: string): Promise<void> {
  const message = await expectRefusal(() => openPrepared(folder, { memoryRows: Infinity }), says, what);
  assert.doesNotMatch(message, /\n/, what);
}
