/** Prepared data sets that others wrote wrongly: refused, with the place, the column, and what is expected and found. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { PreparedSet } from "../src/data/prepared_set.ts";
import { describe } from "../src/prepare/describe.ts";
import { openPrepared } from "../src/run/prepared_dataset.ts";
import { UserError } from "../src/user_error.ts";
import { rewrite, writeSet } from "./foreign_set.ts";
import { withFolder } from "./prepared_folder.ts";
import { smallLog } from "./small_logs.ts";

/** 30 users, 12 items of two features and tokens of 9, some pages given. */
const log = smallLog(21, { users: 30, items: 12, width: 2, tokens: 9, given: 0.3 });
const template = await Deno.makeTempDir({ prefix: "clickgan-foreign-" });
globalThis.addEventListener("unload", () => Deno.removeSync(template, { recursive: true }));
await writeSet(template, log);
/** A page of two items or more, from 0. */
const wide = log.eventClick.findIndex((_, e) => (log.eventRows[e + 1] ?? 0) - (log.eventRows[e] ?? 0) > 1);
const givenPage = log.eventGiven?.indexOf(1) ?? assert.fail();

async function withCopy(use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder({}, async (folder) => {
    for (const { name } of Deno.readDirSync(template)) {
      await Deno.copyFile(`${template}/${name}`, `${folder}/${name}`);
    }
    await use(folder);
  });
}

async function refuses(folder: string, says: RegExp, what: string): Promise<void> {
  await assert.rejects(() => openPrepared(folder, { memoryRows: Infinity }), (error) => {
    assert.ok(
      error instanceof UserError,
      `${what}: expected a UserError, got ${error instanceof Error ? error.stack : error}`,
    );
    assert.match(error.message, says, what);
    assert.doesNotMatch(error.message, /\n/, what);
    return true;
  });
}

/** One value of a column is another: [part, column, row from 0, value in SQL (x is the old one), what is said]. */
const values: [part: string, column: string, row: number, value: string, says: RegExp][] = [
  [
    "users",
    "user",
    3,
    "NULL",
    /users\.parquet: user 3: expected users numbered 0, 1, 2, \.\.\. in order, found NULL/,
  ],
  ["users", "user", 3, "3.25::DOUBLE", /user 3: expected users numbered .* found 3\.25/],
  ["users", "user", 3, "3.0::DOUBLE + 1", /user 3: expected users numbered .* found 4/],
  ["users", "user", 3, "-3", /user 3: expected users numbered .* found -3/],
  ["users", "user", 3, "4294967299::BIGINT", /user 3: expected users numbered .* found 4294967299/],
  ["users", "split", 3, "NULL", /user 3: expected split to be train, validation, test, found NULL/],
  ["users", "split", 3, "'Train'", /user 3: expected split to be .* found Train/],
  ["users", "pages", 3, "NULL", /user 3: expected pages to be a whole number .* found NULL/],
  ["users", "pages", 3, "1.5::DOUBLE", /user 3: expected pages to be a whole number .* found 1\.5/],
  ["users", "pages", 3, "-1", /user 3: expected pages to be a whole number .* found -1/],
  ["users", "pages", 3, "1e300", /user 3: expected pages to be a whole number .* found 1e\+300/],
  ["users", "pages", 3, "0", /user 3: expected rows to be at least one for each of pages = 0, .* found \d+/],
  ["users", "pages", 3, "100", /user 3: expected rows to be at least one for each of pages = 100/],
  ["users", "rows", 3, "NULL", /user 3: expected rows to be a whole number .* found NULL/],
  ["users", "rows", 3, "'nan'::DOUBLE", /user 3: expected rows to be a whole number .* found NaN/],
  [
    "users",
    "rows",
    3,
    "5000000000::BIGINT",
    /user 3: expected rows to be a whole number .* found 5000000000/,
  ],
  ["users", "rows", 3, "x + 1", /users says that user 3 has rows = \d+, her pages hold \d+/],
  [
    "items",
    "item",
    5,
    "NULL",
    /items\.parquet: item 5: expected items numbered 0, 1, 2, \.\.\. in order, found NULL/,
  ],
  ["items", "item", 5, "5.5::DOUBLE", /item 5: expected items numbered .* found 5\.5/],
  ["items", "dense", 5, "NULL", /item 5: expected 2 dense features as in the manifest, found NULL/],
  ["items", "dense", 5, "[1, NULL]::FLOAT[]", /item 5: expected finite features, found NULL for f1 in dense/],
  [
    "items",
    "dense",
    5,
    "[1e300, 1]::DOUBLE[]",
    /item 5: expected features that a 32-bit float holds .* found 1e\+300 for f0 in dense/,
  ],
  [
    "items",
    "dense",
    5,
    "[1, -1e39]::DOUBLE[]",
    /item 5: expected features that a 32-bit float holds .* found -1e\+39 for f1/,
  ],
  ["items", "dense", 5, "['-inf'::FLOAT, 1]", /item 5: expected finite features, found -Infinity for f0/],
  ["items", "tokens", 5, "NULL", /item 5: expected tokens to be a list, an empty one for none, found NULL/],
  ["items", "tokens", 5, "[NULL]::UINTEGER[]", /item 5: expected tokens of 0\.\.8, found NULL/],
  ["items", "tokens", 5, "[0.4]::DOUBLE[]", /item 5: expected tokens of 0\.\.8, found 0\.4/],
  ["items", "tokens", 5, "[-1]::INTEGER[]", /item 5: expected tokens of 0\.\.8, found -1/],
  ["items", "tokens", 5, "[4294967296]::BIGINT[]", /item 5: expected tokens of 0\.\.8, found 4294967296/],
  ["items", "tokens", 5, "[2, 1, 2]::UINTEGER[]", /item 5: expected each token once, found 2, 1, 2/],
  [
    "pages",
    "user",
    4,
    "NULL",
    /pages\.parquet: page 5: expected user \d+ \(pages are sorted by user.* found NULL/,
  ],
  ["pages", "user", 4, "x + 0.4::DOUBLE", /page 5: expected user \d+ .* found \d+\.4/],
  [
    "pages",
    "page",
    4,
    "NULL",
    /page 5: expected page \d+ of user \d+ \(pages of a user are numbered.* found NULL/,
  ],
  ["pages", "page", 4, "x + 1", /page 5: expected page \d+ of user \d+ .* found \d+/],
  ["pages", "items", 4, "NULL", /page 5: expected a list of displayed items, found NULL/],
  ["pages", "items", 4, "[]::INTEGER[]", /page 5: expected a list of displayed items, found none/],
  ["pages", "items", wide, "[x[1], NULL]", /expected items of 0\.\.11, found NULL/],
  ["pages", "items", wide, "[x[1], 3.5::DOUBLE]", /expected items of 0\.\.11, found 3\.5/],
  ["pages", "items", wide, "[x[1], 0.4::DOUBLE]", /expected items of 0\.\.11, found 0\.4/],
  ["pages", "items", wide, "[x[1], 12]", /expected items of 0\.\.11, found 12/],
  [
    "pages",
    "items",
    wide,
    "[x[1], 9007199254740993::BIGINT]",
    /expected items of 0\.\.11, found 9007199254740993/,
  ],
  [
    "pages",
    "clicked",
    wide,
    "-1",
    /expected clicked to be a place on its page of \d items, from 0, or null for no click, found -1/,
  ],
  ["pages", "clicked", wide, "4294967295::BIGINT", /expected clicked to be a place .* found 4294967295/],
  ["pages", "clicked", wide, "0.5::DOUBLE", /expected clicked to be a place .* found 0\.5/],
  ["pages", "clicked", wide, "'nan'::DOUBLE", /expected clicked to be a place .* found NaN/],
  [
    "pages",
    "clicked",
    givenPage,
    "NULL",
    /expected a given page to have one item, which is clicked, found 1 items, clicked: NULL/,
  ],
  ["pages", "given", 4, "NULL", /page 5: expected given to be true or false, found NULL/],
];

/** A query for the part with one value changed. */
const changed = (column: string, row: number, value: string) =>
  `SELECT * EXCLUDE n REPLACE (CASE WHEN n = ${row} THEN ${
    value.replaceAll(/\bx\b/g, `"${column}"`)
  } ELSE "${column}" END AS "${column}") ` +
  "FROM (SELECT *, row_number() OVER () - 1 AS n FROM t)";

Deno.test("a value that is not what it is to be is refused, with its place", async () => {
  for (const [part, column, row, value, says] of values) {
    await withCopy(async (folder) => {
      await rewrite(folder, part, changed(column, row, value));
      await refuses(folder, says, `${part}.${column} = ${value}`);
    });
  }
});

/** A whole column is of another type: [part, column, value of every row, what is said]. */
const types: [part: string, column: string, value: string, says: RegExp][] = [
  [
    "users",
    "user",
    "x::VARCHAR",
    /users\.parquet: row 1: expected user to be whole numbers, found "0" in a column of the type STRING\. Write it as uint32/,
  ],
  [
    "users",
    "user",
    "x::DECIMAL(10, 0)",
    /expected user to be whole numbers, found 0 in a column of the type DECIMAL\(10, 0\)/,
  ],
  [
    "users",
    "pages",
    "true",
    /row 1: expected pages to be whole numbers, found true in a column of the type BOOLEAN/,
  ],
  [
    "users",
    "rows",
    "DATE '2020-01-01'",
    /expected rows to be whole numbers, found 2020-01-01T.* of the type DATE/,
  ],
  [
    "users",
    "split",
    "1",
    /expected split to be text, found 1 in a column of the type INT_32\. Write it as string/,
  ],
  ["users", "split", "[x]", /expected split to be text, found train in a column of the type STRING\[\]/],
  ["items", "item", "x::VARCHAR", /expected item to be whole numbers/],
  [
    "items",
    "item",
    "TIMESTAMP '2020-01-01'",
    /expected item to be whole numbers, found 2020.* of the type TIMESTAMP/,
  ],
  [
    "items",
    "item",
    "NULL::VARCHAR",
    /items\.parquet: expected item to be whole numbers, found the type STRING/,
  ],
  [
    "items",
    "dense",
    "x::VARCHAR[]",
    /expected dense to be lists of numbers, found .* of the type STRING\[\]\. Write it as list<float>/,
  ],
  [
    "items",
    "dense",
    "1.5::FLOAT",
    /expected dense to be lists of numbers, found 1\.5 in a column of the type FLOAT/,
  ],
  [
    "items",
    "dense",
    "[true, false]",
    /expected dense to be lists of numbers, found true in a column of the type BOOLEAN\[\]/,
  ],
  ["items", "dense", "[x]", /expected dense to be lists of numbers, found .*the type nested lists/],
  [
    "items",
    "tokens",
    "'a'",
    /expected tokens to be lists of whole numbers, found a in a column of the type STRING/,
  ],
  [
    "items",
    "tokens",
    "[{a: 1}]",
    /expected tokens to be lists of whole numbers, found .*the type nested lists/,
  ],
  ["items", "tokens", "MAP {1: 2}", /expected tokens to be lists of whole numbers, found .*the type MAP/],
  ["pages", "user", "x::VARCHAR", /expected user to be whole numbers, found "0"/],
  [
    "pages",
    "items",
    "array_to_string(x, ' ')",
    /row 1: expected items to be lists of whole numbers, found .* of the type STRING\. Write it as list<uint32>/,
  ],
  [
    "pages",
    "items",
    "list_transform(x, lambda i: i + 0.5)",
    /expected items to be lists of whole numbers, found \d+\.5 in a column of the type DECIMAL\(\d+, 1\)\[\]/,
  ],
  ["pages", "items", "[[1]]", /expected items to be lists of whole numbers, found .*the type nested lists/],
  [
    "pages",
    "items",
    "{list: x}",
    /expected items to be lists of whole numbers, found a structure in a column of the type STRUCT/,
  ],
  [
    "pages",
    "clicked",
    "false",
    /expected clicked to be whole numbers, found false in a column of the type BOOLEAN/,
  ],
  ["pages", "clicked", "'0'", /expected clicked to be whole numbers, found "0"/],
  ["pages", "clicked", "TIME '01:02:03'", /expected clicked to be whole numbers, found .*the type TIME/],
  [
    "pages",
    "given",
    "0",
    /expected given to be true or false, found 0 in a column of the type INT_32\. Write it as boolean/,
  ],
  [
    "pages",
    "given",
    "'false'",
    /expected given to be true or false, found false in a column of the type STRING/,
  ],
];

Deno.test("a column of a wrong type is refused, with a value of it", async () => {
  for (const [part, column, value, says] of types) {
    await withCopy(async (folder) => {
      const sql = value.replaceAll(/\bx\b/g, `"${column}"`);
      await rewrite(folder, part, `SELECT * REPLACE (${sql} AS "${column}") FROM t`);
      await refuses(folder, says, `${part}.${column} = ${value}`);
    });
  }
});

/** Rows and columns: [part, query over its rows t, what is said]. */
const tables: [part: string, sql: string, says: RegExp][] = [
  ["users", "FROM t LIMIT 0", /expected at least one user, found none/],
  ["items", "FROM t LIMIT 0", /expected at least one item, found none/],
  ["pages", "FROM t LIMIT 0", /users says \d+ pages .* pages holds 0/],
  [
    "pages",
    `FROM t UNION ALL SELECT 30, 0, [1], 0, false`,
    /expected no more pages than the \d+ that users says, found one/,
  ],
  [
    "users",
    `SELECT * FROM t UNION ALL SELECT 30, 'x', 'test', 0, 3`,
    /user 30: expected rows to be at least one for each of pages = 0/,
  ],
  [
    "users",
    `SELECT * REPLACE (CASE "user" WHEN 0 THEN rows + 1 WHEN 1 THEN rows - 1 ELSE rows END AS rows) FROM t`,
    /users says that user 0 has rows = \d+, her pages hold \d+ displayed items|user 1: expected rows to be at least one/,
  ],
  [
    "pages",
    `SELECT * EXCLUDE items, {items: items} AS page_of FROM t`,
    /expected the columns user, items, clicked, items is missing; found user, page, clicked, given, page_of/,
  ],
  [
    "users",
    `SELECT "user" AS u FROM t`,
    /expected the columns user, split, pages, rows, user, split, pages, rows are missing; found u/,
  ],
];

Deno.test("missing, surplus and nested columns, and rows that do not add up are refused", async () => {
  for (const [part, sql, says] of tables) {
    await withCopy(async (folder) => {
      await rewrite(folder, part, sql);
      await refuses(folder, says, `${part}: ${sql}`);
    });
  }
});

const text = (folder: string, name: string) => `${folder}/${name}`;
/** What is wrong with the files: [what, the change, what is said]. */
const files: [what: string, change: (folder: string) => Promise<void> | void, says: RegExp][] = [
  [
    "without its first 50 bytes",
    (f) => cut(text(f, "pages.parquet"), 50),
    /pages\.parquet: no Parquet file, or a damaged one \(it does not begin as one\)/,
  ],
  [
    "without its first 50 bytes",
    (f) => cut(text(f, "users.parquet"), 50),
    /users\.parquet: no Parquet file.*does not begin/,
  ],
  [
    "without its last byte",
    (f) => truncate(text(f, "items.parquet"), 1),
    /items\.parquet: no Parquet file.*does not end as one/,
  ],
  ["empty", (f) => Deno.writeTextFile(text(f, "pages.parquet"), ""), /pages\.parquet is empty\. Prepare/],
  [
    "of 8 bytes",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PAR1PAR1"),
    /pages\.parquet: .*it has 8 bytes/,
  ],
  [
    "of two magic words",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PAR1\0\0\0\0PAR1"),
    /pages\.parquet: no Parquet file/,
  ],
  [
    "encrypted",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PARE12345678PARE"),
    /pages\.parquet: expected a plain Parquet file, found an encrypted one/,
  ],
  [
    "CSV",
    (f) => Deno.writeTextFile(text(f, "users.parquet"), "user,split\n0,train\n"),
    /users\.parquet: no Parquet file.*does not begin as one/,
  ],
  ["a folder of the file's name", async (f) => {
    await Deno.remove(text(f, "users.parquet"));
    await Deno.mkdir(text(f, "users.parquet"));
  }, /users\.parquet: expected a Parquet file, found a folder\. Rename it to users/],
  [
    "a file and a folder",
    (f) => Deno.mkdir(text(f, "users")),
    /Expected users\.parquet or a folder users in .*, found both/,
  ],
  ["an empty folder", async (f) => {
    await Deno.remove(text(f, "users.parquet"));
    await Deno.mkdir(text(f, "users"));
  }, /Expected users\.parquet, or a folder users of Parquet files, .* found neither/],
  [
    "a file that would be left out",
    (f) => inFolder(f, "part-1.csv"),
    /pages: expected files that end in \.parquet, found part-1\.csv, which would be left out/,
  ],
  [
    "a link into nowhere",
    (f) => relinked(f, "items.parquet", `${f}/none`),
    /items\.parquet is a link to .*none, which is not there\. Mend or remove the link/,
  ],
  [
    "a loop of links",
    (f) => relinked(f, "items.parquet", "items.parquet"),
    /cannot read .*items\.parquet: links lead to each other/,
  ],
  [
    "a device",
    (f) => relinked(f, "pages.parquet", "/dev/null"),
    /pages\.parquet: expected a Parquet file, found a character device/,
  ],
  [
    "a manifest that is a device",
    (f) => relinked(f, "manifest.json", "/dev/zero"),
    /manifest\.json: expected a regular file, found a character device/,
  ],
  ["a manifest that is a folder", async (f) => {
    await Deno.remove(text(f, "manifest.json"));
    await Deno.mkdir(text(f, "manifest.json"));
  }, /manifest\.json: expected a regular file, found a folder/],
];

async function cut(path: string, bytes: number): Promise<void> {
  await Deno.writeFile(path, (await Deno.readFile(path)).slice(bytes));
}
async function truncate(path: string, bytes: number): Promise<void> {
  await Deno.truncate(path, (await Deno.stat(path)).size - bytes);
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

Deno.test("files that are no whole Parquet files are refused by name", async () => {
  for (const [what, change, says] of files) {
    await withCopy(async (folder) => {
      await change(folder);
      await refuses(folder, says, what);
    });
  }
});

Deno.test("a FIFO in a data set is not waited for", async () => {
  for (const name of ["manifest.json", "users.parquet", "items.parquet", "pages.parquet"]) {
    await withCopy(async (folder) => {
      await Deno.remove(`${folder}/${name}`);
      const made = await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output().catch(() =>
        undefined
      );
      if (made?.success) await refuses(folder, /expected a (regular|Parquet) file, found a FIFO/, name);
    });
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
  pages: log.eventClick.length,
  rows: log.rowItem.length,
  clicks: 0,
  given: 0,
};
/** Changes of the manifest, and what is said. */
const manifests: [change: Record<string, unknown>, says: RegExp][] = [
  [
    fields({ first: 0, count: 1e12 }),
    /"t" has the tokens 0 to 999999999999, expected fewer than 100,000,000 in all: a model has a row/,
  ],
  [fields({ first: 1e15, count: 1 }), /expected fewer than 100,000,000/],
  [
    fields({ first: 0, count: 9 }, { name: "u", first: 8, count: 3 }),
    /expected fields of tokens with numbers of their own, but "t" has 0 to 8 and "u" begins at 8/,
  ],
  [fields({ first: 0, count: 2 ** 60 }), /is not a manifest/],
  [fields({ first: 0, count: -1 }), /is not a manifest/],
  [fields({ first: 0.5, count: 1 }), /is not a manifest/],
  [
    { counts: { ...counts, users: { ...counts.users, train: 11 } } },
    /the manifest says 11 users of the train part, found 10/,
  ],
  [{ counts: { ...counts, pages: 1 } }, /the manifest says 1 pages, found \d+/],
  [{ counts: { ...counts, rows: 1 } }, /the manifest says 1 displayed items, found \d+/],
  [{ counts: { ...counts, items: 13 } }, /the manifest says 13 items, found 12/],
  [{ counts }, /the manifest says 0 clicks, found \d+/],
  [{ counts: { ...counts, clicks: undefined } }, /is not a manifest/],
];

Deno.test("a manifest that does not fit its files, or itself, is refused", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${template}/manifest.json`));
  for (const [change, says] of manifests) {
    await withCopy(async (folder) => {
      await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify({ ...manifest, ...change }));
      await assert.rejects(() => openPrepared(folder, { memoryRows: Infinity }), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, says);
        return true;
      });
    });
  }
});

Deno.test("64-bit integers, and whole numbers as doubles, are read as they are", async () => {
  for (const type of ["BIGINT", "DOUBLE", "UBIGINT", "USMALLINT"]) {
    await withCopy(async (folder) => {
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
        `SELECT * REPLACE (${as("user", "page", "clicked")}, items::${type}[] AS items) FROM t`,
      );
      const { source } = await openPrepared(folder, { memoryRows: Infinity });
      const { name: _, ...read } = source.log ?? assert.fail();
      const { name: __, ...expected } = log;
      assert.deepEqual(read, expected, type);
      assert.equal((await describe(folder, "500MB")).items, 12);
    });
  }
});

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
  ["pages", "given", ["NULL", "wrong type"]],
];

Deno.test("any value that is made wrong in any way ends with a message that names its column", async () => {
  const rows: Record<string, number> = { users: 30, items: 12, pages: log.eventClick.length };
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
      await withCopy(async (folder) => {
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
      });
    }),
    { numRuns: 60, seed: 17 },
  );
});

Deno.test("rows in any other order are refused", async () => {
  const part = fc.constantFrom("users", "items", "pages");
  await fc.assert(
    fc.asyncProperty(part, fc.nat(11), fc.integer({ min: 1, max: 11 }), async (part, first, distance) => {
      const second = (first + distance) % 12;
      await withCopy(async (folder) => {
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
      });
    }),
    { numRuns: 15, seed: 5 },
  );
});

Deno.test("bytes that are changed, cut out or doubled never end with anything but a message", async () => {
  await withCopy(async (folder) => {
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
              const set = await PreparedSet.open(folder);
              await set.readItems(() => {});
              await set.readPages(12, () => {});
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
});
