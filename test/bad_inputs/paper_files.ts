/** Logs in the paper's layout that are no such logs, or whose rows are wrong. */

import { all, bad, type BadInput, type Maker, type More, same, type Words } from "./corpus.ts";
import { cut, file, gz, latin1, line, utf16 } from "./files.ts";
import { type Column, COLUMNS, paper, paperCell, paperRows, paperText, usersOf } from "./good_data.ts";

/** A run that ends at once. */
const QUICK = "--batch-size 5 --iterations 2 --validate-every 1 --dims 4 --lstm-units 4";

const train = (name: string, files: Maker, says: Words, more: More = {}) =>
  bad(name, `train --data DIR/log.tsv ${QUICK}`, files, says, more);

/** What a value of line 7 must not be. */
const cells: [column: Column, expected: string, values: readonly string[]][] = [
  ["session_new_index", "a whole number", [
    "",
    "-3",
    "1.5",
    "1e3",
    "0x10",
    " 5 ",
    "-0",
    "9007199254740993",
    "NaN",
    '"3"',
    "\u0663",
  ]],
  ["item_new_index", "a whole number", ["", "-1", "2.0", "1e300"]],
  ["item_new_index", "at most 10000000", ["10000001"]],
  ["is_click", "0 or 1", ["", "2", "-1", "true", "1.0"]],
  ["tr_val_tst", "0 (train), 1 (validation) or 2 (test)", ["", "3", "train"]],
  ["Time", "a number", ["", "NaN", "Infinity", "1e400", "2020-01-01"]],
];

const header = COLUMNS.join("\t");

/** Small enough to be one page, large enough to train on. */
const three = [...usersOf(0, 8, 0), ...usersOf(8, 2, 1), ...usersOf(10, 2, 2)];

export const paperFiles: readonly BadInput[] = [
  ...cells.flatMap(([column, expected, values]) =>
    values.map((value) =>
      train(`${column} of ${JSON.stringify(value)}`, paperCell(7, column, value), [
        `log.tsv:7: expected ${column} to be ${expected}`,
        `found "${value}"`,
      ])
    )
  ),
  ...same(train, "the file is empty", {
    "an empty file": file("log.tsv", ""),
    "blank lines alone": file("log.tsv", "\n\n \n"),
    "a byte order mark alone": file("log.tsv", "\ufeff"),
  }),
  train("a header alone", file("log.tsv", header + "\n"), "a header and no rows"),
  train("a header without its end", file("log.tsv", header), "a header and no rows"),
  ...same(train, "log.tsv:1: expected tab-separated columns", {
    "rows without a header": paper((text) => text.replace(/^.*\n/, "")),
    "semicolons": paper((text) => text.replaceAll("\t", ";")),
    "spaces": paper((text) => text.replaceAll("\t", " ")),
    "carriage returns alone": paper((text) => text.replaceAll("\n", "\r")),
    "JSON": file("log.tsv", '[{"session_new_index": 1}]'),
  }),
  train("commas", paper((text) => text.replaceAll("\t", ",")), ["log.tsv:1:", "separated by commas"]),
  train("a renamed column", paper((text) => text.replace("is_click", "clicked")), "is_click is missing"),
  train("columns in capitals", paper(line(1, (l) => l.toUpperCase())), "are missing"),
  train(
    "a column that is there twice, with other values",
    paper((text) => text.split("\n").map((l, k) => k === 0 ? `${l}\tis_click` : l && `${l}\t1`).join("\n")),
    /is_click.*twice|two columns|one column/,
  ),
  train("a missing column", paper((text) => text.replaceAll(/\t[^\t\n]*$/gm, "")), "tr_val_tst is missing"),
  train(
    "a row too short",
    paper(line(9, (l) => l.replace(/\t\d$/, ""))),
    "log.tsv:9: expected 5 tab-separated values as in the header, found 4",
  ),
  train(
    "a row too long",
    paper(line(9, (l) => l + "\t1")),
    "log.tsv:9: expected 5 tab-separated values as in the header, found 6",
  ),
  train("a blank that is a row", paper(line(9, () => " ")), "log.tsv:9: expected 5 tab-separated values"),
  train("a comment", paper(line(3, (l) => `# a note\n${l}`)), "log.tsv:3: expected 5 tab-separated values"),
  train(
    "a value with a line break in quotes",
    paper(line(4, (l) => `"${l.replace("\t", "\n\t")}"`)),
    "log.tsv:4:",
  ),
  train(
    "another separator halfway",
    paper((text) => text.split("\n").map((l, k) => k > 50 ? l.replaceAll("\t", ";") : l).join("\n")),
    "log.tsv:52: expected 5 tab-separated values",
  ),
  train("cut within a row", all(paper(), cut("log.tsv", -12)), /log\.tsv:\d+: expected/),
  train(
    "cut within a number that stays one",
    paper((text) => text.replace(/\t\d\n$/, "\t")),
    /log\.tsv:\d+: expected tr_val_tst/,
  ),
  train("UTF-16", paper(utf16), /log\.tsv.*(UTF-16|UTF-8|expected tab-separated columns)/),
  train(
    "latin1 in the header",
    file("log.tsv", latin1(paperText().replace("Time", "T\xefme"))),
    "Time is missing",
  ),
  ...same(train, "log.tsv", {
    "gzip": paper(gz),
    "binary": file("log.tsv", Uint8Array.from({ length: 3000 }, (_, k) => (k * 7919) & 255)),
    "Parquet by its first bytes": file("log.tsv", "PAR1\0\0\0\0PAR1"),
  }),
  train(
    "a NUL byte",
    paper(line(5, (l) => l.replace("\t", "\0\t"))),
    "log.tsv:5: expected session_new_index",
  ),
  train("a user in two parts", paperCell(2, "tr_val_tst", "2"), [
    "user 0 has tr_val_tst",
    "All rows of a user must be in one part",
  ]),
  train("all users in one part", paper((text) => text.replaceAll(/\t\d$/gm, "\t0")), [
    "no validation users",
    "give some users tr_val_tst 1",
  ]),
  train("no test users", paperRows([...usersOf(0, 6, 0), ...usersOf(6, 2, 1)]), "no test users"),
  train("no train users", paperRows([...usersOf(0, 6, 1), ...usersOf(6, 2, 2)]), "no train users"),
  train("one user", paperRows(usersOf(0, 1, 0)), "no validation users"),
  train("raw ids of items", paperRows([[0, 1, 4294967296, 1, 0]]), "is it a raw id?"),
  // Odd, but right: what is left out is said, and the figures are those of what is there.
  bad(
    "users who never click: there is no precision to speak of",
    `train --data DIR/log.tsv ${QUICK}`,
    paperRows([...usersOf(0, 8, 0, 3, false), ...usersOf(8, 2, 1, 3, false), ...usersOf(10, 2, 2, 3, false)]),
    [/random +1\.3863 +- +-/, "prec@1 -"],
    { code: 0, leaves: ["run/"] },
  ),
  bad(
    "pages of one item, each clicked",
    `train --data DIR/log.tsv ${QUICK}`,
    paperRows([...usersOf(0, 8, 0, 1), ...usersOf(8, 2, 1, 1), ...usersOf(10, 2, 2, 1)]),
    ["found only pages of one item, which is clicked", "--pages sampled"],
  ),
  bad(
    "line ends of Windows, a byte order mark, blank lines and further columns",
    `train --data DIR/log.tsv ${QUICK}`,
    file(
      "log.tsv",
      "\ufeff" +
        [COLUMNS, ...three].map((row, k) => `${k === 0 ? "note" : '"'}\t${row.join("\t")}`).join("\r\n\r\n") +
        "\r\n",
    ),
    "12 users, 12 events, 36 displayed items of 3",
    { code: 0, leaves: ["run/"] },
  ),
];
