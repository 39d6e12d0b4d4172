/** Ids and times of sources: what cannot be told apart any more, or is none, is refused. */

import assert from "node:assert/strict";
import { rowsOf } from "../case_table.ts";
import {
  folderWith,
  good,
  pagesOf,
  parquet,
  prepareIn,
  recipe,
  refuses,
  rejects,
} from "../prepared_folder.ts";

const csv = "uid,sku,ts,label\n" + good(9);
/** A value of a row of JSON that may have been another one, and what is said of it. */
const lost = rowsOf(`
  uid | 9007199254740993.0 | found floating point numbers … in 1 rows…log.ndjson…: expected uid or sku
  sku | 9007199254740992.0
    | expected uid or sku or page to be text or a whole number, exactly, found "9007199254740992.0"
  sku | 1e17 | exactly, found "100000000000000000.0"
  uid | 1.5 | exactly, found "1.5"
  page | 9.007199254740993e15 | expected uid or sku or page to be text
`);

Deno.test("ids of JSON that floats do not hold are refused, however few they are", async () => {
  const row = { uid: 1, sku: 2, ts: 1_600_000_000, label: 1, page: 3 };
  for (const [key = "", value = "", says = ""] of lost) {
    const bad = JSON.stringify({ ...row, [key]: "@" }).replace('"@"', value);
    const log = [JSON.stringify(row), bad, ...Array(500).fill(JSON.stringify(row))].join("\n");
    await rejects({ "log.ndjson": log }, "log.ndjson", { page: "page" }, says);
  }
});

Deno.test("keys and tokens of features that floats do not hold are refused, however few they are", async () => {
  const folder = await folderWith({ "log.csv": csv });
  const withFeatures = (name: string) =>
    recipe(`${folder}/log.csv`, { features: `${folder}/${name}`, tokens: ["brand"] });
  const of = (item: string, brand: string) =>
    `SELECT ${item} AS sku, ${brand} AS brand, 1.5 AS price UNION ALL SELECT k, k, k FROM range(1000) AS r(k)`;
  const refusesTable = async (sql: string, says: RegExp) => {
    await parquet(`${folder}/f.parquet`, sql);
    await refuses(folder, withFeatures("f.parquet"), says);
  };
  const says =
    /Expected sku or brand to be text or whole numbers, found floating point numbers .* in 1 rows.*\n.*f\.parquet:1: /;
  for (const bad of ["9007199254740993::DOUBLE", "9007199254740993::HUGEINT::DOUBLE", "2.5::DOUBLE"]) {
    await refusesTable(of(bad, "'a'"), says);
  }
  for (const bad of ["9007199254740993::DOUBLE", "16777217::FLOAT", "-9007199254740993::DOUBLE"]) {
    await refusesTable(of("'i1'", bad).replace("k, k, k", `k::VARCHAR, k::${bad.split("::")[1]}, k`), says);
  }
  await refusesTable(
    of("[1]", "'a'").replace("k, k, k", "[k], 'b', k"),
    /expected sku \(--features-key\) to be text or whole numbers, found (BIGINT|INTEGER)\[\]/,
  );
  const write = (brand: string) =>
    Deno.writeTextFile(
      `${folder}/f.ndjson`,
      [`{"sku": "i1", "brand": ${brand}}`, ...Array(500).fill('{"sku": "i2", "brand": ["x"]}')].join("\n"),
    );
  for (const bad of ["9007199254740993.0", '["a", 9007199254740993.0]', "[1e30]"]) {
    await write(bad);
    await refuses(folder, withFeatures("f.ndjson"), /Expected sku or brand to be text/);
  }
  await write('["a", 9007199254740993, 1.5, 12345678901234567890123]');
  const { manifest } = await prepareIn(folder, withFeatures("f.ndjson"));
  // Five values, and the token that rare and new ones share.
  assert.deepEqual(manifest.features.tokens.map(({ count }) => count), [6]);
});

Deno.test("time zones beyond 18 hours, and what is on no calendar, are no times", async () => {
  const bad = ["+99:99", "+18:01", "+19", "-2400", "+05:60", "+0575", "+1", "Z+01"].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  bad.push(
    "2020-02-30",
    "2019-02-29",
    "2020-13-01",
    "2020-00-10",
    "2020-01-00",
    "2020-01-01 25:00",
    "2020-01-01 10:60",
  );
  const fine = ["+18:00", "-18", "+0530", "+05:45", " -03", "Z", ""].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  const lines = [...bad, ...fine].map((time, k) => `u${k},x,${time},1\n`).join("");
  const many = Array.from({ length: 2000 }, (_, k) => `m${k},x,2020-02-29T00:00:00+01:00,1\n`).join("");
  const folder = await folderWith({ "log.csv": `uid,sku,ts,label\n${lines}${many}` });
  const { bad: found } = await prepareIn(folder, recipe(`${folder}/log.csv`));
  assert.deepEqual([...found.counts], [["ts cannot be read", bad.length]]);
});

Deno.test("without page ids, times that differ below a millisecond are pages of their own", async () => {
  const pages: [times: string[], count: number][] = [
    [["1573463158123000001", "1573463158123000002", "1573463158123000001"], 2],
    [["1573463158123001", "1573463158123002", "1573463158123001"], 2],
    [["1573463158.1231", "1573463158.1232", "1573463158.12310"], 2],
    [["2019-11-11T09:05:58.123001Z", "2019-11-11T10:05:58.123001+01", "2019-11-11 09:05:58.123002"], 2],
    [["1573463158", "1573463158.0", "1.573463158e9"], 1],
  ];
  for (const [times, count] of pages) {
    const log = "uid,sku,ts,label\n" + times.map((time, k) => `a,${k},${time},0\n`).join("");
    const folder = await folderWith({ "log.csv": log });
    const { folder: out } = await prepareIn(folder, recipe(`${folder}/log.csv`));
    assert.equal((await pagesOf(out)).length, count, times.join(", "));
  }
});
