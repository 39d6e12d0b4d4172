/** Any log of displayed items to prepared data: small cases with the answer written out, faults, and laws. */

import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { UserError } from "../src/data/user_error.ts";
import { Engine, literal } from "../src/prepare/engine.ts";
import { type LogOptions, logRecipe } from "../src/prepare/log.ts";
import type { Prepared, PrepareOptions } from "../src/prepare/prepare.ts";
import { gzip, pagesOf, prepareIn, query, sums, withFolder } from "./prepared_folder.ts";

const columns = { user: "uid", item: "sku", time: "ts", clicked: "label", itemIds: false };
const recipe = (source: string, more: Partial<LogOptions> = {}) => logRecipe({ ...columns, source, ...more });

type Files = Readonly<Record<string, string | Uint8Array>>;

/** Prepares `name` of a folder with these files. @param more `features` is a file of the folder. */
async function withPrepared(
  files: Files,
  name: string,
  more: Partial<LogOptions>,
  use: (prepared: Prepared, folder: string) => Promise<void> | void,
  options: Partial<PrepareOptions> = {},
): Promise<void> {
  await withFolder(files, async (folder) => {
    const features = more.features === undefined ? {} : { features: `${folder}/${more.features}` };
    await use(
      await prepareIn(folder, recipe(`${folder}/${name}`, { ...more, ...features }), options),
      folder,
    );
  });
}

async function rejects(
  files: Files,
  name: string,
  more: Partial<LogOptions>,
  message: RegExp,
  options: Partial<PrepareOptions> = {},
): Promise<void> {
  await assert.rejects(withPrepared(files, name, more, () => {}, options), (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

/** Writes a Parquet file of a query. */
async function parquet(path: string, sql: string): Promise<void> {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    await engine.run(`COPY (${sql}) TO ${literal(path)} (FORMAT parquet)`);
  } finally {
    engine.close();
  }
}

/** Rows that are right, so that a few bad ones are less than 1 %. */
const good = (n: number) =>
  Array.from({ length: n }, (_, k) => `u${k},i${k % 7},${1_600_000_000 + k},1\n`).join("");

Deno.test("log: pages by user and time; an item comes once; several clicks are split; ties go by id", async () => {
  const log = `uid,sku,ts,label
b,i2,1600000000,0
b,i10,1600000000,1
b,i2,1600000000,1
b,i1,1600000000,0
b,i1,1600000001,0
b,i2,1600000001,False
a,i3,1600000000,TRUE
`;
  await withPrepared({ "log.csv": log }, "log.csv", {}, async ({ folder, manifest }) => {
    assert.deepEqual(await pagesOf(folder), [
      { user: "a", time: "2020-09-13 12:26:40", items: ["i3"], clicked: "i3" },
      { user: "b", time: "2020-09-13 12:26:40", items: ["i1", "i10", "i2"], clicked: "i10" },
      { user: "b", time: "2020-09-13 12:26:40", items: ["i1", "i10", "i2"], clicked: "i2" },
      { user: "b", time: "2020-09-13 12:26:41", items: ["i1", "i2"], clicked: null },
    ]);
    assert.deepEqual(await query(folder, "SELECT item, id, dense, tokens FROM items"), [
      { item: 0, id: "i1", dense: [], tokens: [] },
      { item: 1, id: "i10", dense: [], tokens: [] },
      { item: 2, id: "i2", dense: [], tokens: [] },
      { item: 3, id: "i3", dense: [], tokens: [] },
    ]);
    assert.deepEqual(manifest.skipped, {
      "rows of an item that is on its page already": 1,
      "pages with several clicks, split into one page a click": 1,
    });
    assert.deepEqual(manifest.features, { dense: [], tokens: [] });
    assert.deepEqual(manifest.notes, ["times are read as seconds since 1970"]);
  });
});

Deno.test("log: pages by page id, at the time of their first row; places by position", async () => {
  const log = `uid;sku;ts;label;request;pos
a;x;1600000002;0;p2;1
a;y;1600000001;1;p2;10
a;z;1600000009;0;p2;2
a;w;1600000009;0;p2;2
a;x;1600000001;1;p10;5
b;x;1600000001;1;p2;0.5
`;
  const more = { page: "request", position: "pos" };
  await withPrepared({ "log.txt": log }, "log.txt", more, async ({ folder }) => {
    assert.deepEqual(await pagesOf(folder), [
      // Both at one time: by page id, as text.
      { user: "a", time: "2020-09-13 12:26:41", items: ["x"], clicked: "x" },
      { user: "a", time: "2020-09-13 12:26:41", items: ["x", "w", "z", "y"], clicked: "y" },
      { user: "b", time: "2020-09-13 12:26:41", items: ["x"], clicked: "x" },
    ]);
  });
});

Deno.test("log: ids beyond 2^53 stay exact in CSV, JSON lines and Parquet", async () => {
  const ids = ["9007199254740993", "18446744073709551615", "0012", "1.0", " 7"];
  const csv = "uid,sku,ts,label\n" + ids.map((id) => `${id},${id},1600000000,1\n`).join("");
  await withPrepared({ "log.csv": csv }, "log.csv", {}, async ({ folder }) => {
    assert.deepEqual((await pagesOf(folder)).map(({ user }) => user), ids.toSorted());
    assert.deepEqual((await query(folder, "SELECT id FROM items")).map(({ id }) => id), ids.toSorted());
  });
  const whole = [
    "9007199254740992",
    "9007199254740993",
    "18446744073709551615",
    "123456789012345678901234567890",
  ];
  const json = whole.map((id) => `{"uid": ${id}, "sku": "${id}", "ts": 1600000000, "label": true}\n`).join(
    "\n",
  );
  await withPrepared({ "log.jsonl": json }, "log.jsonl", {}, async ({ folder }) => {
    assert.deepEqual((await pagesOf(folder)).map(({ user }) => user), whole.toSorted());
  });
  await withFolder({}, async (folder) => {
    await parquet(
      `${folder}/log.parquet`,
      "SELECT uid::HUGEINT::DECIMAL(38, 0) AS uid, (uid % 10000000000000000000)::UBIGINT AS sku, 1600000000 AS ts, true AS label " +
        `FROM (SELECT unnest([${whole.join(", ")}]::HUGEINT[]) AS uid)`,
    );
    const prepared = await prepareIn(folder, recipe(`${folder}/log.parquet`));
    assert.deepEqual((await pagesOf(prepared.folder)).map(({ user }) => user), whole.toSorted());
    await parquet(
      `${folder}/float.parquet`,
      "SELECT 9007199254740992::DOUBLE AS uid, 7::FLOAT AS sku, 1600000000 AS ts, 1::DOUBLE AS label",
    );
    const floats = await prepareIn(folder, recipe(`${folder}/float.parquet`));
    assert.deepEqual(await pagesOf(floats.folder), [
      { user: "9007199254740992", time: "2020-09-13 12:26:40", items: ["7"], clicked: "7" },
    ]);
    for (const id of ["9007199254740994::DOUBLE", "1.5::DOUBLE", "16777218::FLOAT", "'inf'::DOUBLE"]) {
      await parquet(`${folder}/lost.parquet`, `SELECT ${id} AS uid, 1 AS sku, 1600000000 AS ts, 1 AS label`);
      await assert.rejects(
        prepareIn(folder, recipe(`${folder}/lost.parquet`)),
        /Expected uid or sku to be text or whole numbers, found floating point numbers .* in 1 rows.*as text or integers.\n.*lost\.parquet:1: /,
      );
    }
  });
  await rejects(
    { "log.json": '{"uid": 9.1e20, "sku": 1, "ts": 1600000000, "label": 1}\n' },
    "log.json",
    {},
    /floating point numbers .*\n .*log\.json:1: expected uid or sku to be text or a whole number, exactly, found "910000000000000000000\.0"/,
  );
});

Deno.test("log: every way to write a time", async () => {
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
  await withFolder({}, async (folder) => {
    for (const [text, read, note] of cases) {
      await Deno.writeTextFile(`${folder}/log.tsv`, `uid\tsku\tts\tlabel\na\tx\t${text}\t1\n`);
      const prepared = await prepareIn(folder, recipe(`${folder}/log.tsv`));
      assert.deepEqual((await pagesOf(prepared.folder)).map(({ time }) => time), [read], text);
      assert.match(prepared.manifest.notes[0] ?? "", note, text);
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
      await parquet(`${folder}/log.parquet`, `SELECT 'a' AS uid, 'x' AS sku, ${value} AS ts, true AS label`);
      const prepared = await prepareIn(folder, recipe(`${folder}/log.parquet`));
      assert.deepEqual(
        (await pagesOf(prepared.folder)).map(({ time }) => time),
        ["2019-11-11 09:05:58"],
        value,
      );
    }
    await parquet(
      `${folder}/log.parquet`,
      "SELECT 'a' AS uid, 'x' AS sku, DATE '2019-11-11' AS ts, 1 AS label",
    );
    const dates = await prepareIn(folder, recipe(`${folder}/log.parquet`));
    assert.deepEqual((await pagesOf(dates.folder)).map(({ time }) => time), ["2019-11-11 00:00:00"]);
  });
});

Deno.test("log: bad rows are counted by kind and shown with file and line", async () => {
  const log = "uid,sku,ts,label,page\n" +
    `"a\nb",x,1600000000,1,1\n` + // two lines, and right
    ",x,1600000000,1,1\n" + // 4
    "a,,1600000000,1,1\n" +
    "\n" +
    "a,x,yesterday,1,1\n" + // 7
    "a,x,1600000000123,1,1\n" +
    "a,x,2020-01-01,1,1\n" +
    "a,x,1600000000,yes,1\n" + // 10
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
    /log\.csv:10: expected label to be 0, 1, true or false, found "yes"/,
    /log\.csv:11: expected label to be 0, 1, true or false, found nothing/,
    /log\.csv:12: expected page to be an id, found nothing/,
    /log\.csv:13: expected ts to be a time \(.*\), found "2020-02-30"/,
  ];
  const more = { page: "page" };
  await withPrepared({ "log.csv": log }, "log.csv", more, ({ bad, manifest }) => {
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
      "label cannot be read": 2,
    });
    const found = bad.examples.map(({ file, line, fault }) => `${file}:${line}: ${fault}`);
    assert.equal(found.length, lines.length);
    lines.forEach((line, k) => assert.match(found[k] ?? "", line));
  });
  for (
    const [name, text] of [["log.csv.gz", await gzip(log)], ["log.csv.zst", zstdCompressSync(log)]] as const
  ) {
    await withPrepared(
      { [name]: text },
      name,
      more,
      ({ bad }) => assert.equal(bad.examples.at(-1)?.line, 13),
    );
  }
  await rejects(
    { "log.csv": log },
    "log.csv",
    more,
    /log\.csv:4: expected uid to be an id, found nothing\. Mend/,
    {
      strict: true,
    },
  );
  await rejects(
    { "log.csv": log.slice(0, log.indexOf("u500,")) },
    "log.csv",
    more,
    /9 of 51\d rows cannot be read, expected at most 1 %\. Mend the source\.\n.*1 x page is empty/s,
  );
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
  await withPrepared({ "log.csv": log }, "log.csv", {}, ({ bad }) => {
    assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [
      [7, "expected 4 values as in the header, found 2: a,x"],
      [8, 'expected label to be 0, 1, true or false, found "maybe"'],
      [10, "expected 4 values as in the header, found 5: a,x,1600000000,1,1"],
    ]);
    assert.equal(bad.total, 3);
  });
  await rejects({ "log.csv": log }, "log.csv", {}, /log\.csv:7: expected 4 values/, { strict: true });
});

Deno.test("log: bad rows of JSON lines and Parquet have lines and row numbers", async () => {
  const row = '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": 1}\n';
  const json = row + "\n" + '{"uid": 1, "sku": "x", "ts": 1600000000\n' +
    '{"uid": 1, "ts": 1600000000, "label": 1}\n' + "[1]\n" +
    '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1, "pos": "first"}' + "\n" + row.repeat(500);
  await withPrepared({ "log.ndjson": json }, "log.ndjson", { position: "pos" }, ({ bad }) => {
    assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [
      [3, 'expected a JSON object, found "{"uid": 1, "sku": "x", "ts": 1600000000"'],
      [4, "expected sku to be an id, found nothing"],
      [5, 'expected a JSON object, found "[1]"'],
      [6, 'expected pos to be a number, found "first"'],
    ]);
  });
  await withFolder({}, async (folder) => {
    await parquet(
      `${folder}/log.parquet`,
      "SELECT if(k = 7, NULL, k) AS uid, 'x' AS sku, 1600000000 AS ts, if(k = 9, 2, 1) AS label FROM range(1, 1001) AS r(k)",
    );
    const { bad } = await prepareIn(folder, recipe(`${folder}/log.parquet`));
    assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [
      [7, "expected uid to be an id, found nothing"],
      [9, 'expected label to be 0, 1, true or false, found "2"'],
    ]);
  });
});

Deno.test("log: features by the types of their columns", async () => {
  const log = "uid,sku,ts,label\n" +
    ["i1", "i2", "i3", "i4"].map((sku) => `a,${sku},1600000000,1\n`).join("");
  const features = `sku,price,colour,weight,sold,nothing
i3,2.5,red,1,true,
i1,,blue,2,false,
i2,-1e3,,3,true,
i9,7,green,4,true,
`;
  const files = { "log.csv": log, "features.csv": features };
  await withPrepared(files, "log.csv", { features: "features.csv" }, async ({ folder, manifest }) => {
    assert.deepEqual(manifest.features, {
      dense: [
        { name: "price", meaning: "price of the features, 0 where it is not known" },
        { name: "price_known", meaning: "1 if price is known" },
        { name: "weight", meaning: "weight of the features, 0 where it is not known" },
        { name: "weight_known", meaning: "1 if weight is known" },
      ],
      tokens: [
        { name: "colour", first: 0, count: 2, meaning: "values of colour in the order of the text" },
        { name: "sold", first: 2, count: 2, meaning: "values of sold in the order of the text" },
      ],
    });
    assert.deepEqual(await query(folder, "SELECT id, dense, tokens FROM items"), [
      { id: "i1", dense: [0, 0, 2, 1], tokens: [0, 2] },
      { id: "i2", dense: [-1000, 1, 3, 1], tokens: [3] },
      { id: "i3", dense: [2.5, 1, 1, 1], tokens: [1, 3] },
      { id: "i4", dense: [0, 0, 0, 0], tokens: [] },
    ]);
    assert.equal(manifest.skipped["items on pages that have no row of features"], 1);
    assert.match(manifest.notes.join(), /without numbers or text are left out: nothing/);
  });
  const some = { features: "features.csv", dense: ["weight"], tokens: ["price"], itemIds: true };
  const three = { ...files, "log.csv": log.replace("a,i4,1600000000,1\n", "") };
  await withPrepared(three, "log.csv", some, async ({ folder, manifest }) => {
    assert.deepEqual(manifest.features.dense.map(({ name }) => name), ["weight"]); // known of all
    assert.deepEqual(manifest.features.tokens.map(({ name, first, count }) => [name, first, count]), [
      ["price", 0, 2],
      ["item", 2, 3],
    ]);
    assert.deepEqual(await query(folder, "SELECT id, dense, tokens FROM items"), [
      { id: "i1", dense: [2], tokens: [2] },
      { id: "i2", dense: [3], tokens: [0, 3] },
      { id: "i3", dense: [1], tokens: [1, 4] },
    ]);
  });
});

Deno.test("log: lists of text are several tokens, from JSON lines and Parquet", async () => {
  const log = "uid,sku,ts,label\na,1,1600000000,1\na,2,1600000000,0\n";
  const json =
    '{"sku": 1, "tags": ["b", "a", "b"], "n": 3, "deep": {"x": 1}}\n{"sku": 2, "tags": "c", "n": null}\n';
  const expected = [
    { id: "1", dense: [3, 1], tokens: [0, 1] },
    { id: "2", dense: [0, 0], tokens: [2] },
  ];
  await withPrepared(
    { "log.csv": log, "f.json": json },
    "log.csv",
    { features: "f.json" },
    async ({ folder, manifest }) => {
      assert.deepEqual(await query(folder, "SELECT id, dense, tokens FROM items"), expected);
      assert.match(manifest.notes.join(), /left out: deep/);
    },
  );
  await withFolder({ "log.csv": log }, async (folder) => {
    await parquet(
      `${folder}/f.parquet`,
      "SELECT * FROM (VALUES (1::BIGINT, ['b', 'a', 'b'], 3, {x: 1}), (2, ['c'], NULL, NULL)) AS f(sku, tags, n, deep)",
    );
    const prepared = await prepareIn(
      folder,
      recipe(`${folder}/log.csv`, { features: `${folder}/f.parquet` }),
    );
    assert.deepEqual(await query(prepared.folder, "SELECT id, dense, tokens FROM items"), expected);
  });
});

Deno.test("log: features that cannot be used are told", async () => {
  const log = "uid,sku,ts,label\na,1,1600000000,1\na,2,1600000000,0\n";
  const cases: [features: string, more: Partial<LogOptions>, message: RegExp][] = [
    [
      "id,x\n1,2\n",
      {},
      /f\.csv:1: expected a column "sku" \(--item\), found id, x\. Name the column with --item/,
    ],
    [
      "sku,x\n1,2\n1,3\n",
      {},
      /f\.csv: expected one row an item, found several with different values for the item "1"/,
    ],
    [
      "sku,x\n1,2\n2,inf\n",
      {},
      /expected x to be a number that a 32-bit float holds, found inf for the item "2"/,
    ],
    ["sku,x\n1,nan\n", {}, /found nan for the item "1"/],
    ["sku,x\n1,1e39\n", {}, /found 1e\+?39 for the item "1"/],
    [
      "sku,x\n1,2\n2,dear\n",
      { dense: ["x"] },
      /expected x \(--dense\) to be numbers, found "dear"\. Name it with --tokens/,
    ],
    [
      "sku,x\n1,2\n",
      { dense: ["sku"] },
      /expected sku \(--dense\) to be numbers, found the items themselves/,
    ],
    ["sku,x\n1,2\n", { tokens: ["y"] }, /expected a column "y" \(--tokens\), found sku, x/],
    ["sku,x\n1,2\n", { tokens: ["x"], dense: ["x"] }, /x is named by --dense and by --tokens/],
    ["sku,x\n,2\n", {}, /1 of 1 rows cannot be read.*f\.csv:2: expected sku to be an id, found nothing/s],
    ["sku,x\n1,2,3\n", {}, /f\.csv:2: expected 2 values as in the header, found 3: 1,2,3/],
  ];
  for (const [features, more, message] of cases) {
    await rejects({ "log.csv": log, "f.csv": features }, "log.csv", { ...more, features: "f.csv" }, message);
  }
  await rejects({ "log.csv": log }, "log.csv", { dense: ["x"] }, /Expected --features with --dense/);
  // The same row twice is one; what is not displayed may be anything.
  const fine = "sku,x\n1,2\n1,2\n9,1e300\n";
  await withPrepared({ "log.csv": log, "f.csv": fine }, "log.csv", { features: "f.csv" }, ({ manifest }) => {
    assert.deepEqual(manifest.features.dense.map(({ name }) => name), ["x", "x_known"]);
  });
});

Deno.test("log: files that are not what they should be are told", async () => {
  const row = "a,x,1600000000,1\n";
  const csv = "uid,sku,ts,label\n" + row;
  const zst = zstdCompressSync(csv.repeat(100));
  const gz = await gzip(csv + good(1000));
  const cases: [files: Files, name: string, more: Partial<LogOptions>, message: RegExp][] = [
    [{ "log.csv": csv }, "*.tsv", {}, /Expected a log at .*\*\.tsv, found no such file\. .*quote a glob/],
    [{ "log.csv": csv }, ".", {}, /found a folder\. Name the files in it, such as '.*\*\.parquet'/],
    [{ "log.dat": csv }, "log.dat", {}, /log\.dat: expected a file whose name ends in \.csv/],
    [
      { "a.csv": csv, "b.json": "{}" },
      "*",
      {},
      /Expected files of one format at .*, found .*a\.csv and .*b\.json/,
    ],
    [{ "log.csv": "" }, "log.csv", {}, /log\.csv is empty\. Expected a header/],
    [
      { "log.csv": csv.replace("uid", "UID") },
      "log.csv",
      {},
      /log\.csv:1: expected a column "uid" \(--user\), found UID, sku, ts, label\. Is it "UID"\?/,
    ],
    [
      { "log.csv": csv },
      "log.csv",
      { page: "request_id" },
      /expected a column "request_id" \(--page\), found uid, sku, ts, label\. Name the column with --page/,
    ],
    [
      { "log.csv": csv },
      "log.csv",
      { position: "labels" },
      /expected a column "labels" \(--position\), .* Is it "label"\?/,
    ],
    [
      { "log.csv": csv.replaceAll(",", ":") },
      "log.csv",
      {},
      /log\.csv:1: expected a column "uid" \(--user\), found one column, uid:sku:ts:label\. Separate the columns by commas/,
    ],
    [{ "log.csv": "uid,uid,sku,ts,label\n" + row }, "log.csv", {}, /expected one column "uid", found two/],
    [
      { "log.csv": csv + good(200).replaceAll(",", ";") },
      "log.csv",
      {},
      /200 of 201 rows cannot be read.*expected 4 values as in the header, found 1: u0;i0;/s,
    ],
    [
      { "log.csv": csv + 'a,"x,1600000000,1\n' + row.repeat(50) },
      "log.csv",
      {},
      /log\.csv:3: a quoted value begins here that is never closed/,
    ],
    [
      { "log.csv": 'uid,"sku,ts,label\n' + row },
      "log.csv",
      {},
      /log\.csv:1: .*(never closed|expected a column)/,
    ],
    [
      { "log.csv.gz": gz.slice(0, gz.length / 2) },
      "log.csv.gz",
      {},
      /log\.csv\.gz: the compressed file is cut off or damaged/,
    ],
    [
      { "log.csv.zst": zst.slice(0, zst.length - 5) },
      "log.csv.zst",
      {},
      /log\.csv\.zst: the compressed file is cut off or damaged/,
    ],
    [{ "log.parquet": csv }, "log.parquet", {}, /log\.parquet.*\n.*no Parquet file/i],
    [
      { "a.csv": csv, "b.csv": "uid,sku,time,label\n" + row },
      "*.csv",
      {},
      /Expected the same columns in all files, but .*a\.csv and .*b\.csv differ: .*b\.csv lacks ts; .*a\.csv lacks time/,
    ],
    [
      { "a.csv": csv, "b.csv": "sku,uid,ts,label\n" + row },
      "*.csv",
      {},
      /differ: the order is uid, sku, ts, label in the first, sku, uid, ts, label in the second/,
    ],
    [
      { "a.csv": csv, "b.csv": csv.replaceAll(",", "\t") },
      "*.csv",
      {},
      /a\.csv are separated by commas, those of .*b\.csv by tabs/,
    ],
    [
      { "log.json": `[${'{"uid": 1}'}]` },
      "log.json",
      {},
      /log\.json: expected JSON lines \(one object a line\), found an array/,
    ],
    [
      { "log.json": '{"uid": 1, "sku": 2}\n' },
      "log.json",
      {},
      /log\.json: expected a column "ts" \(--time\), found sku, uid/,
    ],
    [{ "log.json": "" }, "log.json", {}, /log\.json: expected a column "uid" \(--user\), found no columns/],
    [{ "log.csv": "uid,sku,ts,label\n" }, "log.csv", {}, /Nothing is left of the source/],
  ];
  for (const [files, name, more, message] of cases) await rejects(files, name, more, message);
  const mixed = csv + row.replace("\n", "\r\n") + row;
  await rejects({ "log.csv": mixed }, "log.csv", {}, /log\.csv.*\n.*Lines may end in two ways/);
  const latin1 = Uint8Array.from(csv + "caf\xe9,x,1600000000,1\n", (letter) => letter.charCodeAt(0));
  await rejects({ "log.csv": latin1 }, "log.csv", {}, /log\.csv.*: .*Line: 3.*not utf-8.*\n.*iconv/);
  await withFolder({}, async (folder) => {
    await parquet(`${folder}/a.parquet`, "SELECT 'a' AS uid, 1 AS sku, 1600000000 AS ts, 1 AS label");
    await parquet(`${folder}/b.parquet`, "SELECT 'a' AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label");
    await assert.rejects(
      prepareIn(folder, recipe(`${folder}/*.parquet`)),
      /a\.parquet and .*b\.parquet differ: sku is INTEGER in the first, VARCHAR in the second/,
    );
    await parquet(`${folder}/c.parquet`, "SELECT ['a'] AS uid, 1 AS sku, 1600000000 AS ts, 1 AS label");
    await assert.rejects(
      prepareIn(folder, recipe(`${folder}/c.parquet`)),
      /c\.parquet: expected uid \(--user\) to be text or whole numbers, found VARCHAR\[\]/,
    );
    const bytes = await Deno.readFile(`${folder}/a.parquet`);
    await Deno.writeFile(`${folder}/cut.parquet`, bytes.slice(0, bytes.length - 40));
    await assert.rejects(prepareIn(folder, recipe(`${folder}/cut.parquet`)), /cut\.parquet/);
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name.startsWith("out")
    );
    assert.deepEqual(left, []);
  });
});

/** Rows of a small log in which everything meets: few users, items and times. */
const logRows = fc.array(
  fc.record({
    uid: fc.constantFrom("a", "b", "a,b", 'q"q', "9007199254740993"),
    sku: fc.constantFrom("i1", "i2", "i10", "é", "x\ty"),
    ts: fc.integer({ min: 1_600_000_000, max: 1_600_000_003 }),
    label: fc.boolean(),
    page: fc.constantFrom("p", "q", "p1"),
    pos: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 1, maxLength: 40 },
);
type Row = Record<string, string | number | boolean>;

function csvOf(rows: readonly Row[], delimiter: string): string {
  const names = ["uid", "sku", "ts", "label", "page", "pos"];
  const value = (text: string) => /[",;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return [names, ...rows.map((row) => names.map((name) => value(String(row[name]))))].map((line) =>
    line.join(delimiter) + "\n"
  ).join("");
}

Deno.test("log: the order of rows, files, compression and format do not change the prepared data", async () => {
  await fc.assert(
    fc.asyncProperty(
      logRows,
      fc.boolean(),
      fc.boolean(),
      fc.infiniteStream(fc.nat(1000)),
      async (rows, page, pos, random) => {
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
    ),
    { numRuns: 12 },
  );
});

Deno.test("log: pages are what a plain reading of the rows says, with one click that is on them", async () => {
  await fc.assert(
    fc.asyncProperty(logRows, fc.boolean(), async (rows, page) => {
      await withPrepared(
        { "log.csv": csvOf(rows, ";") },
        "log.csv",
        page ? { page: "page" } : {},
        async ({ folder }) => {
          const pages = await pagesOf(folder);
          for (const { items, clicked } of pages) assert.ok(clicked === null || items.includes(clicked));
          const groups = Map.groupBy(rows, ({ uid, ts, page: id }) => JSON.stringify([uid, page ? id : ts]));
          const expected = [...groups.values()].flatMap((group) => {
            const items = [...new Set(group.map(({ sku }) => sku))].sort((a, b) => a < b ? -1 : 1);
            const clicks = new Set(group.filter(({ label }) => label).map(({ sku }) => sku));
            const time = Math.min(...group.map(({ ts }) => ts));
            return (clicks.size > 0 ? [...clicks] : [null]).map((clicked) => ({
              user: group[0]?.uid ?? "",
              time: new Date(1000 * time).toISOString().replace("T", " ").slice(0, 19),
              items,
              clicked,
            }));
          });
          const texts = (all: typeof pages) => all.map((one) => JSON.stringify(one)).sort();
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
    { numRuns: 15 },
  );
});
