/** LinUCB plays with simulated users, page by page, as it lives on the host. */

import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { LinUcb } from "./lin_ucb.ts";
import { LinUcbAgent } from "./lin_ucb_agent.ts";

/** What is known of items: [I, width]. */
export interface ItemVectors {
  readonly values: Float32Array;
  readonly width: number;
}

export interface PlayOptions extends SimulatorOptions {
  /** Episodes of other users each. */
  readonly episodes: number;
  readonly firstEpisode?: number;
  /** Whether the bandit learns from what it sees. */
  readonly learns: boolean;
  /** Told after each page; may stop the play by throwing. */
  readonly onPage?: (done: number, of: number) => void | Promise<void>;
}

/** @returns a log an episode. @throws UserError for options that do not fit. */
export async function playLinUcb(
  gpu: Gpu,
  users: UsersSource,
  bandit: LinUcb,
  { values, width }: ItemVectors,
  options: PlayOptions,
): Promise<EpisodeLog[]> {
  const simulator = await Simulator.create(gpu, users, { ...options, together: options.users });
  const { episodes, firstEpisode = 0, learns, onPage } = options;
  const { users: U, slate, pages, repeats } = simulator.settings;
  try {
    const agent = new LinUcbAgent(bandit, values, width, U, slate, repeats);
    const logs: EpisodeLog[] = [];
    for (let e = 0; e < episodes; e++) {
      const log = emptyLog(firstEpisode + e, U, pages, slate);
      await simulator.reset(log.episode);
      agent.newUsers();
      let here = new Uint8Array(U).fill(1);
      for (let page = 0; page < pages; page++) {
        const slates = agent.slates();
        const { reward, choice, probability, terminated } = await simulator.step(slates);
        const seen = here;
        agent.tell(slates, choice, (user) => seen[user] === 1, learns);
        log.slates.set(slates, page * U * slate);
        log.choices.set(choice, page * U);
        log.rewards.set(reward, page * U);
        log.probabilities.set(probability, page * U);
        log.present.set(seen, page * U);
        here = terminated.map((gone) => 1 - gone);
        await onPage?.(e * pages + page + 1, episodes * pages);
      }
      logs.push(log);
    }
    return logs;
  } finally {
    simulator.destroy();
  }
}

function emptyLog(episode: number, users: number, pages: number, slate: number): EpisodeLog {
  const count = pages * users;
  return {
    ...{ episode, firstUser: 0, users, pages, slate },
    slates: new Uint32Array(count * slate),
    choices: new Uint32Array(count),
    rewards: new Float32Array(count),
    probabilities: new Float32Array(count),
    present: new Uint8Array(count),
  };
}
