/** The figures that policies are compared by, on made-up episodes whose answers are known. */

import assert from "node:assert/strict";
import { randomStream } from "../src/data/random.ts";
import { adaptationCurve, adaptationDifferences } from "../src/policy/adaptation/adaptation.ts";
import {
  type Cell,
  type Comparison,
  differenceIn,
  differencesOf,
  policiesOf,
} from "../src/policy/comparison/comparison.ts";
import { consistencyOf } from "../src/policy/comparison/consistency.ts";
import { differenceOf, PLACES } from "../src/policy/comparison/difference.ts";
import { type Episodes, figuresOf, ratioOf } from "../src/policy/comparison/episodes.ts";
import { pageCalibrationOf } from "../src/policy/comparison/page_calibration.ts";
import { LoggedStates, rareSlots } from "../src/policy/comparison/support.ts";
import { verdictsOn } from "../src/policy/comparison/verdict.ts";

const near = (a: number, b: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

/** Two users, three pages of two items; the second leaves after the second page. */
const log: Episodes = {
  users: 2,
  pages: 3,
  slate: 2,
  slates: Uint32Array.of(0, 1, 0, 2, 3, 4, 0, 1, 5, 6, 9, 9), // the last slate was never seen
  choices: Uint32Array.of(1, 2, 0, 2, 2, 0),
  rewards: Float32Array.of(0.5, 0, 2, 0, 0, 0),
  probabilities: Float32Array.of(0.75, 0.25, 0.5, 0.5, 0.5, 0),
  present: Uint8Array.of(1, 1, 1, 1, 1, 0),
};

Deno.test("episodes: returns, click rate, reward a page, pages and coverage by hand; who left counts no more", () => {
  const { returns, return: mean, rewardAPage, clickRate, byPage, coverage } = figuresOf([log], 20);
  assert.deepEqual([...returns], [2.5, 0]);
  assert.equal(mean.mean, 1.25);
  near(rewardAPage.mean, 2.5 / 5);
  near(clickRate.mean, 2 / 5);
  assert.deepEqual(byPage, [
    { users: 2, clickRate: 0.5, reward: 0.25, clickChance: 0.5 },
    { users: 2, clickRate: 0.5, reward: 1, clickChance: 0.5 },
    { users: 1, clickRate: 0, reward: 0, clickChance: 0.5 },
  ]);
  near(coverage, 7 / 20);
  assert.throws(() => figuresOf([{ ...log, slates: log.slates.subarray(1) }], 20), /expected 12 slates/);
  assert.throws(() => figuresOf([], 20), /expected episodes/);
  const gone = { ...log, present: Uint8Array.of(1, 1, 1, 1, 0, 0) };
  assert.ok(Number.isNaN(figuresOf([gone], 20).byPage[2]?.clickRate));
});

Deno.test("episodes of users who follow one another are those of all of them", () => {
  const two = figuresOf([log, { ...log, rewards: log.rewards.map((reward) => 2 * reward) }], 20);
  assert.deepEqual([...two.returns], [2.5, 0, 5, 0]);
  assert.deepEqual(two.byPage.map(({ users, reward }) => [users, reward]), [[4, 0.375], [4, 1.5], [2, 0]]);
  near(two.clickRate.mean, 2 / 5);
});

Deno.test("intervals over users: as wide as theory has it, none for one user", () => {
  const random = randomStream(1, "users");
  const values = Float64Array.from({ length: 4000 }, () => random.uniform());
  const { mean, interval } = ratioOf(values);
  const [low, high] = interval ?? assert.fail("no interval");
  near(mean, 0.5, 0.02);
  // 2 x 1.96 x sqrt(1/12 / 4000), within a tenth.
  near((high - low) / (2 * 1.96 * Math.sqrt(1 / 12 / 4000)), 1, 0.1);
  assert.ok(low < mean && mean < high);
  assert.equal(ratioOf(Float64Array.of(3)).interval, null);
});

Deno.test("differences: users are paired, and the wider interval is told with what it is over", () => {
  const random = randomStream(2, "pairs");
  const users = 500;
  const luck = Float64Array.from({ length: users }, () => 100 * random.uniform());
  const above = (by: number) => luck.map((value, user) => value + by + (user % 2 === 0 ? 0.1 : -0.1));
  // One training: what differs between users falls out of a paired difference.
  const one = differenceOf([above(1)], [luck]);
  near(one.mean, 1);
  near(one.rival, luck.reduce((sum, value) => sum + value, 0) / users);
  assert.ok(one.interval && one.interval[0] > 0.98 && one.interval[1] < 1.02);
  assert.deepEqual([one.wider, one.overSeeds, one.trainings], ["users", null, 1]);
  assert.deepEqual([one.lose, one.gain], [0, 1]);
  // Three trainings that differ by more than users do: t with 2 degrees of freedom, 4.303 x 1 / sqrt(3).
  const three = differenceOf([above(0), above(1), above(2)], [luck]);
  near(three.mean, 1);
  assert.deepEqual([three.wider, three.trainings], ["training seeds", 3]);
  assert.deepEqual(three.interval, three.overSeeds);
  near(three.interval?.[1] ?? NaN, 1 + 4.30265 / Math.sqrt(3), 1e-4);
  // Trainings that agree: users are what is uncertain.
  const alike = differenceOf([above(1), above(1.0001)], [luck]);
  assert.equal(alike.wider, "users");
  assert.deepEqual(alike.interval, alike.overUsers);
  // Both trained: in their order, as far as both go.
  assert.equal(differenceOf([above(1), above(2), above(9)], [above(0), above(1)]).trainings, 2);
  near(differenceOf([above(1), above(2), above(9)], [above(0), above(1)]).mean, 1);
  near(differenceOf([above(1)], [above(0), above(2)]).mean, 0);
  assert.throws(() => differenceOf([luck], [luck.subarray(1)]), /the same users/);
  assert.throws(() => differenceOf([], [luck]), /the same users/);
});

Deno.test("differences: the curve of all users is sorted, has its ends, and knows who loses", () => {
  const users = 1001;
  const zero = new Float64Array(users);
  const found = differenceOf([Float64Array.from(zero, (_, user) => (user * 8) % users - 250)], [zero]);
  assert.equal(found.sorted.length, PLACES);
  assert.deepEqual([found.sorted[0], found.sorted[PLACES - 1]], [-250, 750]);
  assert.deepEqual([...found.sorted], [...found.sorted].sort((a, b) => a - b));
  near(found.lose, 250 / users);
  near(found.gain, 750 / users);
  assert.equal(differenceOf([zero.subarray(0, 5)], [zero.subarray(0, 5)]).sorted.length, 5);
});

Deno.test("consistency: the root mean square of Q^j - Q^k, beside the mean of Q^k", () => {
  const q = Float32Array.of(...[11, 9, 10], ...[9, 9, 10]);
  const [first, second, ...none] = consistencyOf(q, 3);
  assert.deepEqual(none, []);
  near(first?.rmse ?? NaN, 1);
  near(second?.relative ?? NaN, 0.1);
  assert.deepEqual(first?.points, [[10, 11], [10, 9]]);
  assert.deepEqual(consistencyOf(Float32Array.of(1, 2), 1), []);
  assert.throws(() => consistencyOf(Float32Array.of(1, 2), 3), /slates of 3 items/);
  assert.ok((consistencyOf(new Float32Array(4000), 2)[0]?.points.length ?? 0) <= 300);
});

Deno.test("calibration: predicted less realised, by page and a user, of those who were there", () => {
  const predicted = Float32Array.of(0.75, 0.25, 0.5, 0.5, 0.5, 123); // the last was never seen
  const { pages, predicted: said, realised, gap } = pageCalibrationOf([{ log, predicted }]);
  assert.deepEqual(pages.map((page) => [page.predicted, page.realised]), [[0.5, 0.5], [0.5, 0.5], [0.5, 0]]);
  near(said, 2.5 / 2);
  near(realised, 1);
  near(gap.mean, 0.25);
  const twice = pageCalibrationOf([{ log, predicted }, { log, predicted: predicted.map((p) => p / 2) }]);
  near(twice.predicted, (2.5 + 1.25) / 4);
  near(twice.gap.mean, (0.5 - 0.75) / 4);
  assert.throws(
    () => pageCalibrationOf([{ log, predicted: predicted.subarray(1) }]),
    /expected 6 predictions/,
  );
});

Deno.test("support: one state in a hundred of the log's own is far out; correlated numbers are known as such", () => {
  const random = randomStream(4, "states");
  const bell = () => Array.from({ length: 12 }, () => random.uniform()).reduce((sum, u) => sum + u, -6);
  const width = 3; // the second follows the first, the third never varies
  const states = new Float32Array(width * 2000);
  for (let row = 0; row < 2000; row++) {
    const a = bell();
    states.set([a, a + 0.1 * bell(), 7], width * row);
  }
  const logged = new LoggedStates(states, width);
  const { beyond, of } = logged.beyond(states);
  assert.deepEqual([beyond, of], [20, 2000]);
  near(logged.limit, 9.21, 1.5); // chi-square with two degrees of freedom
  // As far along the line as the logged ones, and across it.
  const tried = Float32Array.of(...[2, 2, 7], ...[1, -1, 7], ...[0, 0, 8]);
  assert.deepEqual(logged.beyond(tried), { beyond: 2, of: 3 });
  assert.deepEqual(logged.beyond(tried, (row) => row === 0), { beyond: 0, of: 1 });
  assert.throws(() => new LoggedStates(new Float32Array(3), 3), /two or more logged states/);
  near(rareSlots([0, 1, 1, 2], [100, 19, 20]), 0.5);
  near(rareSlots([5], [100]), 1);
});

/** Cells with returns around a mean, so that all users agree on the difference. */
function cell(policy: string, seed: number | null, environment: string, mean: number): Cell {
  const users = 40;
  const log: Episodes = {
    ...{ users, pages: 1, slate: 1, slates: new Uint32Array(users), choices: new Uint32Array(users) },
    rewards: Float32Array.from({ length: users }, (_, user) => mean + (user % 2 === 0 ? 0.5 : -0.5)),
    probabilities: new Float32Array(users).fill(0.5),
    present: new Uint8Array(users).fill(1),
  };
  return { policy, seed, environment, figures: figuresOf([log], 10) };
}

function comparison(
  environments: Comparison["environments"],
  returns: Readonly<Record<string, readonly [number, number]>>, // greedy's and cdqn's
): Comparison {
  const cells = Object.entries(returns).flatMap(([name, [greedy, cdqn]]) => [
    cell("greedy", null, name, greedy),
    cell("cdqn", 1, name, cdqn),
    cell("cdqn", 2, name, cdqn + 0.01),
  ]);
  const task = {
    slate: 3,
    pages: 20,
    reward: "click",
    start: "empty",
    repeats: false,
    leave: 0,
    patience: 0,
  } as const;
  return { ...task, users: 40, seed: 1, environments, cells };
}
const A = { name: "A", role: "trained on" } as const;
const B = { name: "B", role: "second model" } as const;
const restless = { name: "restless shop", role: "truth", optimum: 15.19 } as const;

Deno.test("verdict: on the truth it holds, the opposite holds, or it is not decided, and the promise stands beside it", () => {
  const good = comparison([A, B, restless], { A: [11, 14.8], B: [11.5, 14.8], "restless shop": [9.2, 14.1] });
  const [found, ...others] = verdictsOn(good);
  assert.deepEqual(others, []);
  assert.equal(found?.claim, "cdqn beats greedy on the truth (restless shop)");
  assert.equal(found?.holds, "yes");
  assert.match(
    found?.text ?? "",
    /^It holds: \+4\.9\d clicks a user \(\+53 %; 95 %: \+4\.\d+ to \+4\.\d+ over 2 training seeds, the wider interval\)\./,
  );
  assert.match(
    found?.text ?? "",
    /best policy that is known is \+65 % above greedy; cdqn reaches 93 % of it\./,
  );
  assert.match(
    found?.text ?? "",
    /Promised by A: 14\.8\d clicks a user; given by restless shop: 14\.1\d, so the promise is 5 % too high\./,
  );
  assert.match(found?.text ?? "", /By B, which never saw the policy: 14\.8\d \(\+5\.0 %\)\.$/);
  assert.doesNotMatch(found?.text ?? "", /in the simulator only/);
  const exploits = comparison([A, B, restless], { A: [11, 14], B: [11, 14], "restless shop": [9, 8] });
  assert.equal(verdictsOn(exploits)[0]?.holds, "no");
  assert.match(
    verdictsOn(exploits)[0]?.text ?? "",
    /^The opposite holds: -0\.99 .*in the simulator only \(A, B\)\..*75 % too high/,
  );
  const same = comparison([A, restless], { A: [11, 11], "restless shop": [9, 9 - 0.005] });
  assert.equal(verdictsOn(same)[0]?.holds, "undecided");
  assert.match(verdictsOn(same)[0]?.text ?? "", /^These users and trainings do not decide it/);
});

Deno.test("verdict: where planning has nothing to gain it says so, and how far a policy stays behind", () => {
  const demo = { name: "demo shop", role: "truth", optimum: 19.653 } as const;
  const found = verdictsOn(comparison([demo], { "demo shop": [19.645, 18.8] }))[0];
  assert.match(
    found?.text ?? "",
    /Planning has nothing to gain in demo shop: the best policy that is known is \+0\.04 % above greedy\. cdqn stays 4\.3 % behind greedy\./,
  );
  const below = verdictsOn(comparison([{ ...demo, optimum: 19.5 }], { "demo shop": [19.645, 18.8] }))[0];
  assert.match(below?.text ?? "", /the best policy that is known is 0\.7 % below greedy\./);
});

Deno.test("verdict: without a truth nothing is claimed beyond the simulators, each by its name", () => {
  const found = verdictsOn(comparison([A, B], { A: [11, 14], B: [11, 10] }))[0];
  assert.equal(found?.claim, "cdqn beats greedy in the simulator");
  assert.equal(found?.holds, "undecided");
  assert.match(
    found?.text ?? "",
    /^It beats greedy in A: \+3\.0.* greedy beats it in B: -0\.99.*Only users can tell\.$/,
  );
  assert.equal(verdictsOn(comparison([A], { A: [11, 14] }))[0]?.holds, "yes");
});

Deno.test("comparison: learned policies first; a policy that was not tried somewhere has no difference there", () => {
  const found = comparison([A], { A: [1, 2] });
  assert.deepEqual(policiesOf(found), [{ name: "cdqn", learned: true }, { name: "greedy", learned: false }]);
  assert.equal(differenceIn(found, "cdqn", "random", "A"), undefined);
  assert.deepEqual(
    differencesOf(found).map(({ environment, policy, rival }) => [environment, policy, rival]),
    [["A", "cdqn", "greedy"]],
  );
});

Deno.test("adaptation: click rates of each window, their spread over runs, and differences paired by run", () => {
  const run = (...values: number[]) => Float64Array.from(values);
  const learns = { name: "cdqn", runs: [run(0, 0.2, 0.4, 0.6, 1), run(0.2, 0.4, 0.6, 0.8, 1)] };
  const curve = adaptationCurve(learns, 2); // the last interaction fills no window
  assert.deepEqual(curve.map(({ interactions, runs }) => [interactions, runs]), [[2, 2], [4, 2]]);
  near(curve[0]?.mean ?? NaN, 0.2);
  near(curve[1]?.mean ?? NaN, 0.6);
  near(curve[1]?.sd ?? NaN, 0.2 / Math.SQRT2);
  const [difference] = adaptationDifferences([learns, {
    name: "random",
    runs: learns.runs.map((r) => r.map((x) => x - 0.1)),
  }]);
  near(difference?.mean ?? NaN, 0.1);
  near(difference?.interval?.[0] ?? NaN, 0.1, 1e-6);
  assert.equal(adaptationCurve({ name: "one", runs: [run(1)] }, 100)[0]?.sd, null);
  assert.throws(
    () => adaptationCurve({ name: "odd", runs: [run(1), run(1, 2)] }, 1),
    /same number of interactions/,
  );
});
