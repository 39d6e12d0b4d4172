/** Checks that `data log` prepares a log that Spark cleaned, in 1 or 8 parts, like the original log. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "../../src/schema.ts";
import { check } from "../../src/data/prepare/check_set.ts";
import { formatLiteral } from "../../src/data/prepare/sql_engine.ts";
import { type LogOptions, logRecipe } from "../../src/data/prepare/prepare_log.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { runPython } from "../command_check.ts";
import { getSharedEngine, makeFolderWith, prepareIn, writeParquet } from "../prepared_folder.ts";
import { makeCsv, makeShopLog } from "../data/synthetic_logs.ts";

const PYTHON = Deno.env.get("SPARK_PYTHON") ?? "python3";
const getPath = (path: string) => new URL(path, import.meta.url).pathname;

const endsSchema = v.array(v.object({ said: v.string(), refused: v.string() }));

/** Returns each case's output and error message ("" for none); undefined if Spark is missing. */
async function spark(cases: readonly (readonly string[])[]) {
  const job = getPath("../../data/spark/shown.py");
  const printed = await runPython(PYTHON, new URL("spark.py", import.meta.url), job, JSON.stringify(cases));
  return printed && v.parse(endsSchema, JSON.parse(printed.trim().split("\n").at(-1) ?? ""));
}

interface Log {
  readonly name: string;
  readonly columns: readonly ("page" | "position" | "propensity")[];
  /** Log as CSV; alternatively `sql`, a query whose result is written as Parquet. */
  readonly csv?: string;
  readonly sql?: string;
  readonly gap?: number;
  readonly pages?: "log";
  /** True to test the log also in 1 part, and the data set of all 8 parts. */
  readonly whole?: boolean;
  readonly refused?: boolean;
}

const HEAD = "user,item,time,clicked,page,position\n";
const T = "1600000000";
const broken =
  ",a,T,1,p1,1;\\N,a,T,1,p1,1;u1,,T,1,p1,1;u1,a,,1,p1,1;u1,a,yesterday,1,p1,1;u1,a,2020-02-30,1,p1,1;" +
  "u1,a,2020-01-01T00:00:00Z,1,p1,1;u1,a,T,,p1,1;u1,a,T,perhaps,p1,1;u1,a,T,1,,1;u1,a,T,1,p1,first;" +
  "u1,a,T,1,p1,inf;u1,a;u1,a,T,1,p1,1,long";
/** Log with several clicks, a repeated item, a shared page id, ids with spaces, quotes and line ends. */
const kept = "u1,a,T, TRUE ,p1,2;u1,b,T,yes,p1, 1e0;u1,b,T.25,n,p1,3.5;u1,c,T,1.0,p1,3;" +
  ' u1,"say ""a, b""",T,f,p1,-1;"u1\nU",ü\u{1f600}, 1600000001.0005 ,t,p1,0';
const rows = `${broken};${kept}`.replaceAll(",T", `,${T}`).split(";");

const dirty = HEAD + rows.map((line, k) => {
  const good = Array.from({ length: 150 }, (_, j) => {
    const [page, time] = [j >> 2, Number(T) + 40 * k + (j >> 2)];
    return `v${j % 31},i${j % 7},${time},${j % 3 ? 0 : 1},q${k}-${page},${j % 4}\n`;
  });
  return good.join("") + line + "\n";
}).join("");

const TIMES = ["T", "T.5", "T.0004", "1.6e9", "1600000001", "-3", "0", "1599999999.9996"];
const DATES = [
  ...["2020-03-01", "2020-03-01 09:05", "2020-03-01T09:05:58.123456", "2020-03-01 09:05:58.5"],
  ...["2020-03-01 09:05:58 UTC", "2020-03-01T09:05:58+0200", "2020-03-01 09:05:58 -05", "2020-03-01T09:05Z"],
  ...["1-Mar-2020", "01 MAR 2020", "1969-12-31 23:59:59.9995", "2020-03-01 09:05:58.1234567"],
  ...["2020-03-01 24:00:00", "2020-03-01 09:05:58.000001+18:00", "0001-01-01"],
];
function drawRows(times: readonly string[], seed: number): string {
  const row = fc.tuple(
    fc.constantFrom("u1", "u2", "u3", "U", " ", "ä", "z9"),
    fc.constantFrom("a", "b", "c", "d", "10", "9", "é"),
    fc.constantFrom(...times.map((time) => time.replace(/^T/, T))),
    fc.constantFrom("1", "0", "no", "T"),
    fc.constantFrom("p1", "p2", "p10"),
    fc.constantFrom("1", "2", "-1.5", "007", ".5", "3."),
  );
  return HEAD + fc.sample(row, { numRuns: 300, seed }).map((values) => `${values}\n`).join("");
}

/** Log with numeric ids in a struct and as floats, times of different precision, and some propensities. */
const TYPED = `SELECT {id: if(k = 7, NULL, k % 20)} AS user, if(k = 11, 'nan'::DOUBLE, k * 7 % 13) AS item,
  make_timestamp(1600000000000123 + k // 3 * 500) AS time, k % 3 = 0 AS clicked, k // 3 AS page,
  if(k = 30, NULL, k % 3 / 2)::FLOAT AS position, CASE WHEN k % 6 < 3 THEN 0.1 END AS propensity
  FROM range(900) AS t(k)`;

const ALL = ["page", "position"] as const;
const clean = makeCsv(
  makeShopLog(3, { users: 60, items: 40 }).rows.map(({ utility: _, ...row }) => ({ ...row })),
);
const days = Array.from({ length: 9 }, (_, k) => `2020-01-0${1 + k}`);
const logs: readonly Log[] = [
  { name: "clean", columns: ALL, csv: clean, pages: "log", whole: true },
  { name: "dirty", columns: ALL, csv: dirty + "\n", whole: true },
  { name: "drawn", columns: ALL, csv: drawRows(TIMES, 5), whole: true },
  { name: "dirty, without pages", columns: ["position"], csv: dirty },
  { name: "drawn, without pages and places", columns: [], csv: drawRows(TIMES, 6) },
  { name: "drawn, rows without a pause", columns: ["position"], csv: drawRows(TIMES, 6), gap: 1.5 },
  { name: "all clicked", columns: ALL, csv: clean.replace(/,[01]$/gm, ",1"), pages: "log", refused: true },
  { name: "drawn dates", columns: ["position"], csv: drawRows(DATES, 7) },
  { name: "nanoseconds", columns: [], csv: drawRows(["1600000000000000101", "1600000000000000201"], 8) },
  { name: "typed", columns: [...ALL, "propensity"], sql: TYPED },
  { name: "inexact ids", columns: ALL, sql: TYPED.replace("k * 7 % 13", "k / 2"), refused: true },
  { name: "too dirty", columns: ALL, csv: HEAD + rows.join("\n"), refused: true },
  { name: "whole days", columns: [], csv: drawRows(days, 9), pages: "log", refused: true },
  ...[`u1,"a,${T},1,p1,1`, `u1,a,${T},1,p1,"1`].map((line, k): Log => ({
    ...{ name: `an open quote ${k}`, columns: ALL, refused: true },
    csv: `${dirty}${line}\nu2,a,${T},1,p1,1\n`,
  })),
];

const listNames = (log: Log) => ({
  ...{ user: log.sql ? "user.id" : "user", item: "item", time: "time", clicked: "clicked" },
  ...Object.fromEntries(log.columns.map((name) => [name, name])),
});
const shownSelect = (files: string, { columns }: Log) =>
  "SELECT user_id AS user, item_id AS item, page_id AS page, epoch_ms(time) AS time, clicked" +
  columns.filter((name) => name !== "page").map((name) => `, ${name}`).join("") +
  ` FROM read_parquet(${formatLiteral(files)})`;

const OF_SET = {
  users: '"user"::BIGINT AS "user", id, split, pages::BIGINT AS pages, "rows"::BIGINT AS "rows"',
  items: "item::BIGINT AS item, id",
  pages:
    '"user"::BIGINT AS "user", page::BIGINT AS page, time::TIMESTAMP AS time, items::BIGINT[] AS items, ' +
    "clicked::BIGINT AS clicked, additional_clicks::BIGINT[] AS additional_clicks",
};

async function same(ours: string, theirs: string, columns: string, what: string): Promise<void> {
  const engine = await getSharedEngine();
  const rows = (path: string) => engine.rows(`SELECT ${columns} FROM read_parquet(${formatLiteral(path)})`);
  assert.deepEqual(await rows(theirs), await rows(ours), what);
}

Deno.test("spark: a log cleaned by the job makes the same set as data log", async () => {
  const folder = await makeFolderWith(
    Object.fromEntries(logs.map(({ name, csv = "" }) => [`${name}.csv`, csv])),
  );
  const source = ({ sql, name }: Log) => `${folder}/${name}.${sql ? "parquet" : "csv"}`;
  for (const log of logs) if (log.sql) await writeParquet(source(log), log.sql);
  const runs = logs.flatMap((log) =>
    (log.whole ? [8, 1] : [8]).map((parts) => ({ log, parts, out: `${folder}/${log.name}-${parts}` }))
  );
  const ends = await spark(runs.map(({ log, parts, out }) => [
    ...["--source", source(log), "--format", log.sql ? "parquet" : "csv"],
    ...["--out", out, "--parts", `${parts}`],
    ...Object.entries(listNames(log)).flatMap(([name, column]) => [`--${name}`, column]),
    ...log.gap ? ["--page-gap", `${log.gap}`] : [],
    ...log.pages ? [] : ["--pages-as-is"],
    ...log.whole && parts > 1 ? ["--set", `${out}-set`] : [],
  ]));
  if (!ends) {
    return console.log(
      `no pyspark in ${PYTHON}, or no Java: not run (pip install pyspark, and SPARK_PYTHON)`,
    );
  }
  const commands = (await Deno.readTextFile(getPath("../../data/spark/README.md"))).match(
    /^deno task -q data .*/gm,
  );
  assert.equal(
    ends[0]?.said,
    commands?.map((line) => `${line.replace("clean", runs[0]?.out ?? "")}\n`).join(""),
  );
  const prepared = (log: Log, read: Partial<LogOptions>) => {
    const recipe = logRecipe({ ...read, pages: log.pages ?? "as-is", itemIds: false });
    return prepareIn(folder, recipe, { shares: { train: 0.8, validation: 0.1 } });
  };
  const itself = async (log: Log) => {
    const { user, ...names } = listNames(log);
    if (!log.sql) return { source: source(log), user, ...names };
    const columns = Object.entries(names).map(([name, column]) => `${column} AS ${name}`);
    const select = `SELECT ${user} AS user, ${columns.join(", ")} FROM read_parquet(${
      formatLiteral(source(log))
    })`;
    await Deno.writeTextFile(`${folder}/${log.name}.sql`, select);
    return { query: `${folder}/${log.name}.sql` };
  };
  for (const [k, { log, parts, out }] of runs.entries()) {
    const what = `${log.name}, ${parts} parts`;
    const read = await itself(log);
    if (log.refused) {
      assert.notEqual(ends[k]?.refused, "", what);
      await assert.rejects(() => prepared(log, read), what);
      continue;
    }
    assert.equal(ends[k]?.refused, "", what);
    const ours = await prepared(log, { ...read, pageGap: log.gap });
    await Deno.writeTextFile(`${out}.sql`, shownSelect(`${out}/part-*.parquet`, log));
    const theirs = await prepared(log, { query: `${out}.sql` });
    const own = (part: string) => `${ours.folder}/${part}.parquet`;
    for (const part of Object.keys(OF_SET)) {
      // The job writes a page's time as its id if the log has no page ids.
      const columns = log.columns.includes("page") ? "*" : "COLUMNS(lambda c: c <> 'page_id')";
      await same(own(part), `${theirs.folder}/${part}.parquet`, columns, `${what}: ${part}`);
    }
    const { counts, pageOrder } = ours.manifest;
    assert.deepEqual([theirs.manifest.counts, theirs.manifest.pageOrder], [counts, pageOrder]);
    if (!log.whole || parts === 1) continue;
    for (const [part, columns] of Object.entries(OF_SET)) {
      await same(own(part), `${out}-set/${part}/*.parquet`, columns, `${what}: SQL's ${part}`);
    }
    // check adds the counts that a set by another program lacks.
    const checked = () => check(`${out}-set`, "500MB", () => {});
    const [first, again] = [await checked(), await checked()];
    assert.deepEqual([first.added, again.added, again.manifest.counts], [true, false, counts]);
    await openPrepared(`${out}-set`, { memoryRows: Infinity });
  }
});
