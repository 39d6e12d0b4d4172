import assert from "node:assert/strict";
import { stepLine, stepProgress } from "../../src/cli/progress.ts";
import { describe, listWarnings } from "../../src/data/prepare/describe.ts";
import { SIGN } from "../../src/files/owned_folder.ts";
import {
  type CommandName,
  interrupt,
  listFiles,
  runCommand,
  signalCommand,
  splitArgs,
  withSmallDisk,
} from "../command_check.ts";
import { quoteShellWord } from "../../src/shell_word.ts";
import { CommandSeries } from "../command_series.ts";
import { makeFolderWith, makeRecipe, prepareIn, query, withFolder } from "../prepared_folder.ts";
import * as v from "../../src/schema.ts";
import { logOptions } from "../../src/data/prepare/log_options.ts";
import {
  computeTruthMetrics,
  logFiles,
  makeLogRecipe,
  makeMindFiles,
  makeMindRecipe,
  makeNewsLog,
  makeShopLog,
  type NewsLog,
} from "./synthetic_logs.ts";

const START = 1_433_000_000_000;

/** Returns a log of users who see three items and click the second. Each column has its option's name. */
function makeLog(users: number): string {
  const lines = ["user,time,item,position,clicked"];
  for (let u = 0; u < users; u++) {
    for (let k = 0; k < 3; k++) lines.push(`${u},${START + 1000 * u},${(u + 5 * k) % 20},${k},${k % 2}`);
  }
  return lines.join("\n") + "\n";
}
const LOG = "log --user user --time time --item item --position position --clicked clicked --source";
const SAMPLED = "log --user user --time time --item item --pages sampled --source";
const SMALL = "--dims 8 --lstm-units 4";

const train = new CommandSeries("train");
const data = new CommandSeries("data");

const sampled = (folder: string) => splitArgs(SAMPLED, `${folder}/raw/log.csv --out ${folder}/out`);

Deno.test("an interrupted preparation leaves nothing behind", async () => {
  const folder = await makeFolderWith({ "raw/log.csv": makeLog(20_000) });
  const args = sampled(folder);
  const { code, stderr } = await interrupt(/Clicks to sample from/, "data", ...args);
  assert.equal(code, 130, stderr);
  assert.match(stderr, /Interrupted: the unfinished data set was removed\./);
  assert.deepEqual(listFiles(folder), ["raw"]);
});

function severalClicks(users: number): string {
  const lines = ["uid,sku,ts,label"];
  for (let u = 0; u < users; u++) {
    for (let page = 0; page < 3; page++) {
      for (let k = 0; k < 3; k++) {
        lines.push(`u${u},i${(u + page + k) % 9},${1_600_000_000 + page},${Number(k + page < 2)}`);
      }
    }
  }
  return lines.join("\n") + "\n";
}

Deno.test("a page of several clicks is one page in the log, in describe and in training", () =>
  withFolder({ "log.csv": severalClicks(60) }, async (folder) => {
    const { folder: set, manifest } = await prepareIn(folder, makeRecipe(`${folder}/log.csv`));
    // 60 of 180 pages have no click; the 60 of two clicks count once.
    assert.deepEqual([manifest.counts?.pages, manifest.counts?.clicks], [180, 180]);
    const { parts } = await describe(set, "500MB");
    for (const { users, events, rows, clicks } of parts) {
      assert.deepEqual([events, rows, clicks], [3 * users, 9 * users, 2 * users]);
    }
    assert.equal(parts.reduce((sum, { users }) => sum + users, 0), 60);
    const run = `${folder}/run`;
    const options =
      "--iterations 60 --learning-rate 0.05 --batch-size 12 --encoder none --dims 8 --no-report";
    await train.ok(["--data", set, "--save-dir", run, ...options.split(" ")]);
    const { test } = JSON.parse(await Deno.readTextFile(`${run}/result.json`));
    const { noClick, pNoClick } = test.at(-1).details.metrics;
    assert.equal(noClick.toFixed(9), (1 / 3).toFixed(9));
    // With a copy of the page per click, a quarter of the pages would have no click.
    assert.ok(Math.abs(pNoClick - noClick) < 0.03, `P(no click) is ${pNoClick}`);
  }));

Deno.test("the next preparation removes the files of a killed one", async () => {
  const folder = await makeFolderWith({ "raw/log.csv": makeLog(20_000) });
  const args = sampled(folder);
  const killed = await signalCommand("SIGKILL", /Clicks to sample from/, "data", ...args);
  assert.notEqual(killed.code, 0);
  assert.ok([SIGN, "work.duckdb"].every((name) => listFiles(`${folder}/out`).includes(name)));
  await Deno.writeTextFile(`${folder}/out/pages.parquet`, "half a file");
  // Files of other programs remain.
  await Deno.writeTextFile(`${folder}/out/notes.txt`, "mine");
  await data.refused(args, /a new or empty folder for the prepared data, but .*out holds notes\.txt/);
  assert.ok(listFiles(`${folder}/out`).includes("pages.parquet"));
  await Deno.remove(`${folder}/out/notes.txt`);
  await Deno.writeTextFile(`${folder}/raw/log.csv`, makeLog(200)); // a short log, which is prepared quickly
  await data.ok(args);
  assert.deepEqual(listFiles(folder), ["out", "raw"]);
  assert.deepEqual(listFiles(`${folder}/out`), [
    "items.parquet",
    "manifest.json",
    "pages.parquet",
    "users.parquet",
    "vocabulary.parquet",
  ]);
  assert.equal((await describe(`${folder}/out`, "500MB")).parts.length, 3);
});

Deno.test("data on a full disk reports an error and leaves nothing", async () => {
  const folder = await makeFolderWith({ "raw/log.csv": makeLog(3000) });
  const disk = `${folder}/disk`;
  // The disk is full when the engine creates its file, or when the pages are written.
  for (const [size, says] of [["8k", /work\.duckdb/], ["50k", /pages\.parquet/]] as const) {
    await withSmallDisk(disk, size, async () => {
      const args = splitArgs(LOG, `${folder}/raw/log.csv --out ${disk}/out`);
      const { code, stderr } = await runCommand("data", ...args);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
      assert.match(stderr, /Free some space, or choose another --out/);
      assert.deepEqual(listFiles(disk), []);
    });
  }
});

Deno.test("each warning appears only for its cause", () => {
  const fine = {
    ...{ pages: 100, clicks: 80, chance: 0.2, most_clicks: 20, most_position: 1, last_clicks: 16 },
    ...{ pages_of_one: 2, users: 50, users_of_one: 10, pages_with_twice: 0, twice_clicked: 0 },
  };
  const part = (split: string, unseenClicked: number) => ({
    ...{ split, users: 1, events: 1, rows: 1, clicks: 1, uniformLoss: 1, unseenShown: 0, neverClicked: 0 },
    unseenClicked,
  });
  const parts = [part("train", 0), part("validation", 0.05), part("test", 0.1)];
  assert.deepEqual(listWarnings(fine, parts), []);
  const cases: [Record<string, number>, RegExp][] = [
    [{ last_clicks: 80 }, /100 % of the clicks are on the last item of a page \(20 % by chance\)/],
    [{ most_clicks: 60 }, /75 % of the clicks are at position 1 /],
    [
      { pages_with_twice: 3, twice_clicked: 2 },
      /3 pages show an item twice\. In 2 cases, this item was clicked/,
    ],
    [{ pages_of_one: 30 }, /30 % of the pages show one item/],
    [{ users_of_one: 40 }, /80 % of the users have one event/],
  ];
  for (const [change, message] of cases) {
    const warnings = listWarnings({ ...fine, ...change }, parts);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", message);
  }
  assert.match(
    listWarnings(fine, [...parts.slice(0, 2), part("test", 0.3)])[0] ?? "",
    /30 % of the clicks in the test/,
  );
  assert.match(listWarnings(fine, parts.slice(0, 2))[0] ?? "", /The test part has no users/);
});

Deno.test("step progress fits a terminal's line, and is one line per long step elsewhere", async () => {
  const standing = { title: "Pages drawn for clicks", number: 10, of: 17, round: 2, rounds: 19 };
  assert.equal(stepLine(standing, 12.7, 20).length, 20);
  let written = "";
  using progress = stepProgress({ write: (text) => written += text }, 1);
  progress.begin({ ...standing, number: 9, title: "Short step" });
  progress.begin(standing);
  progress.begin({ ...standing, round: 3 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  progress.begin({ ...standing, number: 11, title: "Numbers of items", rounds: 1 });
  progress.stop();
  assert.equal(written, "10/17 Pages drawn for clicks\n");
});

Deno.test("the commands of the data guide run as shown", async () => {
  const guide = await Deno.readTextFile(new URL("../../data/README.md", import.meta.url));
  const blocks = guide.matchAll(/<!-- The tests run these commands\. -->\n+```sh\n([^]*?)```/g);
  const commands = [...blocks].flatMap(([, block = ""]) => block.trim().split("\n"))
    .map((line) => line.replace(/^deno task -q /, "").split(" "));
  assert.ok(commands.length >= 7);
  const folder = await makeFolderWith();
  const run = (line: string | readonly string[]) => {
    const [name, ...args] = typeof line === "string" ? splitArgs(line) : line;
    return new CommandSeries(name as CommandName, { cwd: folder }).ok(args);
  };
  // Fewer and larger steps, with 100 of the 2,000 users.
  const shorter = splitArgs(SMALL, "--iterations 40 --learning-rate 0.02 --validate-every 20");
  const outputs: string[] = [];
  for (const words of commands) {
    outputs.push((await run([...words, ...(words[0] === "train" ? shorter : [])])).stdout);
    if (words[1] === "example") {
      const log = `${folder}/runs/example/log.csv`;
      const all = await Deno.readTextFile(log);
      await Deno.writeTextFile(log, all.slice(0, all.indexOf("user-0100,")));
    }
  }
  const manifest = JSON.parse(await Deno.readTextFile(`${folder}/runs/data/example/manifest.json`));
  assert.deepEqual(manifest.command, commands[1]?.slice(1));
  assert.match(manifest.duckdb, /^v\d/);
  assert.match(outputs[2] ?? "", /features: 6 numbers .* category .* brand/);
  // The model beats the click rate: prec@1 .32 in the README.
  const best = (outputs[3] ?? "").match(/^best-loss +\d+ +(\d\.\d+) +(\d?\.\d+)/m);
  assert.ok(Number(best?.[2]) > 0.45, outputs[3]);

  // --encoding-from accepts simulated and merged sets as well as the set with the original features.
  await run("simulate --model runs/first --users 50 --pages 2 --slate 2 --write-log runs/data/drawn");
  await run("data merge runs/data/example runs/data/drawn --out runs/data/both");
  const next = commands.find((words) => words.includes("--encoding-from")) ?? assert.fail();
  for (const set of ["drawn", "both"]) {
    const from = next.with(next.indexOf("--encoding-from") + 1, `runs/data/${set}`);
    await run([...from, "--out", `runs/data/next-${set}`]);
    for (const file of ["items.parquet", "pages.parquet", "vocabulary.parquet"]) {
      const bytes = (path: string) => Deno.readFileSync(`${folder}/runs/data/${path}/${file}`);
      assert.deepEqual(bytes(`next-${set}`), bytes("next"), file);
    }
  }
  const missing = next.with(next.indexOf("--encoding-from") + 1, "runs/data/missing").slice(1);
  const there = new CommandSeries("data", { cwd: folder });
  await there.refused([...missing, "--out", "refused"], /runs\/data\/missing/);
  await data.refused(["describe", "runs/data/next-drawn"], /runs\/data\/next-drawn/); // not in that folder
  await run("evaluate --model runs/first --data runs/data/next-drawn");

  // A model of hashed ids recommends items by their ids, and is simulated.
  const brief = "--iterations 2 --validate-every 1 --no-report";
  await run(`train --data runs/data/hashed --save-dir runs/hashed ${SMALL} ${brief}`);
  const ids = new Set(
    (await query(`${folder}/runs/data/hashed`, "SELECT id FROM items")).map(({ id }) => id),
  );
  const recommended = (await run("recommend --model runs/hashed --user user-0007 --top 3")).stdout;
  const named = recommended.match(/sku-\d+/g) ?? [];
  assert.ok(named.length >= 3 && named.every((id) => ids.has(id)), recommended);
  await run("simulate --model runs/hashed --users 50 --pages 2 --slate 2");
});

Deno.test("the keys of the options of data log are the names by which the command line sets them", () => {
  assert.deepEqual(Object.values(logOptions).map(({ name }) => name), Object.keys(logOptions));
});

Deno.test("a raw log is answered with the command that prepares it; --yes runs the command, and trains", async () => {
  const [head = "", ...lines] = makeLog(200).split("\n");
  const odd = head.replace("user", "Leser").replace("item", "Beitrag").replace("clicked", "Geklickt?");
  const folder = await makeFolderWith({
    "raw log.csv": [`${odd},price`, ...lines.map((line) => line && `${line},9`)].join("\n"),
    "other.csv": "a,b\n1,2\n",
    "quoted.csv": '"a,b"\n1,2\n',
    "cut.csv.gz": "not compressed",
  });
  const data = new CommandSeries("data", { cwd: folder });
  const train = new CommandSeries("train", { cwd: folder });
  const command = "deno task -q data log --source 'raw log.csv' --user Leser --time time --item Beitrag " +
    "--clicked 'Geklickt?' --position position --out runs/data/raw_log";
  const source = ["--source", "raw log.csv"];
  const proposed = `${command} --features 'raw log.csv' --dense price`;
  assert.ok((await data.refused(["log", ...source], /Add --yes/)).includes(`\n\n  ${proposed}\n\n`));
  const typed = ["--features", "raw log.csv", "--dense", "price", "--max-events", "5"];
  const complete = await data.refused(
    ["log", ...source, ...typed],
    /Add --yes to run this .* once\./,
  );
  assert.ok(complete.includes(`\n\n  ${proposed} --max-events 5\n\n`), complete);
  const refused = await train.refused(["--data", "raw log.csv", "--dims", "8"], /Add --yes/);
  assert.ok(refused.includes(`\n\n  ${proposed}\n  deno task -q train `), refused);
  assert.match(refused, / --data runs\/data\/raw_log --dims 8\n/);
  await data.refused(["log", "--source", "other.csv", "--yes"], /Replace COLUMN .* by one of: "a", "b"/);
  await data.refused(["log", "--source", "quoted.csv"], /"a,b": remove its quotes/);
  await train.refused(["--data", "other.csv", "--yes"], /expected tab-separated columns/);
  await data.refused(["log", "--source", "cut.csv.gz"], /cannot read cut\.csv\.gz: /);
  assert.deepEqual(listFiles(folder), ["cut.csv.gz", "other.csv", "quoted.csv", "raw log.csv"]);

  const short = splitArgs(SMALL, "--iterations 2 --validate-every 1 --batch-size 8 --save-dir runs/a");
  const trained = await train.ok(["--data", "raw log.csv", "--yes", ...short]);
  assert.ok(trained.stderr.includes(`Running ${command}\n`), trained.stderr);
  assert.match(trained.stderr, / --features 'raw log.csv' --dense price\n/);
  await data.refused(["log", ...source, "--features-key", "a"], /Expected --features with --features-key/);
  await Deno.writeTextFile(`${folder}/semi.csv`, [odd, ...lines].join("\n").replaceAll(",", ";"));
  const semi = ["log", "--source", "semi.csv"];
  const select =
    /as runs\/data\/semi\.sql:\n\nSELECT "Leser" AS "user".*\nFROM read_csv\('semi\.csv', delim = ';'/;
  await data.refused(semi, select);
  await Deno.writeTextFile(`${folder}/runs/data/semi.sql`, "SELECT 1\n");
  await data.refused([...semi, "--yes"], /runs\/data\/semi\.sql differs from the one needed\. Pass this/);
  await Deno.remove(`${folder}/runs/data/semi.sql`);
  for (const line of [[...semi, "--yes"], ["log", ...source, "--yes", "--out", "guessed"]]) {
    const { stdout } = await data.ok(line);
    const users = "162 train, 18 validation, 20 test";
    const counts = `200 pages with 600 impressions of 20 items, 200 clicks; users: ${users}. `;
    assert.ok(stdout.startsWith(counts), stdout);
  }
  for (const file of ["items.parquet", "pages.parquet", "users.parquet"]) {
    const [one, other] = ["guessed", "runs/data/raw_log"].map((path) =>
      Deno.readFileSync(`${folder}/${path}/${file}`)
    );
    assert.deepEqual(one, other, file);
  }

  const set = `${folder}/runs/data/raw_log`;
  const made = ["items.parquet", "manifest.json", "pages.parquet", "users.parquet", "vocabulary.parquet"];
  assert.deepEqual(listFiles(set), made);
  const manifest = JSON.parse(await Deno.readTextFile(`${set}/manifest.json`));
  assert.equal(manifest.sources[0].bytes, (await Deno.stat(`${folder}/raw log.csv`)).size);
  const described = await data.ok(["describe", "runs/data/raw_log"]);
  assert.match(described.stdout, /^click position: +2: 100\.0 %$/m);
  assert.equal(described.stdout.split("\nWarnings:\n- ")[1]?.trimEnd(), manifest.warnings.join("\n- "));

  const evaluate = new CommandSeries("evaluate", { cwd: folder });
  const evaluated = await evaluate.ok("--json --model runs/a/last.safetensors");
  const result = JSON.parse(await Deno.readTextFile(`${folder}/runs/a/result.json`));
  assert.equal(JSON.parse(evaluated.stdout).nll, result.test.at(-1).nll);
  assert.deepEqual(result.data.warnings, manifest.warnings);
  // With a model, the proposed command names the encoding of the model's data set, and the model reads its set.
  const later = [
    ...["log", ...source, "--user", "Leser", "--time", "time", "--item", "Beitrag", "--clicked", "Geklickt?"],
    ...["--position", "position", "--out", "runs/data/raw_log-next", "--encoding-from", "runs/data/raw_log"],
  ];
  const model = ["--model", "runs/a/last.safetensors", "--data"];
  const raw = await evaluate.refused([...model, "raw log.csv"], /--data runs\/data\/raw_log-next/);
  assert.ok(raw.includes(`\n\n  deno task -q data ${later.map(quoteShellWord).join(" ")}\n`), raw);
  assert.match(
    (await data.ok(later)).stdout,
    /evaluate --model MODEL --data runs\/data\/raw_log-next --split all/,
  );
  await evaluate.ok([...model, "runs/data/raw_log-next"]);
  await train.ok("--resume runs/a --iterations 4");
  manifest.features.tokens[0].meaning = "something else";
  await Deno.writeTextFile(`${set}/manifest.json`, JSON.stringify(manifest));
  await train.refused("--resume runs/a --iterations 6", /has changed since the run began/);
});

Deno.test("a number that changes only later in a log is proposed as an impression feature", async () => {
  const row = (k: number) => {
    const page = Math.floor(k / 5); // an item's age grows by 1 from the middle of the log on
    return `u${page % 70},i${k % 50},${1.7e9 + 60 * page},${k % 3},${Math.floor(k / 3000) + k % 50}`;
  };
  const log = ["user,item,time,clicked,age", ...Array.from({ length: 6000 }, (_, k) => row(k)), ""].join(
    "\n",
  );
  const folder = await makeFolderWith({ "log.csv": log });
  const data = new CommandSeries("data", { cwd: folder });
  await data.refused(["log", "--source", "log.csv"], /log\.csv .* --impression-features age\n/);
  const items = ["log", "--source", "log.csv", "--features", "items.csv"];
  await data.refused(items, /log\.csv .* --features items\.csv --impression-features age\n/);
});

const figures = v.looseObject({ nll: v.finiteNumber(), prec1: v.finiteNumber() });
const resultSchema = v.looseObject({
  test: v.array(figures),
  baselines: v.looseObject({ random: figures, clickRate: figures, logit: figures }),
});

const logs: readonly [name: string, log: NewsLog][] = [
  ["news", makeNewsLog(1, { users: 200 })],
  ["shop", makeShopLog(1, { users: 150 })],
];

const runs = await makeFolderWith();

for (const [name, log] of logs) {
  Deno.test(`synthetic logs: training learns from ${name} in its raw form`, async () => {
    const folder = await makeFolderWith(name === "news" ? makeMindFiles(log) : logFiles(log));
    const recipe = name === "news" ? await makeMindRecipe(folder) : makeLogRecipe(folder);
    const shares = { train: 0.7, validation: 0.15 };
    const { folder: set } = await prepareIn(folder, recipe, { shares });
    const small =
      "--counts none --dims 8 --lstm-units 4 --iterations 80 --learning-rate 3e-3 --batch-size 30 --no-report";
    await train.ok(["--data", set, "--save-dir", `${runs}/${name}`, ...splitArgs(small)]);
    const { test: [best], baselines: { random, clickRate, logit } } = v.parse(
      resultSchema,
      JSON.parse(await Deno.readTextFile(`${runs}/${name}/result.json`)),
    );
    assert.ok(best);
    // describe shows the metrics with which training is compared.
    const shown = await describe(set, "500MB");
    const own = shown.baselines.find(({ split }) => split === "test");
    assert.deepEqual([own?.prec1.logit, own?.nll.logit], [logit.prec1, logit.nll]);
    assert.equal(own?.prec1.clickRate, clickRate.prec1);
    // Training reaches a part of the way from a uniform guess to the truth; with wrong scales it would not.
    const truth = computeTruthMetrics(log.rows);
    const way = (from: number, found: number, to: number) => (found - from) / (to - from);
    assert.ok(way(random.nll, best.nll, truth.loss) > 0.1, `loss ${best.nll} of ${truth.loss}`);
    assert.ok(way(random.prec1, best.prec1, truth.prec1) > 0.1, `prec@1 ${best.prec1} of ${truth.prec1}`);
  });
}
