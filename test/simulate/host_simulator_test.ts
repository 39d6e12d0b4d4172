import assert from "node:assert/strict";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { computePhilox, makeKey } from "../../src/data/philox.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { restless } from "../../src/data/shops.ts";
import { choose, type HostDynamics, ShopDynamics } from "../../src/simulate/host/dynamics.ts";
import type { HostOptions, HostPolicy } from "../../src/simulate/host/host_simulator.ts";
import {
  createHostGreedyPolicy,
  createHostPopularPolicy,
  createRandomPolicy,
  simulateOnHost,
} from "../../src/simulate/host/host_simulator.ts";
import { listSeenPages } from "../../src/simulate/episode_log.ts";
import { createPool, drawRandomPool } from "../../src/simulate/pool.ts";
import { computeCountsProbability, computeTailProbability } from "../chi_square.ts";

const total = (values: Iterable<number>) => Array.from(values).reduce((sum, x) => sum + x, 0);

Deno.test("choice: P(no click) is 1 / (1 + sum exp(u)); random numbers select no click, then slots in order", () => {
  const u = [0.3, -1, 2];
  const v = u.map(Math.exp);
  const all = 1 + total(v);
  const { clickProbability } = choose(u, 0.5);
  assert.ok(Math.abs(1 - clickProbability - 1 / all) < 1e-15);
  const borders = [1, 1 + v[0]!, 1 + v[0]! + v[1]!].map((sum) => sum / all);
  const slots = [3, 0, 1, 2]; // 3 is no click
  borders.forEach((border, k) => {
    const below = choose(u, border - 1e-9), above = choose(u, border + 1e-9);
    assert.deepEqual([below.slot, above.slot], [slots[k], slots[k + 1]]);
    for (const { margin } of [below, above]) assert.ok(Math.abs(margin - 1e-9) < 1e-12, `margin ${margin}`);
  });
  assert.equal(choose(u, 1 - 2 ** -24).slot, 2);
  assert.equal(choose([-80], 0).slot, 1);
  // Utilities whose exponentials overflow or underflow.
  for (const [large, slot] of [[[700, 701], 1], [[-800, -801, -800], 3]] as const) {
    const { slot: found, clickProbability } = choose(large, 0.5);
    assert.deepEqual([found, clickProbability], [slot, slot === 1 ? 1 : 0]);
  }
});

const shop = new ShopDynamics(restless, drawShopItems(1, 40));
const sizes = { users: 60, pages: 8, slate: 3, seed: 5 };

/** Simulates random slates. @param options - replace `sizes` */
function playRandom<S>(dynamics: HostDynamics<S>, options: Partial<HostOptions> = {}) {
  return simulateOnHost(dynamics, createRandomPolicy(), { ...sizes, ...options });
}

Deno.test("host simulator: a user's clicks depend on the seed, but not on other users", () => {
  const all = playRandom(shop);
  const some = playRandom(shop, { users: 20, firstUser: 30 });
  assert.deepEqual(some.returns, all.returns.slice(30, 50));
  assert.deepEqual(some.states, all.states.slice(30, 50));
  for (const other of [{ seed: 6 }, { episode: 1 }]) {
    assert.notDeepEqual(playRandom(shop, other).choices, all.choices);
  }
  assert.deepEqual(playRandom(shop, { reward: "utility" }).slates, all.slates);
});

Deno.test("host simulator: clicked items and the history are not shown again, unless repeats are allowed", () => {
  const options = { ...sizes, history: () => [4, 5], users: 40 };
  const seen = (repeats: boolean) => {
    const found = simulateOnHost(shop, createHostGreedyPolicy(), { ...options, repeats });
    let again = 0, clicks = 0;
    for (let u = 0; u < options.users; u++) {
      const before = new Set([4, 5]);
      for (const { slate, clicked } of listSeenPages(found, u)) {
        again += slate.filter((item) => before.has(item)).length;
        if (clicked === undefined) continue;
        before.add(clicked);
        clicks++;
      }
    }
    return { again, clicks };
  };
  assert.equal(seen(false).again, 0);
  assert.ok(seen(false).clicks > 50);
  assert.ok(seen(true).again > 50);
  assert.equal(createHostGreedyPolicy().name, "greedy");
  const stubborn = { name: "stubborn", slate: () => [0, 1, 2] };
  assert.throws(
    () => simulateOnHost(shop, stubborn, { ...sizes, pages: 40 }),
    /Expected from stubborn a slate of 3 different items that may be shown, got 0, 1, 2/,
  );
});

Deno.test("host simulator: a random pool equals the device's, and is ignored if too small", () => {
  const [users, pages, random] = [30, 5, 4];
  const found = playRandom(shop, { users, pages, randomPool: random });
  const { threshold } = createPool({ random }, 40);
  let [inside, outside, large] = [0, 0, 0];
  for (let user = 0; user < users; user++) {
    const before = new Set<number>();
    for (const { page, slate, clicked } of listSeenPages(found, user)) {
      const words = (purpose: number) => computePhilox([user, 0, page, purpose], makeKey(sizes.seed));
      const pool = drawRandomPool(threshold, 40, words);
      const isIn = (item: number) => pool[item] === 1;
      const free = Array.from({ length: 40 }, (_, item) => item).filter((item) => !before.has(item));
      large += free.filter(isIn).length;
      if (free.filter(isIn).length < 3) outside++;
      else {
        inside++;
        assert.ok(slate.every(isIn), `user ${user}, page ${page}: ${slate.join(", ")}`);
      }
      if (clicked !== undefined) before.add(clicked);
    }
  }
  assert.ok(inside > 60 && outside > 10, `${inside} pools, ${outside} too small`);
  assert.ok(Math.abs(large / (users * pages) - 4) < 0.7, `${large / (users * pages)} items a pool`);
});

Deno.test("random pools contain each item equally often", () => {
  const [users, items, n] = [4000, 40, 13];
  const { threshold } = createPool({ random: n }, items);
  const counts = new Array<number>(items).fill(0);
  for (let user = 0; user < users; user++) {
    const pool = drawRandomPool(
      threshold,
      items,
      (purpose) => computePhilox([user, 0, 0, purpose], makeKey(1)),
    );
    pool.forEach((isIn, item) => counts[item]! += isIn);
  }
  const expected = users * n / items;
  const x = total(counts.map((count) => (count - expected) ** 2 / (expected * (1 - n / items))));
  assert.ok(computeTailProbability(x, items) > 1e-4, `chi-square ${x} of ${items}`);
});

Deno.test("host simulator: states follow from the clicks, and the reward is 1 or the utility", () => {
  const found = playRandom(shop, { reward: "utility", discount: 0.9 });
  for (let u = 0; u < sizes.users; u++) {
    let state = shop.initial();
    let sum = 0;
    for (const { page, at, clicked } of listSeenPages(found, u)) {
      const [utility = 0] = clicked === undefined ? [] : shop.utilities(state, [clicked]);
      assert.equal(found.rewards[at], Math.fround(utility));
      sum += 0.9 ** page * utility;
      if (clicked !== undefined) state = shop.next(state, clicked);
    }
    assert.deepEqual(found.states[u], state);
    assert.ok(Math.abs((found.returns[u] ?? NaN) - sum) < 1e-12);
  }
});

Deno.test("host simulator: the clicks of a given log can be repeated", () => {
  const { choices } = playRandom(shop, { follow: ({ page }) => page % 4 });
  for (let t = 0; t < sizes.pages; t++) assert.equal(choices[t * sizes.users], t % 4);
});

function always(u: number): HostDynamics<number> {
  return {
    name: "always",
    items: 50,
    initial: () => 0,
    utilities: (_, items) => new Float64Array(items.length).fill(u),
    next: (state) => state + 1,
  };
}

Deno.test("host simulator: users leave by probability, patience and number of pages", () => {
  const run = (u: number, options: Partial<HostOptions>) =>
    playRandom(always(u), { users: 2000, pages: 10, slate: 2, seed: 1, ...options });
  const patient = run(-80, { patience: 4 });
  assert.ok(patient.length.every((pages) => pages === 4) && patient.terminated.every((left) => left === 1));
  for (const what of ["choices", "rewards", "probabilities", "present"] as const) {
    assert.ok(patient[what].subarray(2000 * 4).every((value) => value === 0), "nobody is there");
  }
  const clicking = run(80, { patience: 1, leave: 1 });
  assert.ok(
    clicking.length.every((pages) => pages === 10) && clicking.terminated.every((left) => left === 0),
  );
  assert.ok(clicking.returns.every((sum) => sum === 10));
  assert.ok(run(-80, { leave: 1 }).length.every((pages) => pages === 1));
  assert.ok(run(-80, { leave: 0 }).length.every((pages) => pages === 10));
  // After three pages a share .7^3 of the users remains.
  const lengths = run(-80, { leave: 0.3 }).length;
  const there = lengths.filter((pages) => pages > 3).length / 2000;
  assert.ok(Math.abs(there - 0.343) < 4 * Math.sqrt(0.343 * 0.657 / 2000), `${there}`);
  // Patience counts consecutive pages.
  const follow: HostOptions["follow"] = ({ page }) => page % 2 === 0 ? 2 : 0;
  const effects = run(0, { users: 200, pages: 30, patience: 2, follow });
  assert.ok(effects.terminated.every((left) => left === 0));
});

Deno.test("host simulator: constant utilities give T sum v / (1 + sum v), with position effects", () => {
  const places = { ...always(-0.5), positionEffects: [-1, -2], eta: 0.7 };
  const { returns } = playRandom(places, { users: 2000, pages: 5, slate: 4, seed: 2 });
  const v = [0, -1, -2, -2].map((effect) => Math.exp(0.7 * (-0.5 + effect)));
  const p = total(v) / (1 + total(v));
  const error = (total(returns) / 2000 - 5 * p) / Math.sqrt(5 * p * (1 - p) / 2000);
  assert.ok(Math.abs(error) < 3.3, `${error} standard errors`);
});

Deno.test("random policy shows all allowed items in all slots equally often; popular follows an order", () => {
  const items = 12;
  const counts = [new Array<number>(items).fill(0), new Array<number>(items).fill(0)];
  const n = 12_000;
  const one = { pages: 1, slate: 2, seed: 4 };
  const history = () => [3, 4, 5, 6, 7, 8];
  const { slates } = playRandom({ ...always(-80), items }, { ...one, users: n, history });
  slates.forEach((item, k) => counts[k % 2]![item]!++);
  const free = [0, 1, 2, 9, 10, 11];
  for (const slot of counts) {
    assert.equal(total(free.map((item) => slot[item]!)), n, "masked items are not shown");
    const p = computeCountsProbability(free.map((item) => slot[item]!), free.map(() => n / free.length));
    assert.ok(p > 1e-4, `${slot.join(", ")}: p ${p}`);
  }
  const popular = simulateOnHost(
    { ...always(-80), items },
    createHostPopularPolicy([9, 4, 2, 0]),
    { ...one, users: 3, history: () => [4] },
  );
  assert.deepEqual([...popular.slates], [9, 2, 9, 2, 9, 2]);
});

/** States of users: strings of the last three clicks on three items, oldest first. */
const sequences = ["", ..."012"].flatMap((a) => a === "" ? [""] : ["", ..."012"].map((b) => a + b))
  .flatMap((start) => start.length < 2 ? [start] : ["", ..."012"].map((c) => start + c));
const drawn = createRandomStream(9, "sequences");
const utilityOf = new Map(sequences.map((state) => [state, [0, 1, 2].map(() => 1.5 * drawn.normal())]));
const shownIn = new Map(sequences.map((state) => [state, Array.from(drawn.sampleWithoutReplacement(3, 2))]));
const tabular: HostDynamics<string> = {
  name: "sequences",
  items: 3,
  initial: () => "",
  utilities: (state, items) =>
    Float64Array.from(Array.from(items), (item) => utilityOf.get(state)?.[item] ?? NaN),
  next: (state, item) => (state + item).slice(-3),
};
const fixed: HostPolicy<string> = { name: "fixed", slate: ({ state }) => shownIn.get(state) ?? [] };

/** Returns the value of every state under the fixed policy: V = r + discount P V, solved by elimination. */
function exactValues(discount: number, leave: number, reward: "click" | "utility"): Map<string, number> {
  const n = sequences.length;
  const rows = sequences.map((state, i) => {
    const row = Array.from({ length: n + 1 }, (_, j) => (i === j ? 1 : 0));
    const slate = shownIn.get(state) ?? [];
    const u = slate.map((item) => utilityOf.get(state)?.[item] ?? NaN);
    const all = 1 + total(u.map(Math.exp));
    row[i]! -= discount * (1 - leave) / all;
    slate.forEach((item, k) => {
      const p = Math.exp(u[k] ?? NaN) / all;
      row[sequences.indexOf(tabular.next(state, item))]! -= discount * p;
      row[n]! += p * (reward === "click" ? 1 : u[k] ?? NaN);
    });
    return row;
  });
  for (let k = 0; k < n; k++) {
    // The matrix is diagonally dominant, so no pivoting is needed.
    for (const other of rows) {
      if (other === rows[k]) continue;
      const factor = other[k]! / rows[k]![k]!;
      if (factor !== 0) rows[k]!.forEach((x, j) => other[j]! -= factor * x);
    }
  }
  return new Map(sequences.map((state, k) => [state, rows[k]![n]! / rows[k]![k]!]));
}

Deno.test("values of a linear system match the simulator, with later values after truncation, but not after leaving", () => {
  assert.equal(sequences.length, 40);
  for (const reward of ["click", "utility"] as const) {
    const [discount, leave, pages, users] = [0.9, 0.3, 6, 4000];
    const exact = exactValues(discount, leave, reward);
    const found = simulateOnHost(tabular, fixed, {
      ...{ users, pages, slate: 2, seed: 11, reward, discount, leave, repeats: true },
    });
    const behind = (u: number) =>
      discount ** (found.length[u] ?? NaN) * (exact.get(found.states[u] ?? "") ?? NaN);
    const apart = (counted: (u: number) => boolean) => {
      const sums = Array.from(found.returns, (sum, u) => sum + (counted(u) ? behind(u) : 0));
      const mean = total(sums) / users;
      const se = Math.sqrt(total(sums.map((sum) => (sum - mean) ** 2)) / users / (users - 1));
      return (mean - (exact.get("") ?? NaN)) / se;
    };
    const right = apart((u) => found.terminated[u] === 0);
    assert.ok(Math.abs(right) < 3.3, `${reward}: ${right} standard errors`);
    assert.ok(Math.abs(apart(() => false)) > 6, "pages after the truncation must count");
    assert.ok(Math.abs(apart(() => true)) > 6, "a user who has left must have no later value");
  }
});
