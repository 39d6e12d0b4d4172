/**
 * Prepared data sets that others wrote wrongly: refused, with the place, the column, and what is expected and found; and what is
 * made wrong at random ends with a message, whatever it is that is wrong.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { NONE } from "../../src/data/click_log.ts";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { UserError } from "../../src/user_error.ts";
import { rowsOf } from "../case_table.ts";
import { check } from "../../src/data/prepare/check.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { copiedSet, foreignLog, foreignPages, refuses, rewrite, writeSet } from "../foreign_set.ts";
import { folderWith } from "../prepared_folder.ts";

/** Rows of a part by what they are. */
const rowNamed: Record<string, number> = {
  /** A page of two items or more. */
  wide: foreignPages.findIndex((e) =>
    (foreignLog.eventRows[e + 1] ?? 0) - (foreignLog.eventRows[e] ?? 0) > 1
  ),
  given: foreignPages.findIndex((e) => foreignLog.eventGiven?.[e] === 1),
  /** A page of several clicks, and one without a click. */
  several: foreignPages.findIndex((e) => foreignLog.eventGiven?.[e + 1] === 2),
  idle: foreignPages.findIndex((e) => foreignLog.eventClick[e] === NONE),
};
const ALSO =
  "expected also to be places on its page of # items whose items are clicked once, and none without a click, found";

/** One value of a column is another: part, column, row from 0, value in SQL (x is the old one), what is said. */
const values = rowsOf(`
  users | user | 3 | NULL | users.parquet: user 3: expected users numbered 0, 1, 2, ... in order, found NULL
  users | user | 3 | 3.25::DOUBLE | user 3: expected users numbered … found 3.25
  users | user | 3 | 3.0::DOUBLE + 1 | user 3: expected users numbered … found 4
  users | user | 3 | -3 | user 3: expected users numbered … found -3
  users | user | 3 | 4294967299::BIGINT | user 3: expected users numbered … found 4294967299
  users | split | 3 | NULL | user 3: expected split to be train, validation, test, found NULL
  users | split | 3 | 'Train' | user 3: expected split to be … found Train
  users | pages | 3 | NULL | user 3: expected pages to be a whole number … found NULL
  users | pages | 3 | 1.5::DOUBLE | user 3: expected pages to be a whole number … found 1.5
  users | pages | 3 | -1 | user 3: expected pages to be a whole number … found -1
  users | pages | 3 | 1e300 | user 3: expected pages to be a whole number … found 1e+300
  users | pages | 3 | 0 | user 3: expected rows to be at least one for each of pages = 0, … found #
  users | pages | 3 | 100 | user 3: expected rows to be at least one for each of pages = 100
  users | rows | 3 | NULL | user 3: expected rows to be a whole number … found NULL
  users | rows | 3 | 'nan'::DOUBLE | user 3: expected rows to be a whole number … found NaN
  users | rows | 3 | 5000000000::BIGINT | user 3: expected rows to be a whole number … found 5000000000
  users | rows | 3 | x + 1 | users says that user 3 has rows = #, their pages hold #
  items | item | 5 | NULL | items.parquet: item 5: expected items numbered 0, 1, 2, ... in order, found NULL
  items | item | 5 | 5.5::DOUBLE | item 5: expected items numbered … found 5.5
  items | dense | 5 | NULL | item 5: expected 2 dense features as in the manifest, found NULL
  items | dense | 5 | [1, NULL]::FLOAT[] | item 5: expected finite features, found NULL for f1 in dense
  items | dense | 5 | [1e300, 1]::DOUBLE[]
    | item 5: expected features that a 32-bit float holds … found 1e+300 for f0 in dense
  items | dense | 5 | [1, -1e39]::DOUBLE[]
    | item 5: expected features that a 32-bit float holds … found -1e+39 for f1
  items | dense | 5 | [1, 'nan'::FLOAT] | item 5: expected finite features, found NaN for f1 in dense
  items | dense | 5 | ['-inf'::FLOAT, 1] | item 5: expected finite features, found -Infinity for f0
  items | tokens | 5 | NULL | item 5: expected tokens to be a list, an empty one for none, found NULL
  items | tokens | 5 | [NULL]::UINTEGER[] | item 5: expected tokens of 0..8, found NULL
  items | tokens | 5 | [0.4]::DOUBLE[] | item 5: expected tokens of 0..8, found 0.4
  items | tokens | 5 | [-1]::INTEGER[] | item 5: expected tokens of 0..8, found -1
  items | tokens | 5 | [4294967296]::BIGINT[] | item 5: expected tokens of 0..8, found 4294967296
  items | tokens | 5 | [2, 1, 2]::UINTEGER[] | item 5: expected each token once, found 2, 1, 2
  pages | user | 4 | NULL | pages.parquet: page 5: expected user # (pages are sorted by user… found NULL
  pages | user | 4 | x + 0.4::DOUBLE | page 5: expected user # … found #.4
  pages | page | 4 | NULL | page 5: expected page # of user # (pages of a user are numbered… found NULL
  pages | page | 4 | x + 1 | page 5: expected page # of user # … found #
  pages | items | 4 | NULL | page 5: expected a list of displayed items, found NULL
  pages | items | 4 | []::INTEGER[] | page 5: expected a list of displayed items, found none
  pages | items | wide | [x[1], NULL] | expected items of 0..11, found NULL
  pages | items | wide | [x[1], 3.5::DOUBLE] | expected items of 0..11, found 3.5
  pages | items | wide | [x[1], 0.4::DOUBLE] | expected items of 0..11, found 0.4
  pages | items | wide | [x[1], -1::BIGINT] | expected items of 0..11, found -1
  pages | items | wide | [x[1], 12] | expected items of 0..11, found 12
  pages | items | wide | [x[1], 9007199254740993::BIGINT] | expected items of 0..11, found 9007199254740993
  pages | clicked | wide | -1
    | expected clicked to be a place on its page of # items, from 0, or null for no click, found -1
  pages | clicked | wide | 4294967295::BIGINT | expected clicked to be a place … found 4294967295
  pages | clicked | wide | 0.5::DOUBLE | expected clicked to be a place … found 0.5
  pages | clicked | wide | 'nan'::DOUBLE | expected clicked to be a place … found NaN
  pages | clicked | given | NULL
    | expected a given page to have one item, which is clicked, found 1 items, clicked: NULL
  pages | also | several | NULL | expected also to be a list, an empty one for no further click, found NULL
  pages | also | several | [clicked] | ALSO
  pages | also | several | list_concat(x, x) | ALSO
  pages | also | several | [len(items)] | ALSO
  pages | also | several | [-1] | ALSO
  pages | also | several | [NULL]::INTEGER[] | ALSO
  pages | also | idle | [0] | ALSO
  pages | given | 4 | NULL | page 5: expected given to be true or false, found NULL
`);

/** A query for the part with one value changed. */
const changed = (column: string, row: number, value: string) =>
  `SELECT * EXCLUDE n REPLACE (CASE WHEN n = ${row} THEN ${
    value.replaceAll(/\bx\b/g, `"${column}"`)
  } ELSE "${column}" END AS "${column}") ` +
  "FROM (SELECT *, row_number() OVER () - 1 AS n FROM t)";

/** A whole column is of another type: part, column, value of every row, what is said. */
const types = rowsOf(`
  users | user | x::VARCHAR | users.parquet: user 0: expected users numbered … found "0"
  users | pages | true | user 0: expected pages to be a whole number … found true
  users | rows | DATE '2020-01-01' | user 0: expected rows to be a whole number … found 2020-01-01T
  users | split | 1 | expected split to be train, validation, test, found 1
  users | split | [x] | expected split to be train, validation, test, found a list of 1
  items | item | x::VARCHAR | item 0: expected items numbered … found "0"
  items | item | TIMESTAMP '2020-01-01' | item 0: expected items numbered … found 2020
  items | item | NULL::VARCHAR | items.parquet: item 0: expected items numbered … found NULL
  items | dense | x::VARCHAR[] | item 0: expected finite features, found "
  items | dense | 1.5::FLOAT | item 0: expected 2 dense features as in the manifest, found 1.5
  items | dense | [true, false] | item 0: expected finite features, found true for f0
  items | dense | [x] | item 0: expected 2 dense features as in the manifest, found 1
  items | tokens | 'a' | item 0: expected tokens to be a list, an empty one for none, found a
  items | tokens | [{a: 1}] | items.parquet: … expected tokens of 0..8, found a structure
  items | tokens | MAP {1: 2} | items.parquet: … tokens
  pages | user | x::VARCHAR | page 1: expected user 0 … found "0"
  pages | items | array_to_string(x, ' ') | page 1: expected a list of displayed items, found "
  pages | items | list_transform(x, lambda i: i + 0.5) | page 1: expected items of 0..11, found #.5
  pages | items | x::VARCHAR[] | page 1: expected items of 0..11, found "
  pages | items | [[1]] | page 1: expected items of 0..11, found a list of 1
  pages | items | {list: x} | page 1: expected a list of displayed items, found a structure
  pages | clicked | false | page 1: expected clicked to be a place … found false
  pages | clicked | '0' | page 1: expected clicked to be a place … found "0"
  pages | clicked | TIME '01:02:03' | page 1: expected clicked to be a place … found
  pages | page | x + 1 | page 1: expected page 0 of user 0 … found 1
  pages | given | true | expected a given page to have one item, which is clicked, found
  pages | given | 0 | page 1: expected given to be true or false, found 0
  pages | given | 'false' | page 1: expected given to be true or false, found false
`);

/** Rows and columns: part, query over its rows t, what is said. */
const tables = rowsOf(`
  users | FROM t LIMIT 0 | expected at least one user, found none
  items | FROM t LIMIT 0 | expected at least one item, found none
  pages | FROM t LIMIT 0 | users has # pages … but pages has 0
  pages | FROM t UNION ALL SELECT 30, 0, [1], 0, [], false
    | expected no more than the # pages that users has, found one
  users | SELECT * FROM t UNION ALL SELECT 30, 'x', 'test', 0, 3
    | user 30: expected rows to be at least one for each of pages = 0
  users | SELECT * REPLACE (CASE "user" WHEN 0 THEN rows + 1 WHEN (SELECT arg_max("user", rows - pages) FROM t) THEN rows - 1 ELSE rows END AS rows) FROM t
    | users says that user 0 has rows = #, their pages hold # displayed items
  pages | SELECT * EXCLUDE items, {items: items} AS page_of FROM t
    | expected the columns user, items, clicked, items is missing; found user, page, clicked, also, given, page_of
  users | FROM t WHERE "user" <> 5 | user 5: expected users numbered … found 6
  users | FROM t UNION ALL SELECT * FROM t WHERE "user" = 5 ORDER BY "user" | user 6: expected users numbered … found 5
  items | FROM t WHERE item <> 5 | item 5: expected items numbered … found 6
  pages | FROM t WHERE "user" <> 7 | expected user 7 (pages are sorted by user… found 8
  pages | FROM t UNION ALL SELECT * FROM t WHERE "user" = 3 ORDER BY "user", page
    | expected user 4 (pages are sorted by user… found 3
  pages | SELECT * EXCLUDE clicked FROM t | expected the columns user, items, clicked, clicked is missing
  users | SELECT "user" AS u FROM t
    | expected the columns user, split, pages, rows, user, split, pages, rows are missing; found u
`);

/** Part, query over its rows t, what is said. */
const wrong: Record<string, string[][]> = {
  "a value that is not what it is to be is refused, with its place": values.map((
    [part = "", column = "", row = "", value = "", says = ""],
  ) => [part, changed(column, rowNamed[row] ?? Number(row), value), says === "ALSO" ? ALSO : says]),
  "a column of a wrong type is refused, with a value of it": types.map((
    [part = "", column = "", value = "", says = ""],
  ) => [
    part,
    `SELECT * REPLACE (${value.replaceAll(/\bx\b/g, `"${column}"`)} AS "${column}") FROM t`,
    says,
  ]),
  "missing, surplus and nested columns, and rows that do not add up are refused": tables,
};
for (const [name, cases] of Object.entries(wrong)) {
  Deno.test(name, async () => {
    for (const [part = "", sql = "", says = ""] of cases) {
      const folder = await copiedSet();
      await rewrite(folder, part, sql);
      await refuses(folder, says, `${part}: ${sql}`);
    }
  });
}

const kinds: Record<string, string> = {
  NULL: "NULL",
  fraction: "x + 0.5::DOUBLE",
  negative: "-1 - x",
  NaN: "'nan'::DOUBLE",
  "too large": "1e39::DOUBLE",
  "beyond 2^53": "9007199254740993::BIGINT",
  "wrong type": "'x' || x",
  truth: "true",
};
const whole = Object.keys(kinds);
/** What may become of a value of each column, such that it is wrong whatever it was. */
const columns: [part: string, column: string, kinds: string[], list?: boolean][] = [
  ["users", "user", whole],
  ["users", "split", ["NULL", "wrong type"]],
  ["users", "pages", whole],
  ["users", "rows", whole],
  ["items", "item", whole],
  ["items", "dense", ["NULL", "NaN", "too large", "wrong type", "truth"], true],
  ["items", "tokens", whole, true],
  ["pages", "user", whole],
  ["pages", "page", whole],
  ["pages", "items", whole, true],
  ["pages", "clicked", whole.filter((kind) => kind !== "NULL")],
  ["pages", "also", ["NULL", "wrong type"], true],
  ["pages", "given", ["NULL", "wrong type"]],
];

Deno.test("any value that is made wrong in any way ends with a message that names its column", async () => {
  const rows: Record<string, number> = { users: 30, items: 12, pages: foreignPages.length };
  const corruption = fc.constantFrom(...columns).chain(([part, column, kinds, list = false]) =>
    fc.record({
      part: fc.constant(part),
      column: fc.constant(column),
      list: fc.constant(list),
      kind: fc.constantFrom(...kinds),
      row: fc.nat((rows[part] ?? 1) - 1),
    })
  );
  await fc.assert(
    fc.asyncProperty(corruption, async ({ part, column, list, kind, row }) => {
      const folder = await copiedSet();
      const sql = kinds[kind] ?? "";
      // With the wrong type, the whole column is of it.
      const other = kind === "wrong type" ? "VARCHAR" : kind === "truth" ? "BOOLEAN" : undefined;
      const old = other ? `"${column}"::${other}${list ? "[]" : ""}` : `"${column}"`;
      const one = sql.replaceAll(
        /\bx\b/g,
        list ? `coalesce("${column}"[1], 0)` : `coalesce("${column}"::INTEGER, 0)`,
      );
      const value = part === "users" && column === "split" ? sql.replaceAll(/\bx\b/g, '"split"') : one;
      const wrong = column === "given" && kind === "wrong type" ? "'x'" : value;
      await rewrite(
        folder,
        part,
        `SELECT * EXCLUDE n REPLACE (CASE WHEN n = ${row} THEN ${
          list ? `list_concat([${wrong}], "${column}"[2:]${other ? `::${other}[]` : ""})` : wrong
        } ELSE ${old} END AS "${column}") FROM (SELECT *, row_number() OVER () - 1 AS n FROM t)`,
      );
      await refuses(folder, new RegExp(`\\b${column}s?\\b`), `${part}.${column} of row ${row}: ${kind}`);
    }),
    { numRuns: 60, seed: 17 },
  );
});

Deno.test("rows in any other order are refused", async () => {
  const part = fc.constantFrom("users", "items", "pages");
  await fc.assert(
    fc.asyncProperty(part, fc.nat(11), fc.integer({ min: 1, max: 11 }), async (part, first, distance) => {
      const second = (first + distance) % 12;
      const folder = await copiedSet();
      const order = `CASE n WHEN ${first} THEN ${second} WHEN ${second} THEN ${first} ELSE n END`;
      await rewrite(
        folder,
        part,
        `SELECT * EXCLUDE n FROM (SELECT *, row_number() OVER () - 1 AS n FROM t) ORDER BY ${order}`,
      );
      await refuses(
        folder,
        /expected (users|items) numbered|expected (user|page) \d+/,
        `${part} ${first} <> ${second}`,
      );
    }),
    { numRuns: 15, seed: 5 },
  );
});

Deno.test("bytes that are changed, cut out or doubled never end with anything but a message", async () => {
  const folder = await copiedSet();
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
          const changed = how === "set"
            ? bytes.with(a, byte)
            : how === "cut"
            ? Uint8Array.of(...bytes.subarray(0, from), ...bytes.subarray(to))
            : Uint8Array.of(...bytes.subarray(0, to), ...bytes.subarray(from));
          await Deno.writeFile(path, changed);
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

Deno.test("check adds counts and checksums once; a file that changed since is refused", async () => {
  const folder = await folderWith();
  await writeSet(folder, foreignLog, { files: 3 });
  const checked = () => check(folder, "500MB", () => {});
  const [first, again] = [await checked(), await checked()];
  assert.deepEqual([first.added, again.added], [true, false]);
  assert.equal(again.manifest.counts?.pages, foreignPages.length);
  await openPrepared(folder, { memoryRows: Infinity });
  await rewrite(folder, "pages/part-00001", "SELECT *, 1 AS more FROM t");
  await refuses(folder, `${folder}/pages is not what the manifest says`);
  await assert.rejects(checked, /pages is not what the manifest says/);
});
