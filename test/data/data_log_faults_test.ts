import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { listFiles } from "../command_check.ts";
import type { LogOptions } from "../../src/data/prepare/prepare_log.ts";
import {
  compressGzip,
  expectRefused,
  expectRejection,
  type Files,
  makeFolderWith,
  makeGoodRows,
  makeRecipe,
  prepareFiles,
  prepareIn,
  readPages,
  writeParquet,
} from "../prepared_folder.ts";
import { expectRefusal, parseRows, toPattern } from "../case_table.ts";
import type { BadRowSummary } from "../../src/data/prepare/bad_rows.ts";
import { formatBadRows, mergeBadRows, rejectIfTooBad } from "../../src/data/prepare/bad_rows.ts";

Deno.test("log: bad rows are counted by kind, and shown by file, user and item with what was found", async () => {
  const log = "uid,sku,ts,label,page\n" + `"a\nb",x,1600000000,1,1\n` + // a valid row of two lines
    ",x,1600000000,1,1\n" +
    "a,,1600000000,1,1\n" +
    "\n" +
    "a,x,yesterday,1,1\n" +
    "a,x,1600000000123,1,1\n" +
    "a,y,2020-01-01,1,1\n" +
    "a,x,1600000000,perhaps,1\n" +
    "a,x,1600000000,,1\n" +
    "a,x,1600000000,1,\n" +
    "a,z,2020-02-30,1,1\n" +
    "a,x\n" +
    "a,x,1600000000,1,1,1\n" +
    makeGoodRows(1200).replaceAll(",1\n", ",1,1\n");
  const shown = [
    "too few columns",
    "too many columns",
    "log.csv: expected 5 values as in the header, got 2: a,x",
    "log.csv: expected 5 values as in the header, got 6: a,x,1600000000,1,1,1",
    'log.csv, item "x": expected uid to be an id, got nothing',
    'log.csv, user "a": expected sku to be an id, got nothing',
    'log.csv, user "a", item "x": expected ts to be a time…got "yesterday"',
    'log.csv, user "a", item "z": expected ts to be a time…got "2020-02-30"',
    'log.csv, user "a", item "y": expected ts to have the time format of most rows, got "2020-01-01"',
    'expected label to be 0, 1, true, false, yes or no…got "perhaps"',
    "expected label to be 0, 1, true, false, yes or no…got nothing",
    "expected page to be an id, got nothing",
  ];
  const more = { page: "page" };
  const { bad, manifest } = await prepareFiles({ "log.csv": log }, "log.csv", more);
  assert.equal(bad.total, 11);
  assert.equal(manifest.skipped["invalid rows"], 11);
  const { train = 0, validation = 0, test = 0 } = manifest.counts?.users ?? {};
  assert.equal(train + validation + test, 1201);
  assert.deepEqual([...bad.counts.values()].sort(), [1, 1, 1, 1, 1, 2, 2, 2]);
  const text = formatBadRows(bad);
  for (const one of shown) assert.match(text, toPattern(one));
  for (const [name, packed] of Object.entries({ gz: await compressGzip(log), zst: zstdCompressSync(log) })) {
    const { bad } = await prepareFiles({ [`log.csv.${name}`]: packed }, `log.csv.${name}`, more);
    assert.equal(bad.total, 11);
  }
  await expectRejection({ "log.csv": log }, "log.csv", more, /log\.csv.*Correct or remove the row/, {
    strict: true,
  });
  const half = { "log.csv": log.slice(0, log.indexOf("u500,")) };
  const many = "Expected at most 1 % invalid rows, got 11 of 51#. Correct the source.\n…1 x page is empty";
  await expectRejection(half, "log.csv", more, many);
});

Deno.test("log: bad rows of JSON lines are counted, those of Parquet have row numbers", async () => {
  const row = '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": 1}\n';
  const json = row + "\n" + '{"uid": 1, "sku": "x", "ts": 1600000000\n' +
    '{"uid": 1, "ts": 1600000000, "label": 1}\n' + "[1]\n" +
    '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": "first"}' + "\n" + row.repeat(500);
  const { bad: ofJson } = await prepareFiles({ "log.ndjson": json }, "log.ndjson", { position: "pos" });
  assert.deepEqual(Object.fromEntries(ofJson.counts), {
    "uid is empty": 2,
    "sku is empty": 1,
    "pos cannot be read": 1,
  });
  assert.match(
    formatBadRows(ofJson),
    /log\.ndjson, user "1", item "x": expected pos to be a number, got "first"/,
  );
  const folder = await makeFolderWith();
  await writeParquet(
    `${folder}/log.parquet`,
    "SELECT if(k = 7, NULL, k) AS uid, 'x' AS sku, 1600000000 AS ts, if(k = 9, 2, 1) AS label FROM range(1, 1001) AS r(k)",
  );
  const { bad } = await prepareIn(folder, makeRecipe(`${folder}/log.parquet`));
  assert.match(formatBadRows(bad), /log\.parquet:7: expected uid to be an id, got nothing/);
  assert.match(formatBadRows(bad), /log\.parquet:9: expected label to be .*, got "2"/);
});

Deno.test("log: unusable features are reported", async () => {
  const log = "uid,sku,ts,label\na,1,1600000000,1\na,2,1600000000,0\n";
  const cases = parseRows(`
    id,x 1,2 | | f.csv:1: expected a column "sku" (--features-key), got id, x. Name one of these columns with --features-key
    sku,x 1,2 1,3 | | f.csv: expected one row per item, got several with different values for the item "1"
    sku,x 1,2 2,inf | | expected x to be a number in the range of 32-bit floats, got inf for the item "2"
    sku,x 1,2 2,dear | dense x | expected x (--dense) to be numbers, got "dear". Name the column with --tokens
    sku,x 1,2 | dense sku | expected sku (--dense) to be numbers, got the items themselves
    sku,x ,2 | | got 1 of 1…f.csv: expected sku to be an id, got nothing
  `);
  for (const [lines = "", named = "", says = ""] of cases) {
    const columns = [...named.matchAll(/(\w+) (\w+)/g)].map(([, option = "", column]) => [option, [column]]);
    const files = { "log.csv": log, "f.csv": lines.replaceAll(" ", "\n") + "\n" };
    await expectRejection(files, "log.csv", { ...Object.fromEntries(columns), features: "f.csv" }, says);
  }
  const fine = "sku,x\n1,2\n1,2\n9,1e300\n";
  const { manifest } = await prepareFiles({ "log.csv": log, "f.csv": fine }, "log.csv", {
    features: "f.csv",
  });
  assert.deepEqual(manifest.features.dense.map(({ name }) => name), ["x_known"]);
});

Deno.test("log: incompatible files and invalid ids are reported", async () => {
  const row = "a,x,1600000000,1\n";
  const csv = "uid,sku,ts,label\n" + row;
  const json = '{"uid": 1, "sku": 2}\n';
  const cases: [says: string, files: Files, source: string, more?: Partial<LogOptions>][] = [
    ["log.csv:1: expected closed quotes in the header", {
      "log.csv": 'uid,"sku,ts,label\n' + row,
    }, "log.csv"],
    ['log.json: expected a column "ts" (--time), got sku, uid', { "log.json": json }, "log.json"],
    ["got uid, sku, ts, label. Name one of these columns with --page", { "log.csv": csv }, "log.csv", {
      page: "request",
    }],
    ['expected a column "labels" (--position), … Is it "label"?', { "log.csv": csv }, "log.csv", {
      position: "labels",
    }],
    [
      "Expected the same columns in all files, got …",
      { "a.csv": csv, "b.csv": "sku,uid,ts,label\n" + row },
      "*.csv",
    ],
    ["time VARCHAR, …", { "a.csv": csv, "b.csv": "uid,sku,time,label\n" + row }, "*.csv"],
  ];
  for (const [says, files, source, more = {}] of cases) await expectRejection(files, source, more, says);
  const folder = await makeFolderWith();
  for (const [name, sku] of [["a", "1"], ["b", "'x'"]]) {
    const sql = `SELECT 'a' AS uid, ${sku} AS sku, 1600000000 AS ts, 1 AS label`;
    await writeParquet(`${folder}/${name}.parquet`, sql);
  }
  const says = "got uid VARCHAR, sku INTEGER, …a.parquet, and uid VARCHAR, sku VARCHAR, …b.parquet";
  await expectRefused(folder, makeRecipe(`${folder}/*.parquet`), says);
  assert.deepEqual(listFiles(folder), ["a.parquet", "b.parquet"]);
});

const bad = (total: number): BadRowSummary => ({
  total,
  counts: new Map([["price cannot be read", total]]),
  examples: [{ place: "log.csv:7", fault: "expected a price" }],
});

Deno.test("bad rows: one in a hundred is accepted, more are not, and with --strict none", async () => {
  await rejectIfTooBad(bad(0), () => Promise.reject(new Error("nobody counts")), true);
  await rejectIfTooBad(bad(1), () => Promise.resolve(100), false);
  await rejectIfTooBad(bad(5), () => Promise.resolve(500), false);
  for (const [total, rows] of [[1, 99], [6, 500]] as const) {
    const says = `Expected at most 1 % invalid rows, got ${total} of ${rows}…log.csv:7: expected a price`;
    await expectRefusal(() => rejectIfTooBad(bad(total), () => Promise.resolve(rows), false), says);
  }
  const says = "log.csv:7: expected a price. Correct or remove the row.";
  await expectRefusal(() => rejectIfTooBad(bad(1), () => Promise.resolve(1000), true), says);
});

Deno.test("bad rows of several readings are counted together", () => {
  const more = { ...bad(2), examples: [{ place: "a.csv", fault: "b" }] };
  const { total, counts, examples } = mergeBadRows([bad(1), more]);
  assert.equal(total, 3);
  assert.deepEqual([...counts], [["price cannot be read", 3]]);
  assert.deepEqual(examples.map(({ place }) => place), ["log.csv:7", "a.csv"]);
});

const csv = "uid,sku,ts,label\n" + makeGoodRows(9);
const lost = parseRows(`
  uid | 9007199254740993.0 | got floating point numbers … in 1 rows…log.ndjson…: expected uid or sku
  sku | 9007199254740992.0
    | expected uid or sku or page to be text or a whole number, exactly, got "9007199254740992.0"
  sku | 1e17 | exactly, got "100000000000000000.0"
  uid | 1.5 | exactly, got "1.5"
  page | 9.007199254740993e15 | expected uid or sku or page to be text
`);

Deno.test("ids of JSON beyond float precision are refused, even a single one", async () => {
  const row = { uid: 1, sku: 2, ts: 1_600_000_000, label: 1, page: 3 };
  for (const [key = "", value = "", says = ""] of lost) {
    const bad = JSON.stringify({ ...row, [key]: "@" }).replace('"@"', value);
    const log = [JSON.stringify(row), bad, ...Array(500).fill(JSON.stringify(row))].join("\n");
    await expectRejection({ "log.ndjson": log }, "log.ndjson", { page: "page" }, says);
  }
});

Deno.test("keys and tokens of features beyond float precision are refused, even a single one", async () => {
  const folder = await makeFolderWith({ "log.csv": csv });
  const withFeatures = (name: string) =>
    makeRecipe(`${folder}/log.csv`, { features: `${folder}/${name}`, tokens: ["brand"] });
  const of = (item: string, brand: string) =>
    `SELECT ${item} AS sku, ${brand} AS brand, 1.5 AS price UNION ALL SELECT k, k, k FROM range(1000) AS r(k)`;
  const refusesTable = async (sql: string, says: RegExp) => {
    await writeParquet(`${folder}/f.parquet`, sql);
    await expectRefused(folder, withFeatures("f.parquet"), says);
  };
  const says =
    /Expected sku or brand to be text or whole numbers, got floating point numbers .* in 1 rows.*\n.*f\.parquet:1: /;
  for (const bad of ["9007199254740993::DOUBLE", "9007199254740993::HUGEINT::DOUBLE", "2.5::DOUBLE"]) {
    await refusesTable(of(bad, "'a'"), says);
  }
  for (const bad of ["9007199254740993::DOUBLE", "16777217::FLOAT", "-9007199254740993::DOUBLE"]) {
    await refusesTable(of("'i1'", bad).replace("k, k, k", `k::VARCHAR, k::${bad.split("::")[1]}, k`), says);
  }
  await refusesTable(
    of("[1]", "'a'").replace("k, k, k", "[k], 'b', k"),
    /expected sku \(--features-key\) to be text or whole numbers, got (BIGINT|INTEGER)\[\]/,
  );
  const write = (brand: string) =>
    Deno.writeTextFile(
      `${folder}/f.ndjson`,
      [`{"sku": "i1", "brand": ${brand}}`, ...Array(500).fill('{"sku": "i2", "brand": ["x"]}')].join("\n"),
    );
  for (const bad of ["9007199254740993.0", '["a", 9007199254740993.0]', "[1e30]"]) {
    await write(bad);
    await expectRefused(folder, withFeatures("f.ndjson"), /Expected sku or brand to be text/);
  }
  await write('["a", 9007199254740993, 1.5, 12345678901234567890123]');
  const { manifest } = await prepareIn(folder, withFeatures("f.ndjson"));
  assert.deepEqual(manifest.features.tokens.map(({ count }) => count), [6]);
});

Deno.test("time zones beyond 18 hours and impossible dates are refused", async () => {
  const bad = ["+99:99", "+18:01", "+19", "-2400", "+05:60", "+0575", "+1", "Z+01"].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  const days = ["2020-02-30", "2019-02-29", "2020-13-01", "2020-00-10", "2020-01-00"];
  bad.push(...days, "2020-01-01 25:00", "2020-01-01 10:60");
  const fine = ["+18:00", "-18", "+0530", "+05:45", " -03", "Z", ""].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  const lines = [...bad, ...fine].map((time, k) => `u${k},x,${time},1\n`).join("");
  const many = Array.from({ length: 2000 }, (_, k) => `m${k},x,2020-02-29T00:00:00+01:00,1\n`).join("");
  const folder = await makeFolderWith({ "log.csv": `uid,sku,ts,label\n${lines}${many}` });
  const { bad: found } = await prepareIn(folder, makeRecipe(`${folder}/log.csv`));
  assert.deepEqual([...found.counts], [["ts cannot be read", bad.length]]);
});

Deno.test("without page ids, times that differ below a millisecond are separate pages", async () => {
  const pages: [times: string[], count: number][] = [
    [["1573463158123000001", "1573463158123000002", "1573463158123000001"], 2],
    [["1573463158123001", "1573463158123002", "1573463158123001"], 2],
    [["1573463158.1231", "1573463158.1232", "1573463158.12310"], 2],
    [["2019-11-11T09:05:58.123001Z", "2019-11-11T10:05:58.123001+01", "2019-11-11 09:05:58.123002"], 2],
    [["1573463158", "1573463158.0", "1.573463158e9"], 1],
  ];
  for (const [times, count] of pages) {
    const log = "uid,sku,ts,label\n" + times.map((time, k) => `a,${k},${time},0\n`).join("");
    const folder = await makeFolderWith({ "log.csv": log });
    const { folder: out } = await prepareIn(folder, makeRecipe(`${folder}/log.csv`));
    assert.equal((await readPages(out)).length, count, times.join(", "));
  }
});
