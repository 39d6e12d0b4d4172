import assert from "node:assert/strict";
import fc from "fast-check";
import { listUsers, NONE } from "../../src/data/click_log.ts";
import { toFloat32, toWholeNumber } from "../../src/data/parquet.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { UserError } from "../../src/user_error.ts";
import { makeFifo } from "../bad_inputs/files.ts";
import { expectRefusal, parseRows } from "../case_table.ts";
import { check } from "../../src/data/prepare/check_set.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { copySet, expectRefused, foreignLog, logPages, rewrite, withCopy, writeSet } from "../foreign_set.ts";
import { makeFolderWith } from "../prepared_folder.ts";

const rowNamed: Record<string, number> = {
  wide: logPages.findIndex((e) => (foreignLog.eventRows[e + 1] ?? 0) - (foreignLog.eventRows[e] ?? 0) > 1),
  given: logPages.findIndex((e) => foreignLog.eventKind?.[e] === 1),
  several: logPages.findIndex((e) => foreignLog.eventKind?.[e + 1] === 2),
  idle: logPages.findIndex((e) => foreignLog.eventClick[e] === NONE),
};
const ALSO =
  "expected additional_clicks to be other positions on its page of # items, each item once, and empty without a click, got";

/** Cases that change a value. A row has table, column, row, new value in SQL (old value: x), and message. */
const values = parseRows(`
  users | user | 3 | NULL | users.parquet: user 3: expected users numbered 0, 1, 2, ... in order, got NULL
  users | user | 3 | 3.25::DOUBLE | user 3: expected users numbered … got 3.25
  users | user | 3 | -3 | user 3: expected users numbered … got -3
  users | split | 3 | NULL | user 3: expected split to be train, validation, test, got NULL
  users | split | 3 | 'Train' | user 3: expected split to be … got Train
  users | pages | 3 | NULL | user 3: expected pages to be a whole number … got NULL
  users | pages | 3 | 1.5::DOUBLE | user 3: expected pages to be a whole number … got 1.5
  users | pages | 3 | 1e300 | user 3: expected pages to be a whole number … got 1e+300
  users | pages | 3 | 0 | user 3: expected rows to be at least one for each of pages = 0, … got #
  users | pages | 3 | 100 | user 3: expected rows to be at least one for each of pages = 100
  users | rows | 3 | NULL | user 3: expected rows to be a whole number … got NULL
  users | rows | 3 | 'nan'::DOUBLE | user 3: expected rows to be a whole number … got NaN
  users | rows | 3 | 5000000000::BIGINT | user 3: expected rows to be a whole number … got 5000000000
  users | rows | 3 | x + 1 | expected # displayed items of user 3, according to the table of users, got #
  items | item | 5 | NULL | items.parquet: item 5: expected items numbered 0, 1, 2, ... in order, got NULL
  items | dense | 5 | NULL | item 5: expected 2 dense features as in the manifest, got NULL
  items | dense | 5 | [1, NULL]::FLOAT[] | item 5: expected finite features, got NULL for f1 in dense
  items | dense | 5 | [1e300, 1]::DOUBLE[]
    | item 5: expected features that a 32-bit float holds … got 1e+300 for f0 in dense
  items | dense | 5 | [1, -1e39]::DOUBLE[]
    | item 5: expected features that a 32-bit float holds … got -1e+39 for f1
  items | dense | 5 | [1, 'nan'::FLOAT] | item 5: expected finite features, got NaN for f1 in dense
  items | dense | 5 | ['-inf'::FLOAT, 1] | item 5: expected finite features, got -Infinity for f0
  items | tokens | 5 | NULL | item 5: expected tokens to be a list, an empty one for none, got NULL
  items | tokens | 5 | [NULL]::UINTEGER[] | item 5: expected tokens of 0..8, got NULL
  items | tokens | 5 | [-1]::INTEGER[] | item 5: expected tokens of 0..8, got -1
  items | tokens | 5 | [4294967296]::BIGINT[] | item 5: expected tokens of 0..8, got 4294967296
  items | tokens | 5 | [2, 1, 2]::UINTEGER[] | item 5: expected each token once, got 2, 1, 2
  pages | user | 4 | NULL | pages.parquet: page 5: expected user # (pages are sorted by user… got NULL
  pages | user | 4 | x + 0.4::DOUBLE | page 5: expected user # … got #.4
  pages | page | 4 | NULL | page 5: expected page # of user # (pages of a user are numbered… got NULL
  pages | page | 4 | x + 1 | page 5: expected page # of user # … got #
  pages | items | 4 | NULL | page 5: expected a list of displayed items, got NULL
  pages | items | 4 | []::INTEGER[] | page 5: expected a list of displayed items, got an empty list
  pages | items | wide | [x[1], NULL] | expected items of 0..11, got NULL
  pages | items | wide | [x[1], 3.5::DOUBLE] | expected items of 0..11, got 3.5
  pages | items | wide | [x[1], -1::BIGINT] | expected items of 0..11, got -1
  pages | items | wide | [x[1], 12] | expected items of 0..11, got 12
  pages | items | wide | [x[1], 9007199254740993::BIGINT] | expected items of 0..11, got 9007199254740993
  pages | clicked | wide | -1
    | expected clicked to be a position on its page of # items, from 0, or null for no click, got -1
  pages | clicked | wide | 4294967295::BIGINT | expected clicked to be a position … got 4294967295
  pages | clicked | wide | 'nan'::DOUBLE | expected clicked to be a position … got NaN
  pages | clicked | given | NULL
    | expected a context event to have one item, which is clicked, got 1 items, clicked: NULL
  pages | additional_clicks | several | NULL | expected additional_clicks to be a list, an empty one for no additional click, got NULL
  pages | additional_clicks | several | [clicked] | ALSO
  pages | additional_clicks | several | list_concat(x, x) | ALSO
  pages | additional_clicks | several | [len(items)] | ALSO
  pages | additional_clicks | several | [-1] | ALSO
  pages | additional_clicks | several | [NULL]::INTEGER[] | ALSO
  pages | additional_clicks | idle | [0] | ALSO
  pages | context | 4 | NULL | page 5: expected context to be true or false, got NULL
`);

const changeValue = (column: string, row: number, value: string) =>
  `SELECT * EXCLUDE n REPLACE (CASE WHEN n = ${row} THEN ${
    value.replaceAll(/\bx\b/g, `"${column}"`)
  } ELSE "${column}" END AS "${column}") ` +
  "FROM (SELECT *, row_number() OVER () - 1 AS n FROM t)";

/** Cases that change a column's type. A row has table, column, SQL of the values, and message. */
const types = parseRows(`
  users | user | x::VARCHAR | users.parquet: user 0: expected users numbered … got "0"
  users | pages | true | user 0: expected pages to be a whole number … got true
  users | split | 1 | expected split to be train, validation, test, got 1
  items | item | x::VARCHAR | item 0: expected items numbered … got "0"
  items | item | NULL::VARCHAR | items.parquet: item 0: expected items numbered … got NULL
  items | dense | x::VARCHAR[] | item 0: expected finite features, got "
  items | dense | 1.5::FLOAT | item 0: expected 2 dense features as in the manifest, got 1.5
  items | dense | [true, false] | item 0: expected finite features, got true for f0
  items | dense | [x] | item 0: expected 2 dense features as in the manifest, got 1
  items | tokens | 'a' | item 0: expected tokens to be a list, an empty one for none, got a
  items | tokens | [{a: 1}] | items.parquet: … expected tokens of 0..8, got a structure
  pages | user | x::VARCHAR | page 1: expected user 0 … got "0"
  pages | items | array_to_string(x, ' ') | page 1: expected a list of displayed items, got "
  pages | items | list_transform(x, lambda i: i + 0.5) | page 1: expected items of 0..11, got #.5
  pages | items | x::VARCHAR[] | page 1: expected items of 0..11, got "
  pages | items | {list: x} | page 1: expected a list of displayed items, got a structure
  pages | clicked | false | page 1: expected clicked to be a position … got false
  pages | clicked | TIME '01:02:03' | page 1: expected clicked to be a position … got
  pages | page | x + 1 | page 1: expected page 0 of user 0 … got 1
  pages | context | true | expected a context event to have one item, which is clicked, got
  pages | context | 'false' | page 1: expected context to be true or false, got false
`);

/** Cases that change rows or columns. A row has table, query over the table's rows t, and message. */
const tables = parseRows(`
  users | FROM t LIMIT 0 | expected at least one user, got none
  items | FROM t LIMIT 0 | expected at least one item, got none
  pages | FROM t LIMIT 0
    | expected # pages with # displayed items, according to the table of users, got 0 with 0
  pages | FROM t UNION ALL SELECT 30, 0, [1], 0, [], false
    | expected no more than the # pages that users has, got one
  users | SELECT * FROM t UNION ALL SELECT 30, 'x', 'test', 0, 3
    | user 30: expected rows to be at least one for each of pages = 0
  users | SELECT * REPLACE (CASE "user" WHEN 0 THEN rows + 1 WHEN (SELECT arg_max("user", rows - pages) FROM t) THEN rows - 1 ELSE rows END AS rows) FROM t
    | expected # displayed items of user 0, according to the table of users, got #
  pages | SELECT * EXCLUDE items, {items: items} AS page_of FROM t
    | expected the columns user, items, clicked, items is missing; got user, page, clicked, additional_clicks, context, page_of
  users | FROM t WHERE "user" <> 5 | user 5: expected users numbered … got 6
  users | FROM t UNION ALL SELECT * FROM t WHERE "user" = 5 ORDER BY "user" | user 6: expected users numbered … got 5
  items | FROM t WHERE item <> 5 | item 5: expected items numbered … got 6
  pages | FROM t WHERE "user" <> 7 | expected user 7 (pages are sorted by user… got 8
  pages | FROM t UNION ALL SELECT * FROM t WHERE "user" = 3 ORDER BY "user", page
    | expected user 4 (pages are sorted by user… got 3
  users | FROM t ORDER BY xor("user", 2) | user 0: expected users numbered … got 2
  items | FROM t ORDER BY xor(item, 8) | item 0: expected items numbered … got 8
  pages | FROM t ORDER BY xor("user", 4), page | page 1: expected user 0 (pages are sorted by user… got 4
  pages | FROM t ORDER BY "user", xor(page, 1) | expected page # of user # (pages of a user are numbered… got #
  pages | SELECT * EXCLUDE clicked FROM t | expected the columns user, items, clicked, clicked is missing
  users | SELECT "user" AS u FROM t
    | expected the columns user, split, pages, rows, user, split, pages, rows are missing; got u
`);

const wrong: Record<string, string[][]> = {
  "an invalid value is refused, with its position": values.map((
    [part = "", column = "", row = "", value = "", says = ""],
  ) => [part, changeValue(column, rowNamed[row] ?? Number(row), value), says === "ALSO" ? ALSO : says]),
  "a column of a wrong type is refused, with one of its values": types.map((
    [part = "", column = "", value = "", says = ""],
  ) => [part, `SELECT * REPLACE (${value.replaceAll(/\bx\b/g, `"${column}"`)} AS "${column}") FROM t`, says]),
  "missing, surplus and nested columns, and rows with wrong sums are refused": tables,
};
for (const [name, cases] of Object.entries(wrong)) {
  Deno.test(name, async () => {
    for (const [part = "", sql = "", says = ""] of cases) {
      const folder = await copySet();
      await rewrite(folder, part, sql);
      await expectRefused(folder, says, `${part}: ${sql}`);
    }
  });
}

Deno.test("only whole numbers in range, and finite numbers in the range of f32, are numbers", () => {
  const none = [null, undefined, 0.5, -1, -1n, NaN, 7, 7n, 9007199254740993n, 1e39, "3", true];
  for (const value of none) assert.equal(toWholeNumber(value, 7), -1, String(value));
  for (const value of [6, 6n]) assert.equal(toWholeNumber(value, 7), 6);
  for (const value of [null, NaN, Infinity, 1e39, "3", true]) assert.ok(Number.isNaN(toFloat32(value)));
});

Deno.test("changed, missing or repeated bytes end with a message", async () => {
  const folder = await copySet();
  for (const part of ["users", "items", "pages"]) {
    const path = `${folder}/${part}.parquet`;
    const bytes = await Deno.readFile(path);
    const place = fc.nat(bytes.length - 1);
    await fc.assert(
      fc.asyncProperty(
        place,
        place,
        fc.nat(255),
        fc.constantFrom("set", "cut", "double"),
        async (a, b, byte, how) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const changeValue = how === "set"
            ? bytes.with(a, byte)
            : how === "cut"
            ? Uint8Array.of(...bytes.subarray(0, from), ...bytes.subarray(to))
            : Uint8Array.of(...bytes.subarray(0, to), ...bytes.subarray(from));
          await Deno.writeFile(path, changeValue);
          try {
            const set = await openPreparedSet(folder);
            await set.readItems(() => {});
            await set.readClicks(12, () => {});
          } catch (error) {
            assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
          }
        },
      ),
      { numRuns: 300, seed: 3 },
    );
    await Deno.writeFile(path, bytes);
  }
});

Deno.test("check adds counts and checksums once; a file changed since then is refused", async () => {
  const folder = await makeFolderWith();
  await writeSet(folder, foreignLog, { files: 3 });
  const checked = () => check(folder, "500MB", () => {});
  const [first, again] = [await checked(), await checked()];
  assert.deepEqual([first.added, again.added], [true, false]);
  assert.equal(again.manifest.counts?.pages, logPages.length);
  await openPrepared(folder, { memoryRows: Infinity });
  await rewrite(folder, "pages/part-00001", "SELECT *, 1 AS more FROM t");
  await expectRefused(folder, `${folder}/pages does not match the manifest`);
  await assert.rejects(checked, /pages does not match the manifest/);
});

const files: Readonly<Record<string, (folder: string) => Promise<void> | void>> = {
  "pages.parquet: not a Parquet file, or a damaged one (it does not begin with PAR1)": (f) =>
    cut(f, "pages", 50),
  "items.parquet: not a Parquet file…does not end with PAR1": (f) => cut(f, "items", 0, 1),
  "pages.parquet: expected a Parquet file, got an empty file. Prepare": (f) => write(f, "pages.parquet", ""),
  "pages.parquet: …it has 8 bytes": (f) => write(f, "pages.parquet", "PAR1PAR1"),
  "pages.parquet: not a Parquet file": (f) => write(f, "pages.parquet", "PAR1\0\0\0\0PAR1"),
  "pages.parquet: expected a plain Parquet file, got an encrypted one": (f) =>
    write(f, "pages.parquet", "PARE12345678PARE"),
  "pages.parquet: expected one column user, got several. Keep one": (f) => renamed(f, "page", "user"),
  "users.parquet: not a Parquet file…does not begin with PAR1": (f) =>
    write(f, "users.parquet", "user,split\n0,train\n"),
  "users.parquet: expected a Parquet file, got a folder. Rename the folder to users": (f) =>
    isFolder(f, "users.parquet", "users.parquet"),
  "Expected users.parquet or a folder users in …, got both": (f) => Deno.mkdir(`${f}/users`),
  "Expected users.parquet, or a folder users of Parquet files, … got neither": (f) =>
    isFolder(f, "users.parquet", "users"),
  "pages: expected files that end in .parquet, got part-1.csv, which would be left out": (f) =>
    inFolder(f, "part-1.csv"),
  "items.parquet is a link to …none, which is missing. Correct or remove the link": (f) =>
    relinked(f, "items.parquet", `${f}/none`),
  "cannot read …items.parquet: links lead to each other": (f) =>
    relinked(f, "items.parquet", "items.parquet"),
  "pages.parquet: expected a Parquet file, got a character device": (f) =>
    relinked(f, "pages.parquet", "/dev/null"),
  "manifest.json: expected a regular file, got a character device": (f) =>
    relinked(f, "manifest.json", "/dev/zero"),
  "manifest.json: expected a regular file, got a folder": (f) =>
    isFolder(f, "manifest.json", "manifest.json"),
  "Expected a prepared data set (a folder with manifest.json), got /…, which has no such file": (f) =>
    Deno.remove(`${f}/manifest.json`),
  "is not valid JSON": (f) => write(f, "manifest.json", "{"),
  "Expected pages.parquet, or a folder pages of Parquet files": (f) => Deno.remove(`${f}/pages.parquet`),
};

async function renamed(folder: string, from: string, to: string): Promise<void> {
  const bytes = await Deno.readFile(`${folder}/pages.parquet`);
  const latin1 = new TextDecoder("latin1").decode(bytes).replaceAll(from, to);
  await Deno.writeFile(
    `${folder}/pages.parquet`,
    bytes.map((byte, k) => latin1.charCodeAt(k) < 256 ? latin1.charCodeAt(k) : byte),
  );
}
const write = (folder: string, name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
async function cut(folder: string, part: string, before: number, behind = 0): Promise<void> {
  const path = `${folder}/${part}.parquet`;
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.slice(before, bytes.length - behind));
}
async function isFolder(folder: string, file: string, name: string): Promise<void> {
  await Deno.remove(`${folder}/${file}`);
  await Deno.mkdir(`${folder}/${name}`);
}
async function inFolder(folder: string, name: string): Promise<void> {
  await Deno.mkdir(`${folder}/pages`);
  await Deno.rename(`${folder}/pages.parquet`, `${folder}/pages/part-0.parquet`);
  await Deno.writeTextFile(`${folder}/pages/_SUCCESS`, "");
  await Deno.writeTextFile(`${folder}/pages/${name}`, "");
}
async function relinked(folder: string, name: string, target: string): Promise<void> {
  await Deno.remove(`${folder}/${name}`);
  await Deno.symlink(target, `${folder}/${name}`);
}

Deno.test("incomplete Parquet files are refused by name", async () => {
  for (const [says, change] of Object.entries(files)) {
    const folder = await copySet();
    await change(folder);
    await expectRefused(folder, says);
  }
});

Deno.test("a FIFO in a data set does not block", { ignore: Deno.build.os === "windows" }, async () => {
  const parts = ["users", "items", "pages"];
  const files = ["manifest.json", ...parts.map((part) => `${part}.parquet`)];
  for (const name of [...files, ...parts.map((part) => `${part}/2.parquet`)]) {
    const folder = await copySet();
    const [, part] = /(.*)\/2/.exec(name) ?? [];
    if (part === undefined) await Deno.remove(`${folder}/${name}`);
    else {
      await Deno.mkdir(`${folder}/${part}`);
      await Deno.rename(`${folder}/${part}.parquet`, `${folder}/${part}/1.parquet`);
    }
    await makeFifo(name)(folder);
    await expectRefused(folder, /expected a (regular|Parquet) file, got a FIFO/, name);
  }
});

const fields = (...tokens: { name?: string; first: number; count: number }[]) => ({
  features: {
    dense: [{ name: "f0" }, { name: "f1" }],
    tokens: tokens.map((field) => ({ name: "t", ...field })),
  },
});
const counts = {
  users: { train: 10, validation: 10, test: 10 },
  items: 12,
  pages: logPages.length,
  rows: logPages.reduce((sum, e) => sum + foreignLog.eventRows[e + 1]! - foreignLog.eventRows[e]!, 0),
  clicks: 0,
  context: 0,
};
const none: readonly Record<string, unknown>[] = [
  { format: "x" },
  fields({ first: 0, count: 2 ** 60 }),
  fields({ first: 0, count: -1 }),
  fields({ first: -1, count: 3 }),
  fields({ first: 0.5, count: 1 }),
  { counts: { ...counts, clicks: undefined } },
];
const manifests: Readonly<Record<string, Record<string, unknown>>> = {
  '"t" has the tokens 0 to 999999999999, expected at most 100,000,000 tokens, because a model': fields({
    first: 0,
    count: 1e12,
  }),
  "expected at most 100,000,000": fields({ first: 1e15, count: 1 }),
  'expected fields with different token numbers, but "t" has 0 to 8 and "u" begins at 8': fields(
    { first: 0, count: 9 },
    { name: "u", first: 8, count: 3 },
  ),
  "expected 11 users of the train part as in the manifest, got 10": {
    counts: { ...counts, users: { ...counts.users, train: 11 } },
  },
  "expected 1 pages as in the manifest, got #": { counts: { ...counts, pages: 1 } },
  "expected 1 displayed items as in the manifest, got #": { counts: { ...counts, rows: 1 } },
  "expected 13 items as in the manifest, got 12": { counts: { ...counts, items: 13 } },
  "expected 0 clicks as in the manifest, got #": { counts },
  "pages.parquet does not match the manifest (SHA-256 …it was damaged or changed": {
    files: { pages: { rows: logPages.length, bytes: 1, sha256: "0".repeat(64) } },
  },
};

Deno.test("an inconsistent manifest is refused", async () => {
  const cases = [
    ...Object.entries(manifests),
    ...none.map((change) => ["is not a manifest", change] as const),
  ];
  for (const [says, change] of cases) {
    const folder = await copySet();
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`));
    await write(folder, "manifest.json", JSON.stringify({ ...manifest, ...change }));
    await expectRefusal(() => openPrepared(folder, { memoryRows: Infinity }), says, JSON.stringify(change));
  }
});

Deno.test("describe counts as the baselines do, including pages of several clicks", () =>
  withCopy(async (folder) => {
    const { parts } = await describe(folder, "500MB");
    for (const { split, uniformLoss, clicks, events } of parts) {
      const users = listUsers(foreignLog, split === "train" || split === "test" ? split : "validation");
      const found = FittedBaselines.of(foreignLog).test(users).get("random") ?? assert.fail();
      const { nll, noClick } = found.details.metrics;
      const pairs = [uniformLoss, nll, 1 - clicks / events, noClick];
      for (let k = 0; k < pairs.length; k += 2) {
        assert.ok(Math.abs(pairs[k]! - pairs[k + 1]!) < 1e-12, `${k} ${pairs}`);
      }
    }
  }));

Deno.test("64-bit integers, and whole numbers as doubles, are read unchanged", async () => {
  for (const type of ["BIGINT", "DOUBLE", "UBIGINT", "USMALLINT"]) {
    const folder = await copySet();
    const as = (...columns: string[]) => columns.map((c) => `"${c}"::${type} AS "${c}"`).join(", ");
    await rewrite(folder, "users", `SELECT * REPLACE (${as("user", "pages", "rows")}) FROM t`);
    await rewrite(
      folder,
      "items",
      `SELECT * REPLACE (${as("item")}, tokens::${type}[] AS tokens, dense::DOUBLE[] AS dense) FROM t`,
    );
    await rewrite(
      folder,
      "pages",
      `SELECT * REPLACE (${
        as("user", "page", "clicked")
      }, items::${type}[] AS items, additional_clicks::${type}[] AS additional_clicks) FROM t`,
    );
    const { source } = await openPrepared(folder, { memoryRows: Infinity });
    const { name: _, ...read } = source.log ?? assert.fail();
    const { name: __, ...expected } = foreignLog;
    assert.deepEqual(read, expected, type);
    assert.equal((await describe(folder, "500MB")).items, 12);
  }
});
