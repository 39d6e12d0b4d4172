/** What is wrong with a log is told, with its place. */

import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { filesIn } from "../command_check.ts";
import type { LogOptions } from "../../src/data/prepare/log.ts";
import {
  type Files,
  folderWith,
  good,
  gzip,
  parquet,
  preparedOf,
  prepareIn,
  recipe,
  refuses,
  rejects,
} from "../prepared_folder.ts";
import { refused, rowsOf } from "../case_table.ts";
import { type BadRows, badRowsText, joined, judge } from "../../src/data/prepare/bad_rows.ts";

Deno.test("log: bad rows are counted by kind and shown with file and line", async () => {
  const log = "uid,sku,ts,label,page\n" +
    `"a\nb",x,1600000000,1,1\n` + // two lines, and right
    ",x,1600000000,1,1\n" + // 4
    "a,,1600000000,1,1\n" +
    "\n" +
    "a,x,yesterday,1,1\n" + // 7
    "a,x,1600000000123,1,1\n" +
    "a,x,2020-01-01,1,1\n" +
    "a,x,1600000000,perhaps,1\n" + // 10
    "a,x,1600000000,,1\n" +
    "a,x,1600000000,1,\n" +
    "a,x,2020-02-30,1,1\n" + // 13
    good(1000).replaceAll(",1\n", ",1,1\n");
  const lines = [
    /log\.csv:4: expected uid to be an id, found nothing/,
    /log\.csv:5: expected sku to be an id, found nothing/,
    /log\.csv:7: expected ts to be a time \(.*\), found "yesterday"/,
    /log\.csv:8: expected ts to be a time of the kind that most rows have, found "1600000000123"/,
    /log\.csv:9: expected ts to be a time of the kind that most rows have, found "2020-01-01"/,
    /log\.csv:10: expected label to be 0, 1, true, false, yes or no, found "perhaps"/,
    /log\.csv:11: expected label to be 0, 1, true, false, yes or no, found nothing/,
    /log\.csv:12: expected page to be an id, found nothing/,
    /log\.csv:13: expected ts to be a time \(.*\), found "2020-02-30"/,
  ];
  const more = { page: "page" };
  const { bad, manifest } = await preparedOf({ "log.csv": log }, "log.csv", more);
  assert.equal(bad.total, 9);
  assert.equal(manifest.skipped["rows that cannot be read"], 9);
  const { train = 0, validation = 0, test = 0 } = manifest.counts?.users ?? {};
  assert.equal(train + validation + test, 1001);
  assert.deepEqual(Object.fromEntries(bad.counts), {
    "uid is empty": 1,
    "sku is empty": 1,
    "page is empty": 1,
    "ts cannot be read": 2,
    "ts is another kind of time than in most rows": 2,
    "label cannot be read (other words: --clicked-values; ratings: --clicked-from; any value: --clicked-any)":
      2,
  });
  const found = bad.examples.map(({ file, line, fault }) => `${file}:${line}: ${fault}`);
  assert.equal(found.length, lines.length);
  lines.forEach((line, k) => assert.match(found[k] ?? "", line));
  for (const [name, text] of Object.entries({ gz: await gzip(log), zst: zstdCompressSync(log) })) {
    const { bad } = await preparedOf({ [`log.csv.${name}`]: text }, `log.csv.${name}`, more);
    assert.equal(bad.examples.at(-1)?.line, 13);
  }
  const first = "log.csv:4: expected uid to be an id, found nothing. Correct";
  await rejects({ "log.csv": log }, "log.csv", more, first, { strict: true });
  const half = { "log.csv": log.slice(0, log.indexOf("u500,")) };
  const many = "9 of 51# rows cannot be read, expected at most 1 %. Correct the source.\n…1 x page is empty";
  await rejects(half, "log.csv", more, many);
});

Deno.test("log: rows with too few or too many values have the right lines, behind blank lines and long values", async () => {
  const log = "uid,sku,ts,label\n" +
    '"a\nb\nc",x,1600000000,1\n' +
    "\n\n" +
    "a,x\n" + // 7
    "a,x,1600000000,maybe\n" +
    "\n" +
    "a,x,1600000000,1,1\n" + // 10
    good(500);
  const { bad } = await preparedOf({ "log.csv": log }, "log.csv", {});
  assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [
    [7, "expected 4 values as in the header, found 2: a,x"],
    [8, 'expected label to be 0, 1, true, false, yes or no, found "maybe"'],
    [10, "expected 4 values as in the header, found 5: a,x,1600000000,1,1"],
  ]);
  assert.equal(bad.total, 3);
  await rejects({ "log.csv": log }, "log.csv", {}, /log\.csv:7: expected 4 values/, { strict: true });
});

Deno.test("log: bad rows of JSON lines and Parquet have lines and row numbers", async () => {
  const row = '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": 1}\n';
  const json = row + "\n" + '{"uid": 1, "sku": "x", "ts": 1600000000\n' +
    '{"uid": 1, "ts": 1600000000, "label": 1}\n' + "[1]\n" +
    '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": "first"}' + "\n" + row.repeat(500);
  const { bad: ofJson } = await preparedOf({ "log.ndjson": json }, "log.ndjson", { position: "pos" });
  assert.deepEqual(ofJson.examples.map(({ line, fault }) => [line, fault]), [
    [3, 'expected a JSON object, found "{"uid": 1, "sku": "x", "ts": 1600000000"'],
    [4, "expected sku to be an id, found nothing"],
    [5, 'expected a JSON object, found "[1]"'],
    [6, 'expected pos to be a number, found "first"'],
  ]);
  const folder = await folderWith();
  await parquet(
    `${folder}/log.parquet`,
    "SELECT if(k = 7, NULL, k) AS uid, 'x' AS sku, 1600000000 AS ts, if(k = 9, 2, 1) AS label FROM range(1, 1001) AS r(k)",
  );
  const { bad } = await prepareIn(folder, recipe(`${folder}/log.parquet`));
  assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [
    [7, "expected uid to be an id, found nothing"],
    [9, 'expected label to be 0, 1, true, false, yes or no, found "2"'],
  ]);
});

Deno.test("log: features that cannot be used are told", async () => {
  const log = "uid,sku,ts,label\na,1,1600000000,1\na,2,1600000000,0\n";
  // Of lines joined by a space, and the columns that are named.
  const cases = rowsOf(`
    id,x 1,2 | | f.csv:1: expected a column "sku" (--features-key), found id, x. Name the column with --features-key
    sku,x 1,2 1,3 | | f.csv: expected one row for each item, found several with different values for the item "1"
    sku,x 1,2 2,inf | | expected x to be a number that a 32-bit float holds, found inf for the item "2"
    sku,x 1,2 2,dear | dense x | expected x (--dense) to be numbers, found "dear". Name it with --tokens
    sku,x 1,2 | dense sku | expected sku (--dense) to be numbers, found the items themselves
    sku,x ,2 | | 1 of 1 rows cannot be read…f.csv:2: expected sku to be an id, found nothing
  `);
  for (const [lines = "", named = "", says = ""] of cases) {
    const columns = [...named.matchAll(/(\w+) (\w+)/g)].map(([, option = "", column]) => [option, [column]]);
    const files = { "log.csv": log, "f.csv": lines.replaceAll(" ", "\n") + "\n" };
    await rejects(files, "log.csv", { ...Object.fromEntries(columns), features: "f.csv" }, says);
  }
  // The same row twice is one; what is not displayed may be anything.
  const fine = "sku,x\n1,2\n1,2\n9,1e300\n";
  const { manifest } = await preparedOf({ "log.csv": log, "f.csv": fine }, "log.csv", { features: "f.csv" });
  // One value says no more than that it is known.
  assert.deepEqual(manifest.features.dense.map(({ name }) => name), ["x_known"]);
});

Deno.test("log: files that do not go together, or hold what an id cannot be, are told", async () => {
  const row = "a,x,1600000000,1\n";
  const csv = "uid,sku,ts,label\n" + row;
  const json = '{"uid": 1, "sku": 2}\n';
  const cases: [says: string, files: Files, source: string, more?: Partial<LogOptions>][] = [
    ["log.csv:1: the quote of a name in the header is never closed", {
      "log.csv": 'uid,"sku,ts,label\n' + row,
    }, "log.csv"],
    ['log.json: expected a column "ts" (--time), found sku, uid', { "log.json": json }, "log.json"],
    ["found uid, sku, ts, label. Name the column with --page", { "log.csv": csv }, "log.csv", {
      page: "request",
    }],
    ['expected a column "labels" (--position), … Is it "label"?', { "log.csv": csv }, "log.csv", {
      position: "labels",
    }],
    [
      "differ: the order is uid, sku, ts, label in the first, sku, uid, ts, label in the second",
      { "a.csv": csv, "b.csv": "sku,uid,ts,label\n" + row },
      "*.csv",
    ],
    ["…b.csv lacks ts; …a.csv lacks time", { "a.csv": csv, "b.csv": "uid,sku,time,label\n" + row }, "*.csv"],
  ];
  for (const [says, files, source, more = {}] of cases) await rejects(files, source, more, says);
  const folder = await folderWith();
  for (const [name, sku] of [["a", "1"], ["b", "'x'"]]) {
    const sql = `SELECT 'a' AS uid, ${sku} AS sku, 1600000000 AS ts, 1 AS label`;
    await parquet(`${folder}/${name}.parquet`, sql);
  }
  const says = "a.parquet and …b.parquet differ: sku is INTEGER in the first, VARCHAR in the second";
  await refuses(folder, recipe(`${folder}/*.parquet`), says);
  assert.deepEqual(filesIn(folder), ["a.parquet", "b.parquet"]);
});

// How many bad rows end a preparation: the share itself does not, one row more does.

const bad = (total: number): BadRows => ({
  total,
  counts: new Map([["price cannot be read", total]]),
  examples: [{ file: "log.csv", line: 7, fault: "expected a price" }],
});

Deno.test("bad rows: one in a hundred is let pass, more are not, and strictly none", async () => {
  await judge(bad(0), () => Promise.reject(new Error("nobody counts")), true);
  await judge(bad(1), () => Promise.resolve(100), false);
  await judge(bad(5), () => Promise.resolve(500), false);
  for (const [total, rows] of [[1, 99], [6, 500]] as const) {
    const says = `${total} of ${rows} rows cannot be read, expected at most 1 %…log.csv:7: expected a price`;
    await refused(() => judge(bad(total), () => Promise.resolve(rows), false), says);
  }
  const says = "log.csv:7: expected a price. Correct or remove the row.";
  await refused(() => judge(bad(1), () => Promise.resolve(1000), true), says);
});

Deno.test("of bad rows that are alike three are shown, and how many there are", () => {
  const examples = Array.from({ length: 20 }, (_, line) => {
    const fault = `expected ${line === 9 ? "a time" : "a price"}, found "${line}"`;
    return { file: "log.csv", line, fault };
  });
  const text = badRowsText({ ...bad(20), examples });
  assert.match(text, /20 x price cannot be read/);
  assert.deepEqual([...text.matchAll(/log\.csv:(\d+)/g)].map(([, line]) => line), ["0", "1", "2", "9"]);
});

Deno.test("bad rows of several readings are counted together, their examples in the order of their places", () => {
  const more = {
    ...bad(2),
    examples: [{ file: "log.csv", line: 3, fault: "a" }, { file: "a.csv", line: 9, fault: "b" }],
  };
  const { total, counts, examples } = joined([bad(1), more]);
  assert.equal(total, 3);
  assert.deepEqual([...counts], [["price cannot be read", 3]]);
  assert.equal(examples.map(({ file, line }) => `${file}:${line}`).join(" "), "a.csv:9 log.csv:3 log.csv:7");
});
