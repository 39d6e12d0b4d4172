/**
 * Compares the optimal value of synthetic shops with an enumeration, with the return of the optimal policy,
 * and with numbers in Markdown pages. Compares the chosen best slate with the best of all slates.
 */

import assert from "node:assert/strict";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { findBestSlate, selectTopSlate, type SlateProblem } from "../../src/simulate/host/host_best_slate.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import type { ShopState, ShopTruth } from "../../src/data/shops.ts";
import {
  advanceShopState,
  computeShopUtility,
  demo,
  firstState,
  getItemFeatures,
  restless,
} from "../../src/data/shops.ts";
import { createOptimalPolicy, InterpolationGrid, ShopPlan } from "../../src/simulate/host/exact_shop.ts";
import type { HostOptions, HostPolicy } from "../../src/simulate/host/host_simulator.ts";
import {
  createHostGreedyPolicy,
  createRandomPolicy,
  simulateOnHost,
} from "../../src/simulate/host/host_simulator.ts";

function* listSets(items: readonly number[], k: number): Generator<number[]> {
  if (k === 0) return yield [];
  for (let first = 0; first + k <= items.length; first++) {
    for (const rest of listSets(items.slice(first + 1), k - 1)) yield [items[first] ?? NaN, ...rest];
  }
}

function computeValue(
  { weights, noneWeight = 1, values, noneValue }: SlateProblem,
  slate: readonly number[],
): number {
  const sum = (of: (item: number) => number) => slate.reduce((total, item) => total + of(item), 0);
  const weight = (item: number) => weights[item] ?? NaN;
  return (noneWeight * noneValue + sum((item) => weight(item) * (values[item] ?? NaN))) /
    (noneWeight + sum(weight));
}

Deno.test("slate ratio: in 800 random cases, the search finds the best slate", () => {
  const random = createRandomStream(1, "slate ratio");
  const I = 12;
  let beaten = 0;
  for (let draw = 0; draw < 800; draw++) {
    const k = 1 + draw % 4;
    const ties = draw % 5 === 0;
    const number = (scale: number) => {
      const x = scale * random.normal();
      return ties ? Math.round(x) : x;
    };
    const masked = Uint8Array.from({ length: I }, () => (draw % 3 === 0 && random.uniform() < 0.5 ? 1 : 0));
    const free = Array.from(masked.keys()).filter((item) => masked[item] === 0);
    if (free.length < k) continue;
    const problem = {
      weights: Float64Array.from({ length: I }, () => Math.exp(number(2))),
      values: Float64Array.from({ length: I }, () => number(3)),
      noneValue: number(3),
      noneWeight: draw % 2 === 0 ? 1 : Math.exp(random.normal()),
    };
    const slate = findBestSlate(problem, k, masked);
    const value = computeValue(problem, slate);
    assert.equal(new Set(slate).size, k);
    assert.ok(slate.every((item) => masked[item] === 0));
    const best = Math.max(...[...listSets(free, k)].map((all) => computeValue(problem, all)));
    assert.ok(value > best - 1e-12, `draw ${draw}: expected ${best}, got ${value}`);
    const byWeightedValue = selectTopSlate(
      problem.weights.map((w, item) => w * (problem.values[item] ?? NaN)),
      k,
      masked,
    );
    if (computeValue(problem, byWeightedValue) < best - 1e-9) beaten++;
  }
  assert.ok(beaten > 400, `the greedy shortcut is wrong in ${beaten} of 800 draws: are they hard enough?`);
});

Deno.test("slate ratio: with reward 1 and no later pages, the best slate has the k largest weights", () => {
  const [random, values] = [createRandomStream(2, "slate ratio"), new Float64Array(50).fill(1)];
  for (let draw = 0; draw < 200; draw++) {
    const weights = Float64Array.from(values, () => Math.exp(3 * random.normal()));
    assert.deepEqual(findBestSlate({ weights, values, noneValue: 0 }, 5), selectTopSlate(weights, 5));
  }
});

Deno.test("top slate: items are ordered by score, then number; masked items and too few items are handled", () => {
  assert.deepEqual(selectTopSlate([1, 3, 2, 3, -Infinity], 3), [1, 3, 2]);
  assert.deepEqual(selectTopSlate([0, 0, 0, 0], 2), [0, 1]);
  assert.deepEqual(selectTopSlate([-Infinity, 1, -Infinity], 2), [1, 0]);
  assert.deepEqual(selectTopSlate([5, 4, 3, 2], 2, [1, 0, 1, 0]), [1, 3]);
  assert.throws(() => selectTopSlate([5, 4, 3], 2, [1, 0, 1]), /Expected at most 1 items in a slate.* got 2/);
  const random = createRandomStream(3, "top slate");
  for (let draw = 0; draw < 200; draw++) {
    const scores = Array.from({ length: 40 }, () => Math.round(5 * random.normal()));
    const sorted = [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
    assert.deepEqual(selectTopSlate(scores, 7), sorted.slice(0, 7));
  }
});

const coarse = [17, 17, 7] as const;
/** Returns an upper bound on the return of any policy, up to the error of the state grid. */
const bound = (plan: ShopPlan) => plan.value(firstState, plan.options.pages);

function computeMean(plan: ShopPlan, policy: HostPolicy<ShopState>, options: Partial<HostOptions>) {
  const all = { users: 500, seed: 3, ...plan.options, ...options };
  const { rewards } = simulateOnHost(plan.dynamics, policy, all);
  const returns = new Array<number>(all.users).fill(0);
  rewards.forEach((reward, at) => returns[at % all.users]! += reward);
  const { mean, sd } = meanAndSd(returns);
  return { mean, se: sd / Math.sqrt(returns.length) };
}

Deno.test("grid: interpolation is exact at grid points, and for functions that are linear in each coordinate", () => {
  const grid = new InterpolationGrid([5, 4, 3]);
  const f = (x: number, y: number, z: number) =>
    1 + 2 * x - y + 0.5 * z + x * y - 3 * x * z + 0.7 * x * y * z;
  const values = new Float64Array(grid.size);
  grid.each((point, x, y, z) => values[point] = f(x, y, z));
  grid.each((point, x, y, z) => assert.ok(Math.abs(grid.at(values, x, y, z) - values[point]!) < 1e-12));
  for (const [x, y, z] of [[0.3, -1.9, 0.99], [-2, 2, 1], [1.99, 0, -0.4]] as const) {
    assert.ok(Math.abs(grid.at(values, x, y, z) - f(x, y, z)) < 1e-12);
  }
  assert.equal(grid.at(values, 9, -9, 9), grid.at(values, 2, -2, 1));
});

/** Returns the optimal value if clicked items may repeat, by trying all slates in all reachable states. */
function enumerated(shop: ShopTruth, values: Float32Array, pages: number): number {
  const items = values.length / 16;
  const known = new Map<string, number>();
  const value = (state: ShopState, left: number): number => {
    if (left === 0) return 0;
    const key = `${left} ${state.m1} ${state.m2} ${state.p}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const f = Array.from({ length: items }, (_, item) => getItemFeatures(values, item));
    const v = f.map((one) => Math.exp(computeShopUtility(shop, state, one)));
    const gain = f.map((one) => 1 + value(advanceShopState(state, one), left - 1));
    const none = value(state, left - 1);
    let best = -Infinity;
    for (let a = 0; a < items; a++) {
      for (let b = a + 1; b < items; b++) {
        best = Math.max(best, (none + v[a]! * gain[a]! + v[b]! * gain[b]!) / (1 + v[a]! + v[b]!));
      }
    }
    known.set(key, best);
    return best;
  };
  return value(firstState, pages);
}

Deno.test("plan: its value is the best over all slates on all pages, up to the grid's error", () => {
  const values = drawShopItems(4, 6);
  const exact = enumerated(restless, values, 4);
  const error = (points: readonly [number, number, number]) =>
    Math.abs(bound(new ShopPlan(restless, values, { pages: 4, slate: 2, points })) - exact) / exact;
  const [wide, narrow] = [error([9, 9, 5]), error([33, 33, 17])];
  assert.ok(narrow < 4e-3 && wide < 5e-2 && narrow < wide / 6, `errors ${wide}, ${narrow}`);
});

Deno.test("plan: its value is its policy's return if items repeat, and otherwise an upper bound", () => {
  const values = drawShopItems(2, 60);
  for (const [reward, leave] of [["click", 0], ["utility", 0], ["click", 0.5]] as const) {
    const asked = { pages: 8, slate: 3, reward, leave };
    const name = `${reward}, leaving ${leave}`;
    const plan = new ShopPlan(restless, values, { ...asked, points: coarse });
    const finer = new ShopPlan(restless, values, { ...asked, points: [33, 33, 13] }); // twice as fine
    // The error is of second order, so the finer grid's error is a third of the difference.
    const gridError = Math.abs(bound(plan) - bound(finer));
    const policy = createOptimalPolicy(plan);
    const free = computeMean(plan, policy, { repeats: true });
    const apart = Math.abs(free.mean - bound(finer));
    assert.ok(apart < 3.3 * free.se + gridError, `${name}: ${free.mean} +- ${free.se}, ${bound(finer)}`);
    assert.ok(gridError < 0.06 * bound(finer), `error of the grid ${gridError} of ${bound(finer)}`);
    if (leave > 0) {
      const whole = bound(new ShopPlan(restless, values, { ...asked, leave: 0, points: coarse }));
      assert.ok(bound(plan) < 0.85 * whole, `${bound(plan)} of ${whole}: the case is weak`);
      continue;
    }
    const single = computeMean(plan, policy, {});
    assert.ok(single.mean < bound(finer) - 5 * single.se, `${name}: without repeats ${single.mean}`);
    const greedy = computeMean(plan, createHostGreedyPolicy(reward), {});
    assert.ok(greedy.mean < single.mean - 3 * greedy.se, `${name}: greedy ${greedy.mean}, ${single.mean}`);
  }
});

function makePage({ dynamics, options: { pages, slate } }: ShopPlan, state: ShopState, page: number) {
  const words = (): [number, number, number, number] => [0, 0, 0, 0];
  const masked = new Uint8Array(dynamics.items);
  return { dynamics, state, user: 0, page, pages, slate, masked, words };
}

Deno.test("plan: if users may leave after a page without a click, its policy shows the best of all slates", () => {
  const items = 12;
  const values = drawShopItems(4, items);
  const plan = new ShopPlan(restless, values, { pages: 6, slate: 2, points: coarse, leave: 0.9 });
  const features = Array.from({ length: items }, (_, item) => getItemFeatures(values, item));
  for (let k = 0; k < 30; k++) {
    const state = { m1: 1.5 * Math.sin(k), m2: 1.5 * Math.cos(2 * k), p: Math.sin(3 * k) / 2 };
    const v = features.map((one) => Math.exp(computeShopUtility(restless, state, one)));
    const gain = features.map((one) => 1 + plan.value(advanceShopState(state, one), 5));
    const worth = ([a = 0, b = 0]: ArrayLike<number> & Iterable<number>) =>
      (0.1 * plan.value(state, 5) + v[a]! * gain[a]! + v[b]! * gain[b]!) / (1 + v[a]! + v[b]!);
    const pairs = v.flatMap((_, a) => v.flatMap((_, b) => (a < b ? [worth([a, b])] : [])));
    const found = worth(Array.from(createOptimalPolicy(plan).slate(makePage(plan, state, 0))));
    assert.ok(Math.max(...pairs) - found < 1e-9, `state ${k}: ${found} of ${Math.max(...pairs)}`);
  }
});

Deno.test("plan: without later pages it shows the items of the highest utility", () => {
  const values = drawShopItems(5, 50);
  const plan = new ShopPlan(restless, values, { pages: 3, slate: 4, points: [5, 5, 3] });
  assert.equal(plan.value(firstState, 0), 0);
  // On the last page, later pages do not matter. In restless, a narrow taste matters on the page before.
  const policy = createOptimalPolicy(plan);
  const differ = (page: number) =>
    [0.4, 0.8, 1.2, 1.6].filter((m1) => {
      const at = makePage(plan, { m1, m2: -m1, p: 0 }, page);
      const [planned, greedy] = [policy, createHostGreedyPolicy<ShopState>()].map((one) => one.slate(at));
      return JSON.stringify(planned) !== JSON.stringify(greedy);
    }).length;
  assert.deepEqual([differ(2), differ(1) > 0], [0, true]);
});

Deno.test("plan: the published values of both shops, of 500 items, k = 3, T = 20", () => {
  const figures = [
    { shop: demo, bound: 19.747, greedy: 19.62 },
    { shop: restless, bound: 16.869, random: 5.17, greedy: 10.27, best: 15.22 },
  ];
  for (const { shop, bound: wanted, ...means } of figures) {
    const plan = new ShopPlan(shop, drawShopItems(1), { pages: 20, slate: 3, points: coarse });
    assert.ok(Math.abs(bound(plan) - wanted) < 0.001, `${shop.name}: ${bound(plan)}`);
    const policies = {
      random: createRandomPolicy<ShopState>(),
      greedy: createHostGreedyPolicy<ShopState>(),
      best: createOptimalPolicy(plan),
    };
    for (const [name, wanted] of Object.entries(means)) {
      const policy = policies[name as keyof typeof policies];
      const { mean, se } = computeMean(plan, policy, { users: 50 });
      assert.ok(Math.abs(mean - wanted) < 3.3 * se + 0.02, `${shop.name}, ${name}: ${mean} +- ${se}`);
    }
  }
});
