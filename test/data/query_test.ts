import assert from "node:assert/strict";
import { type LogOptions, logRecipe } from "../../src/data/prepare/prepare_log.ts";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import { listFiles } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { expectRefusal, parseRows } from "../case_table.ts";
import {
  compressGzip,
  type Files,
  listChecksums,
  makeFolderWith,
  makeGoodRows,
  prepareIn,
  query,
  readPages,
  writeParquet,
} from "../prepared_folder.ts";
import { clicksOnly, listExpectedPages, shapeFiles } from "./log_shapes.ts";

const LOG = "uid,sku,ts,label\n" + makeGoodRows(300);
const COLUMNS = "uid AS user, sku AS item, ts AS time, label AS clicked";

async function writeQuery(text: string, files: Files = {}): Promise<string> {
  const folder = await makeFolderWith({ "log.csv": LOG, ...files });
  await Deno.writeTextFile(`${folder}/log.sql`, text.replaceAll("DIR", folder));
  return folder;
}

const recipe = (folder: string, more: Partial<LogOptions> = {}) =>
  logRecipe({ query: `${folder}/log.sql`, pages: "as-is", itemIds: false, ...more });

async function refuses(text: string, says: string, files?: Files, more?: Partial<LogOptions>): Promise<void> {
  const folder = await writeQuery(text, files);
  const before = listFiles(folder);
  await expectRefusal(() => prepareIn(folder, recipe(folder, more)), says, text);
  assert.deepEqual(listFiles(folder), before, text);
}

const NONE = parseRows(`
  COPY (SELECT 1) TO 'DIR/x.csv' | log.sql: expected one SELECT, got another statement
  ATTACH 'DIR/x.db' | expected one SELECT, got another statement
  PRAGMA memory_limit = '1TB' | expected one SELECT
  SET memory_limit = '1TB' | expected one SELECT, got another statement
  INSTALL httpfs | expected one SELECT, got another statement
  LOAD httpfs | expected one SELECT, got another statement
  CREATE TABLE t AS SELECT 1 | expected one SELECT, got another statement
  EXPORT DATABASE 'DIR/x' | expected one SELECT, got another statement
  CALL enable_logging() | expected one SELECT, got another statement
  SELECT ${COLUMNS} FROM 'DIR/log.csv'; COPY (SELECT 1) TO 'DIR/x.csv' | expected one SELECT, got another statement
  SELECT ${COLUMNS} FROM 'DIR/log.csv'; SELECT 2 | expected one SELECT, got 2 statements
  -- nothing but a comment | expected one SELECT, got 0 statements
  SELECT 1 FROM enable_logging('FileSystem', storage = 'file', storage_path = 'DIR/x')
    | expected FROM to read files (…), got enable_logging()
  SELECT 1 WHERE 1 IN (SELECT 1 FROM query('SELECT 1')) | got query()
  WITH a AS (FROM checkpoint('work')) SELECT 1 FROM a | got checkpoint()
  DESCRIBE SELECT 1 | syntax error
  SELECT ${COLUMNS} FROM 'DIR/log.csv' FROM | log.sql:1: syntax error at or near "FROM"
  SELECT ${COLUMNS}, nothing FROM 'DIR/log.csv'
    | log.sql:1: Binder Error: Referenced column "nothing" not found
  SELECT ${COLUMNS} FROM missing | Table with name missing does not exist
  SELECT ${COLUMNS} FROM read_csv(concat('DIR/', 'log.csv')) | expected read_csv() to name its files as text
  SELECT ${COLUMNS} FROM 'DIR/none.csv' | Expected a file that …log.sql reads at …none.csv, got no such file
  SELECT ${COLUMNS} FROM read_csv(['DIR/log.csv', 'DIR/*.tsv']) | got no such file
  SELECT ${COLUMNS} FROM read_parquet('s3://bucket/x.parquet') | only local files are read
  SELECT ${COLUMNS} FROM 'https://example.org/x.csv' | only local files are read
  SELECT ${COLUMNS} FROM read_csv('/dev/null') | expected a regular file
  SELECT ${COLUMNS} FROM 'DIR/cut.csv.gz' | the compressed file is truncated or damaged
`);

Deno.test("query: anything but a single SELECT over local files is refused, and nothing is written", async () => {
  const cut = (await compressGzip(LOG)).slice(0, 200);
  for (const [text = "", says = ""] of NONE) await refuses(text, says, { "cut.csv.gz": cut });
  await refuses(
    "SELECT\n  uid,\n  label\nFROM 'DIR/log.csv' WHERE sku = 1 1",
    'log.sql:4: syntax error at or near "1"',
  );
  await refuses("SELECT\n  uid,\n  nobody\nFROM 'DIR/log.csv'", 'log.sql:3: Binder Error…"nobody" not found');
});

const WRONG = parseRows(`
  uid AS user, sku AS item, ts AS time | expected a column "clicked" (--query), got user, item, time
  uid AS users, sku AS item, ts AS time, label AS clicked | expected a column "user" (--query)…Is it "users"?
  ${COLUMNS}, 1 AS positon | expected the columns user, item, …, got positon
  ${COLUMNS}, {a: 1} AS page | expected page (--query) to be text or whole numbers, got STRUCT
  [uid] AS user, sku AS item, ts AS time, label AS clicked | expected user (--query) to be text or whole numbers
  uid AS user, sku AS item, [ts] AS time, label AS clicked | expected the column time to be a time, got BIGINT[]
  ${COLUMNS}, 'x' AS candidates | expected the column candidates to be a list of ids, got VARCHAR
  ${COLUMNS}, 1 AS features | expected the column features to be a struct
  ${COLUMNS}, 1 AS context | expected the column context to be true for a click before the log begins
  ${COLUMNS}, DATE '2020-01-01' AS position | expected the column position to be a number, got DATE
  ${COLUMNS}, ['none'] AS candidates | the item is not one of the page's candidates
  NULL AS user, sku AS item, ts AS time, label AS clicked | got 300 of 300…user is empty
  uid AS user, sku AS item, sku AS time, label AS clicked | time cannot be read…got "i0"
  uid AS user, sku AS item, ts AS time, sku AS clicked | clicked cannot be read…got "i0"
  uid::DATE AS user, sku AS item, ts AS time, label AS clicked | TRY_CAST
`);

Deno.test("query: columns that are missing, unknown or of another type are refused by name", async () => {
  for (const [columns = "", says = ""] of WRONG) await refuses(`SELECT ${columns} FROM 'DIR/log.csv'`, says);
  const select = `SELECT ${COLUMNS}, 1 AS position FROM 'DIR/log.csv'`;
  await refuses(select, "expected no position with --pages sampled", {}, { pages: "sampled" });
  await refuses(select, "Expected --query or --user, got both", {}, { user: "uid" });
  const features = `SELECT ${COLUMNS}, {x: 1} AS features FROM 'DIR/log.csv'`;
  await refuses(features, 'Expected --features or a column "features"', {}, { features: "x.csv" });
});

Deno.test("query: values of all types are read unchanged, and bad rows are reported by file and row", async () => {
  const folder = await writeQuery(
    `SELECT uid AS user, sku AS item, day AS time, hit AS clicked, filename, file_row_number ` +
      "FROM read_parquet('DIR/*.parquet', filename = true, file_row_number = true);\n-- the end",
  );
  const rows = "FROM (SELECT range AS k FROM range(400))";
  await writeParquet(
    `${folder}/a.parquet`,
    `SELECT k // 4 AS uid, 9007199254740993 + k AS sku, TIMESTAMP '2020-01-01' + to_hours((k // 4)::INTEGER) AS day, ` +
      `k % 4 = 1 AS hit ${rows}`,
  );
  await writeParquet(
    `${folder}/b.parquet`,
    `SELECT if(k = 7, NULL, k) AS uid, k AS sku, TIMESTAMP '2020-01-01' AS day, true AS hit ${rows}`,
  );
  const { folder: out, bad, manifest } = await prepareIn(folder, recipe(folder));
  assert.deepEqual([...bad.counts], [["user is empty", 1]]);
  assert.match(bad.examples[0]?.place ?? "", /b\.parquet:8$/);
  assert.deepEqual(manifest.sources.map(({ path }) => path.replace(`${folder}/`, "")), [
    "log.sql",
    "a.parquet",
    "b.parquet",
  ]);
  const [first] = (await readPages(out)).filter(({ items }) => items.includes("9007199254740994"));
  assert.deepEqual([first?.user, first?.items.length, first?.clicked], ["0", 5, "0 9007199254740994"]);
  await refuses(
    "SELECT uid AS user, sku AS item, ts AS time, label AS clicked FROM (SELECT 9007199254740993::DOUBLE AS uid, * EXCLUDE uid FROM 'DIR/log.csv')",
    "Expected user or item to be text or whole numbers, got floating point numbers",
  );
});

Deno.test("query: features come as a struct in each row, or by their own SELECT", async () => {
  const items = "sku,price,kind\n" + Array.from({ length: 7 }, (_, k) => `i${k},${k},k${k % 2}\n`).join("");
  const join =
    `SELECT ${COLUMNS}, {price: price, kind: kind} AS features FROM 'DIR/log.csv' JOIN 'DIR/items.csv' USING (sku)`;
  const own = await writeQuery(join, { "items.csv": items });
  const apart = await writeQuery(`SELECT ${COLUMNS} FROM 'DIR/log.csv'`, { "items.csv": items });
  const select = "SELECT sku AS item, price, kind FROM 'DIR/items.csv'".replace("DIR", apart);
  await Deno.writeTextFile(`${apart}/items.sql`, select);
  const one = await prepareIn(own, recipe(own));
  const other = await prepareIn(apart, recipe(apart, { features: `${apart}/items.sql` }));
  assert.deepEqual(one.manifest.features, other.manifest.features);
  assert.deepEqual(one.manifest.files.items, other.manifest.files.items);
  assert.deepEqual(one.manifest.features.tokens.map(({ name }) => name), ["kind"]);
  assert.ok(other.manifest.sources.some(({ path }) => path.endsWith("items.csv")));
  await refuses(
    join.replace("kind: kind", "kind: uid"),
    "expected one row per item, got several with different values",
    { "items.csv": items },
  );
  const like = await prepareIn(own, recipe(own, { encodingFrom: one.folder, itemIds: undefined }));
  assert.deepEqual(like.manifest.features, one.manifest.features);
});

Deno.test("query: clicked may be the time of the click, which orders the clicks of a page", async () => {
  const folder = await writeQuery(
    "SELECT uid AS user, sku AS item, ts AS time, make_timestamp(hit) AS clicked FROM read_csv('DIR/clicks.csv')",
    {
      "clicks.csv": "uid,sku,ts,hit\na,x,1600000000,3\na,y,1600000000,\na,z,1600000000,1\na,w,1600000000,2\n",
    },
  );
  const { folder: out } = await prepareIn(folder, recipe(folder));
  assert.deepEqual((await readPages(out)).map(({ clicked }) => clicked), ["z w x"]);
});

Deno.test("query: the output folder is never read", async () => {
  const folder = await writeQuery(
    `SELECT ${COLUMNS} FROM read_csv('DIR/log.csv'), read_blob('DIR/out/work.duckdb*')`,
  );
  await expectRefusal(
    () => prepareIn(folder, recipe(folder), { out: `${folder}/out` }),
    "expected sources outside the output folder, got …work.duckdb",
  );
  assert.deepEqual(listFiles(folder), ["log.csv", "log.sql"]);
});

Deno.test("query: paths are relative to the working folder, and the manifest has the SELECT", async () => {
  const folder = await writeQuery(`SELECT ${COLUMNS}, uid AS page FROM 'log.csv'`);
  const args = ["log", "--query", `${folder}/log.sql`, "--pages", "as-is", "--out", "made"];
  const data = new CommandSeries("data", { cwd: folder });
  await data.ok(args);
  const [row] = await query(`${folder}/made`, "SELECT count(*) AS n FROM pages");
  assert.equal(Number(row?.n), 300);
});

// Recipes: the SELECTs in data/recipes.

const RECIPES = new URL("../../data/recipes/", import.meta.url);
const names = [...Deno.readDirSync(RECIPES)].map(({ name }) => name).sort();
const readRecipe = (name: string) => Deno.readTextFileSync(new URL(name, RECIPES));

const START = 1_433_000_000_000;
const at = (minutes: number) => START + 60_000 * minutes;
const lines = (...rows: readonly (readonly unknown[])[]) => rows.map((row) => row.join() + "\n").join("");
const behaviors = [
  ["2", "U1", "11/12/2019 1:00:00 PM", "N9 N8 N9", "N3-0 N1-1 N2-0"],
  ["1", "U1", "11/11/2019 9:05:58 AM", "N9 N8", "N2-1 N3-0 N10-1 N2-0"],
  ["3", "U2", "1/2/2020 12:00:00 AM", "", "N1-0 N-1-2-0"],
].map((fields) => fields.join("\t") + "\n").join("");
const news = [
  ["N1", "sports", "soccer", "Title", "", "https://x", "[]", "[]"],
  ["N2", "news", "politics", 'A "quoted title', "", "", "[]", "[]"],
  ["N3", "sports", "golf", "", "", "", "[]", "[]"],
].map((fields) => fields.join("\t") + "\n").join("");
const files = {
  ...shapeFiles,
  "views.csv": clicksOnly,
  "behaviors.tsv": behaviors,
  "news.tsv": news,
  "category_tree.csv": "categoryid,parentid\n7,5\n5,1\n1,\n9,\n",
  "item_properties_part1.csv": lines(
    ["timestamp", "itemid", "property", "value"],
    [at(5), 10, "790", "n99.000"],
    [at(5), 10, "categoryid", "7"],
    [at(100), 10, "available", "0"],
  ),
  "item_properties_part2.csv": lines(["timestamp", "itemid", "property", "value"], [at(5), 11, "888", "x y"]),
  "retailrocket/events.csv": lines(
    ["timestamp", "visitorid", "event", "itemid", "transactionid"],
    [at(0), 1, "view", 10, ""],
    [at(1), 1, "view", 11, ""],
    [at(2), 1, "addtocart", 10, ""],
    [at(3), 1, "view", 12, ""],
    [at(4), 1, "transaction", 12, 1],
    [at(5), 1, "transaction", 10, 1], // an item that was added to the cart before
    [at(35), 1, "view", 10, ""], // 30 minutes later, in the same session
    [at(36), 1, "addtocart", 11, ""],
    [at(67), 1, "view", 10, ""], // 31 minutes later, in another session
    [at(67), 1, "view", 12, ""],
    [at(68), 1, "addtocart", 10, ""],
    [at(69), 1, "addtocart", 11, ""], // an item that was not viewed in this session
  ),
};

const folder = await makeFolderWith(files);
await writeParquet(`${folder}/month-1.parquet`, `FROM read_csv('${folder}/month.csv') WHERE pos < 2`);
await writeParquet(
  `${folder}/month-2.parquet`,
  `SELECT *, 1 AS more FROM read_csv('${folder}/month.csv') WHERE pos >= 2`,
);
for (const name of names) {
  const below = name.startsWith("retailrocket") ? "retailrocket/events.csv" : "events.csv";
  const text = readRecipe(name).replaceAll("'events.csv'", `'${below}'`);
  await Deno.writeTextFile(`${folder}/${name}`, text.replaceAll(/'([\w*/-]+\.\w+)'/g, `'${folder}/$1'`));
}

async function prepared(name: string, more: Partial<LogOptions> = {}): Promise<PreparationResult> {
  const recipe = logRecipe({ query: `${folder}/${name}`, itemIds: false, rareBelow: 1, ...more });
  return await prepareIn(folder, recipe, { shares: { train: 0.98, validation: 0.01 } });
}

const pages = listExpectedPages();
const agreed = pages.filter(({ user }) => !["u1", "u3"].includes(user));
const SMALL: Readonly<Record<string, typeof pages>> = {
  "clicks_by_time.sql": pages,
  "clicks_table.sql": pages,
  "dates_in_parts.sql": pages,
  "delimiter.sql": pages,
  "drawn_pages.sql": pages,
  "event_lists.sql": pages,
  "events.sql": pages,
  "joined.sql": agreed,
  "list_of_objects.sql": pages,
  "nested_names.sql": pages,
  "page_marks.sql": pages,
  "ratings.sql": pages,
  "sessions.sql": pages,
  "text_lists.sql": pages,
  "time_format.sql": pages.map((page) => ({ ...page, time: page.time.replace(/\d\d$/, "00") })),
};

for (const [name, expected] of Object.entries(SMALL)) {
  Deno.test(`recipes: ${name} makes the pages of its log`, async () => {
    const { folder: out, manifest, bad } = await prepared(name);
    assert.deepEqual(await readPages(out), expected);
    const odd = manifest.warnings?.filter((text) => / of \d+ pages \(/.test(text));
    assert.deepEqual([bad.total, manifest.pageOrder, odd], [0, "shown", []]);
    assert.equal(manifest.query, Deno.readTextFileSync(`${folder}/${name}`));
    assert.ok(manifest.sources.length > 1 && manifest.sources.every(({ bytes }) => bytes > 0));
  });
}

Deno.test("recipes: each recipe is tested here, and its header has the command that runs it", () => {
  const run = [
    ...Object.keys(SMALL),
    "mind.sql",
    "mind_news.sql",
    "retailrocket.sql",
    "retailrocket_views.sql",
  ];
  assert.deepEqual(names, run.sort());
  for (const name of names) {
    const [head = ""] = readRecipe(name).split(/^[^-]/m);
    assert.match(head, new RegExp(`^--   deno task -q data log --query .*\\b${name}`, "m"));
    assert.match(head, /^-- Change: /m);
  }
});

Deno.test("recipes: randomised pages keep their propensities and candidates", async () => {
  const { folder: out, manifest } = await prepared("drawn_pages.sql");
  const rows = await query(
    out,
    "SELECT propensities, len(items) AS n, list_transform(candidates, lambda c: known[c + 1]) AS ids FROM pages, (SELECT list(id ORDER BY item) AS known FROM items)",
  );
  for (const { propensities, n, ids } of rows) {
    assert.deepEqual([propensities, Array.isArray(ids) && ids.length], [[0.25], Number(n) === 3 ? 5 : 0]);
  }
  assert.ok(rows.some(({ ids }) => Array.isArray(ids) && ids.includes("i8"))); // never displayed
  assert.equal(manifest.counts?.propensities, 24);
});

Deno.test("recipes: MIND's first history precedes the pages; clicks and positions are correct; news have tokens", async () => {
  const { folder: out, manifest } = await prepared("mind.sql", { features: `${folder}/mind_news.sql` });
  assert.deepEqual(await readPages(out), [
    // The first impression's history, at intervals of a millisecond, and then the impressions.
    { user: "U1", time: "2019-11-11 09:05:57.998", items: ["N9"], clicked: "N9" },
    { user: "U1", time: "2019-11-11 09:05:57.999", items: ["N8"], clicked: "N8" },
    { user: "U1", time: "2019-11-11 09:05:58", items: ["N2", "N3", "N10"], clicked: "N10 N2" },
    { user: "U1", time: "2019-11-12 13:00:00", items: ["N3", "N1", "N2"], clicked: "N1" },
    { user: "U2", time: "2020-01-02 00:00:00", items: ["N1", "N-1-2"], clicked: null },
  ]);
  assert.equal(manifest.counts?.context, 2);
  const tokens = await query(out, "SELECT id, len(tokens) AS n FROM items ORDER BY id");
  assert.deepEqual(
    tokens.map(({ id, n }) => `${id} ${n}`),
    "N-1-2 0,N1 2,N10 0,N2 2,N3 2,N8 0,N9 0".split(","),
  );
});

Deno.test("recipes: a Retailrocket page has the session's viewed items, with their features at that time", async () => {
  const { folder: out, manifest } = await prepared("retailrocket.sql");
  const shown = (await readPages(out)).map((
    { time, items, clicked },
  ) => [time.slice(11, 16), items.join(" "), clicked]);
  const version = (item: number, minutes: number, ms = 0) => `${item}@${at(minutes) + ms}`;
  const first = [version(10, 0, 1), version(11, 1, 1), version(12, 3, 1)];
  assert.deepEqual(shown, [
    ["15:35", first.slice(0, 2).join(" "), first[0]],
    // Item 10 has one more cart, and its properties from minute 5 on.
    ["15:37", [version(10, 2, 1), ...first.slice(1)].join(" "), first[2]],
    ["16:09", [version(10, 5, 1), first[1], version(12, 4, 1)].join(" "), first[1]],
    ["16:41", [version(10, 67, 1), version(12, 4, 1)].join(" "), version(10, 67, 1)],
  ]);
  const { dense, tokens } = manifest.features;
  const columns = [...dense.map(({ transform }) => transform?.column), ...tokens.map(({ name }) => name)];
  assert.deepEqual([...new Set(columns)].sort(), ["category", "log_buys", "log_carts", "log_views", "price"]);
  const [category] = await query(
    out,
    `SELECT len(tokens) AS n FROM items WHERE id = '${version(10, 67, 1)}'`,
  );
  assert.equal(Number(category?.n), 3); // its own category and two parent categories
});

Deno.test("recipes: Retailrocket's views are clicks on sampled pages", async () => {
  // Each view is by another user, because a click has a page only if another user clicked the item before.
  const text = await Deno.readTextFile(`${folder}/retailrocket_views.sql`);
  await Deno.writeTextFile(`${folder}/views.sql`, text.replace("visitorid AS", "row_number() OVER () AS"));
  const { folder: out } = await prepared("views.sql", { pages: "sampled", pageSize: 2 });
  const shown = await readPages(out);
  assert.equal(shown.length, 3);
  assert.ok(
    shown.every(({ items, clicked }) => items.length === 2 && clicked !== null && items.includes(clicked)),
  );
});

Deno.test("recipes: two runs of a SELECT, over files in other order and compressed, make the same bytes", async () => {
  const other = await makeFolderWith({
    "impressions.csv.gz": await compressGzip(shapeFiles["impressions.csv"] ?? ""),
  });
  const [head, ...rest] = (shapeFiles["clicks.csv"] ?? "").trim().split("\n");
  await Deno.writeTextFile(`${other}/clicks.csv`, [head, ...rest.toReversed()].join("\n"));
  const text = readRecipe("clicks_table.sql").replaceAll("'impressions.csv'", `'${other}/impressions.csv.gz'`)
    .replaceAll("'clicks.csv'", `'${other}/clicks.csv'`);
  await Deno.writeTextFile(`${other}/log.sql`, text);
  assert.deepEqual(
    listChecksums(await prepared("clicks_table.sql")),
    listChecksums(await prepared(`../${other.split("/").at(-1)}/log.sql`)),
  );
});
