/** Simulated users of the model in the service: environments that a client in any language steps page by page. */

import { expectPagesWithoutClick } from "../data/log_source.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import type { UserModel } from "../model/user_model.ts";
import { LearnedSource } from "../simulate/learned_users.ts";
import { Simulator } from "../simulate/simulator.ts";
import { UserError } from "../user_error.ts";
import type { CloseRequest, EnvironmentStepRequest, ResetRequest } from "./requests.ts";

/** Most environments at once. */
const MOST = 64;
/** An environment without requests for this long may be replaced by a new one. */
const IDLE_MS = 600_000;

/** An environment, and the queue of its requests. */
interface Kept {
  readonly simulator: Simulator;
  /** Time of the last request, by `performance.now()`. */
  lastUse: number;
  turn: Promise<unknown>;
}

/** Thrown if no further environment can be created now. */
export class TooManyEnvironmentsError extends UserError {}

export class EnvironmentPool {
  /** Environments by name, the most recently used last. */
  readonly #kept = new Map<string, Kept>();
  #made = 0;
  /** Number of environments that are being created. */
  #making = 0;

  constructor(
    private readonly model: UserModel,
    private readonly data: OpenedDataset,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Resets a new or an existing environment: users without a click. @throws UserError for options that do not fit. */
  async reset({ environment, episode, ...options }: ResetRequest) {
    let name = environment;
    if (name === undefined) {
      this.#making++;
      try {
        await this.#makeRoom();
        name = await this.#make(options);
      } finally {
        this.#making--;
      }
    }
    return await this.#begin(name, episode);
  }

  #begin(name: string, episode: number) {
    return this.#inTurn(name, async ({ simulator }) => {
      await simulator.reset(episode);
      const { users, slate, pages } = simulator.settings;
      const sizes = { users, slate, pages, items: simulator.source.itemCount };
      return { environment: name, ...sizes, state: await readStates(simulator) };
    });
  }

  /** Shows each user a slate. @throws UserError for invalid slates; the users' states stay. */
  async step({ environment, slates }: EnvironmentStepRequest) {
    return await this.#inTurn(environment, async ({ simulator }) => {
      const { slate } = simulator.settings;
      const odd = slates.findIndex(({ length }) => length !== slate);
      if (odd >= 0) throw new UserError(`slates.${odd}: expected ${slate} items, got ${slates[odd]?.length}`);
      const { reward, choice, terminated, truncated } = await simulator.step(slates.flat());
      const lists = { reward: Array.from(reward), choice: Array.from(choice) };
      return {
        ...lists,
        terminated: Array.from(terminated, Boolean),
        truncated,
        state: await readStates(simulator),
      };
    });
  }

  /** Ends an environment after its pending requests. @throws UserError for an unknown one. */
  async close({ environment }: CloseRequest): Promise<void> {
    await this.#inTurn(environment, ({ simulator }) => {
      this.#kept.delete(environment);
      simulator.destroy();
      return Promise.resolve();
    });
  }

  /** Releases the device memory. */
  destroy(): void {
    for (const { simulator } of this.#kept.values()) simulator.destroy();
    this.#kept.clear();
  }

  async #make(options: Omit<ResetRequest, "environment" | "episode">): Promise<string> {
    expectPagesWithoutClick(this.data.source);
    const source = new LearnedSource(this.model);
    const simulator = await Simulator.create(this.model.gpu, source, { ...options, together: options.users });
    if (simulator.together < options.users) {
      const { together } = simulator;
      simulator.destroy();
      throw new UserError(
        `users: expected at most ${together} with slates of ${options.slate}, got ${options.users}`,
      );
    }
    const name = String(++this.#made);
    this.#kept.set(name, { simulator, lastUse: this.now(), turn: Promise.resolve() });
    return name;
  }

  /** Ends the environment that was idle longest if the limit is reached. @throws TooManyEnvironmentsError */
  async #makeRoom(): Promise<void> {
    const [oldest] = this.#kept;
    if (this.#kept.size + this.#making <= MOST) return;
    const [environment, { lastUse }] = oldest ?? ["", { lastUse: Infinity }];
    if (this.now() - lastUse < IDLE_MS) {
      throw new TooManyEnvironmentsError(
        `${MOST} environments are in use, which is the most: end one with POST /close, or wait until one was idle for ` +
          `${IDLE_MS / 60_000} minutes`,
      );
    }
    await this.close({ environment });
  }

  /** Runs requests of an environment one after another. */
  async #inTurn<T>(name: string, work: (kept: Kept) => Promise<T>): Promise<T> {
    const kept = this.#kept.get(name);
    if (!kept) {
      throw new UserError(
        `there is no environment ${JSON.stringify(name)}: it was ended, or idle for ${
          IDLE_MS / 60_000
        } minutes when room was needed. ` +
          "POST /reset makes one",
      );
    }
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    kept.lastUse = this.now();
    const before = kept.turn;
    const own = before.then(() => work(kept));
    kept.turn = own.catch(() => {}); // whoever asked is told
    return await own;
  }
}

/** Reads the users' states [U][S]. */
async function readStates(simulator: Simulator): Promise<number[][]> {
  const { users } = simulator.settings;
  const states = await simulator.states();
  const width = states.length / users;
  return Array.from(
    { length: users },
    (_, user) => Array.from(states.subarray(user * width, (user + 1) * width)),
  );
}
