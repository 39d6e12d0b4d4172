/**
 * Compares trajectories of simulated users (learned models, synthetic shops) with f64 on the host. Compares
 * utilities from stored user states, as SlateQ uses them, with utilities from the clicks.
 */

import assert from "node:assert/strict";
import { type CountsConfig, countWidth } from "../../src/counts/count_columns.ts";
import { NO_OWN_COUNTS, type PageHistory, writeItemCounts } from "../../src/counts/page_counts.ts";
import type { ClickLog, ItemFeatures, PastPages } from "../../src/data/click_log.ts";
import { checkLog, NO_PAST_PAGES, NONE } from "../../src/data/click_log.ts";
import type { HostDynamics } from "../../src/simulate/host/dynamics.ts";
import { choose, computeSlateLogits, ShopDynamics } from "../../src/simulate/host/dynamics.ts";
import { Forward64, toDenseLog, toParameters64 } from "../f64_model.ts";
import type { Counted64, Parameters64, User64 } from "../f64_model.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { computePhilox, purposes, toUniform24 } from "../../src/data/philox.ts";
import { restless, type ShopState } from "../../src/data/shops.ts";
import type { AdapterKind } from "../../src/gpu/kernel_variants.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import {
  createGreedyPolicy,
  createPopularPolicy,
  randomPolicy,
  recordTopSlate,
} from "../../src/policy/named_policies.ts";
import { type EpisodeLog, listSeenPages, toClickLog } from "../../src/simulate/episode_log.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import {
  createHostGreedyPolicy as greedyOnHost,
  createHostPopularPolicy as popularByOrder,
  createRandomPolicy as randomOnHost,
  type HostPolicy,
  simulateOnHost,
} from "../../src/simulate/host/host_simulator.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { withGpu } from "../op_check.ts";
import { toWideWeights } from "../train/trainings.ts";
import {
  addCounts,
  drawSomeWeights,
  findStartHistory,
  getContexts,
  key,
  logs,
  lstm,
  none,
  playEpisodes,
  pw,
  run,
  type SimulatedModelKind,
  startFor,
  tanh,
} from "../simulated_models.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { asBufferView } from "../../src/gpu/memory.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { PageBuffers } from "../../src/simulate/page_buffers.ts";
import { PageHeaders, PageProgram } from "../../src/simulate/page_program.ts";
import type { PageContext, Policy } from "../../src/simulate/policy.ts";
import type { StartOptions } from "../../src/simulate/start.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import type { SimulatedUsers } from "../../src/simulate/users.ts";

/*
 * Simulated users of a learned model on the host: the forward pass of f64_model.ts, with counts of items. The
 * device's simulation is compared with it.
 */

interface State64 extends User64 {
  readonly recent: readonly number[];
  /** Number of impressions of each item without a click; see {@link shownTo}. */
  readonly passed?: ReadonlyMap<number, number>;
  readonly past?: PastPages;
  readonly getContext?: (item: number) => Float32Array<ArrayBuffer> | undefined;
}

function shownTo(state: State64, shown: ArrayLike<number>, click: number): State64 {
  const passed = new Map(state.passed);
  for (const item of Array.from(shown)) if (item !== click) passed.set(item, (passed.get(item) ?? 0) + 1);
  const { pages, clickedPages, displays } = state.past ?? NO_PAST_PAGES;
  const clicks = clickedPages + (Array.from(shown).includes(click) ? 1 : 0);
  const past = { pages: pages + 1, clickedPages: clicks, displays: displays + shown.length, clicks };
  return { ...state, passed, past };
}

/** @param p parameters by name, from `toParameters64` */
function modelDynamics(items: ItemFeatures, p: Parameters64, config: ModelConfig): HostDynamics<State64> {
  const model = new Forward64(items, p, config);
  const ofCounts = config.counts && countsIn64(p, config.counts);
  return {
    items: items.count,
    initial: () => ({ ...model.initial, recent: [] }),
    utilities: (state, shown) => {
      const seen = model.seen(state);
      const past = state.past ?? NO_PAST_PAGES;
      const history = { recent: state.recent, clicks: state.recent.length, past };
      return Float64Array.from(
        Array.from(shown),
        (item) => {
          const own = [state.passed?.get(item), state.getContext?.(item)] as const;
          return model.utility(seen, item, ofCounts?.(history, item, shown.length, ...own)).x;
        },
      );
    },
    next: (state, item) => ({ ...state, ...model.next(state, item), recent: [item, ...state.recent] }),
  };
}

function countsIn64(p: Parameters64, config: CountsConfig) {
  const of = (name: string) => p.get(`counts/${name}`) ?? [];
  const [mean = [], scaled = [], [meanRate = NaN, longestPage = NaN, leastUsers = NaN, pageRate = NaN] = []] =
    of("scale");
  const items = Float32Array.from(of("table").flat());
  const tables = { config, items, meanRate, longestPage, leastUsers, pageRate };
  const [[w = []], [[b = NaN] = []]] = [of("kernel"), of("bias")];
  const kernel = p.get("utility/layer1/count_kernel") ?? [];
  return (
    history: PageHistory,
    item: number,
    pageLength: number,
    passed = 0,
    context = new Float32Array(),
  ): Counted64 => {
    const raw = new Float64Array(countWidth(config));
    writeItemCounts(tables, item, history, pageLength, { ...NO_OWN_COUNTS, passed }, raw, 0);
    raw.set(context, raw.length - context.length);
    const c = Array.from(raw, (x, k) => (x - (mean[k] ?? NaN)) * (scaled[k] ?? NaN));
    return {
      layer: (kernel[0] ?? []).map((_, j) => c.reduce((sum, x, k) => sum + x * kernel[k]![j]!, 0)),
      term: c.reduce((sum, x, k) => sum + x * (w[k] ?? NaN), b),
    };
  };
}

const close = (found = NaN, wanted = NaN, within: number, what: string) =>
  assert.ok(Math.abs(found - wanted) < within, `${what}: ${found}, expected ${wanted}`);

const cases: readonly (readonly [
  name: string,
  config: ModelConfig,
  kind: SimulatedModelKind,
  variants?: AdapterKind,
])[] = [
  ["LSTM", lstm, "dense"],
  ["LSTM", lstm, "dense", "gpu"],
  ["LSTM", { ...lstm, positions: 3, eta: 1.5 }, "one-hot"],
  ["PW", pw, "dense"],
  ["PW", pw, "dense", "gpu"],
  ["PW", pw, "one-hot", "gpu"],
  ["PW with tanh", tanh, "one-hot"],
  ["wide alone", { ...none, dims: [], wide: 3 }, "mixed"],
  ["counts, wide LSTM", addCounts("mixed", { ...lstm, wide: 3 }), "mixed"],
  ["counts, wide LSTM", addCounts("mixed", { ...lstm, wide: 3 }), "mixed", "gpu"],
  ["counts, PW", addCounts("dense", pw), "dense"],
  ["counts, drawn contexts, PW", addCounts("dense", pw, 5), "dense"],
  ["counts, drawn contexts, PW", addCounts("mixed", pw, 5), "mixed"],
];

/** Follows a user in a log. Returns the user's state and utilities before each event, and the final state. */
function followUser(dynamics: HostDynamics<State64>, log: ClickLog, user: number, rest: Partial<State64>) {
  let state = { ...dynamics.initial(), ...rest };
  const events: { readonly before: State64; readonly utilities: number[] }[] = [];
  for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
    const shown = log.rowItem.subarray(log.eventRows[e], log.eventRows[e + 1]);
    events.push({ before: state, utilities: Array.from(dynamics.utilities(state, shown)) });
    const click = log.eventClick[e] ?? NONE;
    if (!log.eventKind?.[e]) state = shownTo(state, shown, log.rowItem[click] ?? NONE);
    if (click !== NONE) state = dynamics.next(state, log.rowItem[click] ?? 0);
  }
  return { events, state };
}

/** Computes in f64 the states and utilities of all users in an episode of a simulated model. */
function followEpisode(
  episode: EpisodeLog,
  { items }: ClickLog,
  config: ModelConfig,
  weights: Weights,
  from?: StartOptions,
) {
  const clicks = toClickLog([episode], {
    name: "simulated",
    items,
    getStart: (user, episode) => findStartHistory(user, episode, from),
  });
  checkLog(clicks);
  const dense = items.kind === "mixed" ? toDenseLog(clicks) : clicks;
  const specs = listModelParameters(getItemsShape(dense.items), config);
  const dynamics = modelDynamics(dense.items, toParameters64(toWideWeights(weights), specs), config);
  const getContext = (user: number) => (item: number) =>
    getContexts(config)?.getRow(user, episode.episode, item);
  const users = Array.from({ length: episode.users }, (_, user) => ({
    ...followUser(dynamics, dense, user, { getContext: getContext(user) }),
    history: findStartHistory(user, episode.episode, from),
  }));
  return { dynamics, users };
}

const popularity = Float64Array.from({ length: 160 }, (_, item) => item * 7 % 160);
const byPopularity = [...popularity.keys()].sort((a, b) => popularity[b]! - popularity[a]!);

const greedyInChunks: Policy = {
  name: "greedy in chunks",
  record({ environment, page }) {
    const { dispatches, utilities } = environment.catalogue();
    return [{ chunk: 4, rows: page.items, dispatches: [...dispatches, recordTopSlate(page, utilities)] }];
  },
};

/** Asserts that greedy slates have the best items that a user has not clicked, with and without chunks. */
async function checkGreedy(gpu: Gpu, source: LearnedSource, log: ClickLog, weights: Weights): Promise<void> {
  const { config } = source.model;
  using simulator = await Simulator.create(gpu, source, { ...run, users: 9, pages: 5 });
  const [episode] = await playEpisodes(simulator, createGreedyPolicy(), { firstEpisode: 2 });
  assert.ok(episode);
  assert.deepEqual(await playEpisodes(simulator, greedyInChunks, { firstEpisode: 2 }), [episode]);
  const { dynamics, users } = followEpisode(episode, log, config, weights);
  for (const [user, { events, history }] of users.entries()) {
    const clicked = Array.from(history);
    for (const { page, slate, clicked: click } of listSeenPages(episode, user)) {
      const { before } = events[history.length + page] ?? assert.fail();
      const score = (item: number) => dynamics.utilities(before, slate.map(() => item))[0] ?? NaN;
      const others = Array.from({ length: log.items.count }, (_, item) => item)
        .filter((item) => !clicked.includes(item));
      const best = others.map(score).sort((a, b) => b - a);
      slate.forEach((item, slot) => {
        assert.ok(!clicked.includes(item));
        close(score(item), best[slot], 1e-5, `user ${user}, page ${page}, slot ${slot}: item ${item}`);
      });
      if (click !== undefined) clicked.push(click);
    }
  }
}

for (const [name, config, kind, variants = "cpu"] of cases) {
  Deno.test(`trajectories: ${name}, ${kind} items, ${variants} variants: equal to float64, and greedy slates are best`, () =>
    withGpu(variants, async (gpu) => {
      const log = logs[kind];
      const weights = drawSomeWeights(log, config);
      using model = new UserModel(gpu, log.items, config, { weights });
      const from = startFor(kind);
      const options = { ...run, start: from, reward: "utility", repeats: kind === "dense" } as const;
      const source = new LearnedSource(model, name, getContexts(config));
      using simulator = await Simulator.create(gpu, source, options);
      const [episode] = await playEpisodes(simulator, randomPolicy, { firstEpisode: 2 });
      assert.ok(episode);
      const states = await simulator.states();
      const { users } = followEpisode(episode, log, config, weights, from);
      let [near, clicked, surprise, variance] = [0, 0, 0, 0];
      const seen = new Set<number>();
      for (const [user, { events, history }] of users.entries()) {
        assert.equal(events.length, history.length + run.pages);
        for (const [t, { utilities: page }] of events.slice(history.length).entries()) {
          const logits = computeSlateLogits(page, config.eta, weights.get("position/effect"));
          const uniform = toUniform24(computePhilox([user, 2, t, purposes.CHOICE], key)[0]);
          const { slot, clickProbability: chance, margin } = choose(logits, uniform);
          const own = t * run.users + user;
          const found: number = episode.choices[own] ?? NaN;
          if (margin < 1e-5) near++;
          else assert.equal(found, slot, `user ${user}, page ${t}`);
          // The log-likelihood of the events must match the model's entropy.
          const logs = [...logits, 0].map((x) => x + Math.log1p(-chance));
          const entropy = -logs.reduce((sum, x) => sum + Math.exp(x) * x, 0);
          surprise += -(logs[found] ?? NaN) - entropy;
          variance += logs.reduce((sum, x) => sum + Math.exp(x) * (x + entropy) ** 2, 0);
          close(episode.probabilities[own], chance, 1e-4, "P");
          if (found < run.slate) {
            clicked++;
            seen.add(found);
            close(episode.rewards[own], page[found], 1e-4 * (1 + Math.abs(page[found] ?? 0)), "reward");
          }
        }
      }
      if (config.encoder === "lstm") {
        users.forEach(({ state }, user) =>
          state.h.forEach(({ x }, j) =>
            close(states[user * config.lstmUnits + j], x, 1e-4, `h of user ${user}`)
          )
        );
      }
      close(surprise, 0, 3.7 * Math.sqrt(variance), "how far the NLL is off");
      assert.ok(near <= 3, `${near} draws near a bound`);
      assert.ok(clicked > 100 && seen.size === run.slate, "users must click at all positions");
      await checkGreedy(gpu, source, log, weights);
    }));
}

for (
  const [name, policy, host, reward = "click"] of [
    ["random", randomPolicy, randomOnHost<ShopState>()],
    ["popular", createPopularPolicy(popularity), popularByOrder<ShopState>(byPopularity)],
    ["greedy", createGreedyPolicy(), greedyOnHost<ShopState>()],
    ["greedy for utility", createGreedyPolicy(), greedyOnHost<ShopState>("utility"), "utility"],
  ] as const
) {
  Deno.test(`trajectories: a shop, ${name}: 100 users, 30 pages, equal to float64`, () =>
    withGpu("cpu", async (gpu) => {
      const values = drawShopItems(1, 160);
      const options = { users: 100, pages: 30, slate: 3, seed: 9, leave: 0.02, reward } as const;
      using simulator = await Simulator.create(gpu, new ShopSource(restless, values), options);
      const [device] = await playEpisodes(simulator, policy, { firstEpisode: 4 });
      assert.ok(device);
      const dynamics = new ShopDynamics(restless, values);
      let [near, nearTies] = [0, 0];
      const at = (user: number, page: number) => page * 100 + user;
      /** Takes the device's slate, which may differ from the host's in items with equal f32 utilities. */
      const follows: HostPolicy<ShopState> = {
        name,
        slate(page) {
          const found = device.slates.slice(3 * at(page.user, page.page), 3 * at(page.user, page.page) + 3);
          const wanted = Array.from(host.slate(page));
          if (wanted.some((item, j) => item !== found[j])) {
            nearTies++;
            const worth = (items: ArrayLike<number>) => {
              const u = page.dynamics.utilities(page.state, items);
              const v = u.map(Math.exp);
              const total = v.reduce((a, b) => a + b, 1);
              return v.reduce((sum, x, j) => sum + x * (reward === "click" ? 1 : u[j] ?? NaN), 0) / total;
            };
            const behind = worth(wanted) - worth(found);
            assert.ok(Math.abs(behind) < 1e-5, `${found} is ${behind} behind ${wanted}`);
          }
          return found;
        },
      };
      const episodes = simulateOnHost(dynamics, follows, {
        ...options,
        episode: 4,
        follow({ user, page, slot, margin, clickProbability }) {
          const found = device.choices[at(user, page)] ?? NaN;
          if (margin < 1e-5) near++;
          else assert.equal(found, slot, `user ${user}, page ${page}`);
          close(device.probabilities[at(user, page)], clickProbability, 1e-5, "P");
          return found;
        },
      });
      const pages = device.present.reduce((sum, own) => sum + own, 0);
      assert.deepEqual(episodes.present, device.present);
      assert.ok(near <= 3 && nearTies <= 5, `${near} draws near a bound, ${nearTies} slates with near ties`);
      assert.ok(pages < 100 * 30);
    }));
}

const [users, slate, pages] = [9, 3, 12];
/** Clicks before an episode; some users have more clicks than the model reads. */
const start = [[3, 17], [], ...[7, 5].map((by) => Array.from({ length: 26 }, (_, k) => by * k % 41)), [8]];
const remembered: readonly (readonly [name: string, SimulatedModelKind, ModelConfig, AdapterKind?])[] = [
  ["LSTM", "dense", lstm],
  ["PW", "dense", pw],
  ["PW of more clicks", "dense", { ...pw, pwLags: 23 }],
  ["counts, wide LSTM", "mixed", addCounts("mixed", { ...lstm, lstmUnits: 8, wide: 3 }), "gpu"],
  ["counts, wide PW", "dense", addCounts("dense", { ...pw, wide: 3 })],
  ["counts, PW with tanh", "one-hot", addCounts("one-hot", tanh)],
  ["counts, wide, no history", "mixed", addCounts("mixed", { ...none, wide: 3 })],
];

async function lived(gpu: Gpu, source: LearnedSource) {
  const options = { users, slate, pages, seed: 5, repeats: true, start } as const;
  using simulator = await Simulator.create(gpu, source, options);
  let context: PageContext | undefined;
  const record = (page: PageContext) => randomPolicy.record(context = page);
  const [log] = await playEpisodes(simulator, { ...randomPolicy, record });
  assert.ok(log && context);
  const states = await readFloats(gpu, asBufferView(context.observer.state.view));
  const histories = Array.from({ length: users }, (_, u) => {
    const clicks = Array.from(listSeenPages(log, u), ({ clicked }) => clicked ?? []).flat();
    return [...Array.from(findStartHistory(u, 0, start)), ...clicks];
  });
  return { states, histories };
}

async function utilitiesIn(
  made: SimulatedUsers,
  page: PageBuffers,
  arena: Arena,
  states: Float32Array<ArrayBuffer>,
): Promise<Float32Array> {
  const { gpu } = arena;
  const { users: chunk, dispatches, utilities } = made.catalogue();
  assert.ok(chunk >= users);
  const program = [...made.fromState(), { chunk, rows: page.items, dispatches }];
  const headers = new PageHeaders(arena, page, 1, program);
  headers.put({ users, firstUser: 0, episode: 0, seed: 0 }, () => 0);
  const tables = await PageProgram.record(gpu, "tables", headers, made.prepare());
  const after = await PageProgram.record(gpu, "from states", headers, program);
  const { buffer, offset } = asBufferView(made.state.view);
  gpu.queue.writeBuffer(buffer, offset, states);
  CommandRecorder.submit(gpu, "from states", (commands) => {
    for (const one of [tables, after]) one.encode(commands, 0);
  });
  return await readFloats(gpu, utilities);
}

for (const [name, kind, config, variants = "cpu"] of remembered) {
  Deno.test(`utilities in a stored state are those of its clicks: ${name}, ${kind} items, ${variants}`, () =>
    withGpu(variants, async (gpu) => {
      const log = logs[kind];
      const items = log.items.count;
      using model = new UserModel(gpu, log.items, config, { weights: drawSomeWeights(log, config) });
      const source = new LearnedSource(model);
      const { states, histories } = await lived(gpu, source);
      const lengths = histories.map(({ length }) => length);
      assert.ok(new Set(lengths).size > 2 && Math.max(...lengths) > 26, `users differ: ${lengths}`);
      using arena = new Arena(gpu, "from states");
      const page = new PageBuffers(gpu, arena, { users, slate, items, pages: 5, startClicks: 0 });
      const made = source.users(page);
      const found = await utilitiesIn(made, page, arena, states);
      made[Symbol.dispose]();
      const all = Array.from({ length: items }, (_, item) => item);
      const wanted = await model.scoreAll(
        histories.flatMap((history) =>
          all.map((item) => ({ history, page: all.map((k) => (item + k) % items).slice(0, slate) }))
        ),
      );
      wanted.forEach(([b = NaN], at) => {
        const what = `user ${Math.floor(at / items)}, item ${at % items}`;
        close(found[at], b, 1e-4 * (1 + Math.abs(b)), what);
      });
    }));
}
