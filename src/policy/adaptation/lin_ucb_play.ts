/** LinUCB plays with simulated users, page by page, as it lives on the host; and what it knows of items. */

import type { LinUcb } from "./lin_ucb.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { PageContext, Policy } from "../../simulate/policy.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { Arena } from "../../gpu/arena.ts";
import { Commands } from "../../gpu/commands.ts";
import { Made } from "../../gpu/made.ts";
import { readViews } from "../../gpu/readback.ts";
import { Page } from "../../simulate/page.ts";
import { PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import { unpadRows } from "../../tape/layout.ts";

/** What is known of items: [I, width]. */
export interface ItemVectors {
  readonly values: Float32Array;
  readonly width: number;
}

/**
 * A bandit as a policy. It lives on the host, so its slates are sent page by page: whoever runs it has it {@link look} at each page
 * before the next is played.
 */
export class LinUcbPolicy implements Policy {
  readonly name = "LinUCB";
  #page: Page | undefined;
  #slate = 0;
  /** [U, width] sums of the vectors of clicked items. */
  #sums = new Float64Array();
  #clicked: Set<number>[] = [];
  #counts = new Uint32Array();
  /** [U, k] what is shown. */
  #slates = new Uint32Array();
  /** [U] 0 for users who have left. */
  #here = new Uint32Array();

  /** @param repeats whether what a user clicked may be shown to them again. @param learns whether the bandit gets to know. */
  constructor(
    readonly bandit: LinUcb,
    private readonly vectors: ItemVectors,
    private readonly repeats: boolean,
    private readonly learns: boolean,
  ) {}

  record({ page }: PageContext) {
    this.#page = page;
    this.newUsers(page.users, page.slate);
    this.#show(page);
    return [];
  }

  prepare() {
    return [];
  }

  /** What users did on a page, and the slates of the next. One wait. */
  async look({ users, page: number }: { readonly users: number; readonly page: number }): Promise<void> {
    const page = this.#page;
    if (!page) throw new Error("expected a policy that was recorded");
    const [events, alive] = await readViews(page.gpu, [page.event, page.alive]);
    if (!events || !alive) throw new Error("expected what users clicked, and who has left");
    const slots = this.#here.map((_, user) => events[4 * user + 2]! - user * page.slate);
    this.tell(this.#slates, slots, (user) => user < users && this.#here[user] !== 0);
    this.#here = alive;
    if (number + 1 === page.pages) this.newUsers(page.users, page.slate);
    this.#show(page);
  }

  #show({ gpu, slates: { buffer, offset } }: Page): void {
    this.#slates = this.slates();
    gpu.queue.writeBuffer(buffer, offset, this.#slates);
  }

  /** Users without a click take the places of those who were there; what was learned stays. @param slate k */
  newUsers(users: number, slate: number): void {
    this.#slate = slate;
    this.#sums = new Float64Array(users * this.vectors.width);
    this.#counts = new Uint32Array(users);
    this.#clicked = Array.from({ length: users }, () => new Set<number>());
    this.#here = new Uint32Array(users).fill(1);
  }

  /** [U, k] for a page of all users. @throws RangeError where too few items are left. */
  slates(): Uint32Array<ArrayBuffer> {
    const slates = new Uint32Array(this.#slate * this.#clicked.length);
    this.#clicked.forEach((clicked, user) => {
      const allowed = (item: number) => this.repeats || !clicked.has(item);
      slates.set(this.bandit.slate(this.#mean(user), this.#slate, allowed), user * this.#slate);
    });
    return slates;
  }

  /** Moves users by what became of the slates. @param slots [U] that were clicked, k or more for none. @param present who saw them. */
  tell(slates: ArrayLike<number>, slots: ArrayLike<number>, present: (user: number) => boolean): void {
    for (let user = 0; user < this.#clicked.length; user++) {
      if (!present(user)) continue;
      const mean = this.#mean(user);
      for (let j = 0; j < this.#slate && this.learns; j++) {
        this.bandit.learn(mean, slates[user * this.#slate + j]!, slots[user] === j ? 1 : 0);
      }
      const slot = slots[user]!;
      if (slot < this.#slate) this.#click(user, slates[user * this.#slate + slot]!);
    }
  }

  #click(user: number, item: number): void {
    const { width, values } = this.vectors;
    for (let k = 0; k < width; k++) {
      this.#sums[user * width + k] = this.#sums[user * width + k]! + values[item * width + k]!;
    }
    this.#clicked[user]!.add(item);
    this.#counts[user] = this.#counts[user]! + 1;
  }

  #mean(user: number): Float64Array {
    const { width } = this.vectors;
    const count = Math.max(1, this.#counts[user]!);
    return this.#sums.slice(user * width, (user + 1) * width).map((sum) => sum / count);
  }
}

export interface PlayOptions extends SimulatorOptions {
  /** Episodes of other users each. */
  readonly episodes: number;
  /** Told after each page; may stop the play by throwing. */
  readonly onPage?: (done: number, of: number) => void | Promise<void>;
}

/** A bandit learns from users who see their pages together. @returns a log an episode. @throws UserError for options that do not fit. */
export async function learnLinUcb(
  gpu: Gpu,
  source: UsersSource,
  bandit: LinUcb,
  vectors: ItemVectors,
  { episodes, onPage, ...options }: PlayOptions,
): Promise<EpisodeLog[]> {
  const { users, pages, repeats = false } = options;
  using simulator = await Simulator.create(gpu, source, { ...options, together: users });
  const { together } = simulator;
  if (together < users) {
    throw new UserError(`Expected at most ${together} users together, got ${users}. Use fewer.`);
  }
  const policy = new LinUcbPolicy(bandit, vectors, repeats, true);
  const logs: EpisodeLog[] = [];
  let done = 0;
  await simulator.run(policy, {
    episodes,
    onPage: async (seen) => {
      await policy.look(seen);
      await onPage?.(++done, episodes * pages);
    },
    onLog: (log) => void logs.push(log),
  });
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
