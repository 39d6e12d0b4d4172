import assert from "node:assert/strict";
import fc from "fast-check";
import { SqlEngine } from "../../src/data/prepare/sql_engine.ts";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import { listFiles, splitArgs } from "../command_check.ts";
import {
  compressGzip,
  expectRejection,
  listChecksums,
  makeFolderWith,
  makeRecipe,
  prepareFiles,
  prepareIn,
  query,
  readPages,
  shuffleBy,
  writeParquet,
} from "../prepared_folder.ts";
import { zstdCompressSync } from "node:zlib";

Deno.test("log: rows become pages by user and time, with each item once, all clicks, and ties ordered by id", async () => {
  const log = `uid,sku,ts,label
b,i2,1600000000,0
b,i10,1600000000,1
b,i2,1600000000,1
b,i1,1600000000,0
b,i1,1600000001,0
b,i2,1600000001,False
a,i3,1600000000,TRUE
`;
  const { folder, manifest } = await prepareFiles({ "log.csv": log }, "log.csv", {});
  assert.deepEqual(await readPages(folder), [
    { user: "a", time: "2020-09-13 12:26:40", items: ["i3"], clicked: "i3" },
    { user: "b", time: "2020-09-13 12:26:40", items: ["i1", "i10", "i2"], clicked: "i10 i2" },
    { user: "b", time: "2020-09-13 12:26:41", items: ["i1", "i2"], clicked: null },
  ]);
  assert.deepEqual(await query(folder, "SELECT item, id, dense, tokens FROM items"), [
    { item: 0, id: "i1", dense: [], tokens: [] },
    { item: 1, id: "i10", dense: [], tokens: [] },
    { item: 2, id: "i2", dense: [], tokens: [] },
    { item: 3, id: "i3", dense: [], tokens: [] },
  ]);
  assert.deepEqual(manifest.skipped, { "repeated rows of an item on its page": 1 });
  assert.deepEqual([manifest.features.dense, manifest.features.tokens], [[], []]);
  assert.deepEqual([manifest.counts?.pages, manifest.counts?.clicks], [3, 3]);
  assert.deepEqual(manifest.notes, [
    "pages with several clicks: 1 (each click is a choice among the items not clicked yet)",
    "times are read as seconds since 1970",
  ]);
});

Deno.test("log: rows become pages by page id, at the time of the first row, ordered by position", async () => {
  const log = `uid,sku,ts,label,request,pos
a,x,1600000002,0,p2,1
a,y,1600000001,1,p2,10
a,z,1600000009,0,p2,2
a,w,1600000009,0,p2,2
a,x,1600000001,1,p10,5
b,x,1600000001,1,p2,0.5
`;
  const more = { page: "request", position: "pos" };
  const { folder } = await prepareFiles({ "log.txt": log }, "log.txt", more);
  assert.deepEqual(await readPages(folder), [
    // Two pages at the same time are ordered by page id as text.
    { user: "a", time: "2020-09-13 12:26:41", items: ["x"], clicked: "x" },
    { user: "a", time: "2020-09-13 12:26:41", items: ["x", "w", "z", "y"], clicked: "y" },
    { user: "b", time: "2020-09-13 12:26:41", items: ["x"], clicked: "x" },
  ]);
});

Deno.test("log: ids beyond 2^53 stay exact in CSV, JSON lines and Parquet", async () => {
  const ids = ["9007199254740993", "18446744073709551615", "0012", "1.0", " 7"];
  const csv = "uid,sku,ts,label\n" + ids.map((id) => `${id},${id},1600000000,1\n`).join("");
  const readUsers = async ({ folder }: PreparationResult) =>
    (await readPages(folder)).map(({ user }) => user);
  const ofCsv = await prepareFiles({ "log.csv": csv }, "log.csv");
  assert.deepEqual(await readUsers(ofCsv), ids.toSorted());
  assert.deepEqual((await query(ofCsv.folder, "SELECT id FROM items")).map(({ id }) => id), ids.toSorted());
  const whole = splitArgs(
    "9007199254740992 9007199254740993 18446744073709551615 123456789012345678901234567890",
  );
  const json = whole.map((id) => `{"uid": ${id}, "sku": "${id}", "ts": 1600000000, "label": true}\n\n`).join(
    "",
  );
  assert.deepEqual(await readUsers(await prepareFiles({ "log.jsonl": json }, "log.jsonl")), whole.toSorted());
  const folder = await makeFolderWith();
  await writeParquet(
    `${folder}/log.parquet`,
    "SELECT uid::HUGEINT::DECIMAL(38, 0) AS uid, (uid % 10000000000000000000)::UBIGINT AS sku, 1600000000 AS ts, true AS label " +
      `FROM (SELECT unnest([${whole.join(", ")}]::HUGEINT[]) AS uid)`,
  );
  const prepared = await prepareIn(folder, makeRecipe(`${folder}/log.parquet`));
  assert.deepEqual(await readUsers(prepared), whole.toSorted());
  await writeParquet(
    `${folder}/float.parquet`,
    "SELECT 9007199254740991::DOUBLE AS uid, 7::FLOAT AS sku, 1600000000 AS ts, 1::DOUBLE AS label",
  );
  const floats = await prepareIn(folder, makeRecipe(`${folder}/float.parquet`));
  assert.deepEqual(await readPages(floats.folder), [
    { user: "9007199254740991", time: "2020-09-13 12:26:40", items: ["7"], clicked: "7" },
  ]);
  // The double 2^53 may have been 2^53 + 1 in the source; likewise the float 2^24.
  const lost =
    "9007199254740993::DOUBLE 9007199254740994::DOUBLE -9007199254740993::DOUBLE 9007199254740993::HUGEINT " +
    "16777217::FLOAT 16777218::FLOAT 1.5::DOUBLE 'inf'::DOUBLE";
  for (const id of lost.split(" ")) {
    await writeParquet(
      `${folder}/lost.parquet`,
      `SELECT ${id} AS uid, 1 AS sku, 1600000000 AS ts, 1 AS label`,
    );
    await assert.rejects(
      prepareIn(folder, makeRecipe(`${folder}/lost.parquet`)),
      /Expected uid or sku to be text or whole numbers, got floating point numbers .* in 1 rows.*as text or integers.\n.*lost\.parquet:1: /,
    );
  }
  await expectRejection(
    { "log.json": '{"uid": 9.1e20, "sku": 1, "ts": 1600000000, "label": 1}\n' },
    "log.json",
    {},
    /floating point numbers .*\n .*log\.json.*: expected uid or sku to be text or a whole number, exactly, got "910000000000000000000\.0"/,
  );
});

Deno.test("log: every format of time is read", async () => {
  const wanted = "2019-11-11 09:05:58.123";
  const cases: [text: string, read: string, note: RegExp][] = [
    ["1573463158", "2019-11-11 09:05:58", /as seconds/],
    ["1573463158.1239", wanted, /as seconds/],
    ["1.573463158e9", "2019-11-11 09:05:58", /as seconds/],
    ["0", "1970-01-01 00:00:00", /as seconds/],
    ["-1", "1969-12-31 23:59:59", /as seconds/],
    ["1573463158123", wanted, /as milliseconds/],
    ["1573463158123.9", wanted, /as milliseconds/],
    ["1573463158123999", wanted, /as microseconds/],
    ["1573463158123999999", wanted, /as nanoseconds/],
    ["2019-11-11", "2019-11-11 00:00:00", /as dates/],
    ["2019-11-11 09:05", "2019-11-11 09:05:00", /as dates/],
    ["2019-11-11T09:05Z", "2019-11-11 09:05:00", /as dates/],
    ["2019-11-11 09:05:58.123", wanted, /as dates/],
    ["2019-11-11T09:05:58.123999999Z", wanted, /as dates/],
    ["2019-11-11T09:05:58,123Z", wanted, /as dates/],
    ["2019-11-11 09:05:58.123 UTC", wanted, /as dates/],
    ["2019-11-11T10:05:58.123+01:00", wanted, /as dates/],
    ["2019-11-11T10:05:58.123+0100", wanted, /as dates/],
    ["2019-11-11 10:05:58.123 +01", wanted, /as dates/],
    ["2019-11-10T23:05:58.123-10:00", wanted, /as dates/],
  ];
  const folder = await makeFolderWith();
  // Times of one format share a log, one user each. A time in another format would be a bad row.
  for (const group of Map.groupBy(cases, ([, , note]) => String(note)).values()) {
    const lines = group.map(([text], k) => `u${String(k).padStart(2, "0")}\tx\t${text}\t1\n`);
    await Deno.writeTextFile(`${folder}/log.tsv`, `uid\tsku\tts\tlabel\n${lines.join("")}`);
    const prepared = await prepareIn(folder, makeRecipe(`${folder}/log.tsv`));
    const found = (await readPages(prepared.folder)).map(({ time }, k) => [group[k]?.[0], time]);
    assert.deepEqual(found, group.map(([text, read]) => [text, read]));
    assert.match(prepared.manifest.notes.join("\n"), group[0]?.[2] ?? assert.fail());
  }
  const typed = [
    "1573463158::INTEGER",
    "1573463158::DOUBLE",
    "1573463158000::BIGINT",
    "1.573463158e18::DOUBLE",
    "'2019-11-11 09:05:58'",
    "TIMESTAMP '2019-11-11 09:05:58'",
    "TIMESTAMP_NS '2019-11-11 09:05:58'",
    "TIMESTAMP_MS '2019-11-11 09:05:58'",
    "TIMESTAMPTZ '2019-11-11 11:05:58+02'",
  ];
  for (const value of typed) {
    await writeParquet(
      `${folder}/log.parquet`,
      `SELECT 'a' AS uid, 'x' AS sku, ${value} AS ts, true AS label`,
    );
    const [page] = await readPages((await prepareIn(folder, makeRecipe(`${folder}/log.parquet`))).folder);
    assert.equal(page?.time, "2019-11-11 09:05:58", value);
  }
  await writeParquet(
    `${folder}/log.parquet`,
    "SELECT 'a' AS uid, 'x' AS sku, DATE '2019-11-11' AS ts, 1 AS label",
  );
  const dates = await prepareIn(folder, makeRecipe(`${folder}/log.parquet`));
  assert.deepEqual((await readPages(dates.folder)).map(({ time }) => time), ["2019-11-11 00:00:00"]);
});

Deno.test("log: features follow from the types of columns", async () => {
  const log = "uid,sku,ts,label\n" +
    ["i1", "i2", "i3", "i4"].map((sku) => `a,${sku},1600000000,1\n`).join("");
  const features = `sku,price,colour,weight,sold,nothing
i3,2.5,red,1,true,
i1,,blue,2,false,
i2,-1e3,,3,true,
i9,7,green,4,true,
`;
  const files = { "log.csv": log, "features.csv": features };
  const z = Math.fround(Math.sqrt(1.5)); // standardised 3 of 1, 2, 3
  const { folder, manifest } = await prepareFiles(files, "log.csv", { features: "features.csv" });
  const { dense, tokens } = manifest.features;
  assert.deepEqual(dense.map(({ name, meaning }) => ({ name, meaning })), [
    { name: "price", meaning: "price, standardised, 0 where unknown" },
    { name: "price_known", meaning: "1 if price is known" },
    { name: "weight", meaning: "weight, standardised, 0 where unknown" },
    { name: "weight_known", meaning: "1 if weight is known" },
  ]);
  assert.deepEqual(tokens.map(({ name, first, count, values }) => ({ name, first, count, values })), [
    { name: "colour", first: 0, count: 3, values: ["blue", "red"] },
    { name: "sold", first: 3, count: 3, values: ["false", "true"] },
  ]);
  assert.deepEqual(await query(folder, "SELECT id, dense, tokens FROM items"), [
    { id: "i1", dense: [0, 0, 0, 1], tokens: [0, 3] },
    { id: "i2", dense: [-1, 1, z, 1], tokens: [4] },
    { id: "i3", dense: [1, 1, -z, 1], tokens: [1, 4] },
    { id: "i4", dense: [0, 0, 0, 0], tokens: [] },
  ]);
  assert.equal(manifest.skipped["displayed items without a row of features"], 1);
  assert.match(manifest.notes.join(), /without numbers or text: nothing/);
  assert.doesNotMatch(manifest.notes.join(), /decimal comma/);
  const commas = { ...files, "features.csv": 'sku,price\ni1,"1,5"\ni2,2\ni3,"3,25"\ni4,\n' };
  const read = await prepareFiles(commas, "log.csv", { features: "features.csv" });
  assert.match(read.manifest.notes.join(), /numbers with a decimal comma: price\. Convert them in a SELECT/);
  const some = { features: "features.csv", dense: ["weight"], tokens: ["price"], itemIds: true };
  const three = { ...files, "log.csv": log.replace("a,i4,1600000000,1\n", "") };
  const chosen = await prepareFiles(three, "log.csv", some);
  assert.deepEqual(chosen.manifest.features.dense.map(({ name }) => name), ["weight"]); // known for all items
  assert.deepEqual(chosen.manifest.features.tokens.map(({ name, first, count }) => [name, first, count]), [
    ["price", 0, 3],
    ["item", 3, 4],
  ]);
  assert.deepEqual(await query(chosen.folder, "SELECT id, dense, tokens FROM items"), [
    { id: "i1", dense: [0], tokens: [3] },
    { id: "i2", dense: [z], tokens: [0, 4] },
    { id: "i3", dense: [-z], tokens: [1, 5] },
  ]);
});

Deno.test("log: lists of text are several tokens, from JSON lines and Parquet", async () => {
  const log = "uid,sku,ts,label\na,1,1600000000,1\na,2,1600000000,0\n";
  const json =
    '{"sku": 1, "tags": ["b", "a", "b"], "n": 3, "deep": {"x": 1}}\n{"sku": 2, "tags": "c", "n": null}\n';
  const expected = [
    { id: "1", dense: [1], tokens: [0, 1] }, // n has one known value: the feature is 1 if it is known
    { id: "2", dense: [0], tokens: [2] },
  ];
  const ofJson = await prepareFiles({ "log.csv": log, "f.json": json }, "log.csv", { features: "f.json" });
  assert.deepEqual(await query(ofJson.folder, "SELECT id, dense, tokens FROM items"), expected);
  assert.match(ofJson.manifest.notes.join(), /numbers or text: deep/);
  const folder = await makeFolderWith({ "log.csv": log });
  await writeParquet(
    `${folder}/f.parquet`,
    "SELECT * FROM (VALUES (1::BIGINT, ['b', 'a', 'b'], 3, {x: 1}), (2, ['c'], NULL, NULL)) AS f(sku, tags, n, deep)",
  );
  const more = { features: `${folder}/f.parquet` };
  const prepared = await prepareIn(folder, makeRecipe(`${folder}/log.csv`, more));
  assert.deepEqual(await query(prepared.folder, "SELECT id, dense, tokens FROM items"), expected);
});

Deno.test("the engine's file has no write-ahead log", async () => {
  const folder = await makeFolderWith();
  const engine = await SqlEngine.open({ workFolder: folder, memory: "500MB", threads: 1 });
  try {
    await engine.setVariables({ one: 1, list: ["a", "it's"], none: null });
    await engine.run("CREATE TABLE t AS SELECT getvariable('one') AS x; INSERT INTO t VALUES (2)");
    assert.deepEqual(await engine.rows("SELECT getvariable('list') AS list, sum(x)::INTEGER AS x FROM t"), [
      { list: ["a", "it's"], x: 3 },
    ]);
    assert.deepEqual(listFiles(folder), ["work.duckdb"]);
  } finally {
    engine.close();
  }
});

/** Generates rows of a log with many ties: few items and times, and few rows per user. */
const logRow = fc.record({
  uid: fc.tuple(fc.constantFrom("a", "b", "a,b", 'q"q', "9007199254740993"), fc.constantFrom("", "1", "2"))
    .map((parts) => parts.join("")),
  sku: fc.constantFrom("i1", "i2", "i10", "é", "x\ty"),
  ts: fc.integer({ min: 1_600_000_000, max: 1_600_000_003 }),
  label: fc.boolean(),
  page: fc.constantFrom("p", "q", "p1"),
  pos: fc.integer({ min: 0, max: 3 }),
});
/** Small logs, prepared together, because preparing several takes as long as preparing one. */
const LOGS = [
  fc.array(logRow, { minLength: 1, maxLength: 120 }),
  fc.array(logRow, { minLength: 1, maxLength: 3 }),
];
type Row = Record<string, string | number | boolean>;

function makeCsv(rows: readonly Row[], delimiter: string): string {
  const names = ["uid", "sku", "ts", "label", "page", "pos"];
  const value = (text: string) => /[",;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = rows.map((row) => names.map((name) => value(String(row[name]))));
  return [names, ...lines].map((line) => line.join(delimiter) + "\n").join("");
}

Deno.test("log: the order of rows, files, compression and format do not affect the prepared data", async () => {
  const holds = (rows: (typeof LOGS)[number], page: boolean, pos: boolean) =>
    fc.asyncProperty(
      rows,
      fc.infiniteStream(fc.nat(1000)),
      async (rows, random) => {
        const more = { ...page ? { page: "page" } : {}, ...pos ? { position: "pos" } : {} };
        const next = () => random.next().value ?? 0;
        const shuffled = shuffleBy(rows, next);
        const cut = next() % (rows.length + 1);
        const json = shuffled.map((row) => JSON.stringify(row)).join("\n");
        const files = {
          "one.csv": makeCsv(rows, ","),
          "two-a.tsv": makeCsv(shuffled.slice(0, cut), "\t"),
          "two-b.tsv.gz": await compressGzip(makeCsv(shuffled.slice(cut), "\t")),
          "three.jsonl.zst": zstdCompressSync(json),
        };
        const folder = await makeFolderWith(files);
        await writeParquet(
          `${folder}/four.parquet`,
          `FROM read_csv('${folder}/two-*', header = true, delim = '\t', quote = '"', escape = '"', auto_detect = false, ` +
            "columns = {'uid': 'VARCHAR', 'sku': 'VARCHAR', 'ts': 'INTEGER', 'label': 'BOOLEAN', 'page': 'VARCHAR', 'pos': 'TINYINT'})",
        );
        const all = new Set<string>();
        for (const name of ["one.csv", "two-*", "three.jsonl.zst", "four.parquet"]) {
          const threads = 1 + next() % 2;
          all.add(
            listChecksums(await prepareIn(folder, makeRecipe(`${folder}/${name}`, more), { threads })).join(),
          );
        }
        assert.equal(all.size, 1);
      },
    );
  for (const [k, [page, pos]] of [[false, false], [true, false], [false, true], [true, true]].entries()) {
    for (const rows of k === 0 ? LOGS : LOGS.slice(0, 1)) {
      await fc.assert(holds(rows, page === true, pos === true), { numRuns: 1 });
    }
  }
});

Deno.test("log: pages equal those of a simple reader, with all clicks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(...LOGS), fc.boolean(), async (rows, page) => {
      const more = page ? { page: "page" } : {};
      const { folder } = await prepareFiles({ "log.csv": makeCsv(rows, ",") }, "log.csv", more);
      const pages = await readPages(folder);
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
    }),
    { numRuns: 6 },
  );
});
