/** Prepared data sets as tests make and read them. */

import assert from "node:assert/strict";
import type { Json } from "@duckdb/node-api";
import { UserError } from "../src/user_error.ts";
import { Engine, literal } from "../src/prepare/engine.ts";
import { prepare, type Prepared, type PrepareOptions, type Recipe } from "../src/prepare/prepare.ts";

export const defaults: Omit<PrepareOptions, "out"> = {
  split: "hash",
  shares: { train: 0.5, validation: 0.25 },
  strict: false,
  memory: "500MB",
  threads: 1,
};

/** A folder with these files in it, which is removed afterwards. */
export async function withFolder(
  files: Readonly<Record<string, string | Uint8Array>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-data-" });
  try {
    for (const [name, contents] of Object.entries(files)) {
      if (typeof contents === "string") await Deno.writeTextFile(`${folder}/${name}`, contents);
      else await Deno.writeFile(`${folder}/${name}`, contents);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Prepares into a folder of its own below `folder`. */
export function prepareIn(
  folder: string,
  recipe: Recipe,
  options: Partial<PrepareOptions> = {},
): Promise<Prepared> {
  const out = `${folder}/out-${crypto.randomUUID().slice(0, 8)}`;
  return prepare(recipe, { ...defaults, out, ...options }, ["test"]);
}

/** A preparation that ends with a UserError. */
export async function refuses(folder: string, recipe: Recipe, says: RegExp): Promise<void> {
  await assert.rejects(prepareIn(folder, recipe), (error) => {
    assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
    assert.match(error.message, says);
    return true;
  });
}

/** Rows of a query over a prepared data set, whose parts are the views users, items and pages. */
export async function query(folder: string, sql: string): Promise<Record<string, Json>[]> {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    for (const part of ["users", "items", "pages"]) {
      await engine.run(`CREATE VIEW ${part} AS FROM ${literal(`${folder}/${part}.parquet`)}`);
    }
    return await engine.rows(sql);
  } finally {
    engine.close();
  }
}

/** Every page with its user's id, its items' ids, and the id of the clicked one; in the order of the file. */
export async function pagesOf(
  folder: string,
): Promise<{ user: string; time: string; items: string[]; clicked: string | null }[]> {
  const rows = await query(
    folder,
    `SELECT u.id AS user, time,
       (SELECT list(i.id ORDER BY place) FROM (SELECT unnest(p.items) AS item, generate_subscripts(p.items, 1) AS place) JOIN items i USING (item)) AS ids,
       p.clicked
     FROM pages p JOIN users u USING (user) ORDER BY p.user, p.page`,
  );
  return rows.map((row) => {
    const items = Array.isArray(row.ids) ? row.ids.map(String) : [];
    return {
      user: String(row.user),
      time: String(row.time),
      items,
      clicked: row.clicked === null ? null : items[Number(row.clicked)] ?? "nothing",
    };
  });
}

/** Checksums of the three files. */
export function sums({ manifest }: Prepared): string[] {
  return (["users", "items", "pages"] as const).map((part) => manifest.files[part]?.sha256 ?? "none");
}

export function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).bytes();
}
