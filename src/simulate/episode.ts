/** Episode of simulated users: dispatches are recorded once, and run without a wait between pages. */

import chooseText from "../../kernels/simulate/choose_click.wgsl" with { type: "text" };
import type { Arena } from "../gpu/arena.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import { makeKey, purposes } from "../data/philox.ts";
import { fill, recordPageMask } from "./pool.ts";
import type { EpisodeRules, SimulationSettings } from "./simulator_options.ts";
import type { PageBuffers } from "./page_buffers.ts";
import { type EpisodeKey, PageHeaders, PageProgram } from "./page_program.ts";
import type { PageDispatch, Policy } from "./policy.ts";
import type { StartClicks } from "./start.ts";
import type { SimulatedUsers } from "./users.ts";
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";

export interface EpisodeParts {
  /** Arena for the policy's buffers and the uniforms of all pages. */
  readonly arena: Arena;
  readonly page: PageBuffers;
  readonly environment: SimulatedUsers;
  readonly policy: Policy;
  /** Users whose states the policy reads; by default, the users who click. */
  readonly observer?: SimulatedUsers;
  readonly rules: EpisodeRules & Pick<SimulationSettings, "pool" | "repeats">;
  readonly starts: StartClicks;
  readonly log: LogViews;
  /** Dispatches that run on each page before the policy reads user states; those of `after` run last. */
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

  /** Records the programs of an episode. @throws Error that names a kernel that cannot be compiled. */
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
      prepare: await record("tables", [
        ...observers.flatMap((one) => one.prepare()),
        ...policy.prepare?.() ?? [],
      ]),
      begin: await record("begin", begin),
      feed: await record("start", page.startClicks > 0 ? [starts.feed(), ...step] : []),
      page: await record("page", dispatches),
    };
    return new Episode(page.startClicks, starts, headers, programs);
  }

  /** Makes the next episode recompute tables that depend on weights. Must be called after setting weights. */
  weightsChanged(): void {
    this.#prepared = false;
  }

  /** Encodes the start of an episode, and uploads its uniforms. Previous episodes may still be running. */
  begin(commands: CommandRecorder, key: EpisodeKey): void {
    const { starts, headers, programs, startClicks } = this;
    starts.put(key.users, key.firstUser, key.episode, makeKey(key.seed));
    // Header 0 resets all users, also those outside the episode. The next headers apply start clicks.
    headers.put(key, (place) => Math.max(0, place - 1 - (place <= startClicks ? 0 : startClicks)));
    if (!this.#prepared) programs.prepare.encode(commands, 0);
    this.#prepared = true;
    programs.begin.encode(commands, 0);
    for (let s = 0; s < startClicks; s++) programs.feed.encode(commands, 1 + s);
  }

  /** Encodes one page of the episode that began last. @param page - index of the page in the episode */
  page(commands: CommandRecorder, page: number): void {
    this.programs.page.encode(commands, 1 + this.startClicks + page);
  }
}

const chooseKernel = parseKernel("choose_click", chooseText);

/** Log of an episode in device memory. */
export interface LogViews {
  /** [pages, users, slots] u32: the shown items. */
  readonly slates: View;
  /** [pages, users] vec4f: clicked slot (k for no click), reward, P(any click), 1. All 0 if the user left. */
  readonly outcomes: View;
}

/** Allocates the log of an episode. @throws UserError if the adapter lacks the memory. */
export function logViews({ arena, users, slate, pages }: PageBuffers): LogViews {
  return {
    slates: arena.allocate("log of slates", 4 * pages * users * slate),
    outcomes: arena.allocate("log of outcomes", 16 * pages * users),
  };
}

/** Draws a click or no click for each user. @param utilities - [rows, 1] utility of each shown item */
export function choose(
  page: PageBuffers,
  { eta, positionEffects }: Pick<SimulatedUsers, "eta" | "positionEffects">,
  utilities: Tensor,
  log: LogViews,
  { reward, leave, patience }: EpisodeRules,
): ClickDispatch {
  const { slate: SLATE, users: USERS } = page;
  return {
    kernel: chooseKernel,
    label: "choose_click",
    constants: {
      SLATE,
      USERS,
      ETA: eta,
      PLACES: positionEffects?.columns ?? 0,
      UTILITY: reward === "utility",
      LEAVE: leave,
      PATIENCE: patience,
      CHOICE_PURPOSE: purposes.CHOICE,
      LEAVE_PURPOSE: purposes.LEAVE,
    },
    views: {
      utility: asBufferView(utilities.view),
      slate: page.slates,
      place: asBufferView((positionEffects ?? utilities).view),
      event: page.event,
      clicked: page.clicked,
      alive: page.alive,
      log_slate: log.slates,
      log_outcome: log.outcomes,
    },
    invocations: ["users"],
    cost: (s) => ({ flops: 30 * s.rows, bytes: 12 * s.rows + 40 * s.users }),
  };
}
