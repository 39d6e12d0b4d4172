/** LinUCB plays with simulated users, page by page, as it lives on the host; and what it knows of items. */

import type { LinUcb } from "./lin_ucb.ts";
import type { Gpu } from "../../gpu/device.ts";
import { emptyLog, type EpisodeLog } from "../../simulate/episode_log.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { Arena } from "../../gpu/arena.ts";
import { Commands } from "../../gpu/commands.ts";
import { Made } from "../../gpu/made.ts";
import { readViews } from "../../gpu/readback.ts";
import { Page } from "../../simulate/page.ts";
import { PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import { unpadRows } from "../../tape/layout.ts";

export class LinUcbAgent {
  /** [U, width] sums of the vectors of clicked items. */
  readonly #sums: Float64Array;
  /** [U] clicks. */
  readonly #counts: Uint32Array;
  readonly #clicked: Set<number>[];

  /**
   * @param bandit over these vectors. @param vectors [I, width] of the items. @param repeats whether what a user clicked may be
   *   shown to them again.
   */
  constructor(
    readonly bandit: LinUcb,
    private readonly vectors: Float32Array,
    private readonly width: number,
    private readonly users: number,
    private readonly slate: number,
    private readonly repeats: boolean,
  ) {
    this.#sums = new Float64Array(users * width);
    this.#counts = new Uint32Array(users);
    this.#clicked = Array.from({ length: users }, () => new Set<number>());
  }

  /** Users without a click take the places of those who were there; what was learned stays. */
  newUsers(): void {
    this.#sums.fill(0);
    this.#counts.fill(0);
    for (const clicked of this.#clicked) clicked.clear();
  }

  /** [U, k] for a page of all users. @throws RangeError where too few items are left. */
  slates(): Uint32Array<ArrayBuffer> {
    const slates = new Uint32Array(this.users * this.slate);
    for (let user = 0; user < this.users; user++) {
      const clicked = this.#clicked[user]!;
      const allowed = (item: number) => this.repeats || !clicked.has(item);
      slates.set(this.bandit.slate(this.#mean(user), this.slate, allowed), user * this.slate);
    }
    return slates;
  }

  /**
   * Moves users by what became of the slates. @param slots [U] that were clicked, k or more for none.
   * @param present who saw them. @param learns whether the bandit gets to know.
   */
  tell(
    slates: ArrayLike<number>,
    slots: ArrayLike<number>,
    present: (user: number) => boolean,
    learns: boolean,
  ): void {
    for (let user = 0; user < this.users; user++) {
      if (!present(user)) continue;
      const mean = this.#mean(user);
      for (let j = 0; j < this.slate && learns; j++) {
        this.bandit.learn(mean, slates[user * this.slate + j]!, slots[user] === j ? 1 : 0);
      }
      const slot = slots[user]!;
      if (slot < this.slate) this.#click(user, slates[user * this.slate + slot]!);
    }
  }

  #click(user: number, item: number): void {
    const { width, vectors } = this;
    for (let k = 0; k < width; k++) {
      this.#sums[user * width + k] = this.#sums[user * width + k]! + vectors[item * width + k]!;
    }
    this.#clicked[user]!.add(item);
    this.#counts[user] = this.#counts[user]! + 1;
  }

  #mean(user: number): Float64Array {
    const count = Math.max(1, this.#counts[user]!);
    return this.#sums.slice(user * this.width, (user + 1) * this.width).map((sum) => sum / count);
  }
}

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
  using simulator = await Simulator.create(gpu, users, { ...options, together: options.users });
  const { episodes, firstEpisode = 0, learns, onPage } = options;
  const { users: U, slate, pages, repeats } = simulator.settings;
  const agent = new LinUcbAgent(bandit, values, width, U, slate, repeats);
  const logs: EpisodeLog[] = [];
  for (let e = 0; e < episodes; e++) {
    const log = emptyLog({ episode: firstEpisode + e, firstUser: 0, users: U, pages, slate });
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
}

/** [I, G] as policies see them: dense features, otherwise what the model makes of an item. */
export async function itemVectorsOf(gpu: Gpu, source: UsersSource): Promise<ItemVectors> {
  using made = new Made();
  const arena = made.keep(new Arena(gpu, "item vectors"));
  const page = new Page(gpu, arena, {
    users: 1,
    slate: 1,
    items: source.itemCount,
    pages: 1,
    startClicks: 0,
  });
  const users = made.keep(source.users(page));
  const prepare = users.prepare();
  const headers = new PageHeaders(arena, page, 1, prepare);
  const program = await PageProgram.record(gpu, "item vectors", headers, prepare);
  headers.put({ users: 1, firstUser: 0, episode: 0, seed: 0 }, () => 0);
  Commands.submit(gpu, "item vectors", (commands) => program.encode(commands, 0));
  const { view, columns, groups } = users.itemVectors;
  const [words] = await readViews(gpu, [view]);
  const floats = new Float32Array(words?.buffer ?? new ArrayBuffer(0));
  return { values: unpadRows(floats, source.itemCount, columns, groups), width: columns };
}
