/** Figures, files, words and the page about simulated users, of made-up episodes: nobody is simulated here. */

import assert from "node:assert/strict";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { writeEpisodes } from "../../src/commands/simulate/files.ts";
import { resultsOf, resultText, type Told } from "../../src/commands/simulate/results.ts";
import { NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { randomStream } from "../../src/data/random.ts";
import { FigureGroups, figuresOf } from "../../src/policy/comparison/figures.ts";
import type { EpisodeLog } from "../../src/simulate/episode_log.ts";
import { FigureSums } from "../../src/simulate/figures.ts";
import { withFolder } from "../prepared_folder.ts";
import type { ChartDefinition } from "../../src/report/chart.ts";
import { pageShell } from "../../src/report/page_shell.ts";
import { type Simulation, simulationPageOf } from "../../src/report/simulation_page.ts";

const SIZES = { users: 23, pages: 5, slate: 2, items: 30 };

/** Users who leave with some probability after each page. */
function madeEpisode(seed: number, rate: number, firstUser = 0, users = SIZES.users): EpisodeLog {
  const { pages, slate, items } = SIZES;
  const random = randomStream(seed, "made episode", firstUser);
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
    ...{ episode: 0, firstUser, users, pages, slate },
    slates: Uint32Array.from({ length: count * slate }, () => random.integer(items)),
    choices,
    rewards: Float32Array.from(choices, (choice) => choice < slate ? random.normal() : 0),
    probabilities: Float32Array.from({ length: count }, () => random.uniform()),
    present,
  };
}

function figures(logs: readonly EpisodeLog[], users: number, sizes = SIZES) {
  const groups = new FigureGroups(users, sizes.pages);
  const sums = new FigureSums({ ...sizes, users, episodes: 1 }, 0);
  for (const log of logs) {
    groups.add(log);
    sums.add(log);
  }
  return { figures: groups.figures(sums.figures), returns: sums.figures.returns };
}

Deno.test("figures of users who come in parts are those of all of them at once, with the same intervals", () => {
  const logs = [madeEpisode(1, 0.4), madeEpisode(1, 0.4, 23, 9)];
  const { figures: found, returns } = figures(logs, 32);
  const whole = figuresOf(logs, SIZES.items);
  assert.deepEqual(Array.from(returns), Array.from(whole.returns));
  const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);
  for (const name of ["return", "rewardAPage", "clickRate"] as const) {
    close(found[name].mean, whole[name].mean);
    for (const side of [0, 1] as const) close(found[name].interval![side], whole[name].interval![side]);
  }
  assert.equal(found.coverage, whole.coverage);
  whole.byPage.forEach(({ users, clickRate, reward }, page) => {
    assert.equal(found.byPage[page]?.users, users);
    close(found.byPage[page]!.clickRate.mean, clickRate);
    close(found.byPage[page]!.reward.mean, reward);
    const [low, high] = found.byPage[page]!.clickRate.interval!;
    assert.ok(low <= clickRate && clickRate <= high && low < high);
  });
  const clicked = logs.flatMap(({ rewards, choices, slate, present }) =>
    Array.from(rewards).filter((_, at) => present[at] && choices[at]! < slate)
  );
  close(found.negativeClicks, clicked.filter((reward) => reward < 0).length / clicked.length);
});

Deno.test("of a long episode the pages have means without intervals; of one user nothing has one", () => {
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
  const sizes = { users: 1, pages, slate: 1, items: 2 };
  const { figures: found } = figures([long], 1, sizes);
  assert.deepEqual(found.byPage.slice(0, 2), [
    { users: 1, clickRate: { mean: 1, interval: null }, reward: { mean: 1, interval: null } },
    { users: 1, clickRate: { mean: 0, interval: null }, reward: { mean: 0, interval: null } },
  ]);
  assert.deepEqual(found.return, { mean: 101, interval: null });
  assert.equal(found.coverage, 0.5);
  // What is of a user's pages is nobody else's.
  const other = { ...long, firstUser: 1, rewards: new Float32Array(pages) };
  const { figures: both } = figures([long, other], 2, sizes);
  assert.deepEqual([both.return.mean, both.pages.mean, both.byPage[0]?.users], [101 / 2, pages, 2]);
});

const items = new TextIds(
  TextList.of(Array.from({ length: SIZES.items }, (_, k) => k === 3 ? 'a "b", c' : `i${k}`)),
);

Deno.test("episodes are a row a page, by the ids of the data; who left has no more rows", () =>
  withFolder({}, async (folder) => {
    const log: EpisodeLog = {
      ...{ episode: 0, firstUser: 5, users: 2, pages: 2, slate: 2 },
      slates: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
      choices: Uint32Array.of(2, 1, 0, 0),
      rewards: Float32Array.of(0, 1, 0.1, 9),
      probabilities: Float32Array.of(0.25, 0.5, 0.75, 1),
      present: Uint8Array.of(1, 1, 1, 0),
    };
    async function* logs(): AsyncGenerator<EpisodeLog> {
      yield await Promise.resolve(log);
    }
    const startedAs = (user: number) => user === 5 ? null : `u${user}`;
    const { rows } = await writeEpisodes(`${folder}/e.csv`, { slate: 2, items, startedAs }, logs());
    assert.equal(rows, 3);
    assert.equal(
      await Deno.readTextFile(`${folder}/e.csv`),
      "user,started_as,page,item_1,item_2,clicked,place,reward,click_chance\n" +
        "5,,0,i0,i1,,,0,0.25\n" +
        "5,,1,i4,i5,i4,0,0.100000001,0.75\n" +
        '6,u6,0,i2,"a ""b"", c","a ""b"", c",1,1,0.5\n',
    );
    await writeEpisodes(`${folder}/e.parquet`, { slate: 2, items: new NumberIds(9) }, logs());
    assert.deepEqual(await parquetReadObjects({ file: await asyncBufferFromFile(`${folder}/e.parquet`) }), [
      {
        user: 5,
        page: 0,
        item_1: "0",
        item_2: "1",
        clicked: null,
        place: null,
        reward: 0,
        click_chance: 0.25,
      },
      {
        ...{ user: 5, page: 1, item_1: "4", item_2: "5", clicked: "4", place: 0 },
        ...{ reward: Math.fround(0.1), click_chance: 0.75 },
      },
      { user: 6, page: 0, item_1: "2", item_2: "3", clicked: "3", place: 1, reward: 1, click_chance: 0.5 },
    ]);
  }));

const told: Told = {
  options: { users: 23, pages: 5, slate: 2, reward: "click", leave: 0.2 },
  words: "the shop itself",
  items: 30,
  noClickRate: undefined,
  notes: ["A note."],
};
const runs = [["greedy", 0.8], ["random", 0.3], ["popular", 0.5]].map(([name, rate], k) => {
  const log = madeEpisode(k, Number(rate));
  const clicks = { ...log, rewards: Float32Array.from(log.choices, (choice) => choice < 2 ? 1 : 0) };
  return { name: String(name), ...figures([clicks], SIZES.users) };
});

Deno.test("the table has what fits the line, and says what stands beside it", () => {
  const wide = resultText(told, runs, Infinity);
  assert.match(
    wide,
    /^23 users, 5 pages of 2 of 30 items; who clicks: the shop itself\npolicy +return +95 % +click rate/,
  );
  assert.match(wide, /\ngreedy is better than random, user by user: \+\d\.\d\d, 95 % CI .*\./);
  assert.match(wide, /\nClick rate by page:\npage +1 +2 +3 +4 +5\n/);
  assert.match(wide, /\nA note\.$/);
  for (const width of [100, 60, 40, 30]) {
    const tables = resultText(told, runs, width).split("\n").filter((line) => /\S {2,}\S|─/.test(line));
    assert.ok(tables.length >= 10);
    for (const line of tables) assert.ok(line.length <= width, `${width}: ${line}`);
  }
  assert.doesNotMatch(resultText(told, runs, 30), /coverage/);
  assert.match(resultText(told, runs.slice(0, 1), 100), /Nothing stands beside greedy: without --no-rivals/);
});

Deno.test("where no page is without a click, clicks are not counted: neither rate nor return, but utilities are", () => {
  const without = { ...told, noClickRate: "Every page has a click." };
  const text = resultText(without, runs, 100);
  assert.match(text, /Every page has a click\./);
  assert.match(text, /policy +pages +coverage/);
  assert.doesNotMatch(text, /return|Click rate by page|minus/);
  const results = resultsOf(without, runs);
  assert.deepEqual(
    results.policies.map(({ return: own, clickRate, rewardAPage }) => [own, clickRate, rewardAPage]),
    Array(3).fill([null, null, null]),
  );
  assert.deepEqual(results.differences, []);
});

Deno.test("a reward that can be negative is said to be one", () => {
  const options = { ...told.options, reward: "utility" as const };
  const run = { name: "greedy", ...figures([madeEpisode(3, 0.8)], SIZES.users) };
  assert.match(
    resultText({ ...told, options }, [run], 100),
    /Clicks with a utility below 0: \d\d\.\d % under greedy\. With/,
  );
  assert.doesNotMatch(resultText({ ...told, options }, runs, 100), /below 0/);
});

/** Nobody was simulated: each page is clicked with this probability. */
function made(name: string, rate: number, pages: number) {
  const [users, items] = [40, 20];
  const random = randomStream(1, "made", name);
  const clicked = Array.from({ length: users * pages }, () => random.uniform() < rate);
  const log: EpisodeLog = {
    ...{ episode: 0, firstUser: 0, users, pages, slate: 1 },
    slates: Uint32Array.from(clicked, (_, at) => at % 5),
    choices: Uint32Array.from(clicked, (click) => click ? 0 : 1),
    rewards: Float32Array.from(clicked, Number),
    probabilities: new Float32Array(users * pages).fill(rate),
    // The first user sees one page alone.
    present: Uint8Array.from(clicked, (_, at) => (at % users === 0 && at >= users ? 0 : 1)),
  };
  return { name, ...figures([log], users, { users, pages, slate: 1, items }) };
}

function chartsIn(simulation: Simulation): { page: string; charts: ChartDefinition[] } {
  const page = pageShell(simulationPageOf(simulation), { style: "", script: "" });
  const json = page.match(/<script type="application\/json" id="chart-data">(.*?)<\/script>/)?.[1] ?? "";
  const charts: ChartDefinition[] = JSON.parse(json);
  for (const { id } of charts) assert.ok(page.includes(`<figure id="${id}">`), id);
  return { page, charts };
}

/** Of the first curve, or of the bars. */
function pointsIn(charts: readonly ChartDefinition[], id: string) {
  const { datasets = [] } = charts.find((chart) => chart.id === id)?.config.data ?? {};
  return datasets.find(({ isDecoration }) => !isDecoration)?.data ?? assert.fail(`no chart ${id}`);
}

const onPage: Omit<Simulation, "policies"> = {
  ...{ pages: 6, reward: "click", clickRates: true, leaves: true },
  ...{ facts: [["who clicks", "<nobody>"]], notes: ["Read this."] },
};

Deno.test("the page about simulated users: figures with their ranges, curves, and differences in words", () => {
  const policies = [made("greedy", 0.7, 6), made("random", 0.3, 6)];
  const { page, charts } = chartsIn({ ...onPage, policies });
  assert.deepEqual(charts.map(({ id }) => id), ["return", "coverage", "click-rate", "users", "returns"]);
  assert.match(page, /<dd>&lt;nobody&gt;<\/dd>/);
  assert.match(page, /Read this\./);
  const [greedy] = policies;
  const { mean, interval } = greedy?.figures.return ?? assert.fail();
  const range = interval?.map((end) => end.toFixed(2)).join(" to ");
  assert.ok(
    page.includes(`<th scope="row">greedy</th><td>${mean.toFixed(2)}<br><small>${range}</small></td>`),
  );
  assert.match(page, /greedy less random<\/th><td>\+\d\.\d\d<br>.*better/);
  const curve = pointsIn(charts, "click-rate");
  assert.deepEqual(curve.map(({ x }) => x), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(curve.map(({ y }) => y), greedy?.figures.byPage.map(({ clickRate }) => clickRate.mean));
  assert.ok(curve.every(({ sd = null }) => sd === null || (sd > 0 && sd < 0.2)));
  assert.deepEqual(pointsIn(charts, "users").map(({ y }) => y), [40, 39, 39, 39, 39, 39]);
  const returns = pointsIn(charts, "returns");
  assert.deepEqual([returns.at(0)?.x, returns.at(-1)?.x], [0, 100]);
  assert.deepEqual(returns.map(({ y }) => y), Array.from(greedy?.returns.toSorted() ?? []));
  assert.equal(pointsIn(charts, "coverage")[0]?.x, 25);
});

Deno.test("the page about simulated users: no clicks where none can be counted; pages of long episodes in windows", () => {
  const policies = [made("random", 0.3, 300)];
  const { page, charts } = chartsIn({ ...onPage, pages: 300, leaves: false, clickRates: false, policies });
  assert.deepEqual(charts.map(({ id }) => id), ["coverage"]);
  assert.doesNotMatch(page, /click rate|clicks a user|By page|By user/);
  const utility = chartsIn({ ...onPage, pages: 300, reward: "utility", leaves: false, policies });
  assert.deepEqual(utility.charts.map(({ id }) => id), [
    ...["return", "coverage", "click-rate", "reward", "returns"],
  ]);
  assert.match(utility.page, /Nothing stands beside random\./);
  assert.match(utility.page, /A point is the mean of 2 pages\./);
  const rewards = pointsIn(utility.charts, "reward");
  assert.deepEqual([rewards.length, rewards[0]?.x], [150, 1.5]);
  const { byPage } = policies[0]?.figures ?? assert.fail();
  const [one, two] = byPage.map(({ users, reward }) => users * reward.mean);
  assert.ok(Math.abs((rewards[0]?.y ?? NaN) - ((one ?? NaN) + (two ?? NaN)) / 79) < 1e-12);
});
