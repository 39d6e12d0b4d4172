/** What can be compared: policies on the device, LinUCB, and the best policy that is known of a made-up shop. */

import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { optimumPolicy, type PlanOptions, ShopPlan } from "../../simulate/host/exact_shop.ts";
import { type HostEpisodes, simulateOnHost } from "../../simulate/host/host_simulator.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import type { PageContext, Policy } from "../../simulate/policy.ts";
import type { ShopSource } from "../../simulate/shop_users.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { LinUcb } from "../adaptation/lin_ucb.ts";
import { type ItemVectors, playLinUcb } from "../adaptation/lin_ucb_play.ts";
import type { Contender } from "./compare.ts";
import { EVALUATION_EPISODE, type Trial, tryPolicy } from "./trial.ts";

/** A policy that acts on the device. @param witness the model that the policies learned on. */
export function onDevice(
  gpu: Gpu,
  about: Pick<Contender, "policy" | "seed" | "only">,
  policy: Policy,
  witness: UsersSource,
  options: SimulatorOptions,
): Contender {
  return {
    ...about,
    try: (environment, onPage) => tryPolicy(gpu, environment, witness, policy, options, onPage),
  };
}

/** How long LinUCB learns before it is compared. */
export interface LinUcbTraining {
  readonly alpha: number;
  /** Episodes, each of other users. */
  readonly episodes: number;
  /** Users of an episode, who see their pages together. */
  readonly users: number;
}

/** LinUCB, which learns on the first model, and then acts by what it holds best. */
export function linUcb(
  gpu: Gpu,
  learnsOn: UsersSource,
  vectors: ItemVectors,
  { alpha, episodes, users }: LinUcbTraining,
  options: SimulatorOptions,
): Contender {
  let learned: LinUcb | undefined;
  return {
    policy: "LinUCB",
    seed: null,
    async try(environment, onPage) {
      const acting = options.pages;
      const all = (learned ? 0 : episodes * acting) + acting;
      const told = (before: number) => (done: number) => onPage(before + done, all);
      const before = all - acting;
      if (!learned) {
        const bandit = new LinUcb(vectors.values, vectors.width, alpha);
        const play = { ...options, users, episodes, learns: true, onPage: told(0) };
        await playLinUcb(gpu, learnsOn, bandit, vectors, play);
        bandit.stopExploring();
        learned = bandit;
      }
      const play = { ...options, episodes: 1, firstEpisode: EVALUATION_EPISODE, learns: false };
      const logs = await playLinUcb(gpu, environment, learned, vectors, { ...play, onPage: told(before) });
      // Bandits live on the host, where no witness follows: it does when their slates are shown once more.
      return await Promise.all(logs.map((log) => shownAgain(gpu, environment, learnsOn, log, options)));
    },
  };
}

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
