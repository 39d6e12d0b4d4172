/** What can be compared beside a policy on the device: LinUCB, and the best policy that is known of a made-up shop. */

import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import type { PageContext, Policy } from "../../simulate/policy.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { EVALUATION_EPISODE, type Trial, tryPolicy } from "./trial.ts";
import { optimumPolicy, type PlanOptions, ShopPlan } from "../../simulate/host/exact_shop.ts";
import { type HostEpisodes, simulateOnHost } from "../../simulate/host/host_simulator.ts";
import type { ShopSource } from "../../simulate/shop_users.ts";
import type { Contender } from "./compare.ts";

/**
 * The episode once more, with what the witness says of it.
 * @param log of all users, of the episode of evaluations. @param options that it was played with.
 * @throws Error where the users did not do the same.
 */
export async function shownAgain(
  gpu: Gpu,
  environment: UsersSource,
  witness: UsersSource,
  log: EpisodeLog,
  options: SimulatorOptions,
): Promise<Trial> {
  if (log.episode !== EVALUATION_EPISODE || log.users !== options.users) {
    throw new Error(`expected ${options.users} users of episode ${EVALUATION_EPISODE}`);
  }
  const slates = new LoggedSlates(log);
  const all = { ...options, together: options.users };
  const [trial, ...others] = await tryPolicy(gpu, environment, witness, slates, all, (done) => {
    // A page is submitted when the one before it has been told of.
    if (done < log.pages) slates.put(done);
  });
  if (!trial || others.length > 0) throw new Error("expected one group of users");
  const odd = log.choices.findIndex((slot, at) =>
    log.present[at] !== trial.log.present[at] || (log.present[at] === 1 && slot !== trial.log.choices[at])
  );
  if (odd >= 0) {
    throw new Error(`expected the same choices, got others on page ${Math.floor(odd / log.users)}`);
  }
  return trial;
}

/** The slates of a log, sent page by page. */
class LoggedSlates implements Policy {
  readonly name = "slates of a log";
  #context: PageContext | undefined;

  constructor(private readonly log: EpisodeLog) {}

  record(context: PageContext) {
    this.#context = context;
    this.put(0);
    return [];
  }

  prepare() {
    return [];
  }

  put(page: number): void {
    const { users, slate, slates } = this.log;
    if (!this.#context) throw new Error("expected a policy that was recorded");
    const { gpu, slates: { buffer, offset } } = this.#context;
    const own = slates.slice(page * users * slate, (page + 1) * users * slate);
    gpu.queue.writeBuffer(buffer, offset, own);
  }
}

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
