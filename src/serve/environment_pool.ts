/** Environments of the service, in which a client chooses slates for simulated users. */

import { expectPagesWithoutClick } from "../data/log_source.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import type { UserModel } from "../model/user_model.ts";
import { listModelContext } from "../predict/request_context.ts";
import { drawContexts, type SimulatedContexts } from "../simulate/contexts.ts";
import { LearnedSource } from "../simulate/learned_users.ts";
import { Simulator } from "../simulate/simulator.ts";
import { SlateError } from "../simulate/simulator_options.ts";
import { UserError } from "../user_error.ts";
import type { CloseRequest, EnvironmentStepRequest, ResetRequest } from "./requests.ts";

const MAX_ENVIRONMENTS = 64;
/** After this time in ms without requests, an environment is idle, and a new one may replace it. */
const IDLE_MS = 600_000;

/** Environment of the pool. The next request waits for `turn`, the promise of the last request. */
interface PooledEnvironment {
  readonly simulator: Simulator;
  /** `performance.now()` at the last request. */
  lastUse: number;
  turn: Promise<unknown>;
}

/** Thrown if the pool is full and no environment is idle. */
export class TooManyEnvironmentsError extends UserError {}

export class EnvironmentPool {
  /** Environments by name, in the order of their last use (oldest first). */
  readonly #environments = new Map<string, PooledEnvironment>();
  #contexts: SimulatedContexts | undefined;
  #created = 0;
  #creating = 0;

  constructor(
    private readonly model: UserModel,
    private readonly data: OpenedDataset,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Creates or resets an environment, whose users have no clicks. @throws UserError for invalid options. */
  async reset({ environment, episode, ...options }: ResetRequest) {
    const name = environment ?? await this.#create(options);
    return await this.#inTurn(name, async ({ simulator }) => {
      await simulator.reset(episode);
      const { users, slate, pages } = simulator.settings;
      const sizes = { users, slate, pages, items: simulator.source.itemCount };
      return { environment: name, ...sizes, state: await readStates(simulator) };
    });
  }

  /** Shows a slate to each user. @throws UserError for invalid slates, before any state changes. */
  async step({ environment, slates }: EnvironmentStepRequest) {
    return await this.#inTurn(environment, async ({ simulator }) => {
      const { users, slate } = simulator.settings;
      const odd = slates.findIndex(({ length }) => length !== slate);
      if (odd >= 0) {
        throw new UserError(`slates[${odd}]: Expected ${slate} items, got ${slates[odd]?.length}.`);
      }
      if (slates.length !== users) {
        throw new UserError(`slates: Expected one slate per user, ${users} in all, got ${slates.length}.`);
      }
      const { reward, choice, terminated, truncated } = await simulator.step(slates.flat()).catch((error) => {
        throw error instanceof SlateError
          ? new UserError(`slates[${error.user}]: ${error.message}`, { cause: error })
          : error;
      });
      return {
        reward: Array.from(reward),
        choice: Array.from(choice),
        terminated: Array.from(terminated, Boolean),
        truncated,
        state: await readStates(simulator),
      };
    });
  }

  /** Removes an environment after its pending requests. @throws UserError for an unknown environment. */
  async close({ environment }: CloseRequest): Promise<void> {
    await this.#inTurn(environment, ({ simulator }) => {
      this.#environments.delete(environment);
      simulator.destroy();
      return Promise.resolve();
    });
  }

  destroy(): void {
    for (const { simulator } of this.#environments.values()) simulator.destroy();
    this.#environments.clear();
  }

  async #create(options: Omit<ResetRequest, "environment" | "episode">): Promise<string> {
    this.#creating++;
    using _created = { [Symbol.dispose]: () => this.#creating-- };
    await this.#evictIdle();
    const { model, data: { source, dataset } } = this;
    expectPagesWithoutClick(source);
    this.#contexts ??= drawContexts(source, listModelContext(model.config, dataset.features));
    const users = new LearnedSource(model, "the model", this.#contexts);
    const simulator = await Simulator.create(model.gpu, users, { ...options, usersAtOnce: options.users });
    if (simulator.usersAtOnce < options.users) {
      const { usersAtOnce } = simulator;
      simulator.destroy();
      throw new UserError(
        `users: Expected at most ${usersAtOnce} for slates of ${options.slate} items, got ${options.users}.`,
      );
    }
    const name = String(++this.#created);
    this.#environments.set(name, { simulator, lastUse: this.now(), turn: Promise.resolve() });
    return name;
  }

  /** Closes the longest-idle environment of a full pool. @throws TooManyEnvironmentsError if none is idle */
  async #evictIdle(): Promise<void> {
    const [oldest] = this.#environments;
    if (this.#environments.size + this.#creating <= MAX_ENVIRONMENTS) return;
    const [environment, { lastUse }] = oldest ?? ["", { lastUse: Infinity }];
    if (this.now() - lastUse < IDLE_MS) {
      throw new TooManyEnvironmentsError(
        `Expected at most ${MAX_ENVIRONMENTS} environments. End an environment with POST /close, or wait ` +
          `until an environment is idle for ${IDLE_MS / 60_000} minutes.`,
      );
    }
    await this.close({ environment });
  }

  /** Runs `work` when all earlier requests of the environment are done. */
  async #inTurn<T>(name: string, work: (kept: PooledEnvironment) => Promise<T>): Promise<T> {
    const kept = this.#environments.get(name);
    if (!kept) {
      throw new UserError(
        `environment: Expected an existing environment, got ${
          JSON.stringify(name)
        }, which was closed, or replaced by a new one after ${IDLE_MS / 60_000} idle minutes. ` +
          "Create one with POST /reset.",
      );
    }
    this.#environments.delete(name);
    this.#environments.set(name, kept);
    kept.lastUse = this.now();
    const before = kept.turn;
    const own = before.then(() => work(kept));
    kept.turn = own.catch(() => {}); // only the client of this request gets the error
    return await own;
  }
}

async function readStates(simulator: Simulator): Promise<number[][]> {
  const { users } = simulator.settings;
  const states = await simulator.states();
  const width = states.length / users;
  return Array.from(
    { length: users },
    (_, user) => Array.from(states.subarray(user * width, (user + 1) * width)),
  );
}
