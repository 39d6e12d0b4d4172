/** What `bench simulate` measures: users of a model over a made-up catalogue, and pages of theirs. */

import type { Timing } from "../../src/selftest/profile/bench_report.ts";
import { randomStream } from "../../src/data/random.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { Commands } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { type Made, making } from "../../src/gpu/made.ts";
import { type TimedWork, timePasses, workOf } from "../../src/gpu/profiler.ts";
import type { Cost } from "../../src/gpu/program.ts";
import { readViews } from "../../src/gpu/readback.ts";
import { defaultModel } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { algorithms } from "../../src/policy/learning/algorithms.ts";
import { defaultPolicyTraining, type PolicyTrainingConfig } from "../../src/policy/learning/config.ts";
import { greedyPolicy, randomPolicy } from "../../src/policy/named.ts";
import { logViews } from "../../src/simulate/choose.ts";
import { Episode } from "../../src/simulate/episode.ts";
import { type EpisodeLog, readLog } from "../../src/simulate/episode_log.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { settingsOf } from "../../src/simulate/options.ts";
import { Page } from "../../src/simulate/page.ts";
import { Starts } from "../../src/simulate/start.ts";
import type { ParameterArena, ParameterSpec, Weights } from "../../src/tape/parameters.ts";
import { timingOf } from "../../src/selftest/profile/timing.ts";

/** Who chooses slates. */
const actingKinds = ["random", "cdqn", "greedy"] as const;
export type ActingKind = typeof actingKinds[number];

/** T */
export const PAGES = 20;
/** Dense features of an item. */
export const WIDTH = 16;
/** Pages that are submitted at once, as the simulator has it. */
const SUBMIT = 8;
export const SEED = 1;

/** U, I, k. */
export interface PageSizes {
  readonly users: number;
  readonly items: number;
  readonly slate: number;
}

/** A model that nothing was learned with: times do not depend on what it says. */
export function untrainedModel(gpu: Gpu, items: number): UserModel {
  return new UserModel(gpu, { kind: "dense", count: items, width: WIDTH, values: features(items) }, {
    ...defaultModel,
    // So that utilities differ enough for slates to be compared.
    kernelSd: 0.3,
  }, { seed: SEED });
}

/** [I, WIDTH] */
export function features(items: number): Float32Array<ArrayBuffer> {
  const random = randomStream(SEED, "bench simulate", String(items));
  return Float32Array.from({ length: items * WIDTH }, () => random.normal());
}

/** Training by default, but that it explores little from the beginning on, as it does most of the time. */
export function trainingConfig(slate: number): PolicyTrainingConfig {
  const epsilon = defaultPolicyTraining.epsilonEnd;
  return {
    ...defaultPolicyTraining,
    ...{ slate, pages: PAGES, seed: SEED, steps: 2 ** 40, epsilonStart: epsilon, epsilonEnd: epsilon },
  };
}

/** A dispatch of a page; of users by chunks all of them together. */
export interface PageWork extends Cost {
  readonly label: string;
  readonly kernel: string;
  readonly timing: Timing;
}

/** Times what pages do, one by one, some times over; nothing where the adapter has no timestamps. Those of one label are one. */
export async function profilePages(
  gpu: Gpu,
  work: readonly TimedWork[],
  rounds: number,
): Promise<PageWork[]> {
  if (!gpu.hasTimestamps) return [];
  const samples: number[][] = [];
  for (let round = 0; round <= rounds; round++) {
    const times = await timePasses(gpu, work.map(({ encode }) => encode));
    if (round > 0) samples.push(times);
  }
  return Array.from(Map.groupBy(work.keys(), (k) => work[k]!.label), ([label, own]) => {
    const sum = (of: (k: number) => number) => own.reduce((total, k) => total + of(k), 0);
    const timing = timingOf(samples.map((times) => sum((k) => times[k] ?? NaN)));
    const kernel = work[own[0] ?? 0]?.kernel ?? "";
    return {
      ...{ label, kernel, timing },
      flops: sum((k) => work[k]?.flops ?? 0),
      bytes: sum((k) => work[k]?.bytes ?? 0),
    };
  });
}

/** Users of a model who see pages of one kind, over and over. */
export class PagePlayer {
  #played = 0;

  private constructor(
    readonly sizes: PageSizes,
    private readonly made: Made,
    private readonly page: Page,
    private readonly episode: Episode,
    private readonly log: ReturnType<typeof logViews>,
    private readonly parameters: ParameterArena | undefined,
  ) {}

  static create(gpu: Gpu, model: UserModel, kind: ActingKind, sizes: PageSizes): Promise<PagePlayer> {
    return making(async (made) => {
      const { users, slate, items } = sizes;
      const settings = settingsOf({ users, slate, pages: PAGES }, items);
      const arena = made.keep(new Arena(gpu, kind));
      const page = new Page(gpu, arena, { users, slate, items, pages: PAGES, startClicks: 0 });
      const source = new LearnedSource(model);
      const environment = made.keep(source.users(page));
      const learner = kind === "cdqn"
        ? made.keep(
          algorithms.cdqn({ gpu, config: trainingConfig(slate), source, observer: environment }),
        )
        : undefined;
      const policy = learner?.policy ?? (kind === "greedy" ? greedyPolicy() : randomPolicy);
      const log = logViews(page);
      const starts = new Starts(page, "empty");
      const parts = { arena, page, environment, policy, starts, log, rules: settings };
      const episode = await Episode.create(parts);
      return new PagePlayer(sizes, made, page, episode, log, learner?.parameters);
    });
  }

  /** Plays pages, of one episode after another. @returns milliseconds, until the host knows that they are done. */
  async play(pages: number): Promise<number> {
    const { page: { gpu } } = this;
    const began = performance.now();
    for (let done = 0; done < pages;) {
      const t = this.#played % PAGES;
      const count = Math.min(SUBMIT, pages - done, PAGES - t);
      Commands.submit(gpu, "pages", (commands) => {
        if (t === 0) this.#begin(commands);
        for (let own = t; own < t + count; own++) this.episode.page(commands, own);
      });
      done += count;
      this.#played += count;
    }
    await this.#done();
    return performance.now() - began;
  }

  /** The first pages of the first episode. */
  async logOf(pages: number): Promise<EpisodeLog> {
    this.#played = 0;
    await this.play(pages);
    this.#played = 0;
    const log = await readLog(this.page.gpu, this.page, this.log, {
      ...{ episode: 0, firstUser: 0, users: this.sizes.users },
    });
    return { ...log, pages };
  }

  /** Of a policy that has weights. */
  async policyWeights(): Promise<{ specs: readonly ParameterSpec[]; weights: Weights }> {
    if (!this.parameters) throw new Error("expected a policy with weights");
    return { specs: this.parameters.specs, weights: await this.parameters.read() };
  }

  /** What a page does, in order. It may be done again. */
  async work(): Promise<TimedWork[]> {
    this.#played = 0;
    await this.play(1);
    this.#played = 0;
    return this.episode.pageProgram.calls(1).flatMap(({ program, sizes, offset }) =>
      workOf(program, sizes, offset)
    );
  }

  destroy(): void {
    this.made.destroy();
  }

  #begin(commands: Commands): void {
    const episode = Math.floor(this.#played / PAGES);
    this.episode.begin(commands, { users: this.sizes.users, firstUser: 0, episode, seed: SEED });
  }

  async #done(): Promise<void> {
    const { gpu, alive } = this.page;
    await readViews(gpu, [{ ...alive, size: 4 }]);
    gpu.check();
  }
}
