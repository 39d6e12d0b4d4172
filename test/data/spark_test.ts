/** Logs that Spark has cleaned, in 1 and 8 parts: what `data log` makes of them is what it makes of the logs themselves. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "../../src/schema.ts";
import { check as checkSet } from "../../src/data/prepare/check.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { type LogOptions, logRecipe } from "../../src/data/prepare/log.ts";
import type { PrepareOptions } from "../../src/data/prepare/prepare.ts";
import { literal } from "../../src/data/prepare/engine.ts";
import { csvOf, madeShop } from "./made_logs.ts";
import { folderWith, oneEngine, parquet, prepareIn } from "../prepared_folder.ts";

/** A Python with pyspark, for whoever has one. */
const PYTHON = Deno.env.get("SPARK_PYTHON") ?? "python3";

/** How each case of {@link run} ended: "" or the message; undefined without Spark. */
async function spark(cases: readonly (readonly string[])[]): Promise<string[] | undefined> {
  const [driver, job] = ["spark_cases.py", "../../data/spark/shown.py"].map((path) =>
    new URL(path, import.meta.url).pathname
  );
  const input = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(input, JSON.stringify(cases));

    const args = ["-c", 'exec "$0" -B "$1" "$2" < "$3"', PYTHON, driver ?? "", job ?? "", input];
    const { code, stdout, stderr } = await new Deno.Command("sh", { args }).output();
    if (code === 3 || code === 127) return undefined;
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stderr).slice(-3000));
    return v.parse(v.array(v.string()), JSON.parse(decoder.decode(stdout).trim().split("\n").at(-1) ?? ""));
  } finally {
    await Deno.remove(input);
  }
}

interface Log {
  readonly name: string;
  /** Beside user, item, time and clicked. */
  readonly columns?: readonly ("page" | "position" | "propensity")[];
  /** The log, or a query that writes it as Parquet. */
  readonly csv?: string;
  readonly sql?: string;
  /** The job writes the whole set, too. */
  readonly whole?: boolean;
  /** Both refuse it. */
  readonly refused?: boolean;
}

type Row = Readonly<Record<string, unknown>>;
const row = (
  user: unknown,
  item: unknown,
  time: unknown,
  clicked: unknown,
  page: unknown,
  position: unknown,
): Row => ({
  user,
  item,
  time,
  clicked,
  page,
  position,
});

/** Each row of `bad` among a hundred and fifty good ones. */
const among = (bad: readonly Row[]): Row[] =>
  bad.flatMap((one, k) => [
    ...Array.from({ length: 150 }, (_, j) =>
      row(
        `v${j % 31}`,
        `i${j % 7}`,
        `${1_600_000_000 + k * 40 + Math.floor(j / 4)}`,
        j % 3 === 0 ? 1 : 0,
        `q${k}-${Math.floor(j / 4)}`,
        j % 4,
      )),
    one,
  ]);

const T = "1600000000";
const broken = [
  row("", "a", T, 1, "p1", 1),
  row("\\N", "a", T, 1, "p1", 1),
  row("u1", "", T, 1, "p1", 1),
  row("u1", "a", "", 1, "p1", 1),
  row("u1", "a", "yesterday", 1, "p1", 1),
  row("u1", "a", "2020-02-30", 1, "p1", 1),
  row("u1", "a", "2020-01-01T00:00:00Z", 1, "p1", 1),
  row("u1", "a", T, "", "p1", 1),
  row("u1", "a", T, "perhaps", "p1", 1),
  row("u1", "a", T, 1, "", 1),
  row("u1", "a", T, 1, "p1", "first"),
  row("u1", "a", T, 1, "p1", "inf"),
];
const kept = [
  // Several clicks, an item twice, ids with spaces, quotes and line ends, words for clicks, one id of two users' pages.
  row("u1", "a", T, " TRUE ", "p1", 2),
  row("u1", "b", T, "yes", "p1", " 1e0 "),
  row("u1", "b", "1600000000.25", "n", "p1", "3.5"),
  row("u1", "c", T, "1.0", "p1", 3),
  row(" u1", 'say "a, b"', T, "f", "p1", -1),
  row("u1\nU", "ü\u{1f600}", " 1600000001.0005 ", "t", "p1", 0),
];

const anyRow = fc.record({
  user: fc.constantFrom("u1", "u2", "u3", "U", " ", "ä", "z9"),
  item: fc.constantFrom("a", "b", "c", "d", "10", "9", "é"),
  time: fc.constantFrom(
    T,
    "1600000000.5",
    "1600000000.0004",
    "1.6e9",
    "1600000001",
    "-3",
    "0",
    "1599999999.9996",
  ),
  clicked: fc.constantFrom("1", "0", "no", "T"),
  page: fc.constantFrom("p1", "p2", "p10"),
  position: fc.constantFrom("1", "2", "-1.5", "007", ".5", "3."),
});
const anyDate = fc.constantFrom(
  ...[
    "2020-03-01",
    "2020-03-01 09:05",
    "2020-03-01T09:05:58.123456",
    "2020-03-01 09:05:58,5",
    "2020-03-01 09:05:58 UTC",
  ],
  ...[
    "2020-03-01T09:05:58+0200",
    "2020-03-01 09:05:58 -05",
    "2020-03-01T09:05Z",
    "1-Mar-2020",
    "01 mar 2020",
    "1969-12-31 23:59:59.9995",
  ],
  ...["2020-03-01 09:05:58.1234567", "2020-03-01 24:00:00", "2020-03-01 09:05:58.000001+18:00", "0001-01-01"],
);
const [made, dates] = [
  fc.sample(fc.array(anyRow, { minLength: 60, maxLength: 120 }), { numRuns: 3, seed: 5 }),
  fc.sample(
    fc.array(
      fc.record({
        ...{ user: fc.constantFrom("u1", "u2"), item: fc.constantFrom("a", "b", "c") },
        time: anyDate,
        clicked: fc.constantFrom("1", "0"),
        page: fc.constantFrom("p1", "p2"),
        position: fc.nat(3),
      }),
      { minLength: 200, maxLength: 200 },
    ),
    { numRuns: 1, seed: 6 },
  )[0] ?? [],
];

/** Ids that are numbers, some of which a float has lost, within a struct; times of several digits; a yes or no. */
const TYPED = `SELECT {id: if(k = 7, NULL, k % 20)} AS user, if(k = 11, 'nan'::DOUBLE, k * 7 % 13) AS item,
  make_timestamp(1600000000000123 + k // 3 * 500) AS time, k % 3 = 0 AS clicked, k // 3 AS page, if(k = 30, NULL, k % 3 / 2)::FLOAT AS position,
  CASE WHEN k % 6 < 3 THEN 0.1 END AS propensity FROM range(900) AS t(k)`;

const ALL = ["page", "position"] as const;
const clean = csvOf(madeShop(3, { users: 60, items: 40 }).rows.map(({ utility: _, ...row }) => ({ ...row })));
const logs: readonly Log[] = [
  { name: "clean", columns: ALL, csv: clean, whole: true },
  { name: "without pages and places", csv: clean },
  {
    name: "dirty",
    columns: ALL,
    csv: csvOf(among([...broken, ...kept])) + "u1,short\n\nu1,a,1600000000,1,p1,1,long\n",
    whole: true,
  },
  { name: "dirty, without pages", columns: ["position"], csv: csvOf(among([...broken, ...kept])) },
  ...made.flatMap((
    rows,
    k,
  ): Log[] => [{ name: `made ${k}`, columns: k % 2 ? ["position"] : ALL, csv: csvOf(rows), whole: k === 0 }]),
  { name: "dates", columns: ["position"], csv: csvOf(dates) },
  {
    name: "microseconds",
    csv: csvOf((made[0] ?? []).map((row, k) => ({ ...row, time: `16000000000${10000 + k % 7}` }))),
  },
  {
    name: "nanoseconds",
    csv: csvOf((made[0] ?? []).map((row, k) => ({ ...row, time: `160000000000000${1000 + k % 7}` }))),
  },
  { name: "typed", columns: [...ALL, "propensity"], sql: TYPED },
  { name: "inexact ids", columns: ALL, sql: TYPED.replace("k * 7 % 13", "k / 2"), refused: true },
  { name: "too dirty", columns: ALL, csv: csvOf([...broken, ...kept]), refused: true },
  {
    name: "whole days",
    csv: csvOf((made[0] ?? []).map((row, k) => ({ ...row, time: `2020-01-0${1 + k % 9}` }))),
    refused: true,
  },
  {
    name: "an open quote",
    columns: ALL,
    csv: csvOf(among(kept)) + `u1,"a,${T},1,p1,1\n`.padEnd(9000, `u2,a,${T},1,p1,1\n`),
    refused: true,
  },
];
const asIs = ({ name, refused }: Log) => !refused && name !== "clean";

const namesOf = (log: Log) => ({
  user: log.sql ? "user.id" : "user",
  item: "item",
  time: "time",
  clicked: "clicked",
  ...more(log),
});
const shownNames = {
  user: "user_id",
  item: "item_id",
  time: "time",
  clicked: "clicked",
  page: "page_id",
  timeFormat: "milliseconds",
};
const more = ({ columns = [] }: Log) => Object.fromEntries(columns.map((name) => [name, name]));

Deno.test("spark: a log that the job has cleaned makes the set that data log makes of it", async () => {
  const folder = await folderWith(Object.fromEntries(logs.map(({ csv = "" }, k) => [`${k}.csv`, csv])));
  const source = ({ sql }: Log, k: number) => `${folder}/${k}.${sql ? "parquet" : "csv"}`;
  for (const [k, log] of logs.entries()) if (log.sql) await parquet(source(log, k), log.sql);
  const runs = logs.flatMap((log, k) =>
    (log.whole ? [1, 8] : [8]).map((parts) => ({ log, k, parts, out: `${folder}/shown-${k}-${parts}` }))
  );
  const flags = (columns: Readonly<Record<string, string>>) =>
    Object.entries(columns).flatMap(([name, column]) => [`--${name}`, column]);
  const ends = await spark(runs.map(({ log, k, parts, out }) => [
    ...["--source", source(log, k), "--format", log.sql ? "parquet" : "csv"],
    ...["--out", out, "--parts", `${parts}`, ...flags(namesOf(log))],
    ...asIs(log) ? ["--pages-as-is"] : [],
    ...log.whole ? ["--set", `${out}-set`] : [],
  ]));
  if (!ends) {
    return console.log(
      `no pyspark in ${PYTHON}, or no Java: not run (pip install pyspark, and SPARK_PYTHON)`,
    );
  }
  const options: Partial<PrepareOptions> = { shares: { train: 0.8, validation: 0.1 } };
  const prepared = async (path: string, log: Log, columns: Pick<LogOptions, "user" | "time" | "item">) => {
    const pages = asIs(log) ? "as-is" : "log";
    return await prepareIn(folder, logRecipe({ ...columns, source: path, pages, itemIds: false }), options);
  };
  for (const [j, { log, k, parts, out }] of runs.entries()) {
    const what = `${log.name}, ${parts} parts`;
    const direct = () => prepared(source(log, k), log, namesOf(log));
    if (log.refused) {
      assert.notEqual(ends[j], "", what);
      await assert.rejects(direct, what);
      continue;
    }
    assert.equal(ends[j], "", what);
    const ours = await direct();
    const theirs = await prepared(`${out}/part-*.parquet`, log, { ...more(log), ...shownNames });
    for (const [part, columns] of Object.entries(OF_SET)) {
      const own = `${ours.folder}/${part}.parquet`;
      await same(own, `${theirs.folder}/${part}.parquet`, "*", `${what}: ${part}`);
      if (log.whole) await same(own, `${out}-set/${part}/*.parquet`, columns, `${what}: ${part} of SQL`);
    }
    const { counts, places } = ours.manifest;
    assert.deepEqual([theirs.manifest.counts, theirs.manifest.places], [counts, places]);
    if (!log.whole) continue;
    // What a foreign set lacks is added, and does not hold once a file is another one.
    const check = () => checkSet(`${out}-set`, "500MB", () => {});
    assert.deepEqual([(await check()).added, (await check()).added], [true, false]);
    assert.deepEqual((await check()).manifest.counts, counts);
    await openPrepared(`${out}-set`, { memoryRows: Infinity });
  }
});

/** What a foreign set has of the tables. */
const OF_SET: Readonly<Record<string, string>> = {
  users: '"user"::BIGINT AS "user", id, split, pages::BIGINT AS pages, "rows"::BIGINT AS "rows"',
  items: "item::BIGINT AS item, id",
  pages:
    `"user"::BIGINT AS "user", page::BIGINT AS page, time::TIMESTAMP AS time, items::BIGINT[] AS items, clicked::BIGINT AS clicked, also::BIGINT[] AS also`,
};

/** Two tables have the same rows in the same order. */
async function same(ours: string, theirs: string, columns: string, what: string): Promise<void> {
  const engine = await oneEngine();
  const rows = (path: string) => engine.rows(`SELECT ${columns} FROM read_parquet(${literal(path)})`);
  assert.deepEqual(await rows(theirs), await rows(ours), what);
}
