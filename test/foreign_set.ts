/** Prepared data sets as another engine would write them, and change them. */

import { type ClickLog, NONE } from "../src/data/click_log.ts";
import { Engine, literal } from "../src/prepare/engine.ts";

interface Shape {
  /** Parquet files of pages, and rows of a row group. */
  readonly files?: number;
  readonly rowGroup?: number;
}

/** Writes a log as another engine would: SQL over values, and the least manifest. */
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
    const [first, end] = [log.eventRows[from] ?? 0, log.eventRows[to] ?? 0];
    users.push(
      `(${user}, 'u${user}', '${["train", "validation", "test"][split]}', ${to - from}, ${end - first})`,
    );
    for (let e = from; e < to; e++) {
      const [row, next] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const click = log.eventClick[e] ?? NONE;
      const shown = Array.from(log.rowItem.subarray(row, next));
      pages.push(
        `(${user}, ${e - from}, [${shown}], ${click === NONE ? "NULL" : click - row}, ${
          log.eventGiven?.[e] === 1
        })`,
      );
    }
  });
  const known = Array.from({ length: items.count }, (_, i) => {
    const dense = items.kind === "one-hot"
      ? []
      : Array.from(items.values.subarray(i * items.width, (i + 1) * items.width));
    // Plain literals would be decimals, which round twice.
    const numbers = dense.map((value) => value.toExponential());
    const tokens = items.kind === "mixed"
      ? Array.from(items.tokens.token.subarray(items.tokens.first[i], items.tokens.first[i + 1]))
      : [];
    return `(${i}, 'i${i}', [${numbers}]::FLOAT[], [${tokens}]::UINTEGER[])`;
  });
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  const write = (sql: string, path: string) =>
    engine.run(`COPY (${sql}) TO ${literal(path)} (FORMAT parquet, ROW_GROUP_SIZE ${rowGroup})`);
  try {
    await write(`FROM (VALUES ${users}) AS t("user", id, split, pages, rows)`, `${folder}/users.parquet`);
    await write(`FROM (VALUES ${known}) AS t(item, id, dense, tokens)`, `${folder}/items.parquet`);
    if (files > 1) await Deno.mkdir(`${folder}/pages`);
    for (let k = 0; k < files; k++) {
      const part = pages.slice(
        Math.floor(k * pages.length / files),
        Math.floor((k + 1) * pages.length / files),
      );
      await write(
        `FROM (VALUES ${part}) AS t("user", page, items, clicked, given)`,
        files > 1 ? `${folder}/pages/part-${String(k).padStart(5, "0")}.parquet` : `${folder}/pages.parquet`,
      );
    }
  } finally {
    engine.close();
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

/** Writes a part anew, by a query over its rows `t` */
export async function rewrite(folder: string, part: string, sql: string): Promise<void> {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  const path = literal(`${folder}/${part}.parquet`);
  try {
    await engine.run(`CREATE TABLE t AS FROM ${path}`);
    await engine.run(`COPY (${sql}) TO ${path} (FORMAT parquet)`);
  } finally {
    engine.close();
  }
}
