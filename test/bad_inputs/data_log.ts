/** Raw logs for `data log`: options, files that are none, rows that end it, and those that are left out with a notice. */

import {
  all,
  bad,
  type BadInput,
  type Maker,
  type More,
  nothing,
  same,
  table,
  type Words,
} from "./corpus.ts";
import { type Contents, fifo, file, gz, latin1, link, utf16, zst } from "./files.ts";
import { parquetFile } from "./good_data.ts";

const COLUMNS = "--user uid --item sku --time ts --clicked label";
const LOG = `${COLUMNS} --memory 500MB --threads 1`;

const log = (
  name: string,
  source: string,
  files: Maker,
  says: Words,
  more: More = {},
  args = "",
) => bad(name, `data log --source '${source}' ${LOG} ${args}`, files, says, more);
const csv = (name: string, text: Contents, says: Words, more: More = {}, args = "") =>
  of(name, "log.csv", text, says, more, args);
/** A log of one file. */
const of = (name: string, path: string, contents: Contents, says: Words, more: More = {}, args = "") =>
  log(name, `DIR/${path}`, file(path, contents), says, more, args);
const parquet = (name: string, sql: string, says: Words) =>
  log(name, "DIR/log.parquet", parquetFile("log.parquet", sql), says);
/** A log that is prepared, with what is said of it. */
const fine = (name: string, text: Contents, says: Words, args = "") =>
  csv(name, text, says, { code: 0, leaves: ["out/"] }, args);

const HEAD = "uid,sku,ts,label\n";
/** A page of two items for each of so many users, the first clicked. */
const rows = (users: number) =>
  Array.from(
    { length: users },
    (_, k) => `u${k},a,${1600000000 + k},1\nu${k},b,${1600000000 + k},0\n`,
  ).join("");
const good = HEAD + rows(20);
const many = (bad: string) => HEAD + rows(100) + bad;
const ROW = { uid: "a", sku: "x", ts: 1600000000, label: 1 };
const json = (row: unknown) => JSON.stringify(row) + "\n";

export const dataLogFiles: readonly BadInput[] = [
  ...table({ run: `data log --source DIR/log.csv ${LOG}`, files: file("log.csv", good) })`
    an empty --out | --out '' | Expected the path of a folder, got nothing
    shares that do not add up | --shares 80-10-20 | Expected three percentages that add up to 100
    shares without train users | --shares 0-50-50 | Expected three percentages that add up to 100
    shares of half a percent | --shares 79.5-10-10.5 | Expected three percentages that add up to 100
    a memory that is none | --memory much | Expected a size such as 2GB or 800MB
    a memory of 0 | --memory 0GB | /memory|Expected a size/
    a memory of 1 KB | --memory 1KB | /memory/
    no hashes | --hash-items 0 | Expected a whole number in 1..10000000
    hashes of ids that are left out | --hash-items 9 --no-item-ids | Expected --hash-items or --no-item-ids, got both
    hashes beside those of another set | --hash-items 9 --like DIR/set | Expected --like without --item-ids, --no-item-ids and --hash-items
    no threads | --threads 0 | Expected a whole number in 1..1024
    a split that is none | --split random | Allowed choices are hash, time
    --dense without --features | --dense x | Expected --features with --dense
    a column that is named twice | --features DIR/log.csv --dense x,x | Expected different columns joined by commas
    a folder that holds something | --out DIR | holds log.csv
    a file for a folder | --out DIR/log.csv | log.csv
    below a file | --out DIR/log.csv/out | log.csv
    a comma in the folder's name | --out DIR/a,b | without a comma in its path
  `,
  ...table({})`
    no options | data log | required option '--source <files>' not specified
    no subcommand | data | /Usage|subcommand|command/
    an unknown subcommand | data prepare | unknown command 'prepare'
    an empty source | data log --source '' ${COLUMNS} | Expected a name, got nothing
    an empty column | data log --source x --user '' | Expected a name, got nothing
  `,
  // Options.
  // What is at the path.
  log("no file", "DIR/none.csv", nothing, "found no such file"),
  log("a glob without a match", "DIR/*.tsv", file("log.csv", good), "quote a glob"),
  log("a folder", "DIR/logs", file("logs/log.csv", good), "found a folder. Name the files in it"),
  of(
    "a folder whose name is a glob",
    "rr[1]/log.csv",
    good,
    "20 pages with 40 displayed items of 2, 20 clicks",
    { code: 0, leaves: ["out/"] },
  ),
  log("a dangling link", "DIR/log.csv", link("log.csv", "DIR/gone"), /log\.csv/),
  log(
    "a dangling link in a glob",
    "DIR/*.csv",
    all(file("a.csv", good), link("b.csv", "DIR/gone")),
    /b\.csv/,
  ),
  log("a loop of links", "DIR/log.csv", link("log.csv", "DIR/log.csv"), /log\.csv/),
  log("a FIFO", "DIR/log.csv", fifo("log.csv"), /FIFO|pipe/),
  log("an address of the web", "http://localhost:1/log.csv", nothing, [
    "http://localhost:1/log.csv",
    /local|this machine/,
  ]),
  log("an address of S3", "s3://bucket/log.parquet", nothing, [
    "s3://bucket/log.parquet",
    /local|this machine/,
  ]),
  log("a path of 5,000 characters", `DIR/${"p".repeat(5000)}.csv`, nothing, /no such file|too long/),
  of("an ending that is not known", "log.xlsx", good, "expected a file whose name ends in .csv"),
  of("no ending", "log", good, "expected a file whose name ends in .csv"),
  log(
    "files of two formats",
    "DIR/logs/*",
    all(file("logs/a.csv", good), file("logs/b.json", "{}")),
    "Expected files of one format",
  ),
  log(
    "a pattern that all files match, with the new folder among them",
    "DIR/*",
    file("log.csv", good),
    "20 pages with 40 displayed items of 2, 20 clicks",
    { code: 0, leaves: ["out/"] },
  ),
  log(
    "files of other columns",
    "DIR/*.csv",
    all(file("a.csv", good), file("b.csv", good.replace("ts", "time"))),
    "Expected the same columns in all files",
  ),
  log(
    "files of other separators",
    "DIR/*.csv",
    all(file("a.csv", good), file("b.csv", good.replaceAll(",", ";"))),
    "are separated by commas, those of",
  ),
  // The text.
  csv("an empty file", "", "log.csv is empty"),
  csv("a header alone", HEAD, "Nothing is left of the source"),
  ...same(csv, "log.csv", {
    "blank lines": "\n\n\n",
    "UTF-16": utf16(good),
    "NUL bytes": Uint8Array.from({ length: 2000 }),
    "gzip without its ending": gz(good),
    "Parquet without its ending": "PAR1\0\0\0\0PAR1",
    "JSON": json(ROW),
  }),
  csv("no header", rows(20), 'expected a column "uid" (--user)'),
  csv("columns in capitals", good.replace("uid", "UID"), 'Is it "UID"?'),
  csv("a missing column", "uid,sku,ts\na,x,1600000000\n", 'expected a column "label" (--clicked)'),
  csv("a column twice", "uid,uid,sku,ts,label\na,b,x,1600000000,1\n", 'expected one column "uid", found two'),
  csv(
    "columns that differ in capitals alone, the second of them asked for",
    "uid,UID,sku,ts,label\na,b,x,1600000000,1\na,c,x,1600000000,1\n",
    "2 pages with 2 displayed items of 1, 2 clicks",
    { code: 0, leaves: ["out/"] },
    "--user UID --pages as-is",
  ),
  csv("colons for commas", good.replaceAll(",", ":"), "Separate the columns by commas"),
  csv(
    "another separator halfway",
    HEAD + rows(5) + rows(50).replaceAll(",", ";"),
    "expected 4 values as in the header, found 1",
  ),
  csv(
    "a quote that is never closed",
    good + 'a,"x,1600000000,1\n' + rows(5),
    "the quote of a value that begins here is never closed",
  ),
  csv("latin1", latin1(good + "caf\xe9,x,1600000000,1\n"), ["not utf-8", "iconv"]),
  csv(
    "ends of lines of two kinds",
    HEAD + "a,x,1600000000,1\r\nb,x,1600000000,1\n",
    "Lines may end in two ways",
  ),
  of("gzip that is cut", "log.csv.gz", gz(good).slice(0, 60), "the compressed file is cut off or damaged"),
  of("gzip of something else", "log.csv.gz", good, "the compressed file is cut off or damaged"),
  of("gzip that is empty", "log.csv.gz", "", "log.csv.gz"),
  of("zstd that is cut", "log.csv.zst", zst(good).slice(0, -5), "the compressed file is cut off or damaged"),
  of("zstd of something else", "log.csv.zst", good, "the compressed file is cut off or damaged"),
  of("Parquet that is text", "log.parquet", good, "log.parquet"),
  of("Parquet that is empty", "log.parquet", "", "log.parquet"),
  log(
    "Parquet without its first 50 bytes",
    "DIR/log.parquet",
    all(
      parquetFile("log.parquet", "SELECT 'a' AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label"),
      (folder) =>
        Deno.writeFileSync(`${folder}/log.parquet`, Deno.readFileSync(`${folder}/log.parquet`).slice(50)),
    ),
    "log.parquet",
  ),
  parquet(
    "Parquet of nested users",
    "SELECT {'a': 1} AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label",
    "expected uid (--user) to be text or whole numbers",
  ),
  parquet(
    "Parquet of users that are floats beyond 2^53",
    "SELECT (9007199254740992 + k)::DOUBLE AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label FROM range(4) AS r(k)",
    /uid/,
  ),
  parquet(
    "Parquet of times that are lists",
    "SELECT 'a' AS uid, 'x' AS sku, [1600000000] AS ts, 1 AS label",
    "ts",
  ),
  of(
    "JSON that is an array",
    "log.json",
    `[${json(ROW)}]`,
    "expected JSON lines (one object on each line), found an array",
  ),
  of("JSON over several lines", "log.json", JSON.stringify(ROW, null, 2), "log.json"),
  of("JSON that is empty", "log.json", "", "found no columns"),
  of("JSON of numbers", "log.json", "1\n2\n3\n", "log.json"),
  of("JSON of nested users", "log.json", json({ ...ROW, uid: { a: 1 } }).repeat(20), "log.json"),
  of(
    "JSON nested 10,000 deep",
    "log.json",
    `{"uid":${"[".repeat(10_000)}${"]".repeat(10_000)}}\n`,
    "log.json",
  ),
  // Where it goes.
  csv("a name too long", good, "the name is too long", {}, `--out DIR/${"n".repeat(300)}`),
  log(
    "a folder of the user's where the set is made",
    "DIR/log.csv",
    all(file("log.csv", good), file("out/mine.txt", "mine")),
    "out holds mine.txt",
  ),
  of("a name with a quote, which is quoted in the hints", "log.csv", good, /--data '.*it'\\''s'/, {
    code: 0,
    leaves: ["it's/"],
  }, `--out "DIR/it's"`),
];

/** A value that cannot be read, in the only row: too many bad ones. */
const values: [column: keyof typeof ROW, value: string, says: string][] = [
  ["uid", "", "expected uid to be an id, found nothing"],
  ["sku", "", "expected sku to be an id, found nothing"],
  ["ts", "", "expected ts to be a time"],
  ["ts", "yesterday", 'found "yesterday"'],
  ["ts", "2020-02-30", 'found "2020-02-30"'],
  ["ts", "2020-01-01T25:00:00", 'found "2020-01-01T25:00:00"'],
  ["ts", "2020-01-01T00:00:00+99:99", 'found "2020-01-01T00:00:00+99:99"'],
  ["ts", "1e400", 'found "1e400"'],
  ["ts", "NaN", 'found "NaN"'],
  ["label", "", "expected label to be 0, 1, true, false, yes or no"],
  ["label", "2", 'found "2"'],
  ["label", "perhaps", 'found "perhaps"'],
  ["label", "-1", 'found "-1"'],
  ["label", "0.5", 'found "0.5"'],
];

/** For pages of one item, and what else a preparation would refuse. */
const AS_IS = "--pages as-is";

const features = (name: string, text: string, says: Words, more: More = {}, args = "") =>
  log(
    `features: ${name}`,
    "DIR/log.csv",
    all(file("log.csv", good), file("f.csv", text)),
    says,
    more,
    `--features DIR/f.csv ${args}`,
  );

export const dataLogRows: readonly BadInput[] = [
  // Rows.
  ...values.map(([column, value, says]) =>
    csv(
      `${column} of ${JSON.stringify(value)} alone`,
      HEAD + Object.entries({ ...ROW, [column]: value }).map(([, v]) => v).join(",") + "\n",
      says,
    )
  ),
  csv(
    "a row too short in 50",
    HEAD + rows(24) + "a,x\n",
    "log.csv:50: expected 4 values as in the header, found 2",
  ),
  csv(
    "a bad row with --strict",
    many(",x,1600000000,1\n"),
    "log.csv:202: expected uid to be an id, found nothing",
    {},
    "--strict",
  ),
  fine(
    "one user of one page",
    HEAD + "a,x,1600000000,1\n",
    "1 pages with 1 displayed items of 1, 1 clicks",
    AS_IS,
  ),
  csv(
    "pages of one item, all clicked",
    HEAD + "a,x,1600000000,1\nb,y,1600000000,1\n",
    "this is a log of clicks",
  ),
  csv("days for times", good.replaceAll(/16000000\d\d/g, "2020-09-13"), "The times (ts) are whole days"),
  fine("one bad row of 201", many(",x,1600000000,1\n"), [
    "1 rows could not be read and are left out",
    "log.csv:202: expected uid to be an id, found nothing",
    "100 pages with 200 displayed items of 2, 100 clicks",
  ]),
  ...same(fine, "20 pages with 40 displayed items of 2, 20 clicks", {
    "a row twice counts once": HEAD + rows(20) + rows(20),
    "a byte order mark": "\ufeff" + good,
    "the line ends of Windows": good.replaceAll("\n", "\r\n"),
  }),
  fine(
    "users that differ in a space alone stay apart",
    HEAD + "a,x,1600000000,1\na ,x,1600000000,1\n",
    "2 pages with 2 displayed items of 1, 2 clicks",
    AS_IS,
  ),
  fine(
    "users beyond 2^53 stay apart",
    HEAD + "9007199254740992,x,1600000000,1\n9007199254740993,x,1600000000,1\n",
    "2 pages with 2 displayed items",
    AS_IS,
  ),
  fine(
    "ids of any text",
    HEAD + `"$(touch x)","'; DROP TABLE users; --",1600000000,1\n`.repeat(2),
    "1 pages with 1 displayed items of 1, 1 clicks",
    AS_IS,
  ),
  csv("nobody clicks", good.replaceAll(",1\n", ",0\n"), "Expected clicks, found none on 20 pages"),
  fine("nobody clicks, as it is", good.replaceAll(",1\n", ",0\n"), "0 clicks", AS_IS),
  fine(
    "times in nanoseconds stay apart",
    HEAD + "a,x,1600000000000000001,1\na,y,1600000000000000002,1\n",
    "2 pages with 2 displayed items of 2, 2 clicks",
    AS_IS,
  ),
  // What is known of the items.
  features("no file", "sku,x\na,1\n", "none.csv", {}, "--features DIR/none.csv"),
  features("no column of items", "id,x\na,1\n", 'expected a column "sku" (--features-key)'),
  features("an item twice", "sku,x\na,1\na,2\n", "expected one row for each item"),
  features("infinity", "sku,x\na,1\nb,inf\n", "found inf"),
  features("1e39", "sku,x\na,1\nb,1e39\n", /found 1e\+?39/),
  features("NaN", "sku,x\na,1\nb,nan\n", "found nan"),
  features("text among numbers", "sku,x\na,1\nb,dear\n", 'found "dear"', {}, "--dense x"),
  features(
    "a column that is not there",
    "sku,x\na,1\n",
    'expected a column "y" (--tokens)',
    {},
    "--tokens y",
  ),
  features(
    "both numbers and categories",
    "sku,x\na,1\n",
    "x is named by --dense and by --tokens",
    {},
    "--tokens x --dense x",
  ),
  features("a row too long", "sku,x\na,1,3\n", "f.csv:2: expected 2 values as in the header, found 3"),
  features("empty", "", "f.csv is empty"),
];
