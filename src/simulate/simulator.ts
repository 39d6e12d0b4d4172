/** Simulated users: all are stepped together on the device, under a policy or page by page. */

import { makeKey } from "../data/philox.ts";
import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { readFloats, readViews } from "../gpu/readback.ts";
import { asBufferView } from "../gpu/memory.ts";
import { unpadRows } from "../tape/tensor.ts";
import { UserError } from "../user_error.ts";
import { countPassWords } from "./recurrent_state.ts";
import { type LogViews, logViews } from "./choose_clicks.ts";
import { Episode } from "./episode.ts";
import {
  resolveSettings,
  type SimulationSettings,
  type SimulatorOptions,
  validateSlates,
} from "./simulator_options.ts";
import { type EpisodeLog, readLog } from "./episode_log.ts";
import { type SimulationMetrics, SimulationTotals } from "./simulation_metrics.ts";
import { PageBuffers } from "./page_buffers.ts";
import type { EpisodeKey } from "./page_program.ts";
import type { Policy } from "./policy.ts";
import { drawStartHistory, StartClicks, startClicks } from "./start.ts";
import type { SimulatedUsers, UsersSource } from "./users.ts";

/** How {@link Simulator.run} is run. */
export interface SimulatorRunOptions {
  /** Episodes of each user; 1 by default. */
  readonly episodes?: number;
  /** The number of the first; 0 by default. Random numbers follow from it. */
  readonly firstEpisode?: number;
  /** The first page that is played, from 0 on; 0 by default. Nothing is known of those before it. */
  readonly firstPage?: number;
  /** Told after each group of pages; also what is awaited, so that it may stop the run by throwing. */
  readonly onProgress?: (done: number, of: number) => void | Promise<void>;
  /** Told after each page, alone in its submission and awaited: what it reads of the device is what the page left there. */
  readonly onPage?: (page: { readonly users: number; readonly page: number }) => void | Promise<void>;
  /** Gets the log of each episode of users who were stepped together, in order. */
  readonly onLog?: (log: EpisodeLog) => void | Promise<void>;
}

/** What a page of {@link Simulator.step} came to, by user. */
export interface StepOutcome {
  /** [U] */
  readonly reward: Float32Array<ArrayBuffer>;
  /** [U] the slot that was clicked, k for none. */
  readonly choice: Uint32Array<ArrayBuffer>;
  /** [U] P(any click), as those who click have it. */
  readonly probability: Float32Array<ArrayBuffer>;
  /** [U] 1 where the user has left, on this page or before. */
  readonly terminated: Uint8Array<ArrayBuffer>;
  /** Whether this was the last page. */
  readonly truncated: boolean;
}

/** Pages that are submitted at once. A wait for them costs nothing, as the next are under way. */
const PAGES_A_SUBMIT = 8;
/** The most bytes that is taken by what users have passed over, four times the bits of items: less than any adapter binds. */
const PASSED_BYTES = 112 * 2 ** 20;
/** The most rows of all slates: hidden layers have a row for each. */
const SLATE_ROWS = 2 ** 18;

/**
 * Simulated users: a learned model's, or those of a made-up shop.
 *
 * @example
 * ```ts ignore
 * const simulator = await Simulator.create(gpu, source, { users: 4096, slate: 5, pages: 20, seed: 1 });
 * const figures = await simulator.run(randomPolicy, { episodes: 10 });
 * simulator.destroy();
 * ```
 */
export class Simulator {
  readonly #page: PageBuffers;
  readonly #environment: SimulatedUsers;
  readonly #log: LogViews;
  readonly #starts: StartClicks;
  /** Of slates that are given. */
  #given: Episode | undefined;
  /** Of {@link step}. */
  #standing: { readonly episode: number; page: number } | undefined;
  #clicked: Set<number>[] = [];
  readonly #stack: DisposableStack;

  private constructor(
    /** @internal */
    readonly gpu: Gpu,
    /** Who is simulated. */
    readonly source: UsersSource,
    /**
     * With all defaults filled in.
     * @internal
     */
    readonly settings: SimulationSettings,
  ) {
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "simulator"));
    const { users, together, slate, pages, start } = settings;
    const items = source.itemCount;
    const byItems = Math.floor(PASSED_BYTES / 4 / countPassWords({ items }));
    const most = Math.max(1, Math.min(byItems, Math.floor(SLATE_ROWS / slate)));
    const room = { users: Math.min(users, together, most), slate, items, pages };
    this.#page = new PageBuffers(gpu, arena, { ...room, startClicks: startClicks(start) });
    this.#log = logViews(this.#page);
    this.#starts = new StartClicks(this.#page, start);
    this.#environment = stack.use(source.users(this.#page));
    this.#stack = stack.move();
  }

  /**
   * Users of a source, on the device.
   * @throws UserError for options that do not fit the catalogue or each other, and for more than the adapter holds.
   */
  static create(gpu: Gpu, source: UsersSource, options: SimulatorOptions): Promise<Simulator> {
    return new Promise((resolve) =>
      resolve(new Simulator(gpu, source, resolveSettings(options, source.itemCount)))
    );
  }

  /** Users that are stepped together. */
  get together(): number {
    return this.#page.users;
  }

  /**
   * All users under a policy, each for some episodes. Nothing is waited for between pages.
   * @throws UserError for utilities that are no numbers, and what the policy throws.
   */
  async run(policy: Policy, options: SimulatorRunOptions = {}): Promise<SimulationMetrics> {
    const { episodes = 1, firstEpisode = 0, firstPage = 0, onProgress, onPage, onLog } = options;
    if (!Number.isInteger(episodes) || episodes < 1) {
      throw new UserError(`Expected 1 episode or more, got ${episodes}.`);
    }
    const { users, seed } = this.settings;
    const { pages, slate, items } = this.#page;
    const sums = new SimulationTotals({ users, episodes, pages, slate, items }, firstEpisode);
    const windows = Math.ceil(users / this.together);
    const submit = onPage ? 1 : PAGES_A_SUBMIT;
    const groups = Math.ceil((pages - firstPage) / submit);
    const all = episodes * windows * groups;
    let done = 0;
    this.#standing = undefined; // the users of step() are those of this run from here on
    /** What became of the log of the episode before, which is read while the next is played. */
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
        for (let firstUser = 0; firstUser < users; firstUser += this.together) {
          const own = Math.min(this.together, users - firstUser);
          const key: EpisodeKey = { users: own, firstUser, episode: firstEpisode + e, seed };
          await this.#play(episode, key, { firstPage, submit }, async (page) => {
            await onPage?.({ users: own, page });
            await onProgress?.(++done, all);
          });
          const earlier = before;
          before = take(readLog(this.gpu, this.#page, this.#log, key, policy.chances?.()), earlier);
          before.catch(() => {}); // whoever waits for it learns of it
          await earlier;
        }
      }
      await before;
    } finally {
      await before?.catch(() => {});
    }
    return sums.figures;
  }

  /** Starts an episode for {@link step}. @param episode its number: random numbers follow from it. */
  async reset(episode = 0): Promise<void> {
    const { users, seed } = this.settings;
    if (users > this.together) {
      throw new UserError(
        `Expected at most ${this.together} users to step page by page, got ${users}. Use fewer, or raise \`together\`.`,
      );
    }
    const none: Policy = { name: "given slates", record: () => [], prepare: () => [] };
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
   * Shows a slate to every user. One wait.
   * @param slates [U, k] items. Those of users who have left are not looked at.
   * @throws UserError before {@link reset} and after the last page, and for slates that no user may see.
   */
  async step(slates: ArrayLike<number>): Promise<StepOutcome> {
    const { users, pages, slate: k } = this.settings;
    const [standing, given] = [this.#standing, this.#given];
    if (!standing || !given) throw new UserError("Expected reset() before the first step().");
    if (standing.page >= pages) {
      throw new UserError(`Expected at most ${pages} pages an episode: call reset() for the next.`);
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
      throw new UserError(`Expected utilities that are numbers, got others for user ${broken}.`);
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

  /** [U, S] what is known of each user from their clicks, as the encoder of whoever clicks has it. Waits for the GPU. */
  async states(): Promise<Float32Array<ArrayBuffer>> {
    const { state } = this.#environment;
    const { users } = this.settings;
    const values = await readFloats(this.gpu, asBufferView(state.view));
    return unpadRows(values, Math.min(users, this.together), state.columns, state.groups, state.stride);
  }

  /** Frees the GPU. Nothing may be under way. */
  destroy(): void {
    this.#stack.dispose();
  }
  /** As `destroy`, for blocks that hold it by `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Submits an episode, and waits for no more than the group of pages before the last. */
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

  /** Resolves when the device has done what was submitted so far. */
  async #reached(): Promise<void> {
    await readViews(this.gpu, [{ ...this.#page.alive, size: 4 }]);
  }

  /** Records a policy, with an arena of its own. @param stack gets what is freed in the end. */
  #record(policy: Policy, stack: DisposableStack): Promise<Episode> {
    const { observes } = policy;
    if (observes && observes.itemCount !== this.source.itemCount) {
      throw new UserError(
        `Expected a policy over the ${this.source.itemCount} items of ${this.source.name}, got ${policy.name} over ` +
          `${observes.itemCount}.`,
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
