/**
 * Tests splits by time, which assign pages to parts (train, validation, test). A user's pages in earlier
 * parts are history. Later pages must not change features, counts, baselines or trained weights.
 */

import assert from "node:assert/strict";
import { buildCountsConfig, countTables } from "../../src/counts/count_tables.ts";
import { computeCountFeatures } from "../../src/counts/page_counts.ts";
import { chooseLatestLimit, countPairs, countTrain } from "../../src/counts/train_counts.ts";
import { type ClickLog, EARLIER_PAGE, isPage, listUsers, type Split } from "../../src/data/click_log.ts";
import { countScored, MemoryLog } from "../../src/data/log_source.ts";
import { parseContextColumns } from "../../src/data/prepare/context_columns.ts";
import type { LogOptions } from "../../src/data/prepare/prepare_log.ts";
import type { PreparationResult, PrepareOptions } from "../../src/data/prepare/prepare.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { initializeOnLog } from "../../src/model/model_counts.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { expectRefusal } from "../case_table.ts";
import { withGpu } from "../op_check.ts";
import { CommandSeries } from "../command_series.ts";
import { makeFolderWith, prepareFiles, query } from "../prepared_folder.ts";
import { smallLstm } from "../small_models.ts";
import { trainShannon } from "../train/trainings.ts";

const DAY = 86_400_000;
const START = Date.UTC(2025, 0, 1);
const VALIDATION = START + 14 * DAY;
const TEST = START + 17 * DAY;

/** Probability of a page that shows 4 of the 20 items in random order. */
const P = 1 / (20 * 19 * 18 * 17);

interface Page {
  readonly user: number;
  readonly time: number;
  readonly items: readonly number[];
  readonly clicked: readonly number[];
}

/** Pages of 40 users in 20 days. The last users have no page in the train part. */
const pages: readonly Page[] = makePages();

function makePages(): Page[] {
  const random = createRandomStream(1, "pages of a split by time");
  return Array.from({ length: 400 }, (_, k) => {
    const user = k % 40;
    const begin = user < 34 ? 0 : 14 + (user % 2) * 3;
    const items = Array.from(random.sampleWithoutReplacement(20, 4));
    const clicked = items.flatMap((_, position) => random.uniform() < 0.25 ? [position] : []);
    return {
      user,
      time: Math.floor(START + DAY * (begin + (20 - begin) * random.uniform())),
      items,
      clicked,
    };
  });
}

/** Replaces the times, items (by some of the first ten) and clicks of all pages from `begin` on. */
function changeLater(begin: number): Page[] {
  const random = createRandomStream(2, "changes");
  return pages.map((page) =>
    page.time < begin ? page : {
      ...page,
      time: Math.floor(begin + (random.uniform() < 0.1 ? 300 : 20) * DAY * random.uniform()),
      items: Array.from(random.sampleWithoutReplacement(10, 4)),
      clicked: random.uniform() < 0.3 ? [] : [random.integer(4)],
    }
  );
}

const RARE = 300;
/** Items. Brands b and c have fewer than {@link RARE} train impressions, but more in the whole log. */
const items = [
  "sku,price,born,brand",
  ...Array.from({ length: 20 }, (_, item) => {
    const born = new Date(START - (1 + item * item) * DAY).toISOString();
    return `i${item},${10 + item ** 3},${born},${"aabc"[Math.floor(item / 5)]}`;
  }),
].join("\n");

async function prepareByTime(
  all: readonly Page[],
  options: Partial<PrepareOptions> = { splitAt: { validation: VALIDATION, test: TEST } },
  sampled = false,
  others: Partial<LogOptions> = {},
): Promise<PreparationResult> {
  // Later pages have other devices and costs.
  const late = (time: number) => time >= VALIDATION;
  const rows = all.flatMap(({ user, time, items, clicked }, page) =>
    items.map((item, position) =>
      `u${user},p${page},i${item},${time},${position},${clicked.includes(position) ? 1 : 0},${P},` +
      `${3 * item + time % (late(time) ? 997 : 97)},${new Date(time - 36e5 * item).toISOString()},d${
        time % (late(time) ? 5 : 3)
      }`
    )
  );
  const files = {
    "log.csv": ["uid,request,sku,ts,position,label,p,cost,since,device", ...rows].join("\n"),
    "items.csv": `${items}\n`,
  };
  const own = sampled ? { pages: "sampled", pageSize: 4, sampledWindow: 2 } as const : {
    ...{ page: "request", position: "position" },
    // The set of --encoding-from names the columns.
    ...(others.encodingFrom === undefined && {
      impressionFeatures: parseContextColumns("cost,since"),
      pageFeatures: parseContextColumns("device"),
    }),
  };
  const more = { features: "items.csv", featuresKey: "sku", rareBelow: RARE, ...own, ...others };
  return await prepareFiles(files, "log.csv", more, { split: "time", ...options });
}

/** Data set of the log, split by time. Tests only read it. */
const original = await prepareByTime(pages);

async function openLog({ folder }: PreparationResult): Promise<ClickLog> {
  const { source } = await openPrepared(folder, { memoryRows: Infinity });
  return source.log ?? assert.fail("expected a log in memory");
}

/** Returns the users whose split is in `parts`, with their pages, also of earlier parts; and all items. */
async function readParts({ folder }: PreparationResult, parts: readonly Split[]) {
  const names = parts.map((part) => `'${part}'`).join(", ");
  return [
    await query(
      folder,
      `SELECT id, split, p.* EXCLUDE user FROM users JOIN pages p USING (user) WHERE split IN (${names}) ORDER BY ALL`,
    ),
    await query(folder, "FROM items ORDER BY item"),
  ];
}

const model: ModelConfig = { ...smallLstm };

/** Returns counts, the baselines' metrics on the part `tested`, and weights after some training steps. */
async function summarize(log: ClickLog, tested: Split) {
  const source = new MemoryLog(log);
  const config = buildCountsConfig(source, []) ?? assert.fail("expected counts");
  const { pairs, users, least } = countPairs(source, chooseLatestLimit(source));
  const both: number[][] = [];
  pairs.forEach((...pair) => both.push(pair));
  const tables = countTables(source, config);
  const baselines = tested === "train" ? [] : [...FittedBaselines.of(source).test(listUsers(log, tested))];
  const own = { ...model, counts: config };
  const start = initializeOnLog(source, own, { seed: 1 });
  const weights = await withGpu(undefined, async (gpu) => {
    using trained = await trainShannon(gpu, log, new UserModel(gpu, source.items, own, start));
    const train = listUsers(log, "train");
    for (const first of [0, 13, 5]) await trained.trainer.step(Array.from(train.subarray(first, first + 13)));
    return await trained.trainer.weights();
  });
  return { train: countTrain(source), users, least, both, tables, start, weights, baselines };
}

Deno.test("later pages change no feature, count, baseline or weight", async () => {
  const log = await openLog(original);
  for (
    const [begin, kept, tested] of [
      [TEST, ["train", "validation"], "validation"],
      [VALIDATION, ["train"], "train"],
    ] as const
  ) {
    const changed = await prepareByTime(changeLater(begin));
    assert.notDeepEqual(await readParts(changed, ["test"]), await readParts(original, ["test"]));
    assert.deepEqual(await readParts(changed, kept), await readParts(original, kept));
    assert.deepEqual(changed.manifest.features, original.manifest.features);
    assert.deepEqual(await summarize(await openLog(changed), tested), await summarize(log, tested));
  }
});

Deno.test("later clicks change no sampled page before them", async () => {
  const sampled = await prepareByTime(pages, undefined, true);
  for (const [begin, kept] of [[TEST, ["train", "validation"]], [VALIDATION, ["train"]]] as const) {
    const changed = await prepareByTime(changeLater(begin), undefined, true);
    const [own] = await readParts(sampled, kept);
    assert.ok(own && own.length > 100);
    assert.deepEqual((await readParts(changed, kept))[0], own);
  }
});

Deno.test("each page is scored in the part of its time, after all earlier pages of its user", async () => {
  const found = await query(
    original.folder,
    "SELECT id, split, epoch_ms(time) AS time, earlier FROM pages JOIN users USING (user) ORDER BY pages.user, page",
  );
  const partAt = (time: number) => time < VALIDATION ? "train" : time < TEST ? "validation" : "test";
  const expected = [...Map.groupBy(pages, ({ user }) => `u${user}`)].sort(([a], [b]) => a < b ? -1 : 1)
    .flatMap(([id, own]) => {
      const times = own.map(({ time }) => time).sort((a, b) => a - b);
      return (["train", "validation", "test"] as const).flatMap((split, part, all) => {
        const upTo = times.filter((time) => all.indexOf(partAt(time)) <= part);
        if (!upTo.some((time) => partAt(time) === split)) return [];
        return upTo.map((time) => ({ id, split, time: String(time), earlier: partAt(time) !== split }));
      });
    });
  assert.deepEqual(found.map((row) => ({ ...row, time: String(row.time) })), expected);
  const count = (part: string, isKnown: boolean) =>
    [...Map.groupBy(expected.filter(({ split }) => split === part), ({ id }) => id).values()]
      .filter((own) => !isKnown || own.some(({ earlier }) => earlier)).length;
  const { timeSplit, counts } = original.manifest;
  assert.deepEqual(timeSplit?.known, { validation: count("validation", true), test: count("test", true) });
  assert.ok(count("test", true) < count("test", false), "expected also new users");
  assert.deepEqual(
    counts?.users,
    Object.fromEntries(["train", "validation", "test"].map((part) => [part, count(part, false)])),
  );
  const iso = (time: number) => new Date(time).toISOString();
  const times = pages.map(({ time }) => time);
  const { first, validation, test, last, users } = timeSplit ?? assert.fail();
  assert.deepEqual([first, validation, test, last, users], [
    ...[iso(Math.min(...times)), iso(VALIDATION), iso(TEST), iso(Math.max(...times)), 40],
  ]);
  const opened = await openDataset(original.folder);
  assert.ok(opened.users.count > 40, "a person has an index per part, but counts once");
  assert.throws(() => opened.user("nobody"), /There are 40 users/);
});

Deno.test("shares are shares of the pages, and durations count from the last page", async () => {
  const { manifest } = await prepareByTime(pages, { shares: { train: 0.7, validation: 0.2 } });
  const times = pages.map(({ time }) => time).sort((a, b) => a - b);
  const iso = (time: number | undefined) => new Date(time ?? NaN).toISOString();
  assert.deepEqual([manifest.timeSplit?.validation, manifest.timeSplit?.test], [
    iso(times[280]),
    iso(times[360]),
  ]);
  const durations = await prepareByTime(pages, { splitAt: { validation: -5 * DAY, test: -2 * DAY } });
  const { validation, test } = durations.manifest.timeSplit ?? assert.fail();
  const end = (times.at(-1) ?? NaN) + 1;
  assert.deepEqual([validation, test], [iso(end - 5 * DAY), iso(end - 2 * DAY)]);
});

Deno.test("a split by time without pages for training, or without order, is refused", async () => {
  const both = /Expected a log with a train part, then a validation part/;
  for (const splitAt of [{ validation: START - DAY, test: TEST }, { validation: TEST, test: -5 * DAY }]) {
    await expectRefusal(() => prepareByTime(pages, { splitAt }), both);
  }
});

Deno.test("counts and utilities of a page do not depend on whether the user's earlier pages are scored", async () => {
  const marked = createSmallLog(8, {
    users: 45,
    items: 30,
    width: 0,
    maxEvents: 7,
    further: 0.4,
    earlier: 0.5,
  });
  const all: ClickLog = {
    ...marked,
    eventKind: marked.eventKind?.map((kind) => kind === EARLIER_PAGE ? 0 : kind),
  };
  const source = new MemoryLog(marked);
  const users = [...listUsers(marked, "validation"), ...listUsers(marked, "test")].sort((a, b) => a - b)
    .filter((user) => countScored(source, user) > 0);
  const counts = buildCountsConfig(source, []) ?? assert.fail("expected counts");
  const tables = countTables(source, counts);
  const isScored: boolean[] = [];
  for (const user of users) {
    for (let e = marked.userEvents[user] ?? 0; e < (marked.userEvents[user + 1] ?? 0); e++) {
      const rows = (marked.eventRows[e + 1] ?? 0) - (marked.eventRows[e] ?? 0);
      isScored.push(...new Array<boolean>(rows).fill(!marked.eventKind?.[e]));
    }
  }
  assert.ok(isScored.includes(true) && marked.eventKind?.includes(EARLIER_PAGE) && isPage(EARLIER_PAGE));
  const [own, others] = [marked, all].map((log) => computeCountFeatures(log, users, tables, counts.latest));
  const width = (own?.length ?? 0) / isScored.length;
  const scored = (of: ArrayLike<number> | undefined, each: number) =>
    Array.from(of ?? []).filter((_, k) => isScored[Math.floor(k / each)]);
  assert.deepEqual(scored(own, width), scored(others, width));

  await withGpu(undefined, async (gpu) => {
    const start = initializeOnLog(source, { ...model, counts }, { seed: 1 });
    using trained = new UserModel(gpu, marked.items, { ...model, counts }, start);
    const utilities = async (log: ClickLog) => {
      using evaluation = await NetworkEvaluation.ofModel(trained, log, users, { shards: 1 });
      const { nll } = await evaluation.evaluate();
      const found: number[] = [];
      for await (const part of evaluation.scored()) {
        found.push(...part.utilities.subarray(0, isScored.length));
      }
      return { nll, utilities: scored(found, 1) };
    };
    const [a, b] = [await utilities(marked), await utilities(all)];
    assert.deepEqual(a.utilities, b.utilities);
    assert.notEqual(a.nll, b.nll);
  });
});

Deno.test("commands name the dates of a split by time, and refuse options that would mix its parts", async () => {
  const { folder: set } = original;
  const runs = await makeFolderWith();
  const run = `${runs}/run`;
  const train = new CommandSeries("train");
  const evaluate = new CommandSeries("evaluate");
  const predict = new CommandSeries("predict");
  const data = new CommandSeries("data");
  const dates =
    /Split by time \(UTC\): train from 2025-01-01 .*, validation from 2025-01-15 .* test from 2025-01-18 /;
  const small = "--iterations 4 --validate-every 2 --batch-size 8 --dims 8 --lstm-units 4".split(" ");
  const { stderr } = await train.ok(["--data", set, "--save-dir", run, ...small]);
  assert.match(stderr, dates);
  assert.match(await Deno.readTextFile(`${run}/report.html`), dates);
  const { stdout: about } = await data.ok(["describe", set]);
  assert.match(about, dates);
  // A user's pages in all parts are counted together.
  const each = pages.length / 40;
  assert.match(about, new RegExp(`events per user: ${new Array(5).fill(each).join(" / ")} `));
  assert.match((await evaluate.ok(["--model", run])).stdout, dates);

  // Every page is predicted once, in the part of its time, with its number among the user's pages.
  await predict.ok(["--model", run, "--split", "all", "--out", `${runs}/p.csv`]);
  const found = (await Deno.readTextFile(`${runs}/p.csv`)).trim().split("\n").slice(1)
    .map((row) => row.split(",").slice(0, 2).join());
  const expected = pages.flatMap((_, k) => new Array<string>(4).fill(`u${k % 40},${Math.floor(k / 40)}`));
  assert.deepEqual(found.sort(), expected.sort());

  const simulate = new CommandSeries("simulate");
  const logit = ["--model", run, "--baseline", "logit", "--users", "9", "--pages", "2", "--slate", "3"];
  assert.match((await simulate.ok(logit)).stdout, /the baseline logit of /);
  await simulate.refused("--shop demo --truth --baseline logit", /--baseline only with --model/);

  // Off-policy estimates of both splits have the same pages, and intervals over the same users.
  const policy = new CommandSeries("policy");
  const evaluatePolicy = async (split: "time" | "hash") => {
    const more = { propensity: "p", encodingFrom: set, itemIds: undefined };
    const { folder } = await prepareByTime(pages, { split }, false, more);
    if (split === "time") {
      const { stdout } = await evaluate.ok(["--model", run, "--data", folder]);
      assert.match(stdout, /^Pages with a click: [\d.]+ %; predicted: [\d.]+ %\.$/m);
      assert.match(stdout, /not the model's training data.*--baseline logit --against \S*run\.$/m);
      const fair = await evaluate.ok([
        "--model",
        run,
        "--data",
        folder,
        "--baseline",
        "logit",
        "--against",
        run,
      ]);
      assert.match(fair.stdout, /^The logit of \S*run minus \S*run, on the same users:$/m);
      assert.doesNotMatch(fair.stdout, /--against/);
    }
    const args = ["evaluate", "--log", folder, "--model", run, "--policy", "random", "--repeats", "--json"];
    const { users, excluded, estimates: { logged } } = JSON.parse((await policy.ok(args)).stdout);
    return { users, excluded, logged };
  };
  const estimates = await evaluatePolicy("time");
  assert.deepEqual([estimates.users, estimates.excluded], [40, 0]);
  assert.deepEqual(estimates, await evaluatePolicy("hash"));

  const refusals: readonly [CommandSeries, readonly string[], RegExp][] = [
    [evaluate, ["--model", run, "--split", "all"], /Expected --split train, validation or test, got all/],
    [evaluate, ["--model", run, "--data", set, "--resplit"], /which was split by time/],
    [train, ["--data", set, "--resplit", "--save-dir", `${runs}/other`], /which was split by time/],
    [data, ["merge", set, "demo", "--out", `${runs}/both`], /was split by time/],
  ];
  for (const [series, args, says] of refusals) await series.refused(args, says);
});
