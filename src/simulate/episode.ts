/** An episode of all users of a page: recorded once, replayed without a wait between pages. */

import type { Arena } from "../gpu/arena.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import { makeKey } from "../data/philox.ts";
import { choose, type EpisodeRules, type LogViews } from "./choose_clicks.ts";
import { fill, recordPageMask } from "./pool.ts";
import type { SimulationSettings } from "./simulator_options.ts";
import type { PageBuffers } from "./page_buffers.ts";
import { type EpisodeKey, PageHeaders, PageProgram } from "./page_program.ts";
import type { PageDispatch, Policy } from "./policy.ts";
import type { StartClicks } from "./start.ts";
import type { SimulatedUsers } from "./users.ts";

/** What an episode is made of. */
export interface EpisodeParts {
  /** For the policy's buffers and the headers. */
  readonly arena: Arena;
  readonly page: PageBuffers;
  readonly environment: SimulatedUsers;
  readonly policy: Policy;
  /** How the policy sees the users; the environment itself by default. */
  readonly observer?: SimulatedUsers;
  readonly rules: EpisodeRules & Pick<SimulationSettings, "pool" | "repeats">;
  readonly starts: StartClicks;
  readonly log: LogViews;
  /** What else runs on every page: before the policy, when states and masks are those it sees, and at the page's end. */
  readonly before?: readonly PageDispatch[];
  readonly after?: readonly PageDispatch[];
}

export class Episode {
  #prepared = false;

  private constructor(
    private readonly startClicks: number,
    private readonly starts: StartClicks,
    private readonly headers: PageHeaders,
    private readonly programs: Record<"prepare" | "begin" | "feed" | "page", PageProgram>,
  ) {}

  /** Records everything. @throws Error that names the kernel that fails. */
  static async create(parts: EpisodeParts): Promise<Episode> {
    const { arena, page, environment, policy, starts, rules, observer = environment } = parts;
    const observers = observer === environment ? [environment] : [environment, observer];
    const context = { arena, page, environment, observer, rules };
    const slates = policy.record(context);
    const slate = environment.utilities();
    const step = observers.flatMap((one) => one.step());
    const dispatches: PageDispatch[] = [
      recordPageMask(page, rules.pool, rules.repeats, arena),
      ...parts.before ?? [],
      ...slates,
      ...slate.dispatches,
      choose(page, environment, slate.utilities, parts.log, rules),
      ...observers.flatMap((one) => one.shown()),
      ...step,
      ...parts.after ?? [],
    ];
    const headers = new PageHeaders(arena, page, 1 + page.startClicks + page.pages, dispatches);
    const record = (name: string, own: readonly PageDispatch[]) =>
      PageProgram.record(page.gpu, `${policy.name}: ${name}`, headers, own);
    const begin = [
      fill("no clicks yet", page.clicked, page.panels),
      fill("all are there", page.alive, 1, 1),
      ...observers.flatMap((one) => one.reset()),
    ];
    const programs = {
      prepare: await record("tables", [...observers.flatMap((one) => one.prepare()), ...policy.prepare()]),
      begin: await record("begin", begin),
      feed: await record("start", page.startClicks > 0 ? [starts.feed(), ...step] : []),
      page: await record("page", dispatches),
    };
    return new Episode(page.startClicks, starts, headers, programs);
  }

  /** Weights were set anew: tables are made again before the next episode. */
  weightsChanged(): void {
    this.#prepared = false;
  }

  /** Appends what comes before the first page, and sends what its kernels read. Earlier episodes may still be in flight. */
  begin(commands: CommandRecorder, key: EpisodeKey): void {
    const { starts, headers, programs, startClicks } = this;
    starts.put(key.users, key.firstUser, key.episode, makeKey(key.seed));
    // The first place clears the buffers of all users, whoever takes part. The next feed what users start with.
    headers.put(key, (place) => Math.max(0, place - 1 - (place <= startClicks ? 0 : startClicks)));
    if (!this.#prepared) programs.prepare.encode(commands, 0);
    this.#prepared = true;
    programs.begin.encode(commands, 0);
    for (let s = 0; s < startClicks; s++) programs.feed.encode(commands, 1 + s);
  }

  /** Appends a page, 0 to T - 1, of the episode that was begun last. */
  page(commands: CommandRecorder, page: number): void {
    this.programs.page.encode(commands, 1 + this.startClicks + page);
  }
}
