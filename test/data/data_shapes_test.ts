/** Logs of every shape: the same pages come of them all; what does not fit is refused with the reason. */

import assert from "node:assert/strict";
import { Command } from "commander";
import { logCommand } from "../../src/data/commands/log.ts";
import { parseAndRun } from "../../src/cli/options.ts";
import type { Prepared } from "../../src/data/prepare/prepare.ts";
import { fieldsOfType, pathsOf } from "../../src/data/prepare/nested_names.ts";
import { refused, rowsOf } from "../case_table.ts";
import { folderWith, inRounds, pagesOf, parquet, prepareIn, query, sums } from "../prepared_folder.ts";
import { clicksOnly, expectedPages, shapeFiles } from "./log_shapes.ts";

/** What `deno task data log` with these arguments makes; names of files are those of the folder. */
async function prepared(
  folder: string,
  args: readonly string[],
  rounds: Parameters<typeof inRounds>[1] = null,
): Promise<Prepared> {
  const inFolder = args.map((arg) => /^[\w*]+\.(csv|jsonl|parquet)$/.test(arg) ? `${folder}/${arg}` : arg);
  const made: Prepared[] = [];
  const command = new Command("data").addCommand(
    logCommand(async (recipe, { maxEvents, threads = 1 }) => {
      made.push(await prepareIn(folder, inRounds(recipe, rounds), { maxEvents, threads }));
    }),
  );
  await parseAndRun(command, ["log", ...inFolder]);
  return made[0] ?? assert.fail("nothing was prepared");
}

async function refuses(folder: string, args: string, says: RegExp | string): Promise<void> {
  await refused(() => prepared(folder, args.split(" ")), says, args);
}

/** The commands of the section of the guide that has them, without `deno task data log`. */
function shownShapes(): string[][] {
  const guide = Deno.readTextFileSync(new URL("../../data/README.md", import.meta.url));
  const section = guide.split("\n## ").find((text) => text.startsWith("Your log looks like")) ?? "";
  return [...section.matchAll(/^deno task data log (.*)$/gm)].map(([, args = ""]) => args.split(" "));
}

async function shapesFolder(): Promise<string> {
  const folder = await folderWith({ ...shapeFiles, "clicks_only.csv": clicksOnly });
  for (const name of ["nested", "pages", "objects"]) {
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
  const lines = Array.from(
    { length: 200 },
    (_, k) => `u${k % 9},i${k % 7},2024-03-0${1 + k % 7},${8 + k % 12}:0${k % 6}`,
  );
  const head = "uid,sku,day,clock\n";
  const shown = `${head}${lines.join("\n")}\nu1,i1,2024-03-01,25:00\n`;
  const clicks = `${head}${lines.slice(0, 9).join("\n")}\n`;
  const folder = await folderWith({ "shown.csv": shown, "clicks.csv": clicks });
  const args = "--source shown.csv --user uid --item sku --time clock --clicks clicks.csv --pages as-is";
  const { folder: out, bad } = await prepared(folder, [...args.split(" "), "--date", "day"]);
  const pages = await pagesOf(out);
  assert.equal(pages.filter(({ clicked }) => clicked !== null).length, 9);
  assert.ok(pages.some(({ time }) => time === "2024-03-01 08:00:00"), JSON.stringify(pages[0]));
  assert.deepEqual(bad.examples.map(({ line, fault }) => [line, fault]), [[
    202,
    "expected day and clock to be a time (a date such as 2024-03-01, and a time of day such as 09:05:58), " +
    'found "2024-03-01 25:00"',
  ]]);
  await refuses(folder, args, /cannot be read[^]*name a date that stands apart with --date/);
  await refuses(folder, `${args} --date date`, /date/);
});

Deno.test("shapes: times are read as they are said to be written; numbers that are none of a log are refused", async () => {
  // A log of two items a page, with its time in these columns.
  const log = (columns: string, times: readonly string[]) =>
    `uid,sku,label,${columns}\n` +
    times.map((time, k) => `u${k},a,1,${time}\nu${k},b,0,${time}\n`).join("");
  const files = {
    "years.csv": log("ts", ["2009", "2010"]),
    "digits.csv": log("ts", ["20090131", "20101231"]),
    "slashes.csv": log("ts", ["31/1/2009 7:05", "1/12/2010 17:30"]),
    "names.csv": log("ts", ["31-Jan-2009", "1 dec 2010"]),
    "parts.csv": log("y,m,d,clock", ["2009,1,31,7:05", "2010,12,1,17:30"]),
    "ticks.csv": log("ts", ["5", "6"]),
  };
  const [jan, dec] = ["2009-01-31 00:00:00", "2010-12-01 00:00:00"];
  const minutes = ["2009-01-31 07:05:00", "2010-12-01 17:30:00"];
  const cases: [args: string[], times: string[]][] = [
    [["years.csv", "--time", "ts", "--time-format", "%Y"], ["2009-01-01 00:00:00", "2010-01-01 00:00:00"]],
    [["digits.csv", "--time", "ts", "--time-format", "%Y%m%d"], [jan, "2010-12-31 00:00:00"]],
    [["slashes.csv", "--time", "ts", "--time-format", "%d/%m/%Y %H:%M"], minutes],
    [["names.csv", "--time", "ts"], [jan, dec]],
    [["parts.csv", "--date", "y,m,d"], [jan, dec]],
    [["parts.csv", "--date", "y,m,d", "--time", "clock"], minutes],
    [["ticks.csv", "--time", "ts", "--time-format", "seconds"], [
      "1970-01-01 00:00:05",
      "1970-01-01 00:00:06",
    ]],
    [["ticks.csv", "--time", "ts", "--pages", "as-is"], ["1970-01-01 00:00:05", "1970-01-01 00:00:06"]],
  ];
  const folder = await folderWith(files);
  const all = (
    args: readonly string[],
  ) => ["--source", ...args, ..."--user uid --item sku --clicked label --page uid".split(" ")];
  for (const [args, times] of cases) {
    const { folder: out } = await prepared(folder, all(args));
    assert.deepEqual((await pagesOf(out)).map(({ time }) => time), times, args.join(" "));
  }
  const refused = (args: string, says: RegExp) => refuses(folder, all(args.split(" ")).join(" "), says);
  await refused(
    "years.csv --time ts",
    /ts to be times of a log.*seconds since 1970.*mean 1970-01-01 00:33:29 to .*--time-format/,
  );
  await refused("digits.csv --time ts", /mean 1970-08-21/);
  await refused("ticks.csv --time ts", /mean 1970-01-01 00:00:05/);
  await refused("names.csv --time ts --time-format %Q", /Expected --time-format to be seconds, .*got "%Q"/);
  await refused(
    "slashes.csv --time ts --time-format %d.%m.%Y",
    /cannot be read.*expected ts to be a time \(%d\.%m\.%Y\)/s,
  );
  await refused("parts.csv --date y,m", /Expected a column, or those with year, month and day, got "y,m"/);
  await refused("parts.csv --date y,m,day", /expected a column "day" \(--date\), found .* y, m, d, clock/);
  await refused("years.csv", /Expected --time or --date/);
});

Deno.test("shapes: a table of clicks may have its date in columns of its own", async () => {
  const files = {
    "shown.csv":
      "uid,sku,ts\nu,a,2009-01-31 07:05\nu,b,2009-01-31 07:05\nu,a,2010-12-01 17:30\nu,b,2010-12-01 17:30\n",
    "clicks.csv": "uid,sku,y,m,d,clock\nu,b,2009,1,31,7:06\nu,a,2010,12,1,17:31\n",
  };
  const folder = await folderWith(files);
  const args = "--source shown.csv --user uid --item sku --time ts --clicks clicks.csv --clicks-columns";
  const { folder: out } = await prepared(folder, [...args.split(" "), "date=y,month=m,day=d,time=clock"]);
  assert.deepEqual((await pagesOf(out)).map(({ clicked }) => clicked), ["b", "a"]);
  await refuses(folder, `${args} date=y,month=m,time=clock`, /year, month and day of the clicks together/);
});

Deno.test("shapes: sampled pages show the click among items by popularity, whatever the order of the rows", async () => {
  const args = "--source clicks_only.csv --user uid --item sku --time ts --pages sampled --page-size 5".split(
    " ",
  );
  const [head = "", ...lines] = clicksOnly.trim().split("\n");
  const shuffled = [head, ...lines.toReversed()].join("\n");
  const folder = await folderWith({ "clicks_only.csv": clicksOnly, "other.csv": shuffled });
  const one = await prepared(folder, args);
  const other = await prepared(folder, [...args.with(1, "other.csv"), "--threads", "2"]);
  assert.deepEqual(sums(one), sums(other));
  assert.notDeepEqual(sums(await prepared(folder, [...args, "--seed", "2"])), sums(one));
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
  const short = await prepared(folder, [...args, "--sampled-window", "0.1"]);
  assert.ok((await pagesOf(short.folder)).every(({ items }) => items.length === 5));
});

Deno.test("shapes: --max-events keeps the last events of each user", async () => {
  const folder = await folderWith({ "log.csv": shapeFiles["log.csv"] ?? "" });
  const args = "--source log.csv --user uid --item sku --time ts --clicked label --position pos";
  const { folder: out, manifest } = await prepared(folder, `${args} --max-events 3`.split(" "));
  const last = Map.groupBy(expectedPages(), ({ user }) => user).values().flatMap((pages) => pages.slice(-3));
  assert.deepEqual(await pagesOf(out), [...last]);
  assert.equal(manifest.skipped["events before the last 3 of their user"], 6);
  const users = await query(out, "SELECT sum(pages) AS pages FROM users");
  assert.equal(Number(users[0]?.pages), 18);
});

const COLUMNS = "--user uid --item sku --time ts";
const USER = "--user uid --time ts";
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
  log.csv COLUMNS --clicked label --features products.csv
    | expected a column "sku" (--features-key), found product_id, price, brand
`);

Deno.test("shapes: what does not fit is refused, with what to do", async () => {
  const folder = await shapesFolder();
  for (const [args = "", says = ""] of REFUSED) {
    await refuses(folder, `--source ${args.replace("COLUMNS", COLUMNS).replace("USER", USER)}`, says);
  }
});

Deno.test("shapes: whole days, and clicks of lists that can be read in two ways", async () => {
  const days = "uid,sku,ts,label,request\n" +
    Array.from({ length: 60 }, (_, k) => `u${k % 5},i${k % 7},2020-01-${10 + k % 3},${k % 2},p${k % 15}\n`)
      .join("");
  const hours = days.replaceAll(/2020-01-(\d\d)/g, (_, day) => `2020-01-02T${day}:00`).replace(
    "\n",
    "\n" +
      Array.from({ length: 40 }, (_, k) => `v${k % 2},i${k % 3},2020-02-0${1 + k % 4}T${10 + k % 9}:00,0,q\n`)
        .join(""),
  );
  // An index from 0 or from 1: no click is on the first or the last.
  const either = "uid,ts,shown,clicked\n" +
    Array.from({ length: 9 }, (_, k) => `u${k},${1_600_000_000 + k},a b c d,${1 + k % 3}\n`).join("");
  const none = either.replaceAll(/,\d\n/g, ",e\n");
  // Whole numbers that were written as floats; no value is no item.
  const floats = '{"uid":1,"ts":1600000000,"shown":[3.0,4.0,"5.0"],"clicked":4.0}\n' +
    '{"uid":1,"ts":1600000001,"shown":"[3.0, 4.0]","clicked":[3]}\n';
  const files = {
    "floats.jsonl": floats,
    "gap.jsonl": floats.replace("4.0,", "null,"),
    "days.csv": days,
    "hours.csv": hours,
    "either.csv": either,
    "none.csv": none,
  };
  const folder = await folderWith(files);
  const args = `${COLUMNS} --clicked label`;
  await refuses(
    folder,
    `--source days.csv ${args}`,
    /The times \(ts\) are whole days: without the pages' ids, all rows of a user in one day would be one page\..*--page.*--pages as-is/,
  );
  await refuses(folder, `--source hours.csv ${args}`, /The times \(ts\) are whole hours/);
  const asIs = await prepared(folder, `--source days.csv ${args} --pages as-is`.split(" "));
  assert.match(
    asIs.manifest.notes.join(),
    /times are whole days: pages of a user in one day go by their ids/,
  );
  const byId = await prepared(folder, `--source days.csv ${args} --page request`.split(" "));
  assert.equal((await pagesOf(byId.folder)).length, 15);
  const list = `${USER} --items shown --clicked clicked`;
  await refuses(
    folder,
    `--source either.csv ${list}`,
    /Several fit; of 9 pages with a click fit id 0, index 9, marks 0, place 9\. Say which it is with --clicked-as/,
  );
  const place = await prepared(folder, `--source either.csv ${list} --clicked-as place`.split(" "));
  assert.deepEqual((await pagesOf(place.folder)).slice(0, 3).map(({ clicked }) => clicked), [
    "a",
    "b",
    "c",
  ]);
  const whole = await prepared(folder, `--source floats.jsonl ${list}`.split(" "));
  assert.deepEqual((await pagesOf(whole.folder)).map(({ items, clicked }) => [items, clicked]), [
    [["3", "4", "5.0"], "4"],
    [["3", "4"], "3"],
  ]);
  await refuses(
    folder,
    `--source gap.jsonl ${list}`,
    /gap\.jsonl:1: expected shown to be a list of ids, at least one/,
  );
  await refuses(folder, `--source none.csv ${list}`, /None fits/);
  await refuses(
    folder,
    `--source none.csv ${list} --clicked-as id`,
    /9 of 9 rows cannot be read.*none\.csv:2: expected clicked to be the click of the list in shown/s,
  );
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
    const { folder: out } = await prepared(
      folder,
      `--source ${source} ${USER} --items shown --clicked clicked`.split(" "),
    );
    return (await pagesOf(out)).map(({ items, clicked }) => [items, clicked]);
  };
  assert.deepEqual(await found("lists.jsonl"), shown);
  assert.deepEqual(await found("bars.csv"), [
    [["red 1", "blue 2"], "blue 2"],
    [["red 1", "blue 2"], "red 1"],
    [["3", "17", "5"], "17"],
  ]);
});

Deno.test("shapes: lists in lists, a missing header and a name that says no format are told", async () => {
  const row = (more: Record<string, unknown>) =>
    JSON.stringify({ uid: "u", ts: 1_600_000_000, c: "a", ...more }) + "\n";
  const rows = shapeFiles["log.csv"] ?? "";
  const files = {
    "pairs.jsonl": row({ shown: [["a", "b"], ["c"]] }),
    "groups.jsonl": row({ groups: [{ ids: ["a", "b"] }] }),
    "headless.csv": rows.split("\n").slice(1).join("\n"),
    "log.dat": rows,
  };
  const folder = await folderWith(files);
  for (const [name, items] of [["pairs", "shown"], ["groups", "groups.ids"]] as const) {
    await parquet(`${folder}/${name}.parquet`, `SELECT * FROM read_json_auto('${folder}/${name}.jsonl')`);
    for (const ending of ["jsonl", "parquet"]) {
      await refuses(
        folder,
        `--source ${name}.${ending} ${USER} --items ${items} --clicked c`,
        new RegExp(`expected ${items} to be a value or a list, but it is nested twice`),
      );
    }
  }
  const log = `${COLUMNS} --clicked label --page request --position pos`;
  await refuses(folder, `--source headless.csv ${log}`, /Is the header missing\?/);
  await refuses(folder, `--source ${folder}/log.dat ${log}`, /--format \(csv, json or parquet\)/);
  const { folder: out } = await prepared(
    folder,
    `--source ${folder}/log.dat ${log} --format csv`.split(" "),
  );
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
