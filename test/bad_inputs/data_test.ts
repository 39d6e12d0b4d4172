/** Bad inputs that the command `data` refuses, one for each data source and kind of input file. */

import type { BadInput, FileMaker } from "./corpus.ts";
import { assertRefused, makeAll, makeCase, makeCases, makeNothing } from "./corpus.ts";
import { cut, makeFile } from "./files.ts";
import { makeSet } from "./good_inputs.ts";

const ENGINE = "--memory 500MB --threads 1";
const LOG = `data log --user uid --item sku --time ts --clicked label ${ENGINE}`;
const HEAD = "uid,sku,ts,label\n";
const rows = (users: number) =>
  Array.from({ length: users }, (_, k) => `u${k},a,${1600000000 + k},1\nu${k},b,${1600000000 + k},0\n`).join(
    "",
  );
const good = HEAD + rows(20);

const log = (name: string, source: string, files: FileMaker, says: string | string[], more = {}) =>
  makeCase(name, `${LOG} --source '${source}'`, files, says, more);
const csv = (name: string, text: string | Uint8Array, says: string | string[], more = {}) =>
  log(name, "DIR/log.csv", makeFile("log.csv", text), says, more);
const of = (name: string, path: string, contents: string | Uint8Array, says: string) =>
  log(name, `DIR/${path}`, makeFile(path, contents), says);
const fine = { code: 0, leaves: ["out/"] };

const logs: readonly BadInput[] = [
  ...makeCases(makeFile("log.csv", good), `${LOG} --source DIR/log.csv`)`
    an empty --out | --out '' | Expected the path of a folder, got nothing
    shares that do not add up | --shares 80-10-20 | Expected three percentages that add up to 100
    a begin of parts without a split by time | --split-at 14d,7d | Expected --split time with --split-at
    split times and shares | --split time --split-at 14d,7d --shares 80-10-10 | Expected either --shares or --split-at, got both
    one begin for two parts | --split time --split-at 14d | Expected the time at which validation begins and a later time at which test begins
    a test before validation | --split time --split-at 7d,14d | Expected the time at which validation begins and a later time at which test begins
    a begin on an impossible date | --split time --split-at 2025-02-30,2025-03-01 | Expected the time at which validation begins
    a begin after the log | --split time --split-at 2200-01-01,2200-01-02 | then a test part, in order of time. The log is from 2020-09-13
    an invalid memory size | --memory much | Expected a size such as 2GB or 800MB
    no hashes | --hash-items 0 | Expected a whole number in 1..10000000
    hashes of excluded ids | --hash-items 9 --no-item-ids | Expected --hash-items or --no-item-ids, got both
    hashes of ids, and the ids | --hash-items 9 --item-ids | Expected --hash-items or --item-ids, got both
    --dense without --features | --dense x | Expected --features FILE, because --dense
  `,
  ...makeCases(makeNothing, "data")`
    no options | log | Expected one more option, --query (a SELECT) or --source (files)
    no subcommand |  | Usage
    an unknown subcommand | prepare | unknown command 'prepare'
    an empty column | log --source x --user '' | Expected a name, got nothing
    an unknown layout of a log | log --clicked-any a,b | Examples: data/recipes
    a missing SELECT | log --query DIR/log.sql ${ENGINE} | got no such file
  `,
  log("no file", "DIR/none.csv", makeNothing, "got no such file"),
  log("a folder", "DIR/logs", makeFile("logs/log.csv", good), "got a folder. Name files in the folder"),
  log(
    "files of two formats",
    "DIR/logs/*",
    makeAll(makeFile("logs/a.csv", good), makeFile("logs/b.json", "{}")),
    "files of one format",
  ),
  of("Parquet that is text", "log.parquet", good, "log.parquet"),
  of("JSON 10,000 deep", "log.json", `{"uid":${"[".repeat(10_000)}${"]".repeat(10_000)}}\n`, "log.json"),
  csv("an empty file", "", "log.csv: expected a header line and rows, got an empty file"),
  csv("a header alone", HEAD, "Expected pages to learn from"),
  csv("NUL bytes", new Uint8Array(2000), "log.csv"),
  csv("one bad row of 201", `${HEAD}${rows(100)},x,1600000000,1\n`, [
    "Skipped 1 invalid rows",
    'log.csv, item "x": expected uid to be an id, got nothing',
  ], fine),
  log(
    "a pattern that matches the new folder, too",
    "DIR/*",
    makeFile("log.csv", good),
    "20 pages",
    fine,
  ),
  csv("odd ids", HEAD + '"$(touch x)","\'; DROP TABLE users; --",1600000000,1\n' + rows(1), "2 pages", fine),
  makeCase(
    "a missing file of features",
    `${LOG} --source DIR/log.csv --features DIR/f.csv`,
    makeFile("log.csv", good),
    "f.csv",
  ),
  makeCase(
    "a quoted name",
    `${LOG} --source DIR/log.csv --out "DIR/it's"`,
    makeFile("log.csv", good),
    "--data '…it'\\''s'",
    { code: 0, leaves: ["it's/"] },
  ),
];

const others: readonly BadInput[] = [
  ...makeCases(makeNothing, "")`
    example: an invalid seed | data example --seed one | Expected a whole number in 0..4294967295
    example: an unknown shop | data example --shop corner | Allowed choices are demo, restless
    merge: a missing set | data merge demo DIR/none | none
    describe: no name | data describe | missing required argument
    describe: no folder | data describe DIR/none | Expected a prepared data set
    check: no folder | data check DIR/none | Expected a prepared data set
  `,
  makeCase("example: user's files", "data example --out DIR/x", makeFile("x/log.csv", "mine"), "log.csv"),
  makeCase(
    "check: a truncated table",
    "data check DIR/set",
    makeAll(makeSet(), cut("set/pages.parquet", 300)),
    "pages.parquet",
  ),
  makeCase(
    "check: items counted from 1",
    "data check DIR/set",
    makeSet({ pages: "SELECT * REPLACE (list_transform(items, lambda i: i + 1) AS items) FROM t" }),
    "pages.parquet:#: expected items of the table of items, got 30",
  ),
];

assertRefused({ "data log": logs, "data": others });
