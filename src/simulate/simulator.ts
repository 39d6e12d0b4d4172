/** Simulates users on the device. Either a policy or the calling program chooses each page's slates. */

import { makeKey } from "../data/philox.ts";
import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { readFloats, readViews } from "../gpu/readback.ts";
import { asBufferView } from "../gpu/memory.ts";
import { unpadRows } from "../tape/tensor.ts";
import { UserError } from "../user_error.ts";
import { Episode, type LogViews, logViews } from "./episode.ts";
import { resolveSettings, validateSlates } from "./simulator_options.ts";
import type { SimulationSettings, SimulatorOptions } from "./simulator_options.ts";
import { type EpisodeLog, readLog } from "./episode_log.ts";
import { type SimulationMetrics, SimulationTotals } from "./simulation_metrics.ts";
import { countPassWords, PageBuffers } from "./page_buffers.ts";
import type { EpisodeKey } from "./page_program.ts";
import type { Policy } from "./policy.ts";
import { drawStartHistory, StartClicks, startClicks } from "./start.ts";
import type { SimulatedUsers, UsersSource } from "./users.ts";

/** Options of {@link Simulator.run}. */
export interface SimulatorRunOptions {
  /** Number of episodes per user; 1 by default. */
  readonly episodes?: number;
  /** Index of the first episode, 0 by default. The random numbers of an episode depend on its index. */
  readonly firstEpisode?: number;
  /** Index of the first page to simulate, 0 by default; the log has no data of earlier pages. */
  readonly firstPage?: number;
  /** Callback that is awaited after each group of pages. If the callback throws, the run stops. */
  readonly onProgress?: (done: number, of: number) => void | Promise<void>;
  /** Awaited after each page, when buffers hold the page's results. A submission then is one page. */
  readonly onPage?: (page: { readonly users: number; readonly page: number }) => void | Promise<void>;
  /** Receives the logs in order: one log per episode and group of users that are simulated together. */
  readonly onLog?: (log: EpisodeLog) => void | Promise<void>;
}

/** Outcomes of one page, one per user, as {@link Simulator.step} returns them. */
export interface StepOutcome {
  /** [users] reward of the page. */
  readonly reward: Float32Array<ArrayBuffer>;
  /** [users] clicked slot, counted from 0; the length of the slate if nothing was clicked. */
  readonly choice: Uint32Array<ArrayBuffer>;
  /** [users] probability of any click, according to the environment. */
  readonly probability: Float32Array<ArrayBuffer>;
  /** [users] 1 if the user left after this page or an earlier page, else 0. */
  readonly terminated: Uint8Array<ArrayBuffer>;
  /** True if this was the last page of the episode. */
  readonly truncated: boolean;
}

/** Pages per submission. The host submits the next pages while the device simulates earlier pages. */
const PAGES_A_SUBMIT = 8;
/** Maximum bytes of the buffer of counts of unclicked impressions; every adapter can bind this size. */
const PASSED_BYTES = 112 * 2 ** 20;
/** Maximum number of users x slots on a page; the memory of the model's hidden layers grows with it. */
const SLATE_ROWS = 2 ** 18;

/**
 * Simulator of the users of a learned model or a synthetic shop.
 *
 * @example
 * ```ts ignore
 * using simulator = await Simulator.create(gpu, source, { users: 4096, slate: 5, pages: 20 });
 * const metrics = await simulator.run(randomPolicy, { episodes: 10 });
 * ```
 */
export class Simulator {
  readonly #page: PageBuffers;
  readonly #environment: SimulatedUsers;
  readonly #log: LogViews;
  readonly #starts: StartClicks;
  /** Episode in which the caller chooses the slates: {@link reset} starts it, {@link step} shows a page. */
  #given: Episode | undefined;
  #standing: { readonly episode: number; page: number } | undefined;
  #clicked: Set<number>[] = [];
  readonly #stack: DisposableStack;

  private constructor(
    /** @internal */
    readonly gpu: Gpu,
    /** Source of the simulated users. */
    readonly source: UsersSource,
    /**
     * Options of the simulation, with all defaults.
     * @internal
     */
    readonly settings: SimulationSettings,
  ) {
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "simulator"));
    const { users, usersAtOnce, slate, pages, start } = settings;
    const items = source.itemCount;
    const byItems = Math.floor(PASSED_BYTES / 4 / countPassWords({ items }));
    const most = Math.max(1, Math.min(byItems, Math.floor(SLATE_ROWS / slate)));
    const room = { users: Math.min(users, usersAtOnce, most), slate, items, pages };
    this.#page = new PageBuffers(gpu, arena, { ...room, startClicks: startClicks(start) });
    this.#log = logViews(this.#page);
    this.#starts = new StartClicks(this.#page, start);
    this.#environment = stack.use(source.users(this.#page));
    this.#stack = stack.move();
  }

  /** Loads the users on the device. @throws UserError for invalid options, or too little memory. */
  static create(gpu: Gpu, source: UsersSource, options: SimulatorOptions): Promise<Simulator> {
    return new Promise((resolve) =>
      resolve(new Simulator(gpu, source, resolveSettings(options, source.itemCount)))
    );
  }

  /** Number of users that are simulated together. */
  get usersAtOnce(): number {
    return this.#page.users;
  }

  /** Simulates all users with a policy. @throws UserError for non-finite utilities; errors of `policy`. */
  async run(policy: Policy, options: SimulatorRunOptions = {}): Promise<SimulationMetrics> {
    const { episodes = 1, firstEpisode = 0, firstPage = 0, onProgress, onPage, onLog } = options;
    if (!Number.isInteger(episodes) || episodes < 1) {
      throw new UserError(`Expected 1 episode or more, got ${episodes}.`);
    }
    const { users, seed } = this.settings;
    const { pages, slate, items } = this.#page;
    const sums = new SimulationTotals({ users, episodes, pages, slate, items }, firstEpisode);
    const windows = Math.ceil(users / this.usersAtOnce);
    const submit = onPage ? 1 : PAGES_A_SUBMIT;
    const groups = Math.ceil((pages - firstPage) / submit);
    const all = episodes * windows * groups;
    let done = 0;
    this.#standing = undefined; // this run replaces the users of step()
    /** Resolves when the previous episode's log is read, while the device runs the next episode. */
    let before: Promise<void> | undefined;
    const take = async (reading: Promise<EpisodeLog>, earlier: Promise<void> | undefined) => {
      const log = await reading;
      await earlier;
      sums.add(log);
      await onLog?.(log);
    };
    using stack = new DisposableStack();
    try {
      const episode = await this.#record(policy, stack);
      for (let e = 0; e < episodes; e++) {
        for (let firstUser = 0; firstUser < users; firstUser += this.usersAtOnce) {
          const own = Math.min(this.usersAtOnce, users - firstUser);
          const key: EpisodeKey = { users: own, firstUser, episode: firstEpisode + e, seed };
          await this.#play(episode, key, { firstPage, submit }, async (page) => {
            await onPage?.({ users: own, page });
            await onProgress?.(++done, all);
          });
          const earlier = before;
          before = take(readLog(this.gpu, this.#page, this.#log, key, policy.logProbabilities?.()), earlier);
          before.catch(() => {}); // `await before` reports the error
          await earlier;
        }
      }
      await before;
    } finally {
      await before?.catch(() => {});
    }
    return sums.metrics;
  }

  /** Starts an episode for calls of {@link step}. @param episode - its index, which seeds random numbers */
  async reset(episode = 0): Promise<void> {
    const { users, seed } = this.settings;
    if (users > this.usersAtOnce) {
      throw new UserError(
        `Expected at most ${this.usersAtOnce} users for step(), got ${users}. Raise \`usersAtOnce\`.`,
      );
    }
    const none: Policy = { name: "given slates", record: () => [] };
    const given = this.#given ??= await this.#record(none, this.#stack);
    const key = { users, firstUser: 0, episode, seed };
    CommandRecorder.submit(this.gpu, "reset", (commands) => given.begin(commands, key));
    this.#standing = { episode, page: 0 };
    const { start } = this.settings;
    this.#clicked = Array.from(
      { length: users },
      (_, user) => new Set(Array.from(drawStartHistory(start, user, episode, makeKey(seed)))),
    );
  }

  /**
   * Shows a slate to every user, and waits once for the device. @param slates - [users, slots] items; slates
   * of users who have left are ignored. @throws UserError if called before {@link reset} or after the last
   * page, or if a user may not see an item.
   */
  async step(slates: ArrayLike<number>): Promise<StepOutcome> {
    const { users, pages, slate: k } = this.settings;
    const [standing, given] = [this.#standing, this.#given];
    if (!standing || !given) throw new UserError("Expected reset() before the first step().");
    if (standing.page >= pages) {
      throw new UserError(
        `Expected at most ${pages} pages per episode, got one more. Start a new episode by reset().`,
      );
    }
    const room = { users, slate: k, items: this.#page.items };
    const words = validateSlates(slates, room, this.settings.repeats ? undefined : this.#clicked);
    this.gpu.queue.writeBuffer(this.#page.slates.buffer, this.#page.slates.offset, words);
    CommandRecorder.submit(this.gpu, "step", (commands) => given.page(commands, standing.page));
    const U = this.#page.users;
    const [logged, alive] = await readViews(this.gpu, [this.#log.outcomes, this.#page.alive]);
    const values = new Float32Array(logged?.buffer ?? new ArrayBuffer(0), 16 * standing.page * U, 4 * users);
    const isThere = (u: number) => values[4 * u + 3] === 1;
    const choice = Uint32Array.from({ length: users }, (_, u) => (isThere(u) ? values[4 * u] : k) ?? k);
    choice.forEach((slot, u) => {
      if (slot < k) this.#clicked[u]?.add(words[u * k + slot] ?? 0);
    });
    const probability = Float32Array.from({ length: users }, (_, u) => values[4 * u + 2] ?? NaN);
    const broken = probability.findIndex((p) => !Number.isFinite(p));
    if (broken >= 0) {
      throw new UserError(`Expected finite utilities, got NaN or infinity for user ${broken}.`);
    }
    standing.page++;
    return {
      reward: Float32Array.from({ length: users }, (_, u) => values[4 * u + 1] ?? 0),
      choice,
      probability,
      terminated: Uint8Array.from({ length: users }, (_, u) => (alive?.[u] === 0 ? 1 : 0)),
      truncated: standing.page === pages,
    };
  }

  /** Waits for the device, and reads the user states [users, columns] of the environment. */
  async states(): Promise<Float32Array<ArrayBuffer>> {
    const { state } = this.#environment;
    const { users } = this.settings;
    const values = await readFloats(this.gpu, asBufferView(state.view));
    return unpadRows(values, Math.min(users, this.usersAtOnce), state.columns, state.groups, state.stride);
  }

  /** Releases the device memory. Call this method only while no commands run on the device. */
  destroy(): void {
    this.#stack.dispose();
  }
  /** Releases the device memory when the scope of a `using` declaration ends. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Submits an episode in groups of pages. At most two groups are unfinished on the device at a time. */
  async #play(
    episode: Episode,
    key: EpisodeKey,
    { firstPage, submit }: { readonly firstPage: number; readonly submit: number },
    onGroup: (firstPage: number) => Promise<void>,
  ): Promise<void> {
    const { pages } = this.#page;
    const { queue } = this.gpu;
    let before: Promise<unknown> | undefined;
    try {
      for (let from = firstPage; from < pages; from += submit) {
        const commands = new CommandRecorder(this.gpu, "pages");
        if (from === firstPage) episode.begin(commands, key);
        for (let t = from; t < Math.min(pages, from + submit); t++) episode.page(commands, t);
        queue.submit([commands.finish()]);
        await before;
        before = from + submit < pages ? this.#reached() : undefined;
        await onGroup(from);
      }
    } finally {
      await before;
    }
  }

  /** Resolves when the device has finished all submitted work. */
  async #reached(): Promise<void> {
    await readViews(this.gpu, [{ ...this.#page.alive, size: 4 }]);
  }

  #record(policy: Policy, stack: DisposableStack): Promise<Episode> {
    const { observes } = policy;
    if (observes && observes.itemCount !== this.source.itemCount) {
      throw new UserError(
        `Expected a policy for the ${this.source.itemCount} items of ${this.source.name}, ` +
          `got ${policy.name} for ${observes.itemCount} items.`,
      );
    }
    const arena = stack.use(new Arena(this.gpu, policy.name));
    const observer = observes && observes !== this.source
      ? stack.use(observes.users(this.#page, arena))
      : undefined;
    const shared = { page: this.#page, starts: this.#starts, log: this.#log, rules: this.settings };
    const environment = this.#environment;
    return Episode.create({ ...shared, arena, environment, observer, policy });
  }
}
