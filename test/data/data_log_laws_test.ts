/** What holds of any log that is prepared. */

import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { literal } from "../../src/data/prepare/engine.ts";
import {
  gzip,
  pagesOf,
  parquet,
  prepareIn,
  query,
  recipe,
  sums,
  withFolder,
  withPrepared,
} from "../prepared_folder.ts";

/** Rows of a log in which everything meets: few items and times, and users who each have a few rows. */
const logRow = fc.record({
  uid: fc.tuple(fc.constantFrom("a", "b", "a,b", 'q"q', "9007199254740993"), fc.constantFrom("", "1", "2"))
    .map((parts) => parts.join("")),
  sku: fc.constantFrom("i1", "i2", "i10", "é", "x\ty"),
  ts: fc.integer({ min: 1_600_000_000, max: 1_600_000_003 }),
  label: fc.boolean(),
  page: fc.constantFrom("p", "q", "p1"),
  pos: fc.integer({ min: 0, max: 3 }),
});
/** A preparation costs the same for one small log and for several in one, so they come together; and a few rows alone. */
const LOGS = [
  fc.array(logRow, { minLength: 1, maxLength: 120 }),
  fc.array(logRow, { minLength: 1, maxLength: 3 }),
];
type Row = Record<string, string | number | boolean>;

function csvOf(rows: readonly Row[], delimiter: string): string {
  const names = ["uid", "sku", "ts", "label", "page", "pos"];
  const value = (text: string) => /[",;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return [names, ...rows.map((row) => names.map((name) => value(String(row[name]))))].map((line) =>
    line.join(delimiter) + "\n"
  ).join("");
}

Deno.test("log: the order of rows, files, compression and format do not change the prepared data", async () => {
  const holds = (rows: (typeof LOGS)[number], page: boolean, pos: boolean) =>
    fc.asyncProperty(
      rows,
      fc.infiniteStream(fc.nat(1000)),
      async (rows, random) => {
        const more = { ...page ? { page: "page" } : {}, ...pos ? { position: "pos" } : {} };
        const next = () => random.next().value ?? 0;
        const shuffled = rows.map((row) => ({ row, key: next() })).sort((a, b) => a.key - b.key).map((
          { row },
        ) => row);
        const cut = next() % (rows.length + 1);
        const json = shuffled.map((row) => JSON.stringify(row)).join("\n");
        const files = {
          "one.csv": csvOf(rows, ","),
          "two-a.tsv": csvOf(shuffled.slice(0, cut), "\t"),
          "two-b.tsv.gz": await gzip(csvOf(shuffled.slice(cut), "\t")),
          "three.jsonl.zst": zstdCompressSync(json),
        };
        await withFolder(files, async (folder) => {
          await parquet(
            `${folder}/four.parquet`,
            `SELECT * FROM read_csv(${
              literal(`${folder}/two-*`)
            }, header = true, delim = '\t', quote = '"', escape = '"', ` +
              "auto_detect = false, columns = {'uid': 'VARCHAR', 'sku': 'VARCHAR', 'ts': 'INTEGER', 'label': 'BOOLEAN', " +
              "'page': 'VARCHAR', 'pos': 'TINYINT'})",
          );
          const all = [];
          for (const name of ["one.csv", "two-*", "three.jsonl.zst", "four.parquet"]) {
            all.push(
              sums(await prepareIn(folder, recipe(`${folder}/${name}`, more), { threads: 1 + next() % 2 })),
            );
          }
          for (const one of all) assert.deepEqual(one, all[0]);
        });
      },
    );
  for (const [k, [page, pos]] of [[false, false], [true, false], [false, true], [true, true]].entries()) {
    for (const rows of k === 0 ? LOGS : LOGS.slice(0, 1)) {
      await fc.assert(holds(rows, page === true, pos === true), { numRuns: 1 });
    }
  }
});

Deno.test("log: pages are what a plain reading of the rows says, with all clicks that are on them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(...LOGS), fc.boolean(), async (rows, page) => {
      await withPrepared(
        { "log.csv": csvOf(rows, ";") },
        "log.csv",
        page ? { page: "page" } : {},
        async ({ folder }) => {
          const pages = await pagesOf(folder);
          const groups = Map.groupBy(rows, ({ uid, ts, page: id }) => JSON.stringify([uid, page ? id : ts]));
          const expected = [...groups.values()].map((group) => {
            const items = [...new Set(group.map(({ sku }) => sku))].sort((a, b) => a < b ? -1 : 1);
            const clicks = new Set(group.filter(({ label }) => label).map(({ sku }) => sku));
            const time = Math.min(...group.map(({ ts }) => ts));
            return {
              user: group[0]?.uid ?? "",
              time: new Date(1000 * time).toISOString().replace("T", " ").slice(0, 19),
              items,
              clicked: clicks.size > 0 ? [...clicks].join(" ") : null,
            };
          });
          const texts = (all: typeof pages) =>
            all.map((one) => JSON.stringify({ ...one, clicked: one.clicked?.split(" ").sort() })).sort();
          assert.deepEqual(texts(pages), texts(expected));
          const order = await query(
            folder,
            "SELECT user, page, time < lag(time) OVER (PARTITION BY user ORDER BY page) AS back FROM pages",
          );
          assert.ok(order.every(({ back }) => back !== true));
          const parts = await query(folder, "SELECT id FROM users GROUP BY id HAVING count(*) > 1");
          assert.deepEqual(parts, []);
        },
      );
    }),
    { numRuns: 6 },
  );
});
