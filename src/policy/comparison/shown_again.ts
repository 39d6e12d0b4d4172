/** Slates that were shown once are shown again to the same users, who draw the same random numbers: so that a witness sees them. */

import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import type { PageContext, Policy } from "../../simulate/policy.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { EVALUATION_EPISODE, type Trial, tryPolicy } from "./trial.ts";

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
