/** Rows and features for `data log`: those that end it, and those that are left out with a notice. */

import { all, type BadInput, type More, type Words } from "./corpus.ts";
import { csv, fine, good, HEAD, log, many, ROW, rows } from "./data_log_case.ts";
import { file } from "./files.ts";

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
const AS_IS = ["--pages", "as-is"];

const features = (name: string, text: string, says: Words, more: More = {}, args: readonly string[] = []) =>
  log(
    `features: ${name}`,
    "DIR/log.csv",
    all(file("log.csv", good), file("f.csv", text)),
    says,
    more,
    ["--features", "DIR/f.csv", ...args],
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
    ["--strict"],
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
  fine(
    "a row twice counts once",
    HEAD + rows(20) + rows(20),
    "20 pages with 40 displayed items of 2, 20 clicks",
  ),
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
  fine("a byte order mark", "\ufeff" + good, "20 pages with 40 displayed items of 2, 20 clicks"),
  fine(
    "the line ends of Windows",
    good.replaceAll("\n", "\r\n"),
    "20 pages with 40 displayed items of 2, 20 clicks",
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
  features("no file", "sku,x\na,1\n", "none.csv", {}, ["--features", "DIR/none.csv"]),
  features("no column of items", "id,x\na,1\n", 'expected a column "sku" (--features-key)'),
  features("an item twice", "sku,x\na,1\na,2\n", "expected one row for each item"),
  features("infinity", "sku,x\na,1\nb,inf\n", "found inf"),
  features("1e39", "sku,x\na,1\nb,1e39\n", /found 1e\+?39/),
  features("NaN", "sku,x\na,1\nb,nan\n", "found nan"),
  features("text among numbers", "sku,x\na,1\nb,dear\n", 'found "dear"', {}, ["--dense", "x"]),
  features("a column that is not there", "sku,x\na,1\n", 'expected a column "y" (--tokens)', {}, [
    "--tokens",
    "y",
  ]),
  features("both numbers and categories", "sku,x\na,1\n", "x is named by --dense and by --tokens", {}, [
    "--tokens",
    "x",
    "--dense",
    "x",
  ]),
  features("a row too long", "sku,x\na,1,3\n", "f.csv:2: expected 2 values as in the header, found 3"),
  features("empty", "", "f.csv is empty"),
];
