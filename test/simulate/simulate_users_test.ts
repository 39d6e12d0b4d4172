/** Trajectories of simulated users, of learned models and of made-up shops, beside the same in float64 on the host. */

import assert from "node:assert/strict";
import { checkLog, type ClickLog, NONE } from "../../src/data/click_log.ts";
import { shopItems } from "../../src/data/demo_shop.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { philox, purposes, uniform24 } from "../../src/data/philox.ts";
import { restless, type ShopState } from "../../src/data/shops.ts";
import type { AdapterKind } from "../../src/gpu/kernel_shapes.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { modelParameters, UserModel } from "../../src/model/user_model.ts";
import { greedyPolicy, popularPolicy, randomPolicy } from "../../src/policy/named.ts";
import { episodeLog } from "../../src/simulate/episode_log.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { choose, type HostDynamics, ShopDynamics, slateLogits } from "../../src/simulate/host/dynamics.ts";
import {
  greedyPolicy as greedyOnHost,
  popularPolicy as popularByOrder,
  randomPolicy as randomOnHost,
} from "../../src/simulate/host/host_policies.ts";
import { type HostPolicy, simulateOnHost } from "../../src/simulate/host/host_simulator.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { modelDynamics, shownTo, type State64 } from "../f64_dynamics.ts";
import { shape64, toParameters64 } from "../f64_model.ts";
import { withGpu } from "../op_check.ts";
import { widened } from "../../src/selftest/small_logs.ts";
import {
  counted,
  key,
  type Kind,
  logs,
  lstm,
  none,
  played,
  pw,
  run,
  someWeights,
  startedWith,
  startFor,
  tanh,
} from "../simulated_models.ts";

const cases: readonly (readonly [name: string, config: ModelConfig, kind: Kind, shapes?: AdapterKind])[] = [
  ["LSTM", lstm, "dense"],
  ["LSTM", lstm, "dense", "gpu"],
  ["LSTM", { ...lstm, positions: 3, eta: 1.5 }, "one-hot"],
  ["LSTM", lstm, "mixed"],
  ["PW", pw, "dense"],
  ["PW with tanh", tanh, "dense"],
  ["PW", pw, "one-hot"],
  ["PW", pw, "one-hot", "gpu"],
  ["PW with tanh", tanh, "one-hot"],
  ["PW", pw, "mixed"],
  ["no history", none, "dense"],
  ["wide LSTM", { ...lstm, wide: 3 }, "dense"],
  ["wide alone", { ...none, dims: [], wide: 3 }, "mixed"],
  ["counts, wide LSTM", counted("mixed", { ...lstm, wide: 3 }), "mixed"],
  ["counts, wide LSTM", counted("mixed", { ...lstm, wide: 3 }), "mixed", "gpu"],
  ["counts, PW", counted("dense", pw), "dense"],
  ["counts, wide PW", counted("one-hot", { ...pw, wide: 3 }), "one-hot"],
  ["counts, no history", counted("dense", none), "dense"],
];

/** The names of a table of tokens and of the kernel of dense features below it: together those of the wide matrix. */
const joinedParts = [
  ["encoder/lstm/token_table", "encoder/lstm/input_kernel"],
  ["utility/layer1/token_table", "utility/layer1/item_kernel"],
  ["utility/layer1/state_token_table", "utility/layer1/state_kernel"],
  ["wide/token_table", "wide/item_kernel"],
  ["wide/state_token_table", "wide/state_kernel"],
] as const;

function joined(weights: Weights): Weights {
  const all = new Map(weights);
  for (const [table, kernel] of joinedParts) {
    const tokens = all.get(table);
    if (!tokens) continue;
    all.delete(table);
    all.set(kernel, Float32Array.from([...tokens, ...all.get(kernel) ?? []]));
  }
  return all;
}

/** A user of a log: the utilities of each page, and the state behind the last. */
function walkedOn(dynamics: HostDynamics<State64>, log: ClickLog, user: number) {
  let state = dynamics.initial();
  const utilities: number[][] = [];
  for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
    const shown = log.rowItem.subarray(log.eventRows[e], log.eventRows[e + 1]);
    utilities.push(Array.from(dynamics.utilities(state, shown)));
    const click = log.eventClick[e] ?? NONE;
    if (!log.eventGiven?.[e]) state = shownTo(state, shown, log.rowItem[click] ?? NONE);
    if (click !== NONE) state = dynamics.next(state, log.rowItem[click] ?? 0);
  }
  return { utilities, state };
}

/** By the same score as in the test. */
function popularOnHost<S>(): HostPolicy<S> {
  const items = Array.from({ length: 160 }, (_, item) => item);
  return popularByOrder(items.sort((a, b) => b * 7 % 160 - a * 7 % 160));
}

for (const [name, config, kind, shapes = "cpu"] of cases) {
  Deno.test(`trajectories: ${name}, ${kind} items, ${shapes} shapes: as the model in float64`, () =>
    withGpu(shapes, async (gpu) => {
      const log = logs[kind];
      const weights = someWeights(log, config);
      using model = new UserModel(gpu, log.items, config, { weights });
      const from = startFor(kind);
      const options = { ...run, start: from, reward: "utility", repeats: kind === "dense" } as const;
      using simulator = await Simulator.create(gpu, new LearnedSource(model), options);
      const episodes = await played(simulator, randomPolicy, { firstEpisode: 2 });
      const states = await simulator.states();
      const clicks = episodeLog(episodes, {
        name: "simulated",
        items: log.items,
        startOf: (user, episode) => startedWith(user, episode, from),
      });
      checkLog(clicks);
      const dense = kind === "mixed" ? widened(clicks) : clicks;
      const specs = modelParameters(itemsShape(dense.items), config);
      const parameters = toParameters64(joined(weights), specs);
      const users = Array.from({ length: run.users }, (_, u) => u);
      const dynamics = modelDynamics(dense.items, parameters, shape64(config), config.eta, config.counts);
      const walked = users.map((user) => walkedOn(dynamics, dense, user));
      const pages = walked.flatMap(({ utilities }) => utilities);
      const [episode] = episodes;
      assert.ok(episode);
      let [at, near, clicked, surprise, variance] = [0, 0, 0, 0, 0];
      const seen = new Set<number>();
      for (const user of users) {
        at += startedWith(user, 2, from).length;
        for (let t = 0; t < run.pages; t++, at++) {
          const page = pages[at] ?? assert.fail();
          const logits = slateLogits(page, config.eta, weights.get("position/effect"));
          const uniform = uniform24(philox([user, 2, t, purposes.CHOICE], key)[0]);
          const { slot, clickChance: chance, margin } = choose(logits, uniform);
          const own = t * run.users + user;
          const found: number = episode.choices[own] ?? NaN;
          if (margin < 1e-5) near++;
          else assert.equal(found, slot, `user ${user}, page ${t}`);
          // What happened is as likely as the model says, by its own entropy.
          const logs = [...logits, 0].map((x) => x + Math.log1p(-chance));
          const entropy = -logs.reduce((sum, x) => sum + Math.exp(x) * x, 0);
          surprise += -(logs[found] ?? NaN) - entropy;
          variance += logs.reduce((sum, x) => sum + Math.exp(x) * (x + entropy) ** 2, 0);
          assert.ok(
            Math.abs((episode.probabilities[own] ?? NaN) - chance) < 1e-4,
            `P ${episode.probabilities[own]}, ${chance}`,
          );
          if (found < run.slate) {
            clicked++;
            seen.add(found);
            assert.ok(
              Math.abs((episode.rewards[own] ?? NaN) - (page[found] ?? NaN)) <
                1e-4 * (1 + Math.abs(page[found] ?? 0)),
            );
          }
        }
      }
      assert.equal(at, pages.length);
      if (config.encoder === "lstm") {
        walked.forEach(({ state }, user) =>
          state.h.forEach((x, j) =>
            assert.ok(Math.abs((states[user * config.lstmUnits + j] ?? NaN) - x) < 1e-4, `h of user ${user}`)
          )
        );
      }
      assert.ok(
        Math.abs(surprise) < 3.7 * Math.sqrt(variance),
        `NLL is off by ${surprise}, se ${Math.sqrt(variance)}`,
      );
      assert.ok(near <= 3, `${near} draws near a bound`);
      assert.ok(clicked > 100 && seen.size === run.slate, "users click here and there");
    }));
}

for (
  const [name, policy, host, reward = "click"] of [
    ["random", randomPolicy, randomOnHost<ShopState>()],
    [
      "popular",
      popularPolicy(Float64Array.from({ length: 160 }, (_, item) => item * 7 % 160)),
      popularOnHost<ShopState>(),
    ],
    ["greedy", greedyPolicy(), greedyOnHost<ShopState>()],
    ["greedy for utility", greedyPolicy(), greedyOnHost<ShopState>("utility"), "utility"],
  ] as const
) {
  Deno.test(`trajectories: a shop, ${name}: 256 users, 50 pages, as on the host in float64`, () =>
    withGpu("cpu", async (gpu) => {
      const values = shopItems(1, 160);
      const options = { users: 256, pages: 50, slate: 3, seed: 9, leave: 0.02, reward } as const;
      using simulator = await Simulator.create(gpu, new ShopSource(restless, values), options);
      const [device] = await played(simulator, policy, { firstEpisode: 4 });
      assert.ok(device);
      const dynamics = new ShopDynamics(restless, values);
      let [near, nearTies] = [0, 0];
      const at = (user: number, page: number) => page * 256 + user;
      /** The device's slate: the host's, but for items whose utilities f32 cannot tell apart. */
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
        follow({ user, page, slot, margin, clickChance }) {
          const found = device.choices[at(user, page)] ?? NaN;
          if (margin < 1e-5) near++;
          else assert.equal(found, slot, `user ${user}, page ${page}`);
          assert.ok(Math.abs((device.probabilities[at(user, page)] ?? NaN) - clickChance) < 1e-5);
          return found;
        },
      });
      const pages = device.present.reduce((sum, own) => sum + own, 0);
      assert.equal(pages, episodes.length.reduce((sum, own) => sum + own, 0));
      assert.ok(near <= 3 && nearTies <= 5, `${near} draws near a bound, ${nearTies} slates with near ties`);
      assert.ok(pages < 256 * 50);
    }));
}
