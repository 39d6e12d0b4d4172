import assert from "node:assert/strict";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { createSink, writeEpisodes } from "../../src/commands/simulate/simulation_files.ts";
import type { SimulationSummary } from "../../src/commands/simulate/simulation_results.ts";
import { buildResults, formatResults, MODEL_USERS } from "../../src/commands/simulate/simulation_results.ts";
import { NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { computeEpisodeMetrics } from "../../src/policy/comparison/episode_metrics.ts";
import type { EpisodeLog } from "../../src/simulate/episode_log.ts";
import { withFolder } from "../prepared_folder.ts";
import type { ChartDefinition } from "../../src/report/chart_definition.ts";
import { renderPage } from "../../src/report/page_shell.ts";
import { readCharts } from "../page_charts.ts";
import { buildSimulationPage, type SimulationPageData } from "../../src/report/simulation_page.ts";
import { drawShopItems, makeShop } from "../../src/data/demo_shop.ts";
import { type ClickLog, listUsers, NONE, splits } from "../../src/data/click_log.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { measureLoggedSizes } from "../../src/commands/policy/episode_setting.ts";
import {
  advanceShopState,
  computeShopUtility,
  demoFeatures,
  firstState,
  getItemFeatures,
  restless,
} from "../../src/data/shops.ts";
import { computeChoiceProbabilities } from "../../src/model/choice_probabilities.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { interrupt, listFiles, runOk, splitArgs, withSmallLog } from "../command_check.ts";
import {
  findAgain,
  findUsers,
  getSubject,
  hasSameItems,
} from "../../src/commands/simulate/user_selection.ts";
import { findEnvironments } from "../../src/commands/policy/open_environments.ts";
import { openTrainingUsers } from "../../src/commands/simulate/simulate_policies.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import type { TrainedPolicy } from "../../src/policy/trained_policy.ts";
import { createDataset, type DataConfig } from "../../src/data/sets/dataset.ts";
import { encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { makeAll } from "../bad_inputs/corpus.ts";
import {
  makeGoodSnapshot,
  makePaperRows,
  makeSnapshot,
  makeUsers as madeUsers,
} from "../bad_inputs/good_inputs.ts";

async function readRows(path: string): Promise<Record<string, string>[]> {
  const [head = "", ...lines] = (await Deno.readTextFile(path)).trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, k) => [name, cells[k] ?? ""]));
  });
}

Deno.test("simulated users of a shop: metrics, episodes and log agree, and the log follows the truth", () =>
  withFolder({}, async (folder) => {
    const [run, log] = [`${folder}/run`, `${folder}/log`];
    const { stdout } = await runOk(
      "simulate",
      ...splitArgs(
        "--shop restless --truth --data-seed 3 --policy popular --no-rivals --users 300 --pages 8",
      ),
      ...splitArgs("--slate 4 --leave 0.1 --start test --episodes-file csv --save-dir", [
        run,
        "--write-log",
        log,
      ]),
    );
    assert.match(
      stdout,
      /^300 users, 8 pages of 4 of 500 items; click model: the ground truth of the restless shop$/m,
    );
    assert.match(
      stdout,
      /^popular earns \d+\.\d\d clicks per user\. For a comparison with .* slates, omit --no-rivals/,
    );
    assert.deepEqual(listFiles(run), ["episodes.csv", "report.html", "result.json", "returns.csv"]);
    const html = await Deno.readTextFile(`${run}/report.html`);
    assert.match(html, /<dt>click model<\/dt><dd>the ground truth of the restless shop<\/dd>/);
    for (const id of ["return", "coverage", "click-rate", "users", "returns"]) {
      assert.ok(html.includes(`<figure id="${id}">`), id);
    }
    const pages = await readRows(`${run}/episodes.csv`);
    const returns = await readRows(`${run}/returns.csv`);
    const result = JSON.parse(await Deno.readTextFile(`${run}/result.json`));
    const { source, users } = await openDataset(log);
    const { userEvents, eventRows, eventClick, eventKind, rowItem } = source.log ?? assert.fail();
    const shop = makeShop(restless, { items: 3, users: 3 });
    assert.ok(shop.log.items.kind === "dense" && source.log?.items.kind === "dense");
    const { values } = shop.log.items;
    assert.deepEqual(source.log.items, shop.log.items);

    let [row, clicks, chance] = [0, 0, 0];
    const seen = new Set<number>();
    for (let user = 0; user < 300; user++) {
      let state = firstState;
      let own = 0;
      const before = new Set<number>();
      for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
        const [first, end, click] = [eventRows[e]!, eventRows[e + 1]!, eventClick[e]!];
        const items = rowItem.slice(first, end);
        if (!eventKind?.[e]) {
          const page = pages[row++] ?? assert.fail();
          assert.equal(page.user, String(user));
          assert.deepEqual([1, 2, 3, 4].map((j) => Number(page[`item_${j}`])), Array.from(items));
          assert.equal(page.clicked, click === NONE ? "" : String(rowItem[click]));
          for (const item of items) assert.ok(!before.has(item) && seen.add(item), "clicked before");
          const utilities = Array.from(
            items,
            (item) => computeShopUtility(restless, state, getItemFeatures(values, item)),
          );
          const { noClick } = computeChoiceProbabilities({ eta: 1 }, utilities);
          const said = `${page.click_probability} ${noClick}`;
          assert.ok(Math.abs(Number(page.click_probability) - (1 - noClick)) < 1e-4, said);
          chance += (click === NONE ? 0 : 1) - (1 - noClick);
          if (click !== NONE) own++;
        }
        if (click === NONE) continue;
        before.add(rowItem[click]!);
        state = advanceShopState(state, getItemFeatures(values, rowItem[click]!));
      }
      clicks += own;
      assert.equal(returns[user]?.popular, String(own));
      const started = listUsers(shop.log, "test").includes(Number(returns[user]?.started_as));
      assert.ok(started, returns[user]?.started_as);
    }
    assert.equal(row, pages.length);
    assert.ok(row < 300 * 8 && row > 300 * 5, "some have left");
    assert.ok(Math.abs(chance) < 3 * Math.sqrt(row / 4), String(chance));
    const [figures] = result.policies;
    assert.ok(Math.abs(figures.return.mean - clicks / 300) < 1e-9);
    assert.ok(Math.abs(figures.clickRate.mean - clicks / row) < 1e-9);
    assert.ok(Math.abs(figures.coverage - seen.size / 500) < 1e-9);
    assert.deepEqual(splits.map((split) => listUsers(source, split).length), [210, 45, 45]);
    assert.equal(users.of(299), "299");
  }));

Deno.test("Ctrl-C ends a simulation and leaves no file", () =>
  withFolder({}, async (folder) => {
    const { code, stderr } = await interrupt(
      /\d+\/20,000/,
      "simulate",
      ...splitArgs(`--shop demo --truth --users 10000 --save-dir ${folder}/run --episodes-file parquet`),
      ...["--write-log", `${folder}/log`],
    );
    assert.equal(code, 130);
    assert.match(stderr, /Stopped; nothing was written\./);
    assert.deepEqual(listFiles(folder), []);
  }));

const GIVEN = { truth: false, uncalibrated: false, memoryRows: 4_000_000, seed: 1, resplit: false };

Deno.test("a model without its run is opened again with its earlier data, unless its file has changed", () =>
  withSmallLog(async (folder, data) => {
    await makeSnapshot()(folder);
    const model = `${folder}/model.safetensors`;
    const found = await findUsers({ ...GIVEN, model, data });
    const subject = getSubject(found);
    assert.equal(subject.kind, "model");
    const again = await findAgain(subject, GIVEN); // no file next to the snapshot names the data
    assert.ok(hasSameItems(found.data, again.data));
    assert.deepEqual(getSubject(again), subject);
    await assert.rejects(
      () => findUsers({ ...GIVEN, model, data, truth: true }),
      /the ground truth of a log is unknown/,
    );
    await makeSnapshot(({ tensors }) => [...tensors.values()][0]?.data.fill(0))(folder);
    await assert.rejects(() => findAgain(subject, GIVEN), /the file has changed/);
  }));

Deno.test("policies of a model whose log has a click on every page are not compared", () =>
  withFolder({}, async (folder) => {
    await makeAll(makePaperRows(madeUsers(0, 3, 0)), makeSnapshot())(folder);
    const given = { model: `${folder}/model.safetensors`, data: `${folder}/log.tsv` };
    const subject = getSubject(await findUsers({ ...GIVEN, ...given }));
    await assert.rejects(findEnvironments(subject, GIVEN), /some pages have no click/);
  }));

Deno.test("a truth is opened again by its shop and the seed of its items", async () => {
  const found = await findUsers({ ...GIVEN, shop: "restless", truth: true, dataSeed: 3, dataUsersSeed: 4 });
  const subject = getSubject(found);
  assert.deepEqual(subject, { kind: "truth", shop: "restless", dataSeed: 3 });
  assert.ok(hasSameItems(found.data, (await findAgain(subject, GIVEN)).data));
  assert.ok(!hasSameItems(found.data, (await findAgain({ ...subject, dataSeed: 4 }, GIVEN)).data));
});

async function shopModel(folder: string, data?: DataConfig): Promise<string> {
  const items = getItemsShape({ kind: "dense", count: 500, width: demoFeatures, values: drawShopItems(1) });
  const { tensors, metadata } = makeGoodSnapshot("best-loss", 4, items);
  await Deno.mkdir(folder);
  await Deno.writeFile(`${folder}/best-loss.safetensors`, encodeSafetensors(tensors, metadata));
  if (data) await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data }));
  return `${folder}/best-loss.safetensors`;
}

Deno.test("the shop of a model is that of its training for any --seed, and a policy records its items", () =>
  withFolder({}, async (folder) => {
    const data = { kind: "demo", seed: 3, shop: "restless" } as const;
    const model = await shopModel(`${folder}/run`, data);
    const given = { ...GIVEN, model, seed: 2 };
    const found = await findUsers({ ...given, shop: "restless", truth: true });
    assert.deepEqual(found.truth, { kind: "truth", shop: "restless", dataSeed: 3 });
    assert.deepEqual((await findUsers({ ...given, shop: "restless" })).data.dataset.config, data);
    assert.equal((await findUsers({ ...given, data: "demo", truth: true })).truth?.dataSeed, 3);
    for (const shop of ["restless", undefined]) {
      await assert.rejects(
        findUsers({ ...given, shop, truth: true, dataSeed: 2 }),
        /with the items of the model/,
      );
    }
    // Without the run the shop is unknown, but a shop that the user names is accepted.
    const alone = { ...given, model: await shopModel(`${folder}/alone`), shop: "restless", truth: true };
    await assert.rejects(findUsers(alone), /Expected --data-seed/);
    assert.equal((await findUsers({ ...alone, dataSeed: 5 })).truth?.dataSeed, 5);

    const own = { ...found, truth: undefined };
    const policy = { path: "runs/p", config: { trainedOn: getSubject(own) } } as TrainedPolicy;
    const other = await findUsers({ ...given, shop: "restless", dataSeed: 2 });
    for (const [users, fits] of [[own, true], [other, false]] as const) {
      const seen = { found: users, data: users.data, environment: users } as unknown as Parameters<
        typeof openTrainingUsers
      >[1];
      const sight = openTrainingUsers(policy, seen, GIVEN);
      if (fits) assert.equal(await sight, users);
      else await assert.rejects(sight, /Expected a policy for the items of restless/);
    }
  }));

Deno.test("pages are written in order, one at a time; an error of writer or reader ends both", async () => {
  const seen: number[] = [];
  const sink = createSink<number>(async (from) => {
    for await (const value of from) seen.push(value);
  });
  for (let k = 0; k < 5; k++) {
    await sink.put(k);
    assert.ok(seen.length >= k - 1); // at most one page is unwritten
  }
  await sink.finish();
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  const full = createSink<number>(async (from) => {
    for await (const value of from) if (value === 1) throw new Error("the disk is full");
  });
  await full.put(0);
  await full.put(1);
  for (let k = 0; k < 2; k++) await assert.rejects(full.put(2), /the disk is full/);
  await assert.rejects(full.finish(), /the disk is full/);
  let why: unknown;
  const stopped = createSink<number>((from) => Array.fromAsync(from).catch((error) => why = error));
  await stopped.put(0);
  await stopped.abandon(new Error("stopped"));
  assert.match(String(why), /stopped/);
});

const ITEMS = 30;

function madeEpisode(
  seed: number,
  rate: number,
  { users = 23, pages = 5, slate = 2, items = 30 } = {},
): EpisodeLog {
  const random = createRandomStream(seed, "made episode", users);
  const count = pages * users;
  const choices = Uint32Array.from(
    { length: count },
    () => random.uniform() < rate ? random.integer(slate) : slate,
  );
  const present = new Uint8Array(count).fill(1, 0, users);
  for (let at = users; at < count; at++) {
    present[at] = present[at - users]! && (random.uniform() < 0.8 ? 1 : 0);
  }
  return {
    ...{ episode: 0, firstUser: 0, users, pages, slate },
    slates: Uint32Array.from({ length: count * slate }, () => random.integer(items)),
    choices,
    rewards: Float32Array.from(choices, (choice) => choice < slate ? random.normal() : 0),
    probabilities: Float32Array.from({ length: count }, () => random.uniform()),
    present,
  };
}

/** Returns metrics of an episode in which the reward of a click is 1. */
function makeResult(name: string, log: EpisodeLog, items = ITEMS) {
  const clicks = { ...log, rewards: Float32Array.from(log.choices, (choice) => choice < log.slate ? 1 : 0) };
  return { name, metrics: computeEpisodeMetrics([clicks], items) };
}

Deno.test("pages have intervals over users, and clicks with a negative reward are counted", () => {
  const logs = [madeEpisode(1, 0.4), madeEpisode(1, 0.4, { users: 9 })];
  const found = computeEpisodeMetrics(logs, ITEMS);
  for (const { clickRate: { mean, interval } } of found.byPage) {
    const [low, high] = interval ?? assert.fail();
    assert.ok(low <= mean && mean <= high && low < high);
  }
  const clicked = logs.flatMap(({ rewards, choices, slate, present }) =>
    Array.from(rewards).filter((_, at) => present[at] && choices[at]! < slate)
  );
  assert.equal(found.negativeClicks, clicked.filter((reward) => reward < 0).length / clicked.length);
});

Deno.test("long episodes have page means without intervals; a single user has no interval at all", () => {
  const pages = 201;
  const log = { ...madeEpisode(1, 1), pages, users: 1, slate: 1 };
  const long: EpisodeLog = {
    ...log,
    slates: new Uint32Array(pages),
    choices: Uint32Array.from({ length: pages }, (_, page) => page % 2),
    rewards: Float32Array.from({ length: pages }, (_, page) => 1 - page % 2),
    probabilities: new Float32Array(pages),
    present: new Uint8Array(pages).fill(1),
  };
  const found = computeEpisodeMetrics([long], 2);
  assert.deepEqual(found.byPage.slice(0, 2), [
    { users: 1, clickRate: { mean: 1, interval: null }, reward: { mean: 1, interval: null } },
    { users: 1, clickRate: { mean: 0, interval: null }, reward: { mean: 0, interval: null } },
  ]);
  assert.deepEqual(found.return, { mean: 101, interval: null });
  assert.equal(found.coverage, 0.5);
  const other = { ...long, rewards: new Float32Array(pages) };
  const both = computeEpisodeMetrics([long, other], 2);
  assert.deepEqual([both.return.mean, both.pages.mean, both.byPage[0]?.users], [101 / 2, pages, 2]);
});

const items = new TextIds(
  TextList.of(Array.from({ length: ITEMS }, (_, k) => k === 3 ? 'a "b", c' : `i${k}`)),
);

Deno.test("episodes have one row per page, by the ids of the data, until the user leaves", () =>
  withFolder({}, async (folder) => {
    const log: EpisodeLog = {
      ...{ episode: 0, firstUser: 5, users: 2, pages: 2, slate: 2 },
      slates: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
      choices: Uint32Array.of(2, 1, 0, 0),
      rewards: Float32Array.of(0, 1, 0.1, 9),
      probabilities: Float32Array.of(0.25, 0.5, 0.75, 1),
      present: Uint8Array.of(1, 1, 1, 0),
    };
    const logs = () => ReadableStream.from([log]);
    const startedAs = (user: number) => user === 5 ? null : `u${user}`;
    const { rows } = await writeEpisodes(`${folder}/e.csv`, { slate: 2, items, startedAs }, logs());
    assert.equal(rows, 3);
    assert.equal(
      await Deno.readTextFile(`${folder}/e.csv`),
      "user,started_as,page,item_1,item_2,clicked,position,reward,click_probability\n" +
        "5,,0,i0,i1,,,0,0.25\n" +
        "5,,1,i4,i5,i4,0,0.100000001,0.75\n" +
        '6,u6,0,i2,"a ""b"", c","a ""b"", c",1,1,0.5\n',
    );
    await writeEpisodes(`${folder}/e.parquet`, { slate: 2, items: new NumberIds(9) }, logs());
    const found = await parquetReadObjects({ file: await asyncBufferFromFile(`${folder}/e.parquet`) });
    const columns = "user page item_1 item_2 clicked position reward click_probability".split(" ");
    for (const row of found) assert.deepEqual(Object.keys(row), columns);
    assert.deepEqual(found.map((row) => Object.values(row)), [
      [5, 0, "0", "1", null, null, 0, 0.25],
      [5, 1, "4", "5", "4", 0, Math.fround(0.1), 0.75],
      [6, 0, "2", "3", "3", 1, 1, 0.5],
    ]);
  }));

const summary: SimulationSummary = {
  options: { users: 23, pages: 5, slate: 2, reward: "click", leave: 0.2, patience: 0 },
  description: "the shop itself",
  items: 30,
  noClickRateReason: undefined,
  notes: ["A note."],
  about: [],
};
const runs = [["greedy", 0.9], ["random", 0.3], ["popular", 0.4]].map(([name, rate], seed) =>
  makeResult(String(name), madeEpisode(seed, Number(rate)))
);

Deno.test("default slates and pages are the usual ones of the log; a synthetic shop has no log", () => {
  // Users have 1, 3 and 3 pages, of 2, 4, 4, 5, 4, 2 and 3 items. A context event is not a page.
  const sizes = [[2], [4, 4, 5], [4, 2, 3]];
  let row = 0;
  const users = sizes.map((own) =>
    own.map((length): TrainingPage => [Array.from({ length }, () => row++), 0])
  );
  const log = logOfPages({ kind: "one-hot", count: 30 }, users);
  const measured = (log: ClickLog, kind: "demo" | "paper" = "paper", given = new Map<string, string>()) => {
    const config: DataConfig = kind === "demo"
      ? { kind, seed: 1 }
      : { kind, path: "usual.tsv", sha256: "0", resplit: null };
    const dataset = createDataset(new MemoryLog(log), config);
    const logged = measureLoggedSizes({ dataset, source: dataset.source }, given);
    return logged && [logged.sizes.slate, logged.sizes.pages];
  };
  assert.deepEqual(measured(log), [4, 3]);
  const withContext = { ...log, eventKind: Uint8Array.of(0, 1, 1, 0, 0, 0, 0) };
  assert.deepEqual(measured(withContext), [2, 1]);
  const few: ClickLog = {
    ...log,
    items: { kind: "one-hot", count: 5 },
    rowItem: log.rowItem.map((k) => k % 5),
  };
  assert.deepEqual(measured(few), [4, 2], "the catalogue suffices for all pages of a user");
  assert.equal(measured(log, "demo"), undefined);
  assert.deepEqual(measured(log, "paper", new Map([["slate", "--slate"]])), [undefined, 3]);
  assert.equal(measured(log, "paper", new Map([["slate", "--slate"], ["pages", "--pages"]])), undefined);
});

Deno.test("the table fits the line width, and names omitted columns", () => {
  assert.match(
    formatResults(summary, runs, Infinity),
    /^greedy is better than \w+: \+\d\.\d\d clicks per user \(95 % CI .*, paired by user\)\.\n\n/,
  );
  assert.match(formatResults({ ...summary, caution: MODEL_USERS }, runs), /\.\nThese are the model's users/);
  for (const width of [100, 40, 30]) {
    const tables = formatResults(summary, runs, width).split("\n").filter((line) => /\S {2,}\S|─/.test(line));
    assert.ok(tables.length >= 10);
    for (const line of tables) assert.ok(line.length <= width, `${width}: ${line}`);
  }
});

Deno.test("if every page of the log has a click, the output has utilities but no clicks", () => {
  const without = { ...summary, noClickRateReason: "Every page has a click." };
  const text = formatResults(without, runs, 100);
  assert.match(text, /Every page has a click\./);
  assert.match(text, /policy +pages +coverage/);
  assert.doesNotMatch(text, /return|Click rate by page|minus/);
  const results = buildResults(without, runs);
  assert.deepEqual(
    results.policies.map(({ return: own, clickRate, rewardPerPage }) => [own, clickRate, rewardPerPage]),
    Array(3).fill([null, null, null]),
  );
  assert.deepEqual(results.differences, []);
});

function pointsIn(charts: readonly ChartDefinition[], id: string) {
  const { datasets = [] } = charts.find((chart) => chart.id === id)?.config.data ?? {};
  return datasets.find(({ isDecoration }) => !isDecoration)?.data ?? assert.fail(`no chart ${id}`);
}

const onPage: Omit<SimulationPageData, "policies"> = {
  ...{ pages: 6, reward: "click", clickRates: true, leaves: true },
  ...{ facts: [["who clicks", "<nobody>"]], notes: ["Read this."], verdict: ["greedy <wins>"] },
  about: ["A model."],
};

Deno.test("the page about simulated users has metrics with intervals, curves, and differences in words", () => {
  const policies = [["greedy", 0.7], ["random", 0.3]].map(([name, rate], seed) =>
    makeResult(String(name), madeEpisode(seed, Number(rate), { users: 40, pages: 6, slate: 1, items: 5 }), 20)
  );
  const page = renderPage(buildSimulationPage({ ...onPage, policies }), { style: "", script: "" });
  const charts = readCharts(page);
  assert.deepEqual(charts.map(({ id }) => id), ["return", "coverage", "click-rate", "users", "returns"]);
  assert.match(page, /<dd>&lt;nobody&gt;<\/dd>/);
  assert.match(page, /Read this\./);
  assert.ok(page.indexOf("greedy &lt;wins&gt;") < page.indexOf("<dl"), "the verdict comes first");
  const [greedy] = policies;
  const { mean, interval } = greedy?.metrics.return ?? assert.fail();
  const range = interval?.map((end) => end.toFixed(2)).join(" to ");
  assert.ok(
    page.includes(`<th scope="row">greedy</th><td>${mean.toFixed(2)}<br><small>${range}</small></td>`),
  );
  assert.match(page, /greedy minus random<\/th><td>\+\d\.\d\d<br>.*better/);
  const curve = pointsIn(charts, "click-rate");
  assert.deepEqual(curve.map(({ x }) => x), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(curve.map(({ y }) => y), greedy?.metrics.byPage.map(({ clickRate }) => clickRate.mean));
  // Bars and bands show the intervals of the table.
  const bar = pointsIn(charts, "return")[0];
  assert.deepEqual([bar?.low, bar?.high], [...interval ?? assert.fail()]);
  const halves = greedy?.metrics.byPage.map(({ clickRate: { interval } }) =>
    interval && (interval[1] - interval[0]) / 2
  );
  assert.deepEqual(curve.map(({ sd }) => sd), halves);
  const users = greedy?.metrics.byPage.map(({ users }) => users) ?? [];
  assert.deepEqual(pointsIn(charts, "users").map(({ y }) => y), users);
  assert.ok(users[0] === 40 && users[5]! < 40);
  const returns = pointsIn(charts, "returns");
  assert.deepEqual([returns.at(0)?.x, returns.at(-1)?.x], [0, 100]);
  assert.deepEqual(returns.map(({ y }) => y), Array.from(greedy?.metrics.returns.toSorted() ?? []));
  assert.equal(pointsIn(charts, "coverage")[0]?.x, 25);
});
