import { dirname } from "node:path";
import type { Json } from "@duckdb/node-api";
import { expectRefusal } from "./case_table.ts";
import { withEmptyFolder } from "./run/folder_check.ts";
import { formatLiteral, SqlEngine } from "../src/data/prepare/sql_engine.ts";
import type { PreparationRecipe, PreparationResult, PrepareOptions } from "../src/data/prepare/prepare.ts";
import { prepare } from "../src/data/prepare/prepare.ts";
import { type LogOptions, logRecipe } from "../src/data/prepare/prepare_log.ts";

export const defaults: Omit<PrepareOptions, "out"> = {
  split: "hash",
  shares: { train: 0.5, validation: 0.25 },
  strict: false,
  memory: "500MB",
  threads: 1,
};

export type Files = Readonly<Record<string, string | Uint8Array>>;

async function fill(folder: string, files: Files): Promise<void> {
  for (const [name, contents] of Object.entries(files)) {
    await Deno.mkdir(dirname(`${folder}/${name}`), { recursive: true });
    if (typeof contents === "string") await Deno.writeTextFile(`${folder}/${name}`, contents);
    else await Deno.writeFile(`${folder}/${name}`, contents);
  }
}

export async function makeFolderWith(files: Files = {}): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-data-" });
  await fill(folder, files);
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

export async function withFolder(files: Files, use: (folder: string) => Promise<void>): Promise<void> {
  await withEmptyFolder(async (folder) => {
    await fill(folder, files);
    await use(folder);
  });
}

export function prepareIn(
  folder: string,
  recipe: PreparationRecipe,
  options: Partial<PrepareOptions> = {},
): Promise<PreparationResult> {
  const out = `${folder}/out-${crypto.randomUUID().slice(0, 8)}`;
  return prepare(recipe, { ...defaults, out, ...options }, ["test"]);
}

/** Returns options that prepare users in rounds of `rows_at_once` rows; null: as many as memory allows. */
export const prepareInRounds =
  (recipe: PreparationRecipe, rows_at_once: number | null): PreparationRecipe => async (...args) => {
    const begun = await recipe(...args);
    return { ...begun, variables: { ...begun.variables, rows_at_once } };
  };

export async function expectRefused(
  folder: string,
  recipe: PreparationRecipe,
  says: RegExp | string,
): Promise<void> {
  await expectRefusal(() => prepareIn(folder, recipe), says);
}

/** Returns rows of a query (without WITH) over a data set's tables users, items and pages. */
export async function query(folder: string, sql: string): Promise<Record<string, Json>[]> {
  const parts = ["users", "items", "pages"].map((part) =>
    `${part} AS (FROM ${formatLiteral(`${folder}/${part}.parquet`)})`
  );
  return await (await getSharedEngine()).rows(`WITH ${parts.join(", ")} ${sql}`);
}

/** Returns all pages in the order of the file: user id, item ids, and clicked ids in order. */
export async function readPages(
  folder: string,
): Promise<{ user: string; time: string; items: string[]; clicked: string | null }[]> {
  const ids = new Map(
    (await query(folder, "SELECT item, id FROM items")).map(({ item, id }) => [Number(item), String(id)]),
  );
  const rows = await query(
    folder,
    "SELECT id AS user, time, items, list_prepend(clicked, additional_clicks) AS clicks, clicked FROM pages JOIN users USING (user) ORDER BY pages.user, page",
  );
  return rows.map((row) => {
    const items = Array.isArray(row.items) ? row.items.map((item) => ids.get(Number(item)) ?? "no item") : [];
    const clicks = Array.isArray(row.clicks)
      ? row.clicks.map((place) => items[Number(place)] ?? "nothing")
      : [];
    return {
      user: String(row.user),
      time: String(row.time),
      items,
      clicked: row.clicked === null ? null : clicks.join(" "),
    };
  });
}

export function listChecksums({ manifest }: PreparationResult): string[] {
  return (["users", "items", "pages"] as const).map((part) => manifest.files[part]?.sha256 ?? "none");
}

export function shuffleBy<T>(rows: readonly T[], draw: () => number): T[] {
  return rows.map((row) => ({ row, key: draw() })).sort((a, b) => a.key - b.key).map(({ row }) => row);
}

export function compressGzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).bytes();
}

let opened: Promise<SqlEngine> | undefined;

async function open(): Promise<SqlEngine> {
  const engine = await SqlEngine.open({ workFolder: "", memory: "500MB", threads: 1 });
  // Tests rewrite files faster than the resolution of file times, so files must not be cached.
  await engine.run("SET enable_external_file_cache = false");
  return engine;
}

/** Returns an SQL engine that tests share. Put dependent queries into one call: tests' calls interleave. */
export function getSharedEngine(): Promise<SqlEngine> {
  return opened ??= open();
}

export async function writeParquet(path: string, sql: string, more = ""): Promise<void> {
  await (await getSharedEngine()).run(`COPY (${sql}) TO ${formatLiteral(path)} (FORMAT parquet${more})`);
}

const columns = { user: "uid", item: "sku", time: "ts", clicked: "label", itemIds: false, rareBelow: 1 };
/** Returns options that keep pages as logged, because pages of small logs may have only one item. */
export const makeRecipe = (source: string, more: Partial<LogOptions> = {}) =>
  logRecipe({ ...columns, source, pages: "as-is", ...more });

export async function prepareFiles(
  files: Files,
  name: string,
  more: Partial<LogOptions> = {},
  options: Partial<PrepareOptions> = {},
): Promise<PreparationResult> {
  const folder = await makeFolderWith(files);
  const features = more.features === undefined ? {} : { features: `${folder}/${more.features}` };
  return await prepareIn(folder, makeRecipe(`${folder}/${name}`, { ...more, ...features }), options);
}

export async function expectRejection(
  files: Files,
  name: string,
  more: Partial<LogOptions>,
  says: RegExp | string,
  options: Partial<PrepareOptions> = {},
): Promise<void> {
  await expectRefusal(() => prepareFiles(files, name, more, options), says);
}

/** Returns `n` valid rows of a log, so that a few bad rows are less than 1 % of all rows. */
export const makeGoodRows = (n: number) =>
  Array.from({ length: n }, (_, k) => `u${k},i${k % 7},${1_600_000_000 + k},1\n`).join("");
