/** Raw logs for `data log`: options, files that are none, and where it goes. */

import { all, bad, type BadInput, nothing } from "./corpus.ts";
import { COLUMNS, csv, good, HEAD, json, log, ROW, rows } from "./data_log_case.ts";
import { fifo, file, gz, latin1, link, utf16, zst } from "./files.ts";
import { parquetFile } from "./prepared.ts";

export const dataLogFiles: readonly BadInput[] = [
  // Options.
  bad("no options", ["data", "log"], nothing, "required option '--source <files>' not specified"),
  bad("no subcommand", ["data"], nothing, /Usage|subcommand|command/),
  bad("an unknown subcommand", ["data", "prepare"], nothing, "unknown command 'prepare'"),
  bad(
    "an empty source",
    ["data", "log", "--source", "", ...COLUMNS],
    nothing,
    "Expected a name, got nothing",
  ),
  bad(
    "an empty column",
    ["data", "log", "--source", "x", "--user", ""],
    nothing,
    "Expected a name, got nothing",
  ),
  csv("an empty --out", good, "Expected the path of a folder, got nothing", {}, ["--out", ""]),
  csv("shares that do not add up", good, "Expected three percentages that add up to 100", {}, [
    "--shares",
    "80-10-20",
  ]),
  csv("shares without train users", good, "Expected three percentages that add up to 100", {}, [
    "--shares",
    "0-50-50",
  ]),
  csv("shares of half a percent", good, "Expected three percentages that add up to 100", {}, [
    "--shares",
    "79.5-10-10.5",
  ]),
  csv("a memory that is none", good, "Expected a size such as 2GB or 800MB", {}, ["--memory", "much"]),
  csv("a memory of 0", good, /memory|Expected a size/, {}, ["--memory", "0GB"]),
  csv("a memory of 1 KB", good, /memory/, {}, ["--memory", "1KB"]),
  csv("no threads", good, "Expected a whole number in 1..1024", {}, ["--threads", "0"]),
  csv("a split that is none", good, "Allowed choices are hash, time", {}, ["--split", "random"]),
  csv("--dense without --features", good, "Expected --features with --dense", {}, ["--dense", "x"]),
  csv("a column that is named twice", good, "Expected different columns joined by commas", {}, [
    "--features",
    "DIR/log.csv",
    "--dense",
    "x,x",
  ]),

  // What is at the path.
  log("no file", "DIR/none.csv", nothing, "found no such file"),
  log("a glob without a match", "DIR/*.tsv", file("log.csv", good), "quote a glob"),
  log("a folder", "DIR/logs", file("logs/log.csv", good), "found a folder. Name the files in it"),
  log(
    "a folder whose name is a glob",
    "DIR/rr[1]/log.csv",
    file("rr[1]/log.csv", good),
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
  log(
    "an ending that is not known",
    "DIR/log.xlsx",
    file("log.xlsx", good),
    "expected a file whose name ends in .csv",
  ),
  log("no ending", "DIR/log", file("log", good), "expected a file whose name ends in .csv"),
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
  csv("blank lines", "\n\n\n", "log.csv"),
  csv("no header", rows(20), 'expected a column "uid" (--user)'),
  csv("columns in capitals", good.replace("uid", "UID"), 'Is it "UID"?'),
  csv("a missing column", "uid,sku,ts\na,x,1600000000\n", 'expected a column "label" (--clicked)'),
  csv("a column twice", "uid,uid,sku,ts,label\na,b,x,1600000000,1\n", 'expected one column "uid", found two'),
  csv(
    "columns that differ in capitals alone, the second of them asked for",
    "uid,UID,sku,ts,label\na,b,x,1600000000,1\na,c,x,1600000000,1\n",
    "2 pages with 2 displayed items of 1, 2 clicks",
    { code: 0, leaves: ["out/"] },
    ["--user", "UID", "--pages", "as-is"],
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
  csv("UTF-16", utf16(good), "log.csv"),
  csv("latin1", latin1(good + "caf\xe9,x,1600000000,1\n"), ["not utf-8", "iconv"]),
  csv("NUL bytes", Uint8Array.from({ length: 2000 }), "log.csv"),
  csv("gzip without its ending", gz(good), "log.csv"),
  csv("Parquet without its ending", "PAR1\0\0\0\0PAR1", "log.csv"),
  csv(
    "ends of lines of two kinds",
    HEAD + "a,x,1600000000,1\r\nb,x,1600000000,1\n",
    "Lines may end in two ways",
  ),
  csv("JSON", json(ROW), "log.csv"),
  log(
    "gzip that is cut",
    "DIR/log.csv.gz",
    file("log.csv.gz", gz(good).slice(0, 60)),
    "the compressed file is cut off or damaged",
  ),
  log(
    "gzip of something else",
    "DIR/log.csv.gz",
    file("log.csv.gz", good),
    "the compressed file is cut off or damaged",
  ),
  log("gzip that is empty", "DIR/log.csv.gz", file("log.csv.gz", ""), "log.csv.gz"),
  log(
    "zstd that is cut",
    "DIR/log.csv.zst",
    file("log.csv.zst", zst(good).slice(0, -5)),
    "the compressed file is cut off or damaged",
  ),
  log(
    "zstd of something else",
    "DIR/log.csv.zst",
    file("log.csv.zst", good),
    "the compressed file is cut off or damaged",
  ),
  log("Parquet that is text", "DIR/log.parquet", file("log.parquet", good), "log.parquet"),
  log("Parquet that is empty", "DIR/log.parquet", file("log.parquet", ""), "log.parquet"),
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
  log(
    "Parquet of nested users",
    "DIR/log.parquet",
    parquetFile("log.parquet", "SELECT {'a': 1} AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label"),
    "expected uid (--user) to be text or whole numbers",
  ),
  log(
    "Parquet of users that are floats beyond 2^53",
    "DIR/log.parquet",
    parquetFile(
      "log.parquet",
      "SELECT (9007199254740992 + k)::DOUBLE AS uid, 'x' AS sku, 1600000000 AS ts, 1 AS label FROM range(4) AS r(k)",
    ),
    /uid/,
  ),
  log(
    "Parquet of times that are lists",
    "DIR/log.parquet",
    parquetFile("log.parquet", "SELECT 'a' AS uid, 'x' AS sku, [1600000000] AS ts, 1 AS label"),
    "ts",
  ),
  log(
    "JSON that is an array",
    "DIR/log.json",
    file("log.json", `[${json(ROW)}]`),
    "expected JSON lines (one object on each line), found an array",
  ),
  log("JSON over several lines", "DIR/log.json", file("log.json", JSON.stringify(ROW, null, 2)), "log.json"),
  log("JSON that is empty", "DIR/log.json", file("log.json", ""), "found no columns"),
  log("JSON of numbers", "DIR/log.json", file("log.json", "1\n2\n3\n"), "log.json"),
  log(
    "JSON of nested users",
    "DIR/log.json",
    file("log.json", json({ ...ROW, uid: { a: 1 } }).repeat(20)),
    "log.json",
  ),
  log(
    "JSON nested 10,000 deep",
    "DIR/log.json",
    file("log.json", `{"uid":${"[".repeat(10_000)}${"]".repeat(10_000)}}\n`),
    "log.json",
  ),

  // Where it goes.
  csv("a folder that holds something", good, "holds log.csv", {}, ["--out", "DIR"]),
  csv("a file for a folder", good, "log.csv", {}, ["--out", "DIR/log.csv"]),
  csv("below a file", good, "log.csv", {}, ["--out", "DIR/log.csv/out"]),
  csv("a name too long", good, "the name is too long", {}, ["--out", `DIR/${"n".repeat(300)}`]),
  csv("a comma in the folder's name", good, "without a comma in its path", {}, ["--out", "DIR/a,b"]),
  log(
    "a folder of the user's where the set is made",
    "DIR/log.csv",
    all(file("log.csv", good), file("out.partial/mine.txt", "mine")),
    "found mine.txt in it, which this program did not write",
  ),
  log(
    "a name with a quote, which is quoted in the hints",
    "DIR/log.csv",
    file("log.csv", good),
    /--data '.*it'\\''s'/,
    { code: 0, leaves: ["it's/"] },
    ["--out", "DIR/it's"],
  ),
];
