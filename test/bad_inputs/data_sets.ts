/**
 * What `train` is given as data: logs in the paper's layout, and prepared sets, of which `data check` and `data describe` say more.
 * What their readers refuse, value by value, is in test/data: paper_file_test.ts, foreign_files_test.ts and foreign_set_test.ts.
 */

import { rowsOf } from "../case_table.ts";
import { all, bad, type BadInput, type Maker, same, table, type Words } from "./corpus.ts";
import { cut, file, gz, latin1, line, link, made, unescaped, utf16 } from "./files.ts";
import {
  COLUMNS,
  type Damage,
  paper,
  paperCell,
  paperRows,
  paperText,
  prepared,
  usersOf,
} from "./good_inputs.ts";

/** A run that ends at once. */
const QUICK = "--batch-size 5 --iterations 2 --validate-every 1 --dims 4 --lstm-units 4";
const ON_LOG = `train --data DIR/log.tsv ${QUICK}`;
const ON_SET = `train --data DIR/set ${QUICK}`;
const train = (name: string, files: Maker, says: Words) => bad(name, ON_LOG, files, says);

/** What a value of line 7 must not be: its column, what is expected, and values as JSON. */
const cells = rowsOf(`
  session_new_index | a whole number
    | ["", "-3", "1.5", "1e3", "0x10", " 5 ", "-0", "9007199254740993", "NaN", "\\"3\\"", "\u0663"]
  item_new_index | a whole number | ["", "-1", "2.0", "1e300"]
  item_new_index | at most 10000000 | ["10000001"]
  is_click | 0 or 1 | ["", "2", "-1", "true", "1.0"]
  tr_val_tst | 0 (train), 1 (validation) or 2 (test) | ["", "3", "train"]
  Time | a number | ["", "NaN", "Infinity", "1e400", "2020-01-01"]
`);

/** Users of pages of so many items, in all three parts. @param clicks whether the first item of each is clicked */
const allParts = (page: number, clicks = true) => [
  ...usersOf(0, 8, 0, page, clicks),
  ...usersOf(8, 2, 1, page, clicks),
  ...usersOf(10, 2, 2, page, clicks),
];

export const paperFiles: readonly BadInput[] = [
  ...cells.flatMap(([column = "", expected, values = ""]) =>
    (JSON.parse(values) as string[]).map((value) =>
      train(`${column} of ${JSON.stringify(value)}`, paperCell(7, column, value), [
        `log.tsv:7: expected ${column} to be ${expected}`,
        `found "${value}"`,
      ])
    )
  ),
  ...table((name, text, says) => train(name, file("log.tsv", unescaped(text)), says))`
    an empty file |  | the file is empty
    blank lines alone | \n\n \n | the file is empty
    a byte order mark alone | \ufeff | the file is empty
    a header without its end | ${COLUMNS.join("\\t")} | a header and no rows
    JSON | [{"session_new_index": 1}] | log.tsv:1: expected tab-separated columns
    Parquet by its first bytes | PAR1\u0000\u0000\u0000\u0000PAR1 | log.tsv
  `,
  ...same(train, "log.tsv:1: expected tab-separated columns", {
    "rows without a header": paper((text) => text.replace(/^.*\n/, "")),
    "semicolons": paper((text) => text.replaceAll("\t", ";")),
    "spaces": paper((text) => text.replaceAll("\t", " ")),
    "carriage returns alone": paper((text) => text.replaceAll("\n", "\r")),
  }),
  train("columns in capitals", paper(line(1, (l) => l.toUpperCase())), "are missing"),
  train("a blank that is a row", paper(line(9, () => " ")), "log.tsv:9: expected 5 tab-separated values"),
  train("a comment", paper(line(3, (l) => `# a note\n${l}`)), "log.tsv:3: expected 5 tab-separated values"),
  train(
    "a value with a line break in quotes",
    paper(line(4, (l) => `"${l.replace("\t", "\n\t")}"`)),
    "log.tsv:4:",
  ),
  train(
    "another separator halfway",
    paper(line(52, (l) => l.replaceAll("\t", ";"))),
    "log.tsv:52: expected 5 tab",
  ),
  train("cut within a row", paper((text) => text.slice(0, -12)), /log\.tsv:\d+: expected/),
  train(
    "cut within a number that stays one",
    paper((text) => text.slice(0, -2)),
    /log\.tsv:\d+: expected tr_val_tst/,
  ),
  train("UTF-16", paper(utf16), /log\.tsv.*(UTF-16|UTF-8|expected tab-separated columns)/),
  train(
    "latin1 in the header",
    file("log.tsv", latin1(paperText().replace("Time", "T\xefme"))),
    "Time is missing",
  ),
  train("gzip", paper(gz), "log.tsv"),
  train("binary", file("log.tsv", Uint8Array.from({ length: 3000 }, (_, k) => (k * 7919) & 255)), "log.tsv"),
  train(
    "a NUL byte",
    paper(line(5, (l) => l.replace("\t", "\0\t"))),
    "log.tsv:5: expected session_new_index",
  ),
  // Odd, but right: what is left out is said, and the figures are those of what is there.
  {
    ...train("users who never click: there is no precision to speak of", paperRows(allParts(3, false)), [
      /random +1\.3863 +- +-/,
      "prec@1 -",
    ]),
    ...{ code: 0, leaves: ["run/"] },
  },
  train("pages of one item, each clicked", paperRows(allParts(1)), [
    "found only pages of one item, which is clicked",
    "--pages sampled",
  ]),
  bad(
    "line ends of Windows, a byte order mark, blank lines and further columns",
    ON_LOG,
    file(
      "log.tsv",
      "\ufeff" +
        [COLUMNS, ...allParts(3)].map((row, k) => `${k === 0 ? "note" : '"'}\t${row.join("\t")}`).join(
          "\r\n\r\n",
        ) +
        "\r\n",
    ),
    "12 users, 12 events, 36 displayed items of 3",
    { code: 0, leaves: ["run/"] },
  ),
];

// Prepared data sets that do not keep to the schema, whoever wrote them.

/** A table made anew, `users: SQL over its rows t`, or with a column replaced, `users.split = VALUE where CONDITION`; several with "; " between. */
function damageOf(words: string): Damage {
  return Object.fromEntries(
    words.split("; ").filter((one) => one !== "").map((one) => {
      const [, part = "", column, rest = ""] = /^(\w+)(?:\.(\w+) =|:) (.*)$/.exec(one) ?? [];
      if (part === "manifest") return [part, rest.startsWith("{") ? JSON.parse(rest) : rest];
      if (column === undefined) return [part, rest];
      const [value = "", where = "true"] = rest.split(" where ");
      const own = `CASE WHEN ${where} THEN ${value} ELSE "${column}" END AS "${column}"`;
      return [part, `SELECT * REPLACE (${own}) FROM t`];
    }),
  );
}
const damaged = (name: string, words: string, says: Words) =>
  bad(name, ON_SET, prepared(damageOf(words)), says);
const described = (name: string, words: string, says: Words) =>
  bad(`describe: ${name}`, "data describe DIR/set", prepared(damageOf(words)), says);
const checked = (name: string, words: string, says: Words) =>
  bad(`check: ${name}`, "data check DIR/set", prepared(damageOf(words)), says);
const spoiled = (name: string, changes: string, says: Words) =>
  bad(name, ON_SET, all(prepared(), made(changes)), says);

/** Where the fault is: in a file of the set, or in how its tables fit together. */
const place = /set(\/(users|items|pages)(\.parquet|\/)|: users (says|has))/;

export const preparedSets: readonly BadInput[] = [
  ...table({})`
    describe: no folder | data describe DIR/none | Expected a prepared data set
    describe: an empty name | data describe '' | Expected the path of a folder, got nothing
    describe: no name | data describe | missing required argument
    check: no folder | data check DIR/none | Expected a prepared data set
    check: no name | data check | missing required argument
  `,
  // The manifest.
  ...table((name, changes, says) => bad(name, ON_SET, made(changes), says))`
    an empty folder | folder set | Expected a prepared data set, a folder with a manifest.json, found none
    a manifest alone | file set/manifest.json {"format":"clickgan-dataset","version":1,"features":{"dense":[],"tokens":[]}}
      | /users/
  `,
  damaged("a manifest that is empty", "manifest: ", "manifest.json is not valid JSON"),
  ...table(damaged)`
    a manifest that is an array | manifest: [] | manifest.json is not a manifest of a prepared data set
    a manifest that is a number | manifest: 7 | manifest.json is not a manifest of a prepared data set
    a manifest of another version | manifest: {"version": 2} | is not a manifest of a prepared data set
    a manifest without features | manifest: {"features": null} | is not a manifest of a prepared data set
    fewer features than the items have | manifest: {"features": {"dense": [{"name": "price"}], "tokens": []}} | /dense/
    a field of no tokens | manifest: {"features": {"dense": [], "tokens": [{"name": "c", "first": 0, "count": 0}]}}
      | expected "c" to have tokens, found a count of 0
    pages of one item, each clicked | pages: SELECT * REPLACE (items[1:1] AS items, 0 AS clicked) FROM t; users.rows = pages
      | found only pages of one item, which is clicked
    other checksums | manifest: {"files": {"users": {"rows": 90, "bytes": 10, "sha256": "${"0".repeat(64)}"}}}
      | is not what the manifest says
    no train users | users.split = 'test' | has no train users
    nobody | users: FROM t WHERE false; pages: FROM t WHERE false | /user/
    no items | items: FROM t WHERE false | /item/
    users without parts | users: SELECT * EXCLUDE split FROM t | users | split
    items without dense | items: SELECT * EXCLUDE dense FROM t | items | dense
    a part that is none | users.split = 'dev' where "user" = 3 | split | dev
  `,
  bad(
    "--position-effect where the order of a page is none",
    "train --data DIR/set --position-effect",
    prepared({ manifest: { places: "arbitrary" } }),
    "the items of its pages stand in no order that was shown",
  ),
  // Its files.
  ...["users", "items", "pages"].flatMap((part) => [
    spoiled(`no table of ${part}`, `without set/${part}.parquet`, part),
    spoiled(`a table of ${part} cut`, `cut set/${part}.parquet 300`, `${part}.parquet`),
    spoiled(`${part} of text`, `file set/${part}.parquet user,id\\n0,a\\n`, `${part}.parquet`),
  ]),
  ...table(spoiled)`
    pages that are an empty folder | without set/pages.parquet; folder set/pages | pages
    pages that are a dangling link | without set/pages.parquet; link set/pages.parquet DIR/gone | pages
  `,
  bad("a data set that is a loop of links", ON_SET, link("set", "DIR/set"), "set"),
  // Its values.
  ...same(damaged, place, {
    "users as text": 'users: SELECT * REPLACE ("user"::VARCHAR AS "user") FROM t',
    "users with a gap": 'users: SELECT * FROM t WHERE "user" <> 5',
    "users of more pages than there are": 'users.pages = pages + 1 where "user" = 3',
    "items in another order": "items: FROM t ORDER BY item DESC",
    "a feature that is NaN": "items.dense = [1, 'nan'::FLOAT]::FLOAT[] where item = 5",
    "a displayed item that there is not": 'pages.items = [30]::UINTEGER[] where "user" = 3 AND page = 0',
    "a click beyond the page": 'pages.clicked = 99 where "user" = 3 AND page = 0',
    "pages without some users": 'pages: FROM t WHERE "user" <> 7',
    "no pages": "pages: FROM t WHERE false",
  }),
  // What check and describe say of them.
  ...table(checked)`
    a user that is null shifts those after it | users.user = NULL where "user" = 0
      | users.parquet:1: expected user to be a whole number from 0, not null, found NULL (1 in all)
      | users.parquet:2: expected users numbered 0, 1, 2, ... without gaps, found 1 behind nothing (1 in all)
      | pages.parquet:1: expected user to be one of users, found 0
    users from 1 on | users: SELECT * REPLACE ("user" + 1 AS "user") FROM t
      | users numbered 0, 1, 2, ... without gaps, found 1 behind nothing
      | /users\.parquet:1: expected as many pages and rows as the pages have, found user 1: .* \(87 in all\)/
    a user twice, in another order
      | users: FROM t UNION ALL SELECT * REPLACE (4 AS "user") FROM t WHERE "user" = 5
      | users.parquet:91: expected rows in the order of user, found 4 behind 89 (1 in all)
      | users.parquet:91: expected each user once, found 4, 2 times (1 in all)
    clicks counted from 1 | pages: SELECT * REPLACE (len(items) AS clicked) FROM t
      | /pages\.parquet:1: expected clicked to be a place on its page, from 0, or null, found \d+/
    items counted from 1 | pages: SELECT * REPLACE (list_transform(items, lambda i: i + 1) AS items) FROM t
      | /pages\.parquet:\d+: expected items of the table of items, found 30/
    lists as text | pages: SELECT * REPLACE (items::VARCHAR AS items) FROM t | pages.parquet
    other checksums | manifest: {"files": {"users": {"rows": 90, "bytes": 10, "sha256": "${"0".repeat(64)}"}}}
      | is not what the manifest says
  `,
  bad(
    "check: a table of pages cut",
    "data check DIR/set",
    all(prepared(), cut("set/pages.parquet", 300)),
    "pages.parquet",
  ),
  ...table(described)`
    items nested | items: SELECT {'a': item} AS item, id, dense, tokens FROM t | /items/
  `,
  ...table(described, { code: 0 })`
    items without ids | items: SELECT * EXCLUDE id FROM t | items: 30
    no clicks at all | pages: SELECT * REPLACE (NULL::UINTEGER AS clicked) FROM t | /100\.0 %/
  `,
  bad("describe: a file", "data describe DIR/log.csv", file("log.csv", "a,b\n1,2\n"), "log.csv"),
  bad(
    "describe: a memory of nothing",
    "data describe DIR/set --memory lots",
    prepared(),
    "Expected a size such as 2GB or 800MB",
  ),
];
