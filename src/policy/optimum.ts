/** The best policy that is known of a made-up shop, computed on the host: what others can be held against. */

import type { EpisodeLog } from "../simulate/episode_log.ts";
import { optimumPolicy, type PlanOptions, ShopPlan } from "../simulate/host/exact_shop.ts";
import { type HostEpisodes, simulateOnHost } from "../simulate/host/host_simulator.ts";
import type { SimulatorOptions } from "../simulate/options.ts";
import type { ShopSource } from "../simulate/shop_users.ts";
import type { Contender } from "./comparison/compare.ts";
import { EVALUATION_EPISODE } from "./comparison/trial.ts";

/** Users that are simulated between two lines of progress. */
const TOGETHER = 100;

/**
 * It looks one page ahead by the values of the shop's states. On the host, in float64, with the users and random numbers of
 * all others.
 * @param points of the grid that the values stand on.
 */
export function optimum(
  { shop, values }: ShopSource,
  options: SimulatorOptions,
  points: PlanOptions["points"],
): Contender {
  const { users, slate, pages, reward = "click", seed = 1, repeats, leave, patience } = options;
  return {
    ...{ policy: "optimum's policy", seed: null, only: "truth", isOptimum: true },
    async try(_, onPage) {
      const windows = Math.ceil(users / TOGETHER);
      await onPage(0, windows);
      const plan = new ShopPlan(shop, values, { pages, slate, reward, leave, points });
      const policy = optimumPolicy(plan);
      const logs: EpisodeLog[] = [];
      for (let firstUser = 0; firstUser < users; firstUser += TOGETHER) {
        const own = {
          ...{ slate, pages, reward, seed, repeats, leave, patience, firstUser },
          ...{ users: Math.min(TOGETHER, users - firstUser), episode: EVALUATION_EPISODE },
        };
        logs.push(logOf(simulateOnHost(plan.dynamics, policy, own), firstUser));
        await onPage(logs.length, windows);
      }
      return logs.map((log) => ({ log }));
    },
  };
}

function logOf<S>({ users, pages, slate, slates, outcomes }: HostEpisodes<S>, firstUser: number): EpisodeLog {
  const of = (place: number) =>
    Array.from({ length: users * pages }, (_, at) => outcomes[4 * at + place] ?? 0);
  return {
    ...{ episode: EVALUATION_EPISODE, firstUser, users, pages, slate, slates },
    choices: Uint32Array.from(of(0)),
    rewards: Float32Array.from(of(1)),
    probabilities: Float32Array.from(of(2)),
    present: Uint8Array.from(of(3)),
  };
}
