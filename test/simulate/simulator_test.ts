/**
 * Tests the simulator: equal bits for any number of users simulated together, exact results, and refused
 * inputs. Tests the kernels of a page with more sizes than in the self-test. The distributions of random
 * draws are tested in host_simulator_test.ts, and greedy slates in simulate_users_test.ts.
 */

import assert from "node:assert/strict";
import { demo, restless } from "../../src/data/shops.ts";
import { listIndices, toFloats } from "../../src/selftest/harness.ts";
import { checkShop } from "../../src/selftest/pages/move_cases.ts";
import { CheckedPage, makePageCheck, type PageCheck } from "../../src/selftest/pages/page_bench.ts";
import {
  checkChoose,
  checkDrawn,
  checkMask,
  checkRandom,
  checkTop,
} from "../../src/selftest/pages/page_cases.ts";
import { choose, logViews } from "../../src/simulate/episode.ts";
import { makePlainTensor } from "../../src/simulate/users.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { checkLog, NONE } from "../../src/data/click_log.ts";
import { drawShopItems, makeDemoShop } from "../../src/data/demo_shop.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { makeKey } from "../../src/data/philox.ts";
import { SCALE } from "../../src/model/model_counts.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { OpenedRun } from "../../src/run/open_run.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import { type EpisodeLog, listSeenPages, toClickLog } from "../../src/simulate/episode_log.ts";
import { computeClickRate, computeCoverage, meanReturn } from "../../src/simulate/simulation_metrics.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import type { SimulatorOptions } from "../../src/simulate/simulator_options.ts";
import type { Policy } from "../../src/simulate/policy.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import {
  computePopularity,
  createGreedyPolicy,
  createPopularPolicy,
  randomPolicy,
} from "../../src/policy/named_policies.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { drawStartHistory } from "../../src/simulate/start.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import {
  addCounts,
  drawSomeWeights,
  findStartHistory,
  getContexts,
  logs,
  lstm,
  none,
  playEpisodes,
  pw,
  run,
} from "../simulated_models.ts";

Deno.test("with a large catalogue, fewer users are simulated together, so that memory suffices", () =>
  withGpu("cpu", async (gpu) => {
    const count = 100_000;
    const counts = { fields: [], neighbours: 2, latest: 3 };
    const items = { kind: "dense", count, width: 1, values: new Float32Array(count) } as const;
    // All counts are zero, except for a rate and a page length whose logarithms must exist.
    const start = new Map([[
      SCALE,
      Float32Array.of(...new Array<number>(20).fill(0), 0.1, 9, 1, 0.5, 0, 0, 0, 0, 0, 0),
    ]]);
    using model = new UserModel(gpu, items, { ...none, dims: [], counts }, { seed: 1, start });
    const options = { users: 4096, slate: 2, pages: 1, seed: 1, usersAtOnce: 4096 };
    using simulator = await Simulator.create(gpu, new LearnedSource(model), options);
    assert.ok(simulator.usersAtOnce < 4096 && simulator.usersAtOnce > 1000, `${simulator.usersAtOnce} users`);
  }));

Deno.test("results have the same bits for any number of users together, in a second run, and for single episodes", () =>
  withGpu("cpu", async (gpu) => {
    using model = new UserModel(gpu, logs.dense.items, lstm, { weights: drawSomeWeights(logs.dense, lstm) });
    const options = { ...run, leave: 0.2, pool: { random: 20 } } as const;
    const shop = new ShopSource(restless, drawShopItems(1, 41));
    const config = addCounts("dense", pw, 5);
    const weights = drawSomeWeights(logs.dense, config);
    using other = new UserModel(gpu, logs.dense.items, config, { weights });
    const drawn = new LearnedSource(other, "contexts", getContexts(config));
    for (const source of [new LearnedSource(model), drawn, shop]) {
      for (const policy of [randomPolicy, createGreedyPolicy()]) {
        using simulator = await Simulator.create(gpu, source, options);
        const together = await playEpisodes(simulator, policy, { episodes: 2 });
        assert.deepEqual(await playEpisodes(simulator, policy, { episodes: 2 }), together);
        assert.deepEqual(await playEpisodes(simulator, policy, { firstEpisode: 1 }), together.slice(1));
        using few = await Simulator.create(gpu, source, { ...options, usersAtOnce: 16 });
        const apart = await playEpisodes(few, policy, { episodes: 2 });
        assert.equal(apart.length, 6);
        for (const [k, own] of apart.entries()) {
          const whole = together[Math.floor(k / 3)] ?? assert.fail();
          for (let t = 0; t < run.pages; t++) {
            const [a, b] = [t * own.users, t * whole.users + own.firstUser];
            for (const what of ["choices", "rewards", "probabilities", "present", "slates"] as const) {
              const width = what === "slates" ? run.slate : 1;
              const rows = (log: EpisodeLog, first: number) =>
                log[what].subarray(width * first, width * (first + own.users));
              assert.deepEqual(rows(own, a), rows(whole, b), `${what} from user ${own.firstUser}, page ${t}`);
            }
          }
        }
        assert.ok(together.some(({ present }) => present.includes(0)) && together[0]?.present.includes(1));
      }
    }
  }));

Deno.test("a policy observes users through its own model", () =>
  withGpu("cpu", async (gpu) => {
    const items = drawShopItems(1, 41);
    const features = { kind: "dense", count: 41, width: 16, values: items } as const;
    const weights = drawSomeWeights({ ...logs.dense, items: features }, lstm);
    using model = new UserModel(gpu, features, lstm, { weights });
    const source = new LearnedSource(model, "a model");
    const options = { ...run, users: 6, pages: 4 };
    using simulator = await Simulator.create(gpu, new ShopSource(restless, items), options);
    const [episode] = await playEpisodes(simulator, createGreedyPolicy(source));
    assert.ok(episode);
    const page = Array.from({ length: 41 }, (_, item) => item);
    for (let u = 0; u < 6; u++) {
      const history = Array.from(findStartHistory(u, 0));
      for (const { slate: [shown = NaN], clicked } of listSeenPages(episode, u)) {
        const scores = await model.score({ history, page });
        const best = page.filter((item) => !history.includes(item)).map((item) => scores[item] ?? 0);
        assert.ok(Math.abs((scores[shown] ?? NaN) - Math.max(...best)) < 1e-5);
        if (clicked !== undefined) history.push(clicked);
      }
    }
  }));

for (const [name, pool] of [["one item", [33]], ["k items that are alike", [3, 21, 38]]] as const) {
  Deno.test(`with a pool of ${name} every policy has the same return, bit for bit`, () =>
    withGpu("cpu", async (gpu) => {
      // With k different items, returns may differ: policies show the items in different orders, and a random
      // number selects the clicked slot by this order. As a result, users may click other items, and users'
      // states differ; only P(any click) of the first page is equal. With k = 1, or equal items, the order
      // has no effect.
      const items = drawShopItems(1, 41);
      for (const item of pool) items.copyWithin(16 * item, 16 * 33, 16 * 34);
      const slate = pool.length;
      const options = { users: 50, slate, pages: 9, repeats: true, pool: { items: pool } };
      using simulator = await Simulator.create(gpu, new ShopSource(restless, items), options);
      const all: EpisodeLog[] = [];
      for (const policy of [randomPolicy, createPopularPolicy(new Float64Array(41)), createGreedyPolicy()]) {
        all.push(...await playEpisodes(simulator, policy));
      }
      const [random = assert.fail(), ...others] = all;
      for (const { slates } of all) assert.ok(slates.every((item) => pool.some((one) => one === item)));
      for (const other of others) {
        if (slate > 1) assert.notDeepEqual(other.slates, random.slates, "in another order");
        assert.deepEqual({ ...other, slates: 0 }, { ...random, slates: 0 });
      }
    }));
}

Deno.test("with constant utilities, returns are binomial, and metrics add up", () =>
  withGpu("cpu", async (gpu) => {
    const specs = listModelParameters(getItemsShape(logs["one-hot"].items), none);
    const weights: Weights = new Map(
      specs.map(({ name, rows, columns }) => [name, new Float32Array(rows * columns)]),
    );
    weights.set("utility/output/bias", Float32Array.of(-0.5));
    using model = new UserModel(gpu, logs["one-hot"].items, none, { weights });
    const [users, pages, slate] = [500, 20, 3];
    const options = { users, pages, slate, repeats: true };
    using simulator = await Simulator.create(gpu, new LearnedSource(model), options);
    const episodes: EpisodeLog[] = [];
    const figures = await simulator.run(randomPolicy, {
      episodes: 2,
      onLog: (log) => void episodes.push(log),
    });
    const p = slate * Math.exp(-0.5) / (1 + slate * Math.exp(-0.5));
    const n = users * pages * 2;
    const rate = computeClickRate(figures);
    assert.ok(Math.abs(rate - p) < 3.3 * Math.sqrt(p * (1 - p) / n), `click rate ${rate}, expected ${p}`);
    assert.ok(Math.abs(meanReturn(figures) - pages * rate) < 1e-9);
    assert.equal(computeCoverage(figures), 1);
    const sum = (of: Iterable<number>) => Array.from(of).reduce((a, b) => a + b, 0);
    assert.equal(sum(figures.clicks), sum(figures.byPage.map(({ clicks }) => clicks)));
    assert.equal(sum(figures.itemClicked), sum(figures.clicks));
    assert.equal(sum(figures.itemShown), n * slate);
    assert.equal(sum(figures.seen), n);
    assert.ok(figures.byPage.every(({ predicted, shown }) => Math.abs(predicted / shown - p) < 1e-6));
    const log = toClickLog(episodes, { name: "x", items: logs["one-hot"].items });
    checkLog(log);
    assert.equal(log.eventClick.filter((click) => click !== NONE).length, sum(figures.clicks));
    assert.equal(computePopularity(log).length, 41);
  }));

Deno.test("step: a policy's slates give the policy's results, and forbidden slates are refused", () =>
  withGpu("cpu", async (gpu) => {
    const source = new ShopSource(restless, drawShopItems(1, 41));
    const options = { users: 20, slate: 2, pages: 4, leave: 0.3, start: [[1, 5], []] };
    using simulator = await Simulator.create(gpu, source, options);
    const [episode] = await playEpisodes(simulator, randomPolicy, { firstEpisode: 3 });
    assert.ok(episode);
    await assert.rejects(simulator.step(new Uint32Array(40)), /Expected reset\(\) before/);
    for (let again = 0; again < 2; again++) {
      await simulator.reset(3);
      for (let t = 0; t < 4; t++) {
        const own = (values: Float32Array) => values.slice(20 * t, 20 * (t + 1));
        const slates = Array.from(episode.slates.subarray(40 * t, 40 * (t + 1)));
        const outcome = await simulator.step(slates);
        assert.deepEqual(outcome.reward, own(episode.rewards));
        assert.deepEqual(outcome.probability, own(episode.probabilities));
        outcome.choice.forEach((choice, u) => {
          const present = episode.present[20 * t + u];
          assert.equal(choice, present ? episode.choices[20 * t + u] : 2);
          if (t < 3) assert.equal(outcome.terminated[u], 1 - (episode.present[20 * (t + 1) + u] ?? 0));
        });
        assert.equal(outcome.truncated, t === 3);
      }
      await assert.rejects(simulator.step(new Uint32Array(40)), /at most 4 pages per episode/);
    }
    assert.equal((await simulator.states()).length, 20 * 3);
    const held = gpu.liveBytes;
    await simulator.reset();
    await simulator.run(randomPolicy);
    assert.equal(gpu.liveBytes, held, "a run must free its memory");
    await assert.rejects(simulator.step(new Uint32Array(40)), /Expected reset\(\) before/);
    await simulator.reset();
    const slates = Array.from({ length: 40 }, (_, r) => (r % 2 === 0 ? 30 : 31));
    const refused = (changed: Record<number, number>, message: RegExp) =>
      assert.rejects(simulator.step(Object.assign(slates.slice(), changed)), message);
    await refused({ 0: 41 }, /items in 0\.\.40, got item 41 for user 0/);
    await refused({ 3: 30 }, /each item once in a slate, got item 30 twice for user 1/);
    await assert.rejects(simulator.step([1, 2]), /20 x 2 items, got 2/);
    const user = Array.from({ length: 20 }, (_, u) => u).find((u) =>
      drawStartHistory(options.start, u, 0, makeKey(1)).length > 0
    );
    await refused({ [2 * (user ?? 0)]: 5 }, /items that were not clicked before, got item 5/);
  }));

Deno.test("weights of the adversarial stage are refused unless allowed", () =>
  withGpu("cpu", async (gpu) => {
    const data = await openDataset("demo");
    const items = getItemsShape(makeDemoShop(1, { users: 7 }).log.items);
    const weights = drawInitialWeights(listModelParameters(items, lstm), 1);
    const game = {
      ...{ generator: null, eta: 1, generatorEta: 1, etaByPage: false, utilityPenalty: 0, skipNoClick: true },
    };
    const info = { model: lstm, items, iteration: 1, kind: "last" };
    const opened = (own: object) =>
      new OpenedRun("runs/a/last", { ...info, ...own }, weights, undefined, undefined);
    const made = (own: object, uncalibrated?: boolean) =>
      LearnedSource.ofRun(gpu, opened(own), data, { uncalibrated });
    assert.throws(() => made({ game }), /got runs\/a\/last of the adversarial stage.* or --uncalibrated/);
    for (const source of [made({}), made({ game }, true)]) {
      assert.equal(source.itemCount, 500);
      source.model.destroy();
    }
  }));

Deno.test("unsupported simulations are refused, with the expected value", () =>
  withGpu("cpu", async (gpu) => {
    const source = new ShopSource(restless, drawShopItems(1, 41));
    const good = { users: 5, slate: 3, pages: 4 };
    const refused = (options: Partial<SimulatorOptions>, message: RegExp) =>
      assert.rejects(Simulator.create(gpu, source, { ...good, ...options }), message);
    const stops = (what: string) => () => {
      throw new Error(what);
    };
    {
      using simulator = await Simulator.create(gpu, source, { ...good, usersAtOnce: 2, pages: 20 });
      const held = gpu.liveBytes;
      await assert.rejects(simulator.run(randomPolicy, { onProgress: stops("enough") }), /enough/);
      await assert.rejects(simulator.run(randomPolicy, { episodes: 3, onLog: stops("full") }), /full/);
      assert.equal(gpu.liveBytes, held, "a stopped run must free its memory");
    }
    await refused({ pages: 0 }, /pages to be a whole number from 1 .* got 0/);
    await refused({ users: 0 }, /users .* got 0/);
    await refused({ slate: 42, repeats: true }, /a pool of 42 items or more, got 41. A slate has 42 items/);
    await refused(
      { pages: 40 },
      /a pool of 42 items or more, got 41. A slate has 3 items, and 39 other items may have been clicked/,
    );
    await refused({ leave: 1.5 }, /from 0 to 1, got 1\.5/);
    await refused({ leave: NaN }, /from 0 to 1, got NaN/);
    await refused({ patience: -1 }, /patience .* got -1/);
    await refused({ pool: { items: [1, 2, 41] } }, /the pool's items to be in 0\.\.40, got 41/);
    await refused({ pool: { items: [1, 2, 1] } }, /a pool without repeats, got item 1 twice/);
    await refused({ pool: { random: 42 } }, /random pool of 1 to 41 items, got 42/);
    await refused({ pool: { random: 2 } }, /random pool of 3 items or more, got 2/);
    await refused({ start: [[41]] }, /histories of items in 0\.\.40, got 41/);
    await refused({ start: [] }, /at least one start history/);
    using logistic = new UserModel(gpu, logs.dense.items, { ...lstm, loss: "logistic" }, { seed: 1 });
    assert.throws(() => new LearnedSource(logistic), /Expected a model trained with --loss choice/);
    const broken = drawSomeWeights(logs.dense, lstm);
    broken.get("utility/output/bias")?.fill(NaN);
    using model = new UserModel(gpu, logs.dense.items, lstm, { weights: broken });
    using unsure = await Simulator.create(gpu, new LearnedSource(model), { ...good, pages: 2 });
    await assert.rejects(unsure.run(randomPolicy), /finite utilities, got NaN or infinity: user 0, page 0/);
    const other = new LearnedSource(model);
    const unusable: Policy = { ...randomPolicy, observes: other, record: stops("no slates") };
    using shop = await Simulator.create(gpu, source, good);
    const held = gpu.liveBytes;
    await assert.rejects(shop.run(unusable), /no slates/);
    assert.equal(gpu.liveBytes, held, "a failed run must free its memory");
    using smaller = await Simulator.create(gpu, new ShopSource(restless, drawShopItems(1, 40)), good);
    await assert.rejects(
      smaller.run(createGreedyPolicy(other)),
      /for the 40 items of the restless shop, got .* for 41/,
    );
    await assert.rejects(
      smaller.run(createPopularPolicy(new Float64Array(7))),
      /Expected 40 popularity scores, .*got 7/,
    );
  }));

function pageTest(name: string, room: Parameters<typeof makePageCheck>[0], check: PageCheck): void {
  checkTest(`${name}: ${room.users} users, ${room.items} items`, undefined, makePageCheck(room, check));
}

/** [users, items, slate size]: 1 item; 31 and 33 items (a panel has 32); 500 items (several panels). */
const rooms = [[1, 1, 1], [5, 31, 4], [70, 33, 3], [9, 500, 10]] as const;
for (const [users, items, slate] of rooms) {
  const room = { users, items, slate };
  const list = listIndices(items).filter((item) => item % 3 !== 1);
  const [all, repeats] = [items === 31, items === 33];
  pageTest("page_mask", room, checkMask(all ? "all" : items > 33 ? { random: 5 } : { items: list }, repeats));
  pageTest("top_slate and popular_slate", room, checkTop(true));
  for (const temperature of [0.02, 50]) {
    pageTest(`plackett_luce: at ${temperature}`, room, checkDrawn(0.6, temperature, temperature === 50));
  }
  pageTest("random_slate: few may be shown", room, checkRandom(0.97));
}
for (const epsilon of [0, 0.3, 1]) {
  pageTest(`explore, epsilon ${epsilon}`, { users: 300, items: 40, slate: 2 }, checkRandom(0.6, epsilon));
}
pageTest("the demo shop", { users: 45, items: 61, slate: 3 }, checkShop(demo, 1e-5));
for (const [reward, leave, patience] of [["click", 0.3, 0], ["utility", 0, 2], ["click", 1, 0]] as const) {
  const rules = { reward, leave, patience };
  const room = { users: 300, pages: 12, slate: 2, items: 40 };
  pageTest(`choose: ${JSON.stringify(rules)}`, room, checkChoose(rules));
}

Deno.test("choose: NaN utilities are passed on, and nothing is clicked", () =>
  withGpu(undefined, async (gpu) => {
    using checked = new CheckedPage(gpu, { users: 3, slate: 2 });
    const { page } = checked;
    checked.write(page.slates, Uint32Array.of(1, 2, 1, 2, 1, 2));
    const log = logViews(page);
    const set = () => checked.write(page.alive, Uint32Array.of(1, 1, 1));
    const view = checked.arena.upload("utilities", Float32Array.of(NaN, 9, 9, 9, Infinity, 9));
    const utilities = makePlainTensor("utilities", "rows", 1, 1, view);
    const rules = { reward: "click", leave: 0, patience: 0 } as const;
    const dispatch = choose(page, { eta: 1, positionEffects: undefined }, utilities, log, rules);
    const [words] = await checked.run([dispatch], [log.outcomes], { set });
    const outcomes = toFloats(words);
    assert.ok(Number.isNaN(outcomes[2]) && outcomes[0] === 2);
    assert.ok((outcomes[6] ?? 0) > 0.99 && (outcomes[4] ?? 9) < 2);
    assert.ok(outcomes[10] === Infinity && outcomes[8] === 2);
  }));
