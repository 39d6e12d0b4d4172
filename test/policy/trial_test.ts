import assert from "node:assert/strict";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import {
  advanceShopState,
  computeShopUtility,
  firstState,
  getItemFeatures,
  restless,
  type ShopState,
} from "../../src/data/shops.ts";
import { toLogSource } from "../../src/data/log_source.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { View } from "../../src/gpu/memory.ts";
import { findDifference } from "../../src/policy/comparison/comparison.ts";
import { trainHistories } from "../../src/policy/comparison/page_support.ts";
import {
  compare,
  type ComparedPolicy,
  makeOptimalPolicy,
  readLoggedStates,
} from "../../src/policy/comparison/compare_policies.ts";
import type { Policy } from "../../src/simulate/policy.ts";
import { computeClickProbabilities, tryPolicy } from "../../src/policy/comparison/episode_prediction.ts";
import { createGreedyPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import type { PolicyTrainingConfig } from "../../src/policy/learning/policy_training_config.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import { groupPolicies, OpenedPolicy, rank } from "../../src/policy/trained_policy.ts";
import type { PolicyConfig } from "../../src/policy/policy_config.ts";
import type { PolicySnapshot } from "../../src/policy/learning/policy_snapshot.ts";
import { listSeenPages } from "../../src/simulate/episode_log.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { withGpu } from "../op_check.ts";
import { listIndices } from "../../src/selftest/harness.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { assertNear as near, sumNumbers } from "./estimates.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";

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
    const first = groups.map((
      { log, predictions: observer },
    ) => [...observer?.predicted.subarray(0, log.users) ?? []]);
    assert.deepEqual(first.flat(), [...said.predicted.subarray(0, users)]);
    const elsewhere = { ...randomPolicy, observes: new ShopSource(restless, values) };
    await assert.rejects(tryPolicy(gpu, shop, observer, elsewhere, options), /observe users through/);
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

/** Allocates [U, k]: the values 1, 2 of every slate. */
function allocateValues(arena: Arena): View {
  const { users, slate } = options;
  return arena.upload("values", Float32Array.from({ length: users * slate }, (_, k) => 1 + k % slate));
}

function openPolicy(path: string, training: Partial<PolicyTrainingConfig>, dataSeed = 1): OpenedPolicy {
  const trainedOn = { kind: "truth", shop: "restless", dataSeed };
  const config = { items: ITEMS, trainedOn, training: { ...defaultPolicyTraining, ...training } };
  const snapshot = { iteration: config.training.steps };
  return new OpenedPolicy(path, config as unknown as PolicyConfig, snapshot as unknown as PolicySnapshot);
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
    /trainings with different seeds, got a and b/,
  );
  assert.throws(
    () => groupPolicies([openPolicy("a", {}), openPolicy("b", { seed: 2 }, 9)]),
    /but it was trained on .* 9/,
  );
  assert.throws(() => groupPolicies([]), /got no folder/);
});
