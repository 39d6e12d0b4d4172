/** Logs of every shape: the same pages come of them all; what does not fit is refused with the reason. */

import assert from "node:assert/strict";
import { Command } from "commander";
import { preparations } from "../../src/commands/data/preparations.ts";
import { parseAndRun } from "../../src/cli/options.ts";
import type { Prepared } from "../../src/data/prepare/prepare.ts";
import { fieldsOfType, pathsOf } from "../../src/data/prepare/nested_names.ts";
import { refused, rowsOf } from "../case_table.ts";
import { folderWith, inRounds, pagesOf, parquet, prepareIn, query, sums } from "../prepared_folder.ts";
import { clicksOnly, expectedPages, shapeFiles } from "./log_shapes.ts";

/** What `deno task data log` with these arguments makes; names of files are those of the folder. */
async function prepared(
  folder: string,
  args: string | readonly string[],
  rounds: Parameters<typeof inRounds>[1] = null,
): Promise<Prepared> {
  const list = typeof args === "string" ? args.split(" ") : args;
  const inFolder = list.map((arg) => /^[\w*]+\.(csv|jsonl|parquet)$/.test(arg) ? `${folder}/${arg}` : arg);
  const made: Prepared[] = [];
  const command = new Command("data");
  const run: Parameters<typeof preparations>[0] = async (recipe, { maxEvents, threads = 1 }) => {
    made.push(await prepareIn(folder, inRounds(recipe, rounds), { maxEvents, threads }));
  };
  for (const preparation of preparations(run)) command.addCommand(preparation);
  await parseAndRun(command, ["log", ...inFolder]);
  return made[0] ?? assert.fail("nothing was prepared");
}

async function refuses(folder: string, args: string, says: string): Promise<void> {
  await refused(() => prepared(folder, args), says, args);
}

/** The commands of the section of the guide that has them, without `deno task data log`. */
function shownShapes(): string[][] {
  const guide = Deno.readTextFileSync(new URL("../../data/README.md", import.meta.url));
  const section = guide.split("\n## ").find((text) => text.startsWith("Your log looks like")) ?? "";
  return [...section.matchAll(/^deno task data log (.*)$/gm)].map(([, args = ""]) => args.split(" "));
}

/** A log of two items a page, with its time in these columns. */
const timed = (columns: string, ...times: string[]) =>
  `uid,sku,label,${columns}\n` + times.map((time, k) => `u${k},a,1,${time}\nu${k},b,0,${time}\n`).join("");
/** Lines of so many rows, below a header. */
const lines = (head: string, count: number, row: (k: number) => string) =>
  `${head}\n${Array.from({ length: count }, (_, k) => `${row(k)}\n`).join("")}`;
const DAYS = lines(
  "uid,sku,ts,label,request",
  60,
  (k) => `u${k % 5},i${k % 7},2020-01-${10 + k % 3},${k % 2},p${k % 15}`,
);
/** An index from 0 or from 1: no click is on the first or the last. */
const EITHER = lines("uid,ts,shown,clicked", 9, (k) => `u${k},${1_600_000_000 + k},a b c d,${1 + k % 3}`);
/** Whole numbers that were written as floats; no value is no item. */
const FLOATS = '{"uid":1,"ts":1600000000,"shown":[3.0,4.0,"5.0"],"clicked":4.0}\n' +
  '{"uid":1,"ts":1600000001,"shown":"[3.0, 4.0]","clicked":[3]}\n';
const nested = (more: Record<string, unknown>) =>
  JSON.stringify({ uid: "u", ts: 1_600_000_000, c: "a", ...more }) + "\n";
/** Logs that are odd in one thing. */
const oddFiles = {
  "clicks_only.csv": clicksOnly,
  "years.csv": timed("ts", "2009", "2010"),
  "digits.csv": timed("ts", "20090131", "20101231"),
  "slashes.csv": timed("ts", "31/1/2009 7:05", "1/12/2010 17:30"),
  "names.csv": timed("ts", "31-Jan-2009", "1 dec 2010"),
  "parts.csv": timed("y,m,d,clock", "2009,1,31,7:05", "2010,12,1,17:30"),
  "ticks.csv": timed("ts", "5", "6"),
  "whole_days.csv": DAYS,
  "hours.csv": DAYS.replaceAll(/2020-01-(\d\d)/g, (_, day) => `2020-01-02T${day}:00`) +
    lines("", 40, (k) => `v${k % 2},i${k % 3},2020-02-0${1 + k % 4}T${10 + k % 9}:00,0,q`).slice(1),
  "either.csv": EITHER,
  "none.csv": EITHER.replaceAll(/,\d\n/g, ",e\n"),
  "floats.jsonl": FLOATS,
  "gap.jsonl": FLOATS.replace("4.0,", "null,"),
  "pairs.jsonl": nested({ shown: [["a", "b"], ["c"]] }),
  "groups.jsonl": nested({ groups: [{ ids: ["a", "b"] }] }),
  "headless.csv": shapeFiles["log.csv"]?.replace(/^.*\n/, "") ?? "",
};

async function shapesFolder(): Promise<string> {
  const folder = await folderWith({ ...shapeFiles, ...oddFiles });
  for (const name of ["nested", "pages", "objects", "pairs", "groups"]) {
    await parquet(`${folder}/${name}.parquet`, `SELECT * FROM read_json_auto('${folder}/${name}.jsonl')`);
  }
  return folder;
}

Deno.test("shapes: every command of the guide makes the same pages, but for the sampled ones", async () => {
  const shapes = shownShapes();
  assert.ok(shapes.length >= 14, `${shapes.length} commands`);
  const read = new Set(shapes.flat());
  for (const name of Object.keys(shapeFiles)) {
    assert.ok(read.has(name), `no command of the guide reads ${name}`);
  }
  const folder = await shapesFolder();
  for (const args of shapes.filter((args) => !args.includes("sampled"))) {
    const { folder: out, bad, manifest } = await prepared(folder, args, 20); // of 84
    assert.deepEqual(await pagesOf(out), expectedPages(), args.join(" "));
    assert.equal(bad.total, 0);
    assert.equal(manifest.places, "shown");
    assert.match(out, new RegExp(`/${manifest.name}$`)); // called by its folder
  }
  for (
    const args of shapes.filter((args) => args.includes("nested.jsonl") || args.includes("objects.jsonl"))
  ) {
    const { folder: out } = await prepared(folder, args.map((arg) => arg.replace(".jsonl", ".parquet")));
    assert.deepEqual(await pagesOf(out), expectedPages(), args.join(" "));
  }
});

Deno.test("shapes: date and time of day in two columns, of the clicks as well; a bad one is told by its line", async () => {
  const rows = Array.from(
    { length: 200 },
    (_, k) => `u${k % 9},i${k % 7},2024-03-0${1 + k % 7},${8 + k % 12}:0${k % 6}`,
  );
  const head = "uid,sku,day,clock\n";
  const shown = `${head}${rows.join("\n")}\nu1,i1,2024-03-01,25:00\n`;
  const clicks = `${head}${rows.slice(0, 9).join("\n")}\n`;
  const folder = await folderWith({ "shown.csv": shown, "clicks.csv": clicks });
  const args = "--source shown.csv --user uid --item sku --time clock --clicks clicks.csv --pages as-is";
  const { folder: out, bad } = await prepared(folder, `${args} --date day`);
  const pages = await pagesOf(out);
  assert.equal(pages.filter(({ clicked }) => clicked !== null).length, 9);
  assert.ok(pages.some(({ time }) => time === "2024-03-01 08:00:00"), JSON.stringify(pages[0]));
  assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [[
    202,
    "expected day and clock to be a time (a date such as 2024-03-01, and a time of day such as 09:05:58), " +
    'found "2024-03-01 25:00"',
  ]]);
  await refuses(folder, args, "cannot be read…name a date that stands apart with --date");
  await refuses(folder, `${args} --date date`, "date");
});

/** How times are written, and what is read of them. */
const TIMES = rowsOf(`
  years.csv --time ts --time-format %Y | 2009-01-01 00:00:00, 2010-01-01 00:00:00
  digits.csv --time ts --time-format %Y%m%d | 2009-01-31 00:00:00, 2010-12-31 00:00:00
  names.csv --time ts | 2009-01-31 00:00:00, 2010-12-01 00:00:00
  parts.csv --date y,m,d | 2009-01-31 00:00:00, 2010-12-01 00:00:00
  parts.csv --date y,m,d --time clock | 2009-01-31 07:05:00, 2010-12-01 17:30:00
  ticks.csv --time ts --time-format seconds | 1970-01-01 00:00:05, 1970-01-01 00:00:06
  ticks.csv --time ts --pages as-is | 1970-01-01 00:00:05, 1970-01-01 00:00:06
`);

Deno.test("shapes: times are read as they are said to be written", async () => {
  const folder = await folderWith(oddFiles);
  const timesOf = async (...args: string[]) => {
    const { folder: out } = await prepared(folder, ["--source", ...args, ...BY_USER.split(" ")]);
    return (await pagesOf(out)).map(({ time }) => time).join(", ");
  };
  for (const [args = "", times] of TIMES) assert.equal(await timesOf(...args.split(" ")), times, args);
  const slashes = ["slashes.csv", "--time", "ts", "--time-format", "%d/%m/%Y %H:%M"];
  assert.equal(await timesOf(...slashes), "2009-01-31 07:05:00, 2010-12-01 17:30:00");
});

Deno.test("shapes: a table of clicks may have its date in columns of its own", async () => {
  const files = {
    "shown.csv":
      "uid,sku,ts\nu,a,2009-01-31 07:05\nu,b,2009-01-31 07:05\nu,a,2010-12-01 17:30\nu,b,2010-12-01 17:30\n",
    "clicks.csv": "uid,sku,y,m,d,clock\nu,b,2009,1,31,7:06\nu,a,2010,12,1,17:31\n",
  };
  const folder = await folderWith(files);
  const args = "--source shown.csv --user uid --item sku --time ts --clicks clicks.csv --clicks-columns";
  const { folder: out } = await prepared(folder, `${args} date=y,month=m,day=d,time=clock`);
  assert.deepEqual((await pagesOf(out)).map(({ clicked }) => clicked), ["b", "a"]);
  await refuses(folder, `${args} date=y,month=m,time=clock`, "year, month and day of the clicks together");
});

Deno.test("shapes: sampled pages show the click among items by popularity, whatever the order of the rows", async () => {
  const args = "--source clicks_only.csv --user uid --item sku --time ts --pages sampled --page-size 5";
  const [head = "", ...rows] = clicksOnly.trim().split("\n");
  const shuffled = [head, ...rows.toReversed()].join("\n");
  const folder = await folderWith({ "clicks_only.csv": clicksOnly, "other.csv": shuffled });
  const one = await prepared(folder, args);
  const other = await prepared(folder, `${args.replace("clicks_only", "other")} --threads 2`);
  assert.deepEqual(sums(one), sums(other));
  assert.notDeepEqual(sums(await prepared(folder, `${args} --seed 2`)), sums(one));
  const pages = await pagesOf(one.folder);
  assert.equal(pages.length, 400);
  for (const { items, clicked } of pages) {
    assert.equal(new Set(items).size, 5);
    assert.ok(clicked !== null && items.includes(clicked));
  }
  // The click is at each place alike, and the first item, a sixth of the clicks, is drawn more often than the last.
  const places = [0, 1, 2, 3, 4].map((place) =>
    pages.filter(({ items, clicked }) => items[place] === clicked).length
  );
  for (const n of places) assert.ok(n > 50 && n < 110, places.join(" "));
  const drawn = (id: string) =>
    pages.filter(({ items, clicked }) => items.includes(id) && clicked !== id).length;
  assert.ok(drawn("i0") > 2 * drawn("i29"), `${drawn("i0")} ${drawn("i29")}`);
  assert.equal(one.manifest.places, "arbitrary");
  assert.match(one.manifest.notes.join(), /pages are made up/);
  // Windows of a day have fewer items than a page: the rest comes from the whole log.
  const short = await prepared(folder, `${args} --sampled-window 0.1`);
  assert.ok((await pagesOf(short.folder)).every(({ items }) => items.length === 5));
});

Deno.test("shapes: --max-events keeps the last events of each user", async () => {
  const folder = await folderWith({ "log.csv": shapeFiles["log.csv"] ?? "" });
  const args = "--source log.csv --user uid --item sku --time ts --clicked label --position pos";
  const { folder: out, manifest } = await prepared(folder, `${args} --max-events 3`);
  const last = Map.groupBy(expectedPages(), ({ user }) => user).values().flatMap((pages) => pages.slice(-3));
  assert.deepEqual(await pagesOf(out), [...last]);
  assert.equal(manifest.skipped["events before the last 3 of their user"], 6);
  const users = await query(out, "SELECT sum(pages) AS pages FROM users");
  assert.equal(Number(users[0]?.pages), 18);
});

const COLUMNS = "--user uid --item sku --time ts";
const USER = "--user uid --time ts";
const BY_USER = "--user uid --item sku --clicked label --page uid";
const LIST = `${USER} --items shown --clicked clicked`;
const PAGED = `${COLUMNS} --clicked label --page request --position pos`;
/** Logs with options that do not fit, and what is said of them. */
const REFUSED = rowsOf(`
  log.csv USER --clicked label | Expected --item (…) or --items (…), found neither
  log.csv COLUMNS | Expected what was clicked: a column (--clicked), …--pages sampled
  pages.jsonl COLUMNS --items shown --clicked clicked | Expected --item or --items, found both
  log.csv COLUMNS --clicked label --clicks clicks.csv | Expected --clicks or --clicked, found both
  log.csv COLUMNS --pages sampled --position pos | no --position with --pages sampled
  log.csv COLUMNS --clicked label --page-size 5 | Expected --pages sampled with --page-size
  events.csv COLUMNS --event kind
    | Expected --event-shown and --event-clicked with --event: the values of kind
  pages.jsonl USER --items shown --clicked clicked --page request --page-gap 3
    | --page or --page-gap
  log.csv COLUMNS --clicked label --clicked-as id | Expected --items with --clicked-as, found none
  log.csv COLUMNS --clicked label --page-gap 0 | Expected a number above 0, got "0"
  log.csv COLUMNS --clicks clicks.csv --clicks-columns thing=sku | Expected pairs such as item=sku
  nested.jsonl --user user.name --item shown.product.id --time request.at --clicked shown.clicked
    | expected a column "user.name" (--user), found request.at, request.id, shown.clicked, …user.id
  nested.parquet --user id --item shown.product.id --time request.at --clicked shown.clicked
    | expected a column "id" … Is it "
  objects.jsonl --user user.id --item products.id --time ts --clicked products.clicked
    | expected products.id (--item) to be text or whole numbers, found VARCHAR[]
  ratings.csv COLUMNS --clicked stars
    | stars cannot be read (…--clicked-from…expected stars to be 0, 1, true, false, yes or no, found
  actions.csv COLUMNS --clicked action | --clicked-values
  log.csv COLUMNS --clicked label --clicked-from 2
    | Expected clicks, found none on 24 pages…--clicked-from
  clicks_only.csv COLUMNS --clicked uid --clicked-values u1
    | Each of the 400 pages shows one item: no two rows of a user have the same time…--page-gap 5
  clicks.csv COLUMNS --clicks clicks.csv
    | shows one item, and it was clicked: this is a log of clicks…prec@1 would be 1.000…--pages sampled
  impressions.csv COLUMNS --clicks later.csv --clicks-columns user=what,item=who,time=at
    | found this of 0 of 16 clicks. Are ids and times written alike
  impressions.csv COLUMNS --clicks later.csv
    | later.csv:1: expected a column "uid" (--clicks-columns user=), found who, what, at
  impressions.csv COLUMNS --clicks later.csv --clicks-columns user=who,item=what,time=at --click-within 0.01
    | --click-within
  events.csv COLUMNS --event kind --event-shown show --event-clicked click
    | rows whose kind is show (--event-shown), found none. Found view (84 rows), click (16 rows), hover (5 rows)
  years.csv --time ts BY_USER
    | ts to be times of a log…seconds since 1970…mean 1970-01-01 00:33:29 to …--time-format
  digits.csv --time ts BY_USER | mean 1970-08-21
  ticks.csv --time ts BY_USER | mean 1970-01-01 00:00:05
  names.csv --time ts --time-format %Q BY_USER | Expected --time-format to be seconds, …got "%Q"
  slashes.csv --time ts --time-format %d.%m.%Y BY_USER
    | cannot be read…expected ts to be a time (%d.%m.%Y)
  parts.csv --date y,m BY_USER | Expected a column, or those with year, month and day, got "y,m"
  parts.csv --date y,m,day BY_USER | expected a column "day" (--date), found …y, m, d, clock
  years.csv BY_USER | Expected --time or --date
  whole_days.csv COLUMNS --clicked label
    | The times (ts) are whole days: without the pages' ids, all rows of a user in one day would be one page.…--page…--pages as-is
  hours.csv COLUMNS --clicked label | The times (ts) are whole hours
  either.csv LIST
    | Several fit; of 9 pages with a click fit id 0, index 9, marks 0, place 9. Say which it is with --clicked-as
  gap.jsonl LIST | gap.jsonl:1: expected shown to be a list of ids, at least one
  none.csv LIST | None fits
  none.csv LIST --clicked-as id
    | 9 of 9 rows cannot be read…none.csv:2: expected clicked to be the click of the list in shown
  pairs.jsonl USER --items shown --clicked c | expected shown to be a value or a list, but it is nested twice
  pairs.parquet USER --items shown --clicked c | expected shown to be a value or a list, but it is nested twice
  groups.jsonl USER --items groups.ids --clicked c | expected groups.ids to be a value or a list, but it is nested twice
  groups.parquet USER --items groups.ids --clicked c
    | expected groups.ids to be a value or a list, but it is nested twice
  headless.csv PAGED | Is the header missing?
  log.csv COLUMNS --clicked label --features products.csv
    | expected a column "sku" (--features-key), found product_id, price, brand
`);

Deno.test("shapes: what does not fit is refused, with what to do", async () => {
  const folder = await shapesFolder();
  const columns: Record<string, string> = { COLUMNS, USER, BY_USER, LIST, PAGED };
  for (const [args = "", says = ""] of REFUSED) {
    await refuses(
      folder,
      `--source ${args.replace(/\b[A-Z_]{4,}\b/, (name) => columns[name] ?? name)}`,
      says,
    );
  }
});

Deno.test("shapes: whole days, and clicks of lists that can be read in two ways", async () => {
  const folder = await folderWith(oddFiles);
  const args = `--source whole_days.csv ${COLUMNS} --clicked label`;
  const asIs = await prepared(folder, `${args} --pages as-is`);
  assert.match(
    asIs.manifest.notes.join(),
    /times are whole days: pages of a user in one day go by their ids/,
  );
  const byId = await prepared(folder, `${args} --page request`);
  assert.equal((await pagesOf(byId.folder)).length, 15);
  const place = await prepared(folder, `--source either.csv ${LIST} --clicked-as place`);
  assert.deepEqual((await pagesOf(place.folder)).slice(0, 3).map(({ clicked }) => clicked), ["a", "b", "c"]);
  const whole = await prepared(folder, `--source floats.jsonl ${LIST}`);
  assert.deepEqual((await pagesOf(whole.folder)).map(({ items, clicked }) => [items, clicked]), [
    [["3", "4", "5.0"], "4"],
    [["3", "4"], "3"],
  ]);
});

Deno.test("shapes: ids with spaces stay whole: a click that is an id of its page is that one", async () => {
  const shown: [items: string[], clicked: string][] = [
    [["red", "1", "red 1"], "red 1"],
    [["x", " x"], " x"],
    [["3", "3.0"], "3.0"],
    [["a,b", "c|d", "[e]"], "c|d"],
  ];
  const row = ([items, clicked]: (typeof shown)[number], k: number) =>
    JSON.stringify({ uid: "u", ts: 1_600_000_000 + k, shown: items, clicked }) + "\n";
  const bars = "uid,ts,shown,clicked\nu,1600000000,red 1|blue 2,blue 2\n" +
    'u,1600000001,"red 1, blue 2","red 1"\nu,1600000002,3 17 5,17\n';
  const folder = await folderWith({ "lists.jsonl": shown.map(row).join(""), "bars.csv": bars });
  const found = async (source: string) => {
    const { folder: out } = await prepared(folder, `--source ${source} ${LIST}`);
    return (await pagesOf(out)).map(({ items, clicked }) => [items, clicked]);
  };
  assert.deepEqual(await found("lists.jsonl"), shown);
  assert.deepEqual(await found("bars.csv"), [
    [["red 1", "blue 2"], "blue 2"],
    [["red 1", "blue 2"], "red 1"],
    [["3", "17", "5"], "17"],
  ]);
});

Deno.test("shapes: a name that says no format needs --format", async () => {
  const folder = await folderWith({ "log.dat": shapeFiles["log.csv"] ?? "" });
  const args = `--source ${folder}/log.dat ${PAGED}`;
  await refuses(folder, args, "--format (csv, json or parquet)");
  const { folder: out } = await prepared(folder, `${args} --format csv`);
  assert.deepEqual(await pagesOf(out), expectedPages());
});

Deno.test("dotted names: fields of types, and the ways to read a name", () => {
  assert.deepEqual(
    fieldsOfType('STRUCT(a INTEGER, "b c" STRUCT(d VARCHAR, e DECIMAL(4,2))[], "x, ""y" BOOLEAN)'),
    [
      { name: "a", type: "INTEGER" },
      { name: "b c", type: "STRUCT(d VARCHAR, e DECIMAL(4,2))[]" },
      { name: 'x, "y', type: "BOOLEAN" },
    ],
  );
  assert.deepEqual(fieldsOfType("VARCHAR"), []);
  assert.deepEqual(pathsOf("a.b.c"), [
    { names: ["a", "b", "c"] },
    { names: ["a"], each: ["b", "c"] },
    { names: ["a", "b"], each: ["c"] },
  ]);
  assert.deepEqual([pathsOf("a"), pathsOf("a..b")], [[], []]);
});
