import assert from "node:assert/strict";
import { type LogOptions, logRecipe } from "../../src/data/prepare/prepare_log.ts";
import { listFiles } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { expectRefusal, parseRows } from "../case_table.ts";
import {
  compressGzip,
  type Files,
  makeFolderWith,
  makeGoodRows,
  prepareIn,
  query,
  readPages,
  writeParquet,
} from "../prepared_folder.ts";

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
    | expected a FROM of files and their readers (…), got enable_logging()
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
  await refuses(features, "Expected --features or a column features", {}, { features: "x.csv" });
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
