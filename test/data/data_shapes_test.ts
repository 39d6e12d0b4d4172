import assert from "node:assert/strict";
import { Command } from "commander";
import { createLogCommand } from "../../src/commands/data/preparations.ts";
import { parseAndRun } from "../../src/cli/command_options.ts";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import { expectRefusal, parseRows, toPattern } from "../case_table.ts";
import {
  listChecksums,
  makeFolderWith,
  prepareIn,
  prepareInRounds,
  query,
  readPages,
  writeParquet,
} from "../prepared_folder.ts";
import { clicksOnly, listExpectedPages, shapeFiles } from "./log_shapes.ts";

async function prepared(
  folder: string,
  args: string | readonly string[],
  rounds: Parameters<typeof prepareInRounds>[1] = null,
): Promise<PreparationResult> {
  const list = typeof args === "string" ? args.split(" ") : args;
  const inFolder = list.map((arg) =>
    /^[\w*]+\.(csv|jsonl|parquet|dat|sql)$/.test(arg) ? `${folder}/${arg}` : arg
  );
  const made: PreparationResult[] = [];
  const command = new Command("data");
  const run: Parameters<typeof createLogCommand>[0] = async (recipe, { maxEvents, threads = 1 }) => {
    made.push(await prepareIn(folder, prepareInRounds(recipe, rounds), { maxEvents, threads }));
  };
  command.addCommand(createLogCommand(run));
  await parseAndRun(command, inFolder);
  return made[0] ?? assert.fail("nothing was prepared");
}

async function refuses(folder: string, args: string, says: string): Promise<void> {
  await expectRefusal(() => prepared(folder, args), says, args);
}

function shownShapes(): string[][] {
  const guide = Deno.readTextFileSync(new URL("../../data/README.md", import.meta.url));
  const section = guide.split("\n## ").find((text) => text.startsWith("Your log looks like this")) ?? "";
  return [...section.matchAll(/^deno task -q data (log .*)$/gm)].map(([, args = ""]) => args.split(" "));
}

const timed = (...times: string[]) =>
  "uid,sku,label,ts\n" + times.map((time, k) => `u${k},a,1,${time}\nu${k},b,0,${time}\n`).join("");
const lines = (head: string, count: number, row: (k: number) => string) =>
  `${head}\n${Array.from({ length: count }, (_, k) => `${row(k)}\n`).join("")}`;
const DAYS = lines(
  "uid,sku,ts,label,request",
  60,
  (k) => `u${k % 5},i${k % 7},2020-01-${10 + k % 3},${k % 2},p${k % 15}`,
);
const list = (more: Record<string, unknown>) =>
  JSON.stringify({ uid: "u", ts: 1_600_000_000, shown: ["a", "b"], clicked: null, ...more }) + "\n";
const oddFiles = {
  "clicks_only.csv": clicksOnly,
  "years.csv": timed("2009", "2010"),
  "digits.csv": timed("20090131", "20101231"),
  "names.csv": timed("31-Jan-2009", "1 dec 2010"),
  "day.csv": timed("1.2.2025 7:05", "31.12.2025"),
  "month.csv": timed("2/1/2025 7:05:58 PM", "12/31/2025"),
  "either.csv": timed("03/04/2025", "05/06/2025"),
  "neither.csv": timed("31.1.2025", "1.31.2025"),
  "ticks.csv": timed("5", "6"),
  "whole_days.csv": DAYS,
  "hours.csv": DAYS.replaceAll(/2020-01-(\d\d)/g, (_, day) => `2020-01-02T${day}:00`) +
    lines("", 40, (k) => `v${k % 2},i${k % 3},2020-02-0${1 + k % 4}T${10 + k % 9}:00,0,q`).slice(1),
  "floats.jsonl": list({ uid: 1, shown: [3.0, 4.0, "5.0"].map((x) => x), clicked: 4.0 })
    .replace("[3,4,", "[3.0,4.0,").replace(":4}", ":4.0}"),
  "several.jsonl": list({ clicked: ["b", "a"] }) + list({ ts: 1_600_000_001, clicked: [] }),
  "unknown.jsonl": list({ clicked: "c" }),
  "empty.jsonl": list({ shown: [] }) + list({ shown: "a b" }),
  "pairs.jsonl": list({ shown: [["a", "b"], ["c"]] }),
  "headless.csv": shapeFiles["log.csv"]?.replace(/^.*\n/, "") ?? "",
  "log.sql": "SELECT 1",
  // Each user has five pages of four items: with one id, with rows .75 s apart, or with a shared position.
  ...Object.fromEntries(["merged", "split", "double"].map((name) => [
    `${name}.csv`,
    lines("uid,sku,ts,label,request,pos", 400, (k) => {
      const [page, place] = [Math.floor(k / 20) % 5, Math.floor(k / 100)];
      const time = 1_600_000_000 + 3600 * page + (name === "split" ? 0.75 * Math.max(0, place - 1) : 0);
      const row = [`u${k % 20}`, `i${(page + 5 * place) % 20}`, time, place ? 0 : 1];
      return [...row, name === "merged" ? "home" : page, name === "double" ? place >> 1 : place].join(",");
    }),
  ])),
  "all_clicked.csv": timed("1600000000", "1600003600").replaceAll(",0,", ",1,"),
};

async function shapesFolder(): Promise<string> {
  const folder = await makeFolderWith({ ...shapeFiles, ...oddFiles });
  await writeParquet(`${folder}/pages.parquet`, `SELECT * FROM read_json_auto('${folder}/pages.jsonl')`);
  return folder;
}

Deno.test("shapes: every command of the guide makes the same pages, except sampled ones", async () => {
  const shapes = shownShapes();
  assert.ok(shapes.length >= 5, `${shapes.length} commands`);
  const folder = await shapesFolder();
  for (const args of shapes.filter((args) => !args.includes("sampled"))) {
    const { folder: out, bad, manifest } = await prepared(folder, args, 20); // of 84
    assert.deepEqual(await readPages(out), listExpectedPages(), args.join(" "));
    assert.equal(bad.total, 0);
    assert.equal(manifest.pageOrder, "shown");
    assert.match(out, new RegExp(`/${manifest.name}$`)); // named like its folder
  }
});

Deno.test("shapes: times of any written format are converted, or left unchanged on request", async () => {
  const folder = await makeFolderWith(oddFiles);
  for (
    const [args, times] of [
      ["day.csv", "2025-02-01 07:05:00, 2025-12-31 00:00:00"],
      ["month.csv", "2025-02-01 19:05:58, 2025-12-31 00:00:00"],
      ["names.csv", "2009-01-31 00:00:00, 2010-12-01 00:00:00"],
      ["ticks.csv --pages as-is", "1970-01-01 00:00:05, 1970-01-01 00:00:06"],
    ]
  ) {
    const { folder: out } = await prepared(folder, `log --source ${args} --time ts ${BY_USER}`);
    assert.equal((await readPages(out)).map(({ time }) => time).join(", "), times, args);
  }
});

Deno.test("shapes: suspicious page borders are counted and reported with the option that corrects them", async () => {
  const folder = await makeFolderWith(oddFiles);
  const cases = parseRows(`
    merged.csv --page request --position pos
      | 20 of 20 pages (100 %)…apart, up to 4 hours. If request repeats…--page-gap 10
      | 20 of 20 pages (100 %)…two items at one pos.
    double.csv --page request --position pos | 100 of 100 pages (100 %)…two items at one pos.
    split.csv | 200 of 300 pages (67 %) show one item…--page-gap 10
    merged.csv --page-gap 10000 | 20 of 20 pages…up to 4 hours…smaller than 10000
    split.csv --page-gap 10
    double.csv --page request
    split.csv --page request --position pos
  `);
  for (const [args = "", ...says] of cases) {
    const { manifest } = await prepared(folder, `log --source ${args} ${COLUMNS} --clicked label`);
    const own = manifest.warnings?.filter((text) => /^\d+ of \d+ pages \(/.test(text)) ?? [];
    assert.equal(own.length, says.length, `${args}: ${own}`);
    says.forEach((text, k) => assert.match(own[k] ?? "", toPattern(text), args));
  }
});

Deno.test("shapes: sampled pages show the click among items drawn by popularity, for any order of the rows", async () => {
  const args = "log --source clicks_only.csv --user uid --item sku --time ts --pages sampled --page-size 5";
  const [head = "", ...rows] = clicksOnly.trim().split("\n");
  const shuffled = [head, ...rows.toReversed()].join("\n");
  const folder = await makeFolderWith({ "clicks_only.csv": clicksOnly, "other.csv": shuffled });
  const one = await prepared(folder, args);
  const other = await prepared(folder, `${args.replace("clicks_only", "other")} --threads 2`);
  assert.deepEqual(listChecksums(one), listChecksums(other));
  assert.notDeepEqual(listChecksums(await prepared(folder, `${args} --seed 2`)), listChecksums(one));
  const pages = await readPages(one.folder);
  // A click has a page if another train user had clicked its item before, as all items of the page.
  const clicks = rows.map((row) => row.split(",")).map(([user = "", item = "", time]) => ({
    user,
    item,
    time: Number(time),
  }));
  const users = await query(one.folder, "SELECT id FROM users WHERE split = 'train'");
  const train = new Set(users.map(({ id }) => String(id)));
  const before = clicks.filter(({ user }) => train.has(user));
  const known = ({ user, time }: { user: string; time: number }, item: string | null) =>
    before.some((click) => click.item === item && click.user !== user && click.time <= time);
  assert.equal(pages.length, clicks.filter((click) => known(click, click.item)).length);
  for (const { user, time, items, clicked } of pages) {
    assert.equal(new Set(items).size, items.length);
    assert.ok(clicked !== null && items.includes(clicked));
    for (const item of items) {
      assert.ok(known({ user, time: Date.parse(`${time}Z`) / 1000 }, item), `${time} ${item}`);
    }
  }
  assert.ok(pages.filter(({ items }) => items.length === 5).length > 0.8 * pages.length);
  // All positions have equally many clicks. The first, popular item is drawn more often than the last.
  const places = [0, 1, 2, 3, 4].map((place) =>
    pages.filter(({ items, clicked }) => items[place] === clicked).length
  );
  for (const n of places) assert.ok(n > 45 && n < 110, places.join(" "));
  const drawn = (id: string) =>
    pages.filter(({ items, clicked }) => items.includes(id) && clicked !== id).length;
  assert.ok(drawn("i0") > 2 * drawn("i29"), `${drawn("i0")} ${drawn("i29")}`);
  assert.equal(one.manifest.pageOrder, "arbitrary");
  assert.match(one.manifest.notes.join(), /pages are sampled/);
  assert.equal(one.manifest.sampledPages, true);
  // Windows of a tenth of a day have fewer items than a page, so all earlier clicks add the rest.
  const short = await prepared(folder, `${args} --sampled-window 0.1`);
  assert.ok(
    (await readPages(short.folder)).filter(({ items }) => items.length === 5).length > 0.8 * pages.length,
  );
});

Deno.test("shapes: --max-events keeps the last events of each user", async () => {
  const folder = await makeFolderWith({ "log.csv": shapeFiles["log.csv"] ?? "" });
  const args = "log --source log.csv --user uid --item sku --time ts --clicked label --position pos";
  const { folder: out, manifest } = await prepared(folder, `${args} --max-events 3`);
  const last = Map.groupBy(listExpectedPages(), ({ user }) => user).values().flatMap((pages) =>
    pages.slice(-3)
  );
  assert.deepEqual(await readPages(out), [...last]);
  assert.equal(manifest.skipped["events before the last 3 of their user"], 6);
  const users = await query(out, "SELECT sum(pages) AS pages FROM users");
  assert.equal(Number(users[0]?.pages), 18);
});

const COLUMNS = "--user uid --item sku --time ts";
const BY_USER = "--user uid --item sku --clicked label --page uid";
const LIST = "--user uid --time ts --items shown --clicked clicked";
const PAGED = `${COLUMNS} --clicked label --page request --position pos`;
const REFUSED = parseRows(`
  log.csv --user uid --time ts --clicked label
    | Expected one more option, --item (a row per displayed item) or --items
  log.csv COLUMNS | Expected one more option, --clicked: the column of clicks…--pages sampled
  log.csv BY_USER | Expected one more option, --time
  log.csv --item sku --time ts --clicked label | Expected one more option, --user
  pages.jsonl COLUMNS --items shown --clicked clicked | Expected --item or --items, got both
  pages.jsonl LIST --position ts | Expected --items or --position, got both: the list is ordered
  pages.jsonl LIST --page request --page-gap 3 | --page or --page-gap
  log.csv COLUMNS --pages sampled --position pos | no --position with --pages sampled
  log.csv COLUMNS --clicked label --page-size 5 | Expected --pages sampled with --page-size
  log.csv COLUMNS --clicked label --propensity-of page | Expected --propensity with --propensity-of
  log.csv COLUMNS --clicked label --page-gap 0 | Expected a number above 0, got "0"
  log.csv PAGED --query log.sql | Expected --query or --source, got both: the SELECT names the columns
  nested.jsonl --user user.id --item shown --time request --clicked shown
    | expected a column "user.id" (--user), got request, shown, user. Is it "user"?
  nested.jsonl --user id --item shown.product.id --time request --clicked shown
    | expected a column "id"
  ratings.csv COLUMNS --clicked stars | stars cannot be read…ratings.sql…expected stars to be 0, 1
  log.csv COLUMNS --clicked pos --pages log | cannot be read
  clicks.csv COLUMNS --clicked ts | cannot be read
  clicks_only.csv COLUMNS --clicked uid --pages sampled | cannot be read
  years.csv --time ts BY_USER
    | plausible times in ts, got 1970-01-01 00:33:29 to … as seconds since 1970…time_format.sql
  digits.csv --time ts BY_USER | got 1970-08-21
  ticks.csv --time ts BY_USER | got 1970-01-01 00:00:05
  all_clicked.csv COLUMNS --clicked label
    | got 4 clicked items on 2 pages…--pages sampled…--pages as-is
  either.csv --time ts BY_USER
    | fit both…"03/04/2025" is 2025-04-03 (4 of 4…"03/04/2025" is 2025-03-04 (4)…time_format.sql
  neither.csv --time ts BY_USER | fit neither…day first "31.1.2025"…month first "1.31.2025" is 2025-01-31
  whole_days.csv COLUMNS --clicked label
    | got times in whole days (ts): all rows of a user in one day would be one page.…--page…--pages as-is
  hours.csv COLUMNS --clicked label | got times in whole hours (ts)
  empty.jsonl LIST | got 2 of 2…shown is empty…expected shown to be an id, got nothing
  unknown.jsonl LIST | got 2 of 2…clicked cannot be read
  pairs.jsonl LIST | at most 1 % invalid rows
  index.csv LIST | expected shown (--items) to be JSON text or a Parquet list, got VARCHAR…text_lists.sql
  headless.csv PAGED | Is the header missing?
  log.dat PAGED | expected a file whose name ends in .csv…or read it by a SELECT
  log.csv COLUMNS --clicked label --features products.csv
    | expected a column "sku" (--features-key), got product_id, price, brand
  pages.jsonl LIST --features products.csv | Expected --features-key with --items
`);

Deno.test("shapes: unsuitable logs are refused with what to do", async () => {
  const folder = await shapesFolder();
  const columns: Record<string, string> = { COLUMNS, BY_USER, LIST, PAGED };
  for (const [args = "", says = ""] of REFUSED) {
    const written = args.replaceAll(/\b[A-Z_]{4,}\b/g, (name) => columns[name] ?? name);
    await refuses(folder, `log --source ${written}`, says);
  }
});

Deno.test("shapes: whole days, lists of floats and pages of several clicks are read", async () => {
  const folder = await makeFolderWith(oddFiles);
  const args = `log --source whole_days.csv ${COLUMNS} --clicked label`;
  const asIs = await prepared(folder, `${args} --pages as-is`);
  assert.match(
    asIs.manifest.notes.join(),
    /times are whole days: pages of a user in one day are ordered by id/,
  );
  const byId = await prepared(folder, `${args} --page request`);
  assert.equal((await readPages(byId.folder)).length, 15);
  for (
    const [name, expected] of [
      ["floats", [[["3", "4", "5.0"], "4"]]],
      ["several", [[["a", "b"], "a b"], [["a", "b"], null]]],
    ] as const
  ) {
    const { folder: out } = await prepared(folder, `log --source ${name}.jsonl ${LIST}`);
    const found = (await readPages(out)).map((
      { items, clicked },
    ) => [items, clicked?.split(" ").sort().join(" ") ?? null]);
    assert.deepEqual(found, expected);
  }
});
