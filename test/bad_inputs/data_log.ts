/** Raw logs for `data log`: options, files that are none, rows that end it, and those that are left out with a notice. */

import { all, bad, type BadInput, type Maker, nothing, same, table, type Words } from "./corpus.ts";
import {
  aroundWith,
  type Contents,
  fifo,
  file,
  gz,
  latin1,
  link,
  made,
  unescaped,
  utf16,
  zst,
} from "./files.ts";
import { parquetFile } from "./good_inputs.ts";

const COLUMNS = "--user uid --item sku --time ts --clicked label";
const LOG = `${COLUMNS} --memory 500MB --threads 1`;

const log = (name: string, source: string, files: Maker, says: Words, args = "") =>
  bad(name, `data log --source '${source}' ${LOG} ${args}`, files, says);
/** A log of one file. */
const of = (name: string, path: string, contents: Contents, says: Words, args = "") =>
  log(name, `DIR/${path}`, file(path, contents), says, args);
const csv = (name: string, text: Contents, says: Words, args = "") => of(name, "log.csv", text, says, args);

const HEAD = "uid,sku,ts,label\n";
/** A page of two items for each of so many users, the first clicked. */
const rows = (users: number) =>
  Array.from({ length: users }, (_, k) => `u${k},a,${1600000000 + k},1\nu${k},b,${1600000000 + k},0\n`)
    .join("");
const good = HEAD + rows(20);
const json = (row: unknown) => JSON.stringify(row) + "\n";
const ROW = { uid: "a", sku: "x", ts: 1600000000, label: 1 };

/** A text with HEAD, ROWS(users) and GOOD for what they stand for. */
const logText = (text: string) =>
  unescaped(text).replaceAll("GOOD", good).replaceAll("HEAD", HEAD)
    .replaceAll(/ROWS\((\d+)\)/g, (_, users) => rows(Number(users)));
/** Of a log, as a text of {@link logText}; behind " with " stand further arguments. */
const written = (name: string, cell: string, says: Words) => {
  const [text, args] = aroundWith(cell);
  return csv(name, logText(text), says, args);
};
/** It is prepared. */
const fine = { code: 0, leaves: ["out/"] };
/** For pages of one item, and what else a preparation would refuse. */
const AS_IS = "--pages as-is";

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
  `,
  ...table({})`
    no options | data log | required option '--source <files>' not specified
    no subcommand | data | /Usage|subcommand|command/
    an unknown subcommand | data prepare | unknown command 'prepare'
    an empty source | data log --source '' ${COLUMNS} | Expected a name, got nothing
    an empty column | data log --source x --user '' | Expected a name, got nothing
  `,
  // What is at the path.
  log("no file", "DIR/none.csv", nothing, "found no such file"),
  log("a glob without a match", "DIR/*.tsv", file("log.csv", good), "quote a glob"),
  log("a folder", "DIR/logs", file("logs/log.csv", good), "found a folder. Name the files in it"),
  log("a dangling link", "DIR/log.csv", link("log.csv", "DIR/gone"), /log\.csv/),
  log("a FIFO", "DIR/log.csv", fifo("log.csv"), /FIFO|pipe/),
  log("an address of the web", "http://localhost:1/x.csv", nothing, ["//localhost:1/x.csv", /this machine/]),
  of("an ending that is not known", "log.xlsx", good, "expected a file whose name ends in .csv"),
  of("no ending", "log", good, "expected a file whose name ends in .csv"),
  ...[
    of(
      "a folder whose name is a glob",
      "rr[1]/log.csv",
      good,
      "20 pages with 40 displayed items of 2, 20 clicks",
    ),
    log(
      "a pattern that all files match, with the new folder among them",
      "DIR/*",
      file("log.csv", good),
      "20 pages with 40 displayed items of 2, 20 clicks",
    ),
  ].map((one) => ({ ...one, ...fine })),
  ...Object.entries({
    "files of two formats": ["b.json", "{}", "Expected files of one format"],
    "files of other columns": ["b.csv", good.replace("ts", "time"), "Expected the same columns in all files"],
    "files of other separators": ["b.csv", good.replaceAll(",", ";"), "are separated by commas, those of"],
  }).map(([name, [other = "", text = "", says = ""]]) =>
    log(name, "DIR/logs/*", all(file("logs/a.csv", good), file(`logs/${other}`, text)), says)
  ),
  // The text.
  ...same(csv, "log.csv", {
    "UTF-16": utf16(good),
    "NUL bytes": Uint8Array.from({ length: 2000 }),
    "gzip without its ending": gz(good),
    "Parquet without its ending": "PAR1\0\0\0\0PAR1",
    "JSON": json(ROW),
  }),
  csv("columns in capitals", good.replace("uid", "UID"), 'Is it "UID"?'),
  csv("colons for commas", good.replaceAll(",", ":"), "Separate the columns by commas"),
  csv("latin1", latin1(good + "caf\xe9,x,1600000000,1\n"), ["not utf-8", "iconv"]),
  ...table(written)`
    an empty file |  | log.csv is empty
    blank lines | \n\n\n | log.csv
    a header alone | HEAD | Nothing is left of the source
    no header | ROWS(20) | expected a column "uid" (--user)
    a missing column | uid,sku,ts\na,x,1600000000\n | expected a column "label" (--clicked)
    a column twice | uid,uid,sku,ts,label\na,b,x,1600000000,1\n | expected one column "uid", found two
    another separator halfway | HEADROWS(5)u;a;1600000000;1\nu;b;1600000000;0\n
      | expected 4 values as in the header, found 1
    a quote that is never closed | GOODa,"x,1600000000,1\nROWS(5) | the quote of a value that begins here is never closed
    ends of lines of two kinds | HEADa,x,1600000000,1\r\nb,x,1600000000,1\n | Lines may end in two ways
  `,
  ...table(written, fine)`
    columns that differ in capitals alone, the second of them asked for
      | uid,UID,sku,ts,label\na,b,x,1600000000,1\na,c,x,1600000000,1\n with --user UID --pages as-is
      | 2 pages with 2 displayed items of 1, 2 clicks
  `,
  ...Object.entries({
    "gzip that is cut": ["gz", gz(good).slice(0, 60)] as const,
    "gzip of something else": ["gz", good] as const,
    "zstd that is cut": ["zst", zst(good).slice(0, -5)] as const,
    "zstd of something else": ["zst", good] as const,
  }).map(([name, [ending, bytes]]) =>
    of(name, `log.csv.${ending}`, bytes, "the compressed file is cut off or damaged")
  ),
  of("gzip that is empty", "log.csv.gz", "", "log.csv.gz"),
  of("Parquet that is text", "log.parquet", good, "log.parquet"),
  of("Parquet that is empty", "log.parquet", "", "log.parquet"),
  ...table((name, sql, says) =>
    log(name, "DIR/log.parquet", parquetFile("log.parquet", `SELECT ${sql}`), says)
  )`
    Parquet of nested users | {'a': 1} AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label
      | expected uid (--user) to be text or whole numbers
    Parquet of users that are floats beyond 2^53
      | (9007199254740992 + k)::DOUBLE AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label FROM range(4) AS r(k) | /uid/
    Parquet of times that are lists | 'a' AS uid, 'x' AS sku, [1600000000] AS ts, 1 AS label | ts
  `,
  of(
    "JSON that is an array",
    "log.json",
    `[${json(ROW)}]`,
    "expected JSON lines (one object on each line), found an array",
  ),
  ...Object.entries({
    "over several lines": JSON.stringify(ROW, null, 2),
    "of numbers": "1\n2\n3\n",
    "of nested users": json({ ...ROW, uid: { a: 1 } }).repeat(20),
    "nested 10,000 deep": `{"uid":${"[".repeat(10_000)}${"]".repeat(10_000)}}\n`,
  }).map(([name, text]) => of(`JSON ${name}`, "log.json", text, "log.json")),
  of("JSON that is empty", "log.json", "", "found no columns"),
  // Where it goes.
  csv("a name too long", good, "the name is too long", `--out DIR/${"n".repeat(300)}`),
  log(
    "a folder of the user's where the set is made",
    "DIR/log.csv",
    all(file("log.csv", good), made("file out/mine.txt mine")),
    "out holds mine.txt",
  ),
  {
    ...csv(
      "a name with a quote, which is quoted in the hints",
      good,
      /--data '.*it'\\''s'/,
      `--out "DIR/it's"`,
    ),
    ...{ code: 0, leaves: ["it's/"] },
  },
];

const features = (name: string, cell: string, says: Words) => {
  const [text, args] = aroundWith(cell);
  const files = all(file("log.csv", good), file("f.csv", unescaped(text)));
  return log(`features: ${name}`, "DIR/log.csv", files, says, `--features DIR/f.csv ${args}`);
};

export const dataLogRows: readonly BadInput[] = [
  // A value that cannot be read, in the only row: too many bad ones.
  ...table((name, row, says) => csv(name, `${HEAD}${row}\n`, says))`
    sku of "" alone | a,,1600000000,1 | expected sku to be an id, found nothing
    ts of "" alone | a,x,,1 | expected ts to be a time
    ts of "1e400" alone | a,x,1e400,1 | found "1e400"
    ts of "NaN" alone | a,x,NaN,1 | found "NaN"
    label of "2" alone | a,x,1600000000,2 | found "2"
    label of "-1" alone | a,x,1600000000,-1 | found "-1"
    label of "0.5" alone | a,x,1600000000,0.5 | found "0.5"
  `,
  ...table(written, fine)`
    one user of one page | HEADa,x,1600000000,1\n with ${AS_IS} | 1 pages with 1 displayed items of 1, 1 clicks
    one bad row of 201 | HEADROWS(100),x,1600000000,1\n | 1 rows could not be read and are left out
      | log.csv:202: expected uid to be an id, found nothing | 100 pages with 200 displayed items of 2, 100 clicks
    a row twice counts once | HEADROWS(20)ROWS(20) | 20 pages with 40 displayed items of 2, 20 clicks
    a byte order mark | \ufeffGOOD | 20 pages with 40 displayed items of 2, 20 clicks
    users that differ in a space alone stay apart | HEADa,x,1600000000,1\na ,x,1600000000,1\n with ${AS_IS}
      | 2 pages with 2 displayed items of 1, 2 clicks
    ids of any text | HEAD"$(touch x)","'; DROP TABLE users; --",1600000000,1\n with ${AS_IS}
      | 1 pages with 1 displayed items of 1, 1 clicks
  `,
  ...same(csv, "20 pages with 40 displayed items of 2, 20 clicks", {
    "the line ends of Windows": good.replaceAll("\n", "\r\n"),
  }).map((one) => ({ ...one, ...fine })),
  { ...csv("nobody clicks, as it is", good.replaceAll(",1\n", ",0\n"), "0 clicks", AS_IS), ...fine },
  // What is known of the items.
  ...table(features)`
    no file | sku,x\na,1\n with --features DIR/none.csv | none.csv
    1e39 | sku,x\na,1\nb,1e39\n | /found 1e\+?39/
    NaN | sku,x\na,1\nb,nan\n | found nan
    a column that is not there | sku,x\na,1\n with --tokens y | expected a column "y" (--tokens)
    both numbers and categories | sku,x\na,1\n with --tokens x --dense x | x is named by --dense and by --tokens
    a row too long | sku,x\na,1,3\n | f.csv:2: expected 2 values as in the header, found 3
    empty |  | f.csv is empty
  `,
];
