/** The page about simulated users: what stands on it, and what is left out where it means nothing. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { FigureGroups } from "../../src/policy/comparison/figures.ts";
import type { ChartDefinition, LineChart } from "../../src/report/chart_types.ts";
import { type Simulation, simulationPageOf } from "../../src/report/simulation_page.ts";
import type { EpisodeLog } from "../../src/simulate/episode_log.ts";

const [users, items] = [40, 20];

/** Nobody was simulated: each page is clicked with this probability. */
function made(name: string, rate: number, pages: number) {
  const random = randomStream(1, "made", name);
  const clicked = Array.from({ length: users * pages }, () => random.uniform() < rate);
  const log: EpisodeLog = {
    ...{ episode: 0, firstUser: 0, users, pages, slate: 1 },
    slates: new Uint32Array(users * pages),
    choices: Uint32Array.from(clicked, (click) => click ? 0 : 1),
    rewards: Float32Array.from(clicked, Number),
    probabilities: new Float32Array(users * pages).fill(rate),
    // The first user sees one page alone.
    present: Uint8Array.from(clicked, (_, at) => (at % users === 0 && at >= users ? 0 : 1)),
  };
  const groups = new FigureGroups(users, pages);
  groups.add(log);
  const itemShown = Uint32Array.from({ length: items }, (_, item) => (item < 5 ? 1 : 0));
  const returns = Float64Array.from(
    { length: users },
    (_, user) =>
      log.rewards.reduce((sum, reward, at) => sum + (at % users === user && log.present[at] ? reward : 0), 0),
  );
  return { name, figures: groups.figures({ itemShown }), returns };
}

function chartsIn(simulation: Simulation): { page: string; charts: ChartDefinition[] } {
  const page = simulationPageOf(simulation, { style: "", script: "" });
  const json = page.match(/<script type="application\/json" id="chart-data">(.*?)<\/script>/)?.[1] ?? "";
  const charts: ChartDefinition[] = JSON.parse(json);
  for (const { id } of charts) assert.ok(page.includes(`<figure id="${id}">`), id);
  return { page, charts };
}

const told: Omit<Simulation, "policies"> = {
  ...{ pages: 6, reward: "click", clickRates: true, leaves: true },
  ...{ facts: [["who clicks", "<nobody>"]], notes: ["Read this."] },
};

Deno.test("the page about simulated users: figures with their ranges, curves, and differences in words", () => {
  const policies = [made("greedy", 0.7, 6), made("random", 0.3, 6)];
  const { page, charts } = chartsIn({ ...told, policies });
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
  const line = (id: string) => charts.find((chart): chart is LineChart => chart.id === id) ?? assert.fail();
  const [curve] = line("click-rate").series;
  assert.deepEqual(curve?.x, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(curve?.mean, greedy?.figures.byPage.map(({ clickRate }) => clickRate.mean));
  assert.ok(curve?.sd.every((sd) => sd === null || (sd > 0 && sd < 0.2)));
  assert.deepEqual(line("users").series[0]?.mean, [40, 39, 39, 39, 39, 39]);
  const [returns] = line("returns").series;
  assert.deepEqual([returns?.x.at(0), returns?.x.at(-1)], [0, 100]);
  assert.deepEqual(returns?.mean, Array.from(greedy?.returns.toSorted() ?? []));
  const [bar] = charts.flatMap((chart) => chart.kind === "bar" && chart.id === "coverage" ? chart.bars : []);
  assert.equal(bar?.mean, 25);
});

Deno.test("the page about simulated users: no clicks where none can be counted; pages of long episodes in windows", () => {
  const policies = [made("random", 0.3, 300)];
  const { page, charts } = chartsIn({ ...told, pages: 300, leaves: false, clickRates: false, policies });
  assert.deepEqual(charts.map(({ id }) => id), ["coverage"]);
  assert.doesNotMatch(page, /click rate|clicks a user|By page|By user/);
  const utility = chartsIn({ ...told, pages: 300, reward: "utility", leaves: false, policies });
  assert.deepEqual(utility.charts.map(({ id }) => id), [
    ...["return", "coverage", "click-rate", "reward", "returns"],
  ]);
  assert.match(utility.page, /Nothing stands beside random\./);
  assert.match(utility.page, /A point is the mean of 2 pages\./);
  const rewards = utility.charts.find((chart): chart is LineChart => chart.id === "reward");
  assert.deepEqual([rewards?.series[0]?.x.length, rewards?.series[0]?.x[0]], [150, 1.5]);
  const { byPage } = policies[0]?.figures ?? assert.fail();
  const [one, two] = byPage.map(({ users, reward }) => users * reward.mean);
  assert.ok(Math.abs((rewards?.series[0]?.mean[0] ?? NaN) - ((one ?? NaN) + (two ?? NaN)) / 79) < 1e-12);
});
