import assert from "node:assert/strict";
import type { ComparisonCell, PolicyComparison } from "../../src/policy/comparison/comparison.ts";
import {
  comparePolicies,
  CURVE_POINTS,
  findDifference,
  groupBySlateSize,
  listComparedPolicies,
  listDifferences,
  nameTasks,
} from "../../src/policy/comparison/comparison.ts";
import { renderPage } from "../../src/report/page_shell.ts";
import { buildPolicyPage } from "../../src/report/policy_page.ts";
import { readCharts } from "../page_charts.ts";
import { makeComparison } from "../sample_comparison.ts";
import { createRandomStream } from "../../src/data/random.ts";
import {
  computePageCalibration,
  computeQConsistency,
  countRareItems,
  LoggedStates,
  trainHistories,
} from "../../src/policy/comparison/trust_metrics.ts";
import { decomposeCholesky, solveLower, solveUpper } from "../../src/data/symmetric_matrix.ts";
import type { PageMetrics } from "../../src/policy/comparison/episode_metrics.ts";
import { computeEpisodeMetrics, estimateRatio } from "../../src/policy/comparison/episode_metrics.ts";
import type { ComparedPolicy, ComparisonCellOptions } from "../../src/policy/comparison/compare_policies.ts";
import {
  buildComparisonCell,
  compare,
  makeOptimalPolicy,
  readLoggedStates,
} from "../../src/policy/comparison/compare_policies.ts";
import type { EpisodePrediction } from "../../src/policy/comparison/episode_prediction.ts";
import { computeClickProbabilities, tryPolicy } from "../../src/policy/comparison/episode_prediction.ts";
import { createEmptyLog, type EpisodeLog, listSeenPages } from "../../src/simulate/episode_log.ts";
import type { Claim } from "../../src/metrics/baseline_verdict.ts";
import { judgePolicies } from "../../src/policy/comparison/policy_verdict.ts";
import { assertNear as near, sumNumbers } from "./estimates.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import type { ShopState } from "../../src/data/shops.ts";
import {
  advanceShopState,
  computeShopUtility,
  firstState,
  getItemFeatures,
  restless,
} from "../../src/data/shops.ts";
import { toLogSource } from "../../src/data/log_source.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { View } from "../../src/gpu/memory.ts";
import type { Policy } from "../../src/simulate/policy.ts";
import { createGreedyPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import type { PolicyTrainingConfig } from "../../src/policy/learning/policy_training_config.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import { groupPolicies, rank, TrainedPolicy } from "../../src/policy/trained_policy.ts";
import type { PolicyConfig } from "../../src/policy/policy_config.ts";
import type { PolicySnapshot } from "../../src/policy/learning/policy_snapshot.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { withGpu } from "../op_check.ts";
import { listIndices } from "../../src/selftest/harness.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";

/** Log of two users with three pages of two items; the second user leaves after the second page. */
const log: EpisodeLog = {
  ...{ episode: 0, firstUser: 0 },
  users: 2,
  pages: 3,
  slate: 2,
  slates: Uint32Array.of(0, 1, 0, 2, 3, 4, 0, 1, 5, 6, 9, 9), // the user who left did not see the last slate
  choices: Uint32Array.of(1, 2, 0, 2, 2, 0),
  rewards: Float32Array.of(0.5, 0, 2, 0, 0, 0),
  probabilities: Float32Array.of(0.75, 0.25, 0.5, 0.5, 0.5, 0),
  present: Uint8Array.of(1, 1, 1, 1, 1, 0),
};

const listMeans = (byPage: readonly PageMetrics[]) =>
  byPage.map(({ users, clickRate, reward }) => [users, clickRate.mean, reward.mean]);

Deno.test("episodes: metrics match values by hand, and exclude pages after a user has left", () => {
  const { returns, return: mean, rewardPerPage, clickRate, byPage, coverage } = computeEpisodeMetrics(
    [log],
    20,
  );
  assert.deepEqual([...returns], [2.5, 0]);
  assert.equal(mean.mean, 1.25);
  near(rewardPerPage.mean, 2.5 / 5);
  near(clickRate.mean, 2 / 5);
  assert.deepEqual(listMeans(byPage), [[2, 0.5, 0.25], [2, 0.5, 1], [1, 0, 0]]);
  near(coverage, 7 / 20);
  assert.throws(() => computeEpisodeMetrics([], 20), /expected episodes/);
  const gone = { ...log, present: Uint8Array.of(1, 1, 1, 1, 0, 0) };
  assert.ok(Number.isNaN(computeEpisodeMetrics([gone], 20).byPage[2]?.clickRate.mean));
});

Deno.test("metrics of episodes of consecutive users equal the metrics of all users", () => {
  const two = computeEpisodeMetrics([log, { ...log, rewards: log.rewards.map((reward) => 2 * reward) }], 20);
  assert.deepEqual([...two.returns], [2.5, 0, 5, 0]);
  assert.deepEqual(listMeans(two.byPage), [[4, 0.5, 0.375], [4, 0.5, 1.5], [2, 0, 0]]);
  near(two.clickRate.mean, 2 / 5);
});

Deno.test("intervals over users have the theoretical width; a single user has no interval", () => {
  const random = createRandomStream(1, "users");
  const values = Float64Array.from({ length: 4000 }, () => random.uniform());
  const { mean, interval } = estimateRatio(values);
  const [low, high] = interval ?? assert.fail("no interval");
  near(mean, 0.5, 0.02);
  // Width 2 x 1.96 x sqrt(1/12 / 4000), within 10 %.
  near((high - low) / (2 * 1.96 * Math.sqrt(1 / 12 / 4000)), 1, 0.1);
  assert.ok(low < mean && mean < high);
  assert.equal(estimateRatio(Float64Array.of(3)).interval, null);
});

Deno.test("differences: users are paired, and the wider interval is reported with its source", () => {
  const random = createRandomStream(2, "pairs");
  const users = 500;
  const luck = Float64Array.from({ length: users }, () => 100 * random.uniform());
  const above = (by: number) => luck.map((value, user) => value + by + (user % 2 === 0 ? 0.1 : -0.1));
  // With one training, equal user effects cancel in a paired difference.
  const one = comparePolicies([above(1)], [luck]);
  near(one.mean, 1);
  near(one.rival, luck.reduce((sum, value) => sum + value, 0) / users);
  assert.ok(one.interval && one.interval[0] > 0.98 && one.interval[1] < 1.02);
  assert.deepEqual([one.wider, one.overSeeds, one.trainings], ["users", null, 1]);
  assert.deepEqual([one.lose, one.gain], [0, 1]);
  // Three trainings differ more than users: Student's t with 2 degrees of freedom, 4.303 x 1 / sqrt(3).
  const three = comparePolicies([above(0), above(1), above(2)], [luck]);
  near(three.mean, 1);
  assert.deepEqual([three.wider, three.trainings], ["training seeds", 3]);
  assert.deepEqual(three.interval, three.overSeeds);
  near(three.interval?.[1] ?? NaN, 1 + 4.30265 / Math.sqrt(3), 1e-4);
  // Trainings agree, so the interval is over users.
  const alike = comparePolicies([above(1), above(1.0001)], [luck]);
  assert.equal(alike.wider, "users");
  assert.deepEqual(alike.interval, alike.overUsers);
  // If both policies are trained, trainings are paired in order, up to the shorter list.
  assert.equal(comparePolicies([above(1), above(2), above(9)], [above(0), above(1)]).trainings, 2);
  near(comparePolicies([above(1), above(2), above(9)], [above(0), above(1)]).mean, 1);
  near(comparePolicies([above(1)], [above(0), above(2)]).mean, 0);
});

Deno.test("differences: the curve of users is sorted, has its ends, and counts the losers", () => {
  const users = 1001;
  const zero = new Float64Array(users);
  const found = comparePolicies([Float64Array.from(zero, (_, user) => (user * 8) % users - 250)], [zero]);
  assert.equal(found.sorted.length, CURVE_POINTS);
  assert.deepEqual([found.sorted[0], found.sorted[CURVE_POINTS - 1]], [-250, 750]);
  assert.deepEqual([...found.sorted], [...found.sorted].sort((a, b) => a - b));
  near(found.lose, 250 / users);
  near(found.gain, 750 / users);
  assert.equal(comparePolicies([zero.subarray(0, 5)], [zero.subarray(0, 5)]).sorted.length, 5);
});

Deno.test("consistency: rmse is the root mean square of Q^j - Q^k, also relative to the mean of Q^k", () => {
  const q = Float32Array.of(...[11, 9, 10], ...[9, 9, 10]);
  const [first, second, ...none] = computeQConsistency(q, 3);
  assert.deepEqual(none, []);
  near(first?.rmse ?? NaN, 1);
  near(second?.relative ?? NaN, 0.1);
  assert.deepEqual(first?.points, [[10, 11], [10, 9]]);
  assert.deepEqual(computeQConsistency(Float32Array.of(1, 2), 1), []);
  assert.ok((computeQConsistency(new Float32Array(4000), 2)[0]?.points.length ?? 0) <= 300);
});

Deno.test("calibration: gaps are predicted minus realised clicks, by page and per user", () => {
  const predicted = Float32Array.of(0.75, 0.25, 0.5, 0.5, 0.5, 123); // the user did not see the last page
  const { pages, predicted: said, realised, gap } = computePageCalibration([{ log, predicted }]);
  assert.deepEqual(pages.map((page) => [page.predicted, page.realised]), [[0.5, 0.5], [0.5, 0.5], [0.5, 0]]);
  near(said, 2.5 / 2);
  near(realised, 1);
  near(gap.mean, 0.25);
  // A resample of two users has user 1, both users, or user 2. A user who has left has no gap.
  assert.deepEqual(pages.map(({ gap }) => gap), [[-0.25, 0.25], [-0.5, 0.5], [0.5, 0.5]]);
  assert.deepEqual(gap.interval, [-0.25, 0.75]);
  const gone = { ...log, present: Uint8Array.of(1, 1, 1, 1, 0, 0) };
  assert.equal(computePageCalibration([{ log: gone, predicted }]).pages[2]?.gap, null);
  const twice = computePageCalibration([{ log, predicted }, { log, predicted: predicted.map((p) => p / 2) }]);
  near(twice.predicted, (2.5 + 1.25) / 4);
  near(twice.gap.mean, (0.5 - 0.75) / 4);
});

/** Returns predictions for the log: the state (one number) after each page, and values of slates. */
function makeTrial(states: readonly number[], values?: readonly number[]): EpisodePrediction {
  return {
    log,
    predictions: {
      ...{ utilities: new Float32Array(12), predicted: new Float32Array(6).fill(0.5) },
      ...{ choice: { eta: 1, positionEffects: [] }, states: Float32Array.from(states) },
    },
    ...(values && { values: { count: values.length / 6, values: Float32Array.from(values) } }),
  };
}

Deno.test("results count clicks, states and items only of users who have not left", () => {
  const about = { policy: "cdqn", seed: 3 };
  const logged = {
    states: new LoggedStates(Float32Array.of(-1, 0, 1), 1),
    displays: Array.from({ length: 20 }, (_, item) => item < 6 ? 20 : 19),
  };
  const options = { items: 20, learnedHere: true, logged };
  // No user saw the last page: its state, items and slate values do not count.
  const states = [0, 5, 0, 0, -5, 5];
  const q = [[1, 2], [2, 2], [4, 4], [3, 2], [2, 2], [9, 100]];
  const one = makeTrial(states, q.flat());
  const cell = buildComparisonCell(about, "A", [one, makeTrial([0, 0, 0, 0, 0, 5], q.flat())], options);
  assert.deepEqual([cell.policy, cell.seed, cell.environment], ["cdqn", 3, "A"]);
  assert.equal(cell.metrics.returns.length, 4);
  assert.deepEqual(cell.support, { statesBeyond: 2 / 10, rareSlots: 2 / 20 });
  near(cell.calibration?.predicted ?? NaN, 5 / 4);
  const [first] = cell.consistency ?? [];
  near(first?.rmse ?? NaN, Math.sqrt(2 / 5));
  near(first?.relative ?? NaN, Math.sqrt(2 / 5) / (12 / 5));
  const told = (trial: EpisodePrediction, more: Partial<ComparisonCellOptions> = {}) => {
    const { consistency, support, calibration } = buildComparisonCell(about, "A", [trial], {
      ...options,
      ...more,
    });
    return [consistency, support, calibration].map((part) => part !== undefined);
  };
  assert.deepEqual(told(one), [true, true, true]);
  assert.deepEqual(told(one, { learnedHere: false }), [false, true, true]);
  assert.deepEqual(told(one, { logged: undefined }), [true, false, true]);
  assert.deepEqual(told({ log: one.log }), [false, false, false]);
  assert.deepEqual(told(makeTrial(states, [1, 2, 3, 4, 5, 6])), [false, true, true], "values alone");
});

Deno.test("of many states, every n-th is used", () => {
  const users = 100_000;
  const sizes = { episode: 0, firstUser: 0, users, pages: 1, slate: 1 };
  const log = { ...createEmptyLog(sizes), present: new Uint8Array(users).fill(1) };
  const states = new LoggedStates(Float32Array.of(-1, 0, 1), 1);
  for (const [far, expected] of [[0, 1], [1, 0]]) {
    const own = Float32Array.from({ length: users }, (_, user) => user % 2 === far ? 9 : 0);
    const observer = { ...makeTrial([]).predictions!, states: own, predicted: new Float32Array(users) };
    const values = { count: 1, values: new Float32Array(users) };
    const { support, consistency } = buildComparisonCell({ policy: "p", seed: null }, "A", [{
      log,
      predictions: observer,
      values,
    }], { ...{ items: 1, learnedHere: true, logged: { states, displays: [20] } } });
    assert.deepEqual([support, consistency], [{ statesBeyond: expected, rareSlots: 0 }, undefined]);
  }
});

Deno.test("support: matrix factors and distances of states match values by hand", () => {
  const l = Float64Array.of(...[2, 0, 0], ...[1, 3, 0], ...[-1, 0.5, 4]);
  const a = l.map((_, at) => {
    const [i, j] = [Math.floor(at / 3), at % 3];
    return [0, 1, 2].reduce((sum, k) => sum + l[3 * i + k]! * l[3 * j + k]!, 0);
  });
  decomposeCholesky(a, 3).forEach((value, at) => near(value, l[at]!));
  assert.deepEqual([...solveLower(l, 3, Float64Array.of(4, 5, 3.5))], [2, 1, 1.25]);
  assert.deepEqual([...solveUpper(l, 3, Float64Array.of(4, 5, 4))], [1.75, 1.5, 1]);
  const indefinite = Float64Array.of(1, 0, 2, 1);
  assert.throws(() => decomposeCholesky(indefinite, 2), /positive definite/);
  assert.deepEqual([...decomposeCholesky(indefinite, 2, 0.25)], [1, 0, 2, 0.5]);
  near(new LoggedStates(Float32Array.of(-1, 0, 1), 1).limit, 1, 1e-5); // variance / (3 - 1)
  near(new LoggedStates(Float32Array.of(5, 5), 1).distance(Float32Array.of(5, 7), 1), 4); // no variance
});

Deno.test("support: one in a hundred logged states is outside the ellipsoid, also with correlated columns", () => {
  const random = createRandomStream(4, "states");
  const bell = () => Array.from({ length: 12 }, () => random.uniform()).reduce((sum, u) => sum + u, -6);
  const width = 3; // the second column depends on the first, the third is constant
  const states = new Float32Array(width * 2000);
  for (let row = 0; row < 2000; row++) {
    const a = bell();
    states.set([a, a + 0.1 * bell(), 7], width * row);
  }
  const logged = new LoggedStates(states, width);
  const { beyond, total } = logged.countBeyond(states);
  assert.deepEqual([beyond, total], [20, 2000]);
  near(logged.limit, 9.21, 1.5); // chi-square with two degrees of freedom
  // States at a logged distance along the line, and across the line.
  const tried = Float32Array.of(...[2, 2, 7], ...[1, -1, 7], ...[0, 0, 8]);
  assert.deepEqual(logged.countBeyond(tried), { beyond: 2, total: 3 });
  assert.deepEqual(logged.countBeyond(tried, (row) => row === 0), { beyond: 0, total: 1 });
  assert.equal(countRareItems([0, 1, 1, 2, 5], [100, 19, 20]), 3);
});

/** Returns a result whose returns have a given mean. Two results differ by the same number for all users. */
function cell(policy: string, seed: number | null, environment: string, mean: number): ComparisonCell {
  const users = 40;
  const log = {
    ...createEmptyLog({ episode: 0, firstUser: 0, users, pages: 1, slate: 1 }),
    rewards: Float32Array.from({ length: users }, (_, user) => mean + (user % 2 === 0 ? 0.5 : -0.5)),
    present: new Uint8Array(users).fill(1),
  };
  return { policy, seed, environment, metrics: computeEpisodeMetrics([log], 10) };
}

function comparison(
  environments: PolicyComparison["environments"],
  returns: Readonly<Record<string, readonly [number, number]>>, // mean returns of greedy and cdqn
): PolicyComparison {
  const cells = Object.entries(returns).flatMap(([name, [greedy, cdqn]]) => [
    cell("greedy", null, name, greedy),
    cell("cdqn", 1, name, cdqn),
    cell("cdqn", 2, name, cdqn + 0.01),
  ]);
  return { ...three, environments, cells };
}
const A = { name: "A", role: "trained on" } as const;
const B = { name: "B", role: "second model" } as const;
const restlessShop = { name: "restless shop", role: "truth", optimum: 15.19 } as const;

function verdict(comparison: PolicyComparison, holds: Claim["holds"], ...says: RegExp[]): Claim {
  const [found = assert.fail(), ...others] = judgePolicies(comparison);
  assert.deepEqual([found.holds, others], [holds, []]);
  for (const text of says) assert.match(found.text, text);
  return found;
}

Deno.test("a verdict on the truth compares with greedy, and with the prediction", () => {
  const good = comparison([A, B, restlessShop], {
    A: [11, 14.8],
    B: [11.5, 14.8],
    "restless shop": [9.2, 14.1],
  });
  const { claim, text } = verdict(
    good,
    "yes",
    /^On the truth \(restless shop\) cdqn is better than greedy: \+4\.9\d clicks per user \(\+53 %; 95 % CI \+4\.\d+ to/,
    /Return predicted by A: 14\.8\d clicks per user; return in restless shop: 14\.1\d, so the prediction is 5 % too high\./,
  );
  assert.equal(claim, "cdqn is better than greedy on the truth (restless shop)");
  assert.doesNotMatch(text, /in the simulator only/);
  verdict(
    { ...good, cells: good.cells.filter(({ policy }) => policy !== "greedy") },
    "undecided",
    /^No verdict for cdqn: greedy was not run on the truth .*Add greedy by --with\.$/,
  );
  verdict(
    comparison([A, B, restlessShop], { A: [11, 14], B: [11, 14], "restless shop": [9, 8] }),
    "no",
    /cdqn is worse than greedy: -0\.99 .*in the simulator only \(A, B\)\..*75 % too high/,
  );
  verdict(
    comparison([A, restlessShop], { A: [11, 11], "restless shop": [9, 9 - 0.005] }),
    "undecided",
    /^On the truth \(restless shop\) there is no significant difference between cdqn and greedy/,
  );
});

Deno.test("verdict: it reports where planning has no gain", () => {
  const demo = { name: "demo shop", role: "truth", optimum: 19.653 } as const;
  verdict(
    comparison([demo], { "demo shop": [19.645, 18.8] }),
    "no",
    /Planning cannot raise the return in demo shop: .* \+0\.04 % above greedy\. cdqn is 4\.3 % behind greedy\./,
  );
});

Deno.test("verdict: without a truth it names the simulators", () => {
  const both = comparison([A, B], { A: [11, 14], B: [11, 10] });
  const says =
    /^In the simulator \(A\) cdqn is better than greedy: \+3\.0.*\(B\) cdqn is worse than greedy: -0\.99.*real users \(A\/B test\)\.$/;
  assert.equal(verdict(both, "undecided", says).claim, "cdqn is better than greedy in the simulator");
  verdict(comparison([A], { A: [11, 14] }), "yes");
});

Deno.test("comparison: learned policies come first; a policy that was not run has no difference", () => {
  const found = comparison([A], { A: [1, 2] });
  assert.deepEqual(listComparedPolicies(found), [{ name: "cdqn", learned: true }, {
    name: "greedy",
    learned: false,
  }]);
  assert.equal(findDifference(found, "cdqn", "random", "A"), undefined);
  assert.deepEqual(
    listDifferences(found).map(({ environment, policy, rival }) => [environment, policy, rival]),
    [["A", "cdqn", "greedy"]],
  );
});

const ENVIRONMENTS = ["model A", "model B", "restless shop"];
const parts = { style: "", script: "" };
const [three, five] = [makeComparison(3), makeComparison(5)];

Deno.test("the page about policies has verdicts, tables and charts of every environment, by slate size", () => {
  const points = [5, 7, 6].map((value, k) => ({ userSteps: 100 * k, return: value, standardError: 0.5 }));
  const curves = [{ name: "slateq, seed 1", points }];
  const facts = [["users", "60"]] as const;
  const head = { title: "Policies <compared>", facts, notes: ["Read this."], about: ["A model."], curves };
  const page = renderPage(buildPolicyPage(head, [three, five]), parts);
  const charts = readCharts(page);
  for (const { id, title, note } of charts) {
    assert.match(id, /^[a-z0-9-]+$/);
    assert.ok(ENVIRONMENTS.some((name) => `${title} ${note}`.includes(name)), title);
  }
  const count = (kind: string, start: string) =>
    charts.filter((chart) => chart.config.type === kind && chart.id.startsWith(start)).length;
  assert.equal(count("bar", "return-3"), 3);
  const lines = ["pages-3", "calibration-3", "users-3"].map((start) => count("line", start));
  assert.deepEqual(lines, [3, 2, 2]); // two learned policies in the truth
  assert.equal(count("scatter", "consistency-3"), 1);
  assert.match(page, /<h1>Policies &lt;compared&gt;<\/h1>/);
  assert.match(page, / is better than greedy.*60<.*<p>A model\./s, "results come first");
  assert.equal(page.match(/On the truth \(restless shop\) (cdqn|slateq) is better than greedy/g)?.length, 4);
  assert.match(page, /<th scope="row">slateq \(3 trainings\)<\/th><td>\d\.\d\d ± 0\.\d\d/);
  const table = page.match(/aria-label="Policies by slate size">(.*?)<\/table>/s)?.[1] ?? "";
  const heads = ["policy", ...[3, 5].flatMap((k) => [`reward per page, k = ${k}`, `click rate, k = ${k}`])];
  assert.deepEqual([...table.matchAll(/<th scope="col">(.*?)<\/th>/g)].map(([, name]) => name), heads);
  assert.equal(
    table.match(/<th scope="row">slateq<\/th>(<td>0\.\d{3} ± 0\.\d{3}<\/td>){4}<\/tr>/g)?.length,
    3,
  );
  const single = renderPage(buildPolicyPage(head, [three]), parts);
  assert.doesNotMatch(single, /Policies by slate size/);
});

Deno.test("slates of one size, other tasks: ids are unique on the page, and headings differ", () => {
  const head = { title: "Policies", facts: [], notes: [], about: [] };
  const page = renderPage(
    buildPolicyPage(head, [three, { ...three, leave: 0.1 }, { ...three, pages: 9 }]),
    parts,
  );
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  readCharts(page);
  assert.deepEqual(nameTasks([three, five]), ["slates of 3", "slates of 5"]);
  assert.deepEqual(nameTasks([three]), [""]);
  const [clicks, utility] = nameTasks([three, { ...three, reward: "utility" }]);
  assert.match(clicks ?? "", /click/);
  assert.match(utility ?? "", /utility/);
});

Deno.test("slates of several sizes have separate cells, and other tasks are not compared", () => {
  const [{ environment, rows } = assert.fail()] = groupBySlateSize([three, five]) ?? assert.fail();
  assert.equal(environment.name, ENVIRONMENTS[0]);
  for (const { cells } of rows) {
    [three, five].forEach((comparison, k) => {
      assert.ok(cells[k]?.length && cells[k].every((cell) => comparison.cells.includes(cell)));
    });
  }
  assert.equal(groupBySlateSize([three]), undefined);
  for (
    const other of [three, { ...five, pages: 9 }, { ...five, reward: "utility" }, { ...five, leave: 0.1 }]
  ) {
    assert.equal(groupBySlateSize([three, other as PolicyComparison]), undefined);
  }
});

const ITEMS = 40;
const values = drawShopItems(1, ITEMS);
const shop = new ShopSource(restless, values);
const options = { users: 9, slate: 2, pages: 4, seed: 3 };

Deno.test("click probabilities match values by hand, with position effects and without overflow", () => {
  const chances = (utilities: number[], eta = 1, places: number[] = []) => {
    const { items, none } = computeClickProbabilities(utilities, { eta, positionEffects: places });
    return [...items, none];
  };
  const same = (found: number[], targets: number[]) =>
    found.forEach((value, k) => near(value, targets[k] ?? NaN, 1e-12));
  same(chances([0, 0]), [1 / 3, 1 / 3, 1 / 3]);
  same(chances([Math.log(2)], 2), [4 / 5, 1 / 5]);
  same(chances([0, 0, 0], 1, [Math.log(2)]), [1 / 6, 2 / 6, 2 / 6, 1 / 6]); // slots 2 and 3 share an effect
  same(chances([800, 0]), [1, 0, 0]);
  same(chances([-800]), [0, 1]);
});

Deno.test("an observer model that equals the truth agrees with the truth on every page and state", () =>
  withGpu(undefined, async (gpu) => {
    const observer = new ShopSource(restless, values);
    const [trial, ...others] = await tryPolicy(gpu, shop, observer, randomPolicy, options);
    assert.deepEqual(others, []);
    const { log, predictions: said } = trial ?? assert.fail("no trial");
    assert.ok(said);
    const { users, pages } = options;
    assert.equal(said.predicted.length, users * pages);
    said.predicted.forEach((chance, at) => near(chance, log.probabilities[at] ?? NaN, 1e-5));
    assert.equal(said.states.length, 3 * users * pages);
    let clicks = 0;
    for (let user = 0; user < users; user++) {
      let state: ShopState = firstState;
      for (const { at, clicked } of listSeenPages(log, user)) {
        if (clicked !== undefined) {
          clicks++;
          state = advanceShopState(state, getItemFeatures(values, clicked));
        }
        const found = said.states.subarray(3 * at, 3 * at + 3);
        [state.m1, state.m2, state.p].forEach((value, k) => near(found[k] ?? NaN, value, 1e-6));
      }
    }
    assert.ok(clicks > 3 && clicks < users * pages);
    const groups = await tryPolicy(gpu, shop, observer, randomPolicy, { ...options, usersAtOnce: 5 });
    assert.deepEqual(groups.map(({ log }) => log.users), [5, 4]);
    const first = groups.map(({ log, predictions: own }) => [...own?.predicted.subarray(0, log.users) ?? []]);
    assert.deepEqual(first.flat(), [...said.predicted.subarray(0, users)]);
    const elsewhere = { ...randomPolicy, observes: new ShopSource(restless, values) };
    await assert.rejects(
      tryPolicy(gpu, shop, observer, elsewhere, options),
      /reads user states of a model other than/,
    );
  }));

Deno.test("rank returns the policy's next slate for a history, with its value and without clicked items", () =>
  withGpu(undefined, async (gpu) => {
    const history = [3, 14, 15];
    const best = await rank(gpu, shop, createGreedyPolicy(shop), { history, slate: 2, pages: 4 });
    let state: ShopState = firstState;
    for (const item of history) state = advanceShopState(state, getItemFeatures(values, item));
    const utilities = Array.from(
      { length: ITEMS },
      (_, item) => computeShopUtility(restless, state, getItemFeatures(values, item)),
    );
    const order = utilities.map((_, item) => item).filter((item) => !history.includes(item))
      .sort((a, b) => (utilities[b] ?? 0) - (utilities[a] ?? 0));
    assert.deepEqual(best.items.map(({ item }) => item), order.slice(0, 2));
    const weights = best.items.map(({ item }) => Math.exp(utilities[item] ?? NaN));
    const all = weights.reduce((sum, weight) => sum + weight, 1);
    best.items.forEach(({ item, utility, probability }, k) => {
      near(utility, utilities[item] ?? NaN, 1e-5);
      near(probability, (weights[k] ?? NaN) / all, 1e-5);
    });
    near(best.noClick, 1 / all, 1e-5);
    using arena = new Arena(gpu, "values");
    const view = allocateValues(arena);
    const valued = { ...randomPolicy, values: () => ({ view: { ...view, size: 12 }, stride: 3, count: 2 }) };
    const { items, value } = await rank(gpu, shop, valued, { history: [], slate: 2, pages: 4 });
    assert.equal(value, 2, "that of the last slot");
    assert.deepEqual(items.map(({ value }) => value), [1, 2]);
    assert.equal(best.value, undefined);
    // The remaining items need to suffice only for one page.
    const long = Array.from({ length: 38 }, (_, k) => k < 5 ? k : k + 1);
    const last = await rank(gpu, shop, randomPolicy, { history: long, slate: 2, pages: 4 });
    assert.deepEqual(last.items.map(({ item }) => item).sort((a, b) => a - b), [5, 39]);
    const of = (history: number[], slate: number) =>
      rank(gpu, shop, randomPolicy, { history, slate, pages: 4 });
    await assert.rejects(of([ITEMS], 2), /items in 0\.\.39/);
    await assert.rejects(of([], 41), /a pool of 41 items/);
  }));

Deno.test("logged states are those of the click histories, and one in a hundred is outside the ellipsoid", () =>
  withGpu(undefined, async (gpu) => {
    const logged = await readLoggedStates(gpu, shop, [[], [3], [3, 14], [15, 9, 2]]);
    assert.equal(logged.width, 3);
    assert.equal(logged.countBeyond(Float32Array.of(0, 0, 0), () => true).beyond, 0);
    assert.equal(logged.countBeyond(Float32Array.of(2, -2, 1), () => true).beyond, 1);
  }));

Deno.test("histories are drawn from pages of train users, with the clicks up to the page", () => {
  const log = createSmallLog(31, { users: 12, items: 30, width: 0 });
  const countPages = ({ userSplit, userEvents, eventClick, eventKind }: ClickLog) =>
    sumNumbers(Array.from(userSplit, (split, user) => {
      const events = listIndices(eventClick.length).slice(userEvents[user], userEvents[user + 1]);
      return split === 0 ? events.filter((event) => !eventKind?.[event]).length : 0;
    }));
  const all = trainHistories(toLogSource(log), 10_000);
  assert.equal(all.length, countPages(log));
  // Additional clicks are not separate pages, so no history ends within a page.
  const further = createSmallLog(31, { users: 12, items: 30, width: 0, further: 0.7 });
  assert.ok(further.eventKind?.includes(2));
  assert.equal(trainHistories(toLogSource(further), 10_000).length, countPages(further));
  const few = trainHistories(toLogSource(log), 5);
  assert.equal(few.length, 5);
  const texts = all.map((history) => history.join());
  for (const history of few) assert.ok(texts.includes(history.join()));
  assert.throws(
    () => trainHistories(toLogSource({ ...log, userSplit: log.userSplit.map(() => 2) }), 5),
    /train users/,
  );
});

Deno.test("a comparison runs each policy in each environment, with the same users and random numbers", () =>
  withGpu(undefined, async (gpu) => {
    const content = new ShopSource({ ...restless, fatigue: 0 }, values);
    const environments = [
      { name: "A", role: "trained on", source: content },
      { name: "the restless shop", role: "truth", source: shop },
    ] as const;
    using arena = new Arena(gpu, "values");
    const view = allocateValues(arena);
    const valued = { ...randomPolicy, name: "valued", values: () => ({ view, stride: 2, count: 2 }) };
    const device = (about: Omit<ComparedPolicy, "run">, policy: Policy): ComparedPolicy => ({
      ...about,
      run: (environment, onPage) => tryPolicy(gpu, environment, content, policy, options, onPage),
    });
    const told = new Set<string>();
    const found = await compare(environments, [
      device({ policy: "valued", seed: 7 }, valued),
      device({ policy: "random", seed: null }, randomPolicy),
      device({ policy: "exact", seed: null, only: "truth" }, randomPolicy),
      makeOptimalPolicy(shop, options, [5, 5, 3]),
    ], { ...options, reward: "click", onProgress: (what) => void told.add(what) });
    const best = found.cells.find(({ policy }) => policy === "optimum's policy");
    assert.deepEqual(found.environments, [
      { name: "A", role: "trained on" },
      { name: "the restless shop", role: "truth", optimum: best?.metrics.return.mean },
    ]);
    // The optimum's policy has the same users, the best items on the first page, and more clicks than random.
    assert.ok((findDifference(found, "optimum's policy", "random", "the restless shop")?.mean ?? 0) > 0.5);
    assert.deepEqual(found.cells.map(({ policy, environment }) => [policy, environment]), [
      ...["valued", "random"].map((policy) => [policy, "A"]),
      ...["valued", "random", "exact", "optimum's policy"].map((one) => [one, "the restless shop"]),
    ]);
    assert.ok(told.has("valued, seed 7 in A") && told.has("random in the restless shop"));
    const [valuedCell, randomCell] = found.cells;
    assert.deepEqual(valuedCell?.metrics, randomCell?.metrics, "the same slates, the same users");
    assert.equal(findDifference(found, "valued", "random", "A")?.mean, 0);
    assert.equal(findDifference(found, "exact", "random", "the restless shop")?.lose, 0);
    // Values are compared only in the environment of the training. Here they are 1 and 2 on all pages.
    assert.deepEqual(found.cells.map(({ consistency }) => consistency?.map(({ rmse }) => rmse)), [
      [1],
      ...Array.from({ length: 5 }, () => undefined),
    ]);
  }));

function allocateValues(arena: Arena): View {
  const { users, slate } = options;
  return arena.upload("values", Float32Array.from({ length: users * slate }, (_, k) => 1 + k % slate));
}

function openPolicy(path: string, training: Partial<PolicyTrainingConfig>, dataSeed = 1): TrainedPolicy {
  const trainedOn = { kind: "truth", shop: "restless", dataSeed };
  const config = { items: ITEMS, trainedOn, training: { ...defaultPolicyTraining, ...training } };
  const snapshot = { iteration: config.training.steps };
  return new TrainedPolicy(path, config as unknown as PolicyConfig, snapshot as unknown as PolicySnapshot);
}

Deno.test("trainings that differ only in their seed are one policy; another slate size is another comparison", () => {
  const groups = groupPolicies([
    openPolicy("runs/five", { slate: 5 }),
    openPolicy("runs/a1", { seed: 1 }),
    openPolicy("runs/a2", { seed: 2 }),
    openPolicy("runs/chained", { target: "chained" }),
    openPolicy("runs/g", { algorithm: "gdqn" }),
  ]);
  assert.deepEqual(
    groups.map(({ task, policies }) => [task.slate, policies.map(({ name, seed }) => `${name}, ${seed}`)]),
    [[3, ["cdqn (a1), 1", "cdqn (a1), 2", "cdqn (chained), 1", "gdqn, 1"]], [5, ["cdqn, 1"]]],
  );
  const [alike] = groupPolicies([openPolicy("x/p", { rows: 128 }), openPolicy("y/p", { rows: 64 })]);
  assert.deepEqual(alike?.policies.map(({ name }) => name), ["cdqn (x/p)", "cdqn (y/p)"]);
  assert.throws(
    () => groupPolicies([openPolicy("a", {}), openPolicy("b", {})]),
    /different seeds for trainings with equal settings, got a and b/,
  );
  assert.throws(
    () => groupPolicies([openPolicy("a", {}), openPolicy("b", { seed: 2 }, 9)]),
    /but .* was trained on .* 9/,
  );
});
