/** Ids and times of sources: what cannot be told apart any more, or is none, is refused. */

import assert from "node:assert/strict";
import { retailrocket } from "../../src/data/prepare/retailrocket.ts";
import { rowsOf } from "../case_table.ts";
import {
  folderWith,
  good,
  pagesOf,
  parquet,
  prepareIn,
  rawRetailrocket as raw,
  recipe,
  refuses,
  rejects,
} from "../prepared_folder.ts";

const csv = "uid,sku,ts,label\n" + good(9);
/** A value of a row of JSON that may have been another one, and what is said of it. */
const lost = rowsOf(`
  uid | 9007199254740993.0 | found floating point numbers … in 1 rows…log.ndjson:2: expected uid or sku
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

Deno.test("Retailrocket's ids are whole numbers, exactly: nothing is rounded to one", async () => {
  const rows = Array.from({ length: 1000 }, (_, k) => `143300000${1000 + k},${k},view,${k % 5},`).join("\n");
  const head = "timestamp,visitorid,event,itemid,transactionid\n";
  const bad: [row: string, says: RegExp][] = [
    ["1433000000000,3.5,view,5,", /expected visitorid to be a whole number below 2\^63, found "3\.5"/],
    ["1433000000000,1e3,view,5,", /expected visitorid to be a whole number below 2\^63, found "1e3"/],
    ["1433000000000,1,view,0x10,", /expected itemid to be a whole number below 2\^63, found "0x10"/],
    ["1433000000000,1,view,1_000,", /expected itemid to be a whole number below 2\^63, found "1_000"/],
    ["1433000000000,\\N,view,5,", /expected visitorid to be a whole number below 2\^63, found nothing/],
    ["1433000000000,9223372036854775808,view,5,", /expected visitorid to be a whole number below 2\^63/],
    ["1433000000000.5,1,view,5,", /expected timestamp to be milliseconds since 1970/],
    ["9000000000000000000,1,view,5,", /expected timestamp to be milliseconds since 1970/],
    ["1433000000000,1,\\N,5,", /expected event to be one of view, addtocart, transaction/],
  ];
  const folder = await folderWith();
  const prepared = () =>
    prepareIn(folder, retailrocket({ ...raw, source: folder, pages: "sampled", pageSize: 3 }));
  const lines = bad.map(([row]) => `${row}\n`).join("");
  await Deno.writeTextFile(`${folder}/events.csv`, `${head}${rows}\n${lines}`);
  const { bad: told } = await prepared();
  assert.equal(told.total, bad.length);
  assert.deepEqual(told.examples.map(({ line }) => line), bad.map((_, k) => 1002 + k));
  for (const [k, [, says]] of bad.entries()) assert.match(told.examples[k]?.fault ?? "", says);
  await Deno.writeTextFile(`${folder}/events.csv`, `${head}${rows}\n 1433000000000 , 7 ,view,5,\n`);
  await Deno.writeTextFile(
    `${folder}/item_properties.csv`,
    "timestamp,itemid,property,value\n" +
      Array.from({ length: 400 }, (_, k) => `${k},${k % 5},categoryid,7\n`).join("") +
      "1,1,categoryid,9007199254740993\n1,1.5,available,1\n1,1,790,ninf\n1,2,categoryid,2.5\n",
  );
  await Deno.writeTextFile(
    `${folder}/category_tree.csv`,
    "categoryid,parentid\n" + Array.from({ length: 400 }, (_, k) => `${k},\n`).join("") + "2.5,1\n7,1.5\n",
  );
  const { bad: found, manifest } = await prepared();
  assert.deepEqual(Object.fromEntries(found.counts), {
    "a categoryid is not an exact whole number": 1,
    "itemid cannot be read": 1,
    "categoryid cannot be read": 1,
    "parentid cannot be read": 1,
  });
  assert.equal(manifest.skipped["categories of an item that are no whole number"], 1);
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
  assert.deepEqual(found.examples.map(({ line }) => line), bad.map((_, k) => k + 2));
  assert.deepEqual([...found.counts.keys()], ["ts cannot be read"]);
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
