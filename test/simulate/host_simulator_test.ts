import assert from "node:assert/strict";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { computePhilox, makeKey } from "../../src/data/philox.ts";
import { restless } from "../../src/data/shops.ts";
import { choose, type HostDynamics, ShopDynamics } from "../../src/simulate/host/dynamics.ts";
import type { HostOptions } from "../../src/simulate/host/host_simulator.ts";
import {
  createHostGreedyPolicy,
  createHostPopularPolicy,
  createRandomPolicy,
  drawSlate,
  simulateOnHost,
} from "../../src/simulate/host/host_simulator.ts";
import { type EpisodeLog, listSeenPages } from "../../src/simulate/episode_log.ts";
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

/** Simulates random slates. @param options - options that replace those in `sizes` */
function playRandom<S>(dynamics: HostDynamics<S>, options: Partial<HostOptions> = {}) {
  return simulateOnHost(dynamics, createRandomPolicy(), { ...sizes, ...options });
}

const listSlates = (log: EpisodeLog, user: number) =>
  Array.from(listSeenPages(log, user), ({ slate, clicked }) => [...slate, clicked]);

Deno.test("host simulator: a user's clicks depend on the seed, but not on other users", () => {
  const all = playRandom(shop);
  const some = playRandom(shop, { users: 20, firstUser: 30 });
  for (let u = 0; u < 20; u++) {
    const [own, whole] = [[some, u], [all, 30 + u]] as const;
    assert.deepEqual(listSlates(...own), listSlates(...whole));
  }
  for (const other of [{ seed: 6 }, { episode: 1 }]) {
    assert.notDeepEqual(playRandom(shop, other).choices, all.choices);
  }
  assert.deepEqual(playRandom(shop, { reward: "utility" }).slates, all.slates);
});

Deno.test("host simulator: clicked items are not shown again, unless repeats are allowed", () => {
  const options = { ...sizes, users: 40 };
  const seen = (repeats: boolean) => {
    const found = simulateOnHost(shop, createHostGreedyPolicy(), { ...options, repeats });
    let again = 0, clicks = 0;
    for (let u = 0; u < options.users; u++) {
      const before = new Set<number>();
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
    /Expected stubborn to choose 3 different items that may be shown, got 0, 1, 2/,
  );
});

Deno.test("random pools contain each item equally often", () => {
  const [users, items, n] = [4000, 40, 13];
  const { threshold } = createPool({ random: n }, items);
  const counts = new Array<number>(items).fill(0);
  for (let user = 0; user < users; user++) {
    const words = (purpose: number) => computePhilox([user, 0, 0, purpose], makeKey(1));
    drawRandomPool(threshold, items, words).forEach((isIn, item) => counts[item]! += isIn);
  }
  const expected = users * n / items;
  const x = total(counts.map((count) => (count - expected) ** 2 / (expected * (1 - n / items))));
  assert.ok(computeTailProbability(x, items) > 1e-4, `chi-square ${x} of ${items}`);
});

Deno.test("host simulator: states follow from the clicks, and the reward is 1 or the utility", () => {
  for (const reward of ["click", "utility"] as const) {
    const found = playRandom(shop, { reward });
    for (let u = 0; u < sizes.users; u++) {
      let state = shop.initial();
      for (const { at, slate, clicked } of listSeenPages(found, u)) {
        const utilities = shop.utilities(state, slate);
        const chance = 1 - 1 / (1 + total(utilities.map(Math.exp)));
        assert.ok(Math.abs(found.probabilities[at]! - chance) < 1e-6);
        const utility = utilities[slate.indexOf(clicked ?? NaN)];
        const wanted = utility === undefined ? 0 : reward === "click" ? 1 : Math.fround(utility);
        assert.equal(found.rewards[at], wanted);
        if (clicked !== undefined) state = shop.next(state, clicked);
      }
    }
  }
});

function always(u: number): HostDynamics<number> {
  return {
    items: 50,
    initial: () => 0,
    utilities: (_, items) => new Float64Array(items.length).fill(u),
    next: (state) => state + 1,
  };
}

const countPages = (log: EpisodeLog) =>
  Array.from({ length: log.users }, (_, user) => listSlates(log, user).length);

Deno.test("host simulator: users leave by probability, patience and number of pages", () => {
  const run = (u: number, options: Partial<HostOptions>) =>
    playRandom(always(u), { users: 2000, pages: 10, slate: 2, seed: 1, ...options });
  const patient = run(-80, { patience: 4 });
  assert.ok(countPages(patient).every((pages) => pages === 4));
  for (const what of ["choices", "rewards", "probabilities", "present"] as const) {
    assert.ok(patient[what].subarray(2000 * 4).every((value) => value === 0), "nobody is there");
  }
  const clicking = run(80, { patience: 1, leave: 1 });
  assert.ok(countPages(clicking).every((pages) => pages === 10));
  assert.ok(clicking.rewards.every((reward) => reward === 1));
  assert.ok(countPages(run(-80, { leave: 1 })).every((pages) => pages === 1));
  assert.ok(countPages(run(-80, { leave: 0 })).every((pages) => pages === 10));
  // After three pages a share .7^3 of the users remains.
  const there = countPages(run(-80, { leave: 0.3 })).filter((pages) => pages > 3).length / 2000;
  assert.ok(Math.abs(there - 0.343) < 4 * Math.sqrt(0.343 * 0.657 / 2000), `${there}`);
  // Patience counts consecutive pages.
  const follow: HostOptions["follow"] = ({ page }) => page % 2 === 0 ? 2 : 0;
  const effects = run(0, { users: 200, pages: 30, patience: 2, follow });
  assert.ok(countPages(effects).every((pages) => pages === 30));
});

Deno.test("random policy shows all allowed items in all slots equally often; popular follows an order", () => {
  const items = 12;
  const counts = [new Array<number>(items).fill(0), new Array<number>(items).fill(0)];
  const n = 12_000;
  const free = [0, 1, 2, 9, 10, 11];
  const masked = Uint8Array.from({ length: items }, (_, item) => free.includes(item) ? 0 : 1);
  for (let user = 0; user < n; user++) {
    const words = (purpose: number) => computePhilox([user, 0, 0, purpose], makeKey(4));
    drawSlate({ masked, slate: 2, words }).forEach((item, slot) => counts[slot]![item]!++);
  }
  for (const slot of counts) {
    assert.equal(total(free.map((item) => slot[item]!)), n, "masked items are not shown");
    const p = computeCountsProbability(free.map((item) => slot[item]!), free.map(() => n / free.length));
    assert.ok(p > 1e-4, `${slot.join(", ")}: p ${p}`);
  }
  const two = { users: 1, pages: 2, slate: 2, seed: 4, follow: () => 1 };
  const popular = simulateOnHost(always(-80), createHostPopularPolicy([9, 4, 2, 0]), two);
  assert.deepEqual([...popular.slates], [9, 4, 9, 2]);
});
