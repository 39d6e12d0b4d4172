/** Prepared data sets that do not keep to the schema, whoever wrote them. */

import { all, bad, type BadInput, type Maker, type More, same, table, type Words } from "./corpus.ts";
import { cut, file, folder, link, without } from "./files.ts";
import { type Damage, prepared } from "./good_data.ts";

const TRAIN = "train --data DIR/set --batch-size 5 --iterations 2 --validate-every 1 --dims 8 --lstm-units 4";
const train = (name: string, files: Maker, says: Words, more: More = {}) =>
  bad(name, TRAIN, files, says, more);
const spoiled = (name: string, changes: readonly Maker[], says: Words) =>
  train(name, all(prepared(), ...changes), says);
const damaged = (name: string, damage: Damage, says: Words, more: More = {}) =>
  train(name, prepared(damage), says, more);
const describe = (name: string, damage: Damage, says: Words, more: More = {}) =>
  bad(`describe: ${name}`, "data describe DIR/set", prepared(damage), says, more);

const check = (name: string, damage: Damage, says: Words) =>
  bad(`check: ${name}`, "data check DIR/set", prepared(damage), says);

/** A column of a table replaced where a condition holds. */
const replaced = (table: keyof Damage, column: string, value: string, where = "true") => ({
  [table]:
    `SELECT * REPLACE (CASE WHEN ${where} THEN ${value} ELSE "${column}" END AS "${column}") FROM ${table}`,
});

/** Where the fault is: in a file of the set, or in how its tables fit together. */
const place = /set(\/(users|items|pages)(\.parquet|\/)|: users (says|has))/;

export const preparedSets: readonly BadInput[] = [
  ...table({})`
    describe: no folder | data describe DIR/none | Expected a prepared data set
    describe: an empty name | data describe '' | Expected the path of a folder, got nothing
    describe: no name | data describe | missing required argument
  `,
  // The manifest.
  train(
    "an empty folder",
    folder("set"),
    "Expected a prepared data set, a folder with a manifest.json, found none",
  ),
  train(
    "a manifest alone",
    file(
      "set/manifest.json",
      '{"format":"clickgan-dataset","version":1,"features":{"dense":[],"tokens":[]}}',
    ),
    /users/,
  ),
  damaged("a manifest that is empty", { manifest: "" }, "manifest.json is not valid JSON"),
  damaged("a manifest that is cut", { manifest: '{"format": "clickgan-' }, "manifest.json is not valid JSON"),
  damaged(
    "a manifest that is an array",
    { manifest: "[]" },
    "manifest.json is not a manifest of a prepared data set",
  ),
  damaged(
    "a manifest that is a number",
    { manifest: "7" },
    "manifest.json is not a manifest of a prepared data set",
  ),
  ...same(damaged, "is not a manifest of a prepared data set", {
    "a manifest of another format": { manifest: { format: "parquet" } },
    "a manifest of another version": { manifest: { version: 2 } },
    "a manifest without features": { manifest: { features: undefined } },
    "tokens below 0": { manifest: { features: { dense: [], tokens: [{ name: "c", first: -1, count: 3 }] } } },
  }),
  damaged("fewer features than the items have", {
    manifest: { features: { dense: [{ name: "price" }], tokens: [] } },
  }, /dense/),
  damaged("more features than the items have", {
    manifest: { features: { dense: [{ name: "a" }, { name: "b" }, { name: "c" }], tokens: [] } },
  }, /dense/),
  damaged("tokens that items do not have room for", {
    manifest: {
      features: { dense: [{ name: "a" }, { name: "b" }], tokens: [{ name: "c", first: 0, count: 1e12 }] },
    },
  }, /token|manifest/),
  damaged("a field of no tokens", {
    manifest: {
      features: { dense: [{ name: "a" }, { name: "b" }], tokens: [{ name: "c", first: 0, count: 0 }] },
    },
  }, 'expected "c" to have tokens, found a count of 0'),
  damaged("fields of tokens that overlap", {
    manifest: {
      features: {
        dense: [{ name: "a" }, { name: "b" }],
        tokens: [{ name: "c", first: 0, count: 3 }, { name: "d", first: 2, count: 3 }],
      },
    },
  }, /token|manifest/),
  damaged("pages of one item, each clicked", {
    pages: "SELECT * REPLACE (items[1:1] AS items, 0 AS clicked) FROM pages",
    users: "SELECT * REPLACE (pages AS rows) FROM users",
  }, "found only pages of one item, which is clicked"),
  bad(
    "--position-effect where the order of a page is none",
    "train --data DIR/set --position-effect",
    prepared({ manifest: { places: "arbitrary" } }),
    "the items of its pages stand in no order that was shown",
  ),
  damaged("other checksums", {
    manifest: { files: { users: { rows: 90, bytes: 10, sha256: "0".repeat(64) } } },
  }, "is not what the manifest says"),
  damaged("other counts", {
    manifest: {
      counts: {
        users: { train: 1, validation: 1, test: 1 },
        items: 30,
        pages: 1,
        rows: 1,
        clicks: 1,
        given: 0,
      },
    },
  }, /manifest|expected/),
  // Its files.
  ...["users", "items", "pages"].flatMap((part) => [
    spoiled(`no table of ${part}`, [without(`set/${part}.parquet`)], part),
    spoiled(`a table of ${part} cut`, [cut(`set/${part}.parquet`, 300)], `${part}.parquet`),
    spoiled(`${part} without their first bytes`, [(folder) => {
      const path = `${folder}/set/${part}.parquet`;
      Deno.writeFileSync(path, Deno.readFileSync(path).slice(50));
    }], `${part}.parquet`),
    spoiled(`${part} of text`, [file(`set/${part}.parquet`, "user,id\n0,a\n")], `${part}.parquet`),
    spoiled(`a table of ${part} empty`, [file(`set/${part}.parquet`, "")], `${part}.parquet`),
  ]),
  spoiled("pages that are an empty folder", [without("set/pages.parquet"), folder("set/pages")], "pages"),
  spoiled("pages that are a dangling link", [
    without("set/pages.parquet"),
    link("set/pages.parquet", "DIR/gone"),
  ], "pages"),
  train("a data set that is a loop of links", link("set", "DIR/set"), "set"),
  // Columns.
  damaged("users without parts", { users: "SELECT * EXCLUDE split FROM users" }, ["users", "split"]),
  damaged("pages without clicked", { pages: "SELECT * EXCLUDE clicked FROM pages" }, ["pages", "clicked"]),
  damaged("items without their numbers", { items: "SELECT * EXCLUDE item FROM items" }, ["items", "item"]),
  damaged("items without dense", { items: "SELECT * EXCLUDE dense FROM items" }, ["items", "dense"]),
  ...same(damaged, place, {
    "users as text": { users: 'SELECT * REPLACE ("user"::VARCHAR AS "user") FROM users' },
    "displayed items as text": { pages: "SELECT * REPLACE (items::VARCHAR AS items) FROM pages" },
    "displayed items as lists of text": { pages: "SELECT * REPLACE (items::VARCHAR[] AS items) FROM pages" },
    "displayed items as lists of lists": { pages: "SELECT * REPLACE ([items] AS items) FROM pages" },
    "dense as one number": { items: "SELECT * REPLACE (dense[1] AS dense) FROM items" },
    "given as text": { pages: "SELECT * REPLACE ('no' AS given) FROM pages" },
    "users with a gap": { users: 'SELECT * FROM users WHERE "user" <> 5' },
    "a user twice": { users: 'FROM users UNION ALL SELECT * FROM users WHERE "user" = 5 ORDER BY "user"' },
    "users in another order": { users: 'FROM users ORDER BY "user" DESC' },
    "users of more pages than there are": replaced("users", "pages", "pages + 1", '"user" = 3'),
    "users of negative pages": { users: "SELECT * REPLACE (-(pages::INTEGER) AS pages) FROM users" },
    "users of half a page": { users: "SELECT * REPLACE (pages + 0.5 AS pages) FROM users" },
    "a user that is null": {
      users: `SELECT * REPLACE (CASE WHEN "user" = 0 THEN NULL ELSE "user" END AS "user") FROM users`,
    },
    "an item that is null": {
      items: "SELECT * REPLACE (CASE WHEN item = 0 THEN NULL ELSE item END AS item) FROM items",
    },
    "items with a gap": { items: "FROM items WHERE item <> 5" },
    "items in another order": { items: "FROM items ORDER BY item DESC" },
    "a feature that is null": replaced("items", "dense", "[1, NULL]::FLOAT[]", "item = 5"),
    "a feature that is NaN": replaced("items", "dense", "[1, 'nan'::FLOAT]::FLOAT[]", "item = 5"),
    "a feature that is infinite": replaced("items", "dense", "[1, 'inf'::FLOAT]::FLOAT[]", "item = 5"),
    "an item without its features": replaced("items", "dense", "NULL", "item = 5"),
    "an item of too few features": replaced("items", "dense", "[1]::FLOAT[]", "item = 5"),
    "a displayed item that there is not": replaced(
      "pages",
      "items",
      "[30]::UINTEGER[]",
      '"user" = 3 AND page = 0',
    ),
    "a displayed item that is null": replaced(
      "pages",
      "items",
      "[NULL, 1]::UINTEGER[]",
      '"user" = 3 AND page = 0',
    ),
    "displayed items of -1": { pages: "SELECT * REPLACE ([-1]::INTEGER[] AS items) FROM pages" },
    "displayed items of 3.5": { pages: "SELECT * REPLACE ([3.5]::DOUBLE[] AS items) FROM pages" },
    "a page of nothing": replaced("pages", "items", "[]::UINTEGER[]", '"user" = 3 AND page = 0'),
    "a page that is null": replaced("pages", "items", "NULL", '"user" = 3 AND page = 0'),
    "a click beyond the page": replaced("pages", "clicked", "99", '"user" = 3 AND page = 0'),
    "clicks of -1": { pages: "SELECT * REPLACE (coalesce(clicked::INTEGER, -1) AS clicked) FROM pages" },
    "clicks of 0.4": { pages: "SELECT * REPLACE (0.4::DOUBLE AS clicked) FROM pages" },
    "clicks that are true or false": {
      pages: "SELECT * REPLACE (clicked IS NOT NULL AS clicked) FROM pages",
    },
    "a user of pages that is not there": {
      pages: "FROM pages UNION ALL SELECT 90, 0, make_timestamp(0), [1]::UINTEGER[], NULL, false",
    },
    "pages without some users": { pages: 'FROM pages WHERE "user" <> 7' },
    "a user of pages that is null": {
      pages: 'SELECT * REPLACE (CASE WHEN "user" = 0 THEN NULL ELSE "user" END AS "user") FROM pages',
    },
    "pages in another order": { pages: 'FROM pages ORDER BY "user" DESC, page' },
    "pages that begin at 1": { pages: "SELECT * REPLACE (page + 1 AS page) FROM pages" },
    "a page twice": {
      pages: 'FROM pages UNION ALL SELECT * FROM pages WHERE "user" = 3 ORDER BY "user", page',
    },
    "no pages": { pages: "FROM pages WHERE false" },
    "a page given of two items": { pages: "SELECT * REPLACE (true AS given) FROM pages" },
  }),
  // Users.
  damaged("a part that is none", replaced("users", "split", "'dev'", '"user" = 3'), ["split", "dev"]),
  damaged("a part that is null", replaced("users", "split", "NULL", '"user" = 3'), "split"),
  damaged("no train users", { users: "SELECT * REPLACE ('test' AS split) FROM users" }, "has no train users"),
  damaged("nobody", { users: "FROM users WHERE false", pages: "FROM pages WHERE false" }, /user/),
  // Items.
  damaged("no items", { items: "FROM items WHERE false" }, /item/),
  damaged(
    "a feature of 1e300",
    { items: "SELECT * REPLACE ([1e300, 1]::DOUBLE[] AS dense) FROM items" },
    /feature|dense/,
  ),
  damaged("a token that there is not", {
    ...replaced("items", "tokens", "[9]::UINTEGER[]", "item = 5"),
    manifest: {
      features: { dense: [{ name: "a" }, { name: "b" }], tokens: [{ name: "c", first: 0, count: 3 }] },
    },
  }, /token/),
  damaged("a token twice", {
    ...replaced("items", "tokens", "[1, 1]::UINTEGER[]", "item = 5"),
    manifest: {
      features: { dense: [{ name: "a" }, { name: "b" }], tokens: [{ name: "c", first: 0, count: 3 }] },
    },
  }, /token/),
  // Pages.
  // What describe says of them.
  bad("describe: a file", "data describe DIR/log.csv", file("log.csv", "a,b\n1,2\n"), "log.csv"),
  bad(
    "describe: a memory of nothing",
    "data describe DIR/set --memory lots",
    prepared(),
    "Expected a size such as 2GB or 800MB",
  ),
  ...table({})`
    check: no folder | data check DIR/none | Expected a prepared data set
    check: no name | data check | missing required argument
  `,
  check("a user that is null shifts those after it", replaced("users", "user", "NULL", '"user" = 0'), [
    "users.parquet:1: expected user to be a whole number from 0, not null, found NULL (1 in all)",
    "users.parquet:2: expected users numbered 0, 1, 2, ... without gaps, found 1 behind nothing (1 in all)",
    "pages.parquet:1: expected user to be one of users, found 0",
  ]),
  check("users from 1 on", { users: 'SELECT * REPLACE ("user" + 1 AS "user") FROM users' }, [
    "users numbered 0, 1, 2, ... without gaps, found 1 behind nothing",
    /users\.parquet:1: expected as many pages and rows as the pages have, found user 1: .* \(87 in all\)/,
  ]),
  check("a user twice, in another order", {
    users: 'FROM users UNION ALL SELECT * REPLACE (4 AS "user") FROM users WHERE "user" = 5',
  }, [
    "users.parquet:91: expected rows in the order of user, found 4 behind 89 (1 in all)",
    "users.parquet:91: expected each user once, found 4, 2 times (1 in all)",
  ]),
  check("clicks counted from 1", { pages: "SELECT * REPLACE (len(items) AS clicked) FROM pages" }, [
    /pages\.parquet:1: expected clicked to be a place on its page, from 0, or null, found \d+/,
  ]),
  check("items counted from 1", {
    pages: "SELECT * REPLACE (list_transform(items, lambda i: i + 1) AS items) FROM pages",
  }, /pages\.parquet:\d+: expected items of the table of items, found 30/),
  check("lists as text", { pages: "SELECT * REPLACE (items::VARCHAR AS items) FROM pages" }, "pages.parquet"),
  check("other checksums", {
    manifest: { files: { users: { rows: 90, bytes: 10, sha256: "0".repeat(64) } } },
  }, "is not what the manifest says"),
  bad(
    "check: a table of pages cut",
    "data check DIR/set",
    all(prepared(), cut("set/pages.parquet", 300)),
    "pages.parquet",
  ),
  describe("items without ids", { items: "SELECT * EXCLUDE id FROM items" }, "items: 30", { code: 0 }),
  describe("items nested", { items: "SELECT {'a': item} AS item, id, dense, tokens FROM items" }, /items/),
  describe(
    "no clicks at all",
    { pages: "SELECT * REPLACE (NULL::UINTEGER AS clicked) FROM pages" },
    /100\.0 %/,
    { code: 0 },
  ),
];
