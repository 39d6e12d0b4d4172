/** Simulates pages for `bench simulate`: users of an untrained model see items of a synthetic catalogue. */

import { createRandomStream } from "../../src/data/random.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { readViews } from "../../src/gpu/readback.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { algorithms } from "../../src/policy/learning/algorithms.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import { createGreedyPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import { Episode, type LogViews, logViews } from "../../src/simulate/episode.ts";
import { type EpisodeLog, readLog } from "../../src/simulate/episode_log.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { resolveSettings } from "../../src/simulate/simulator_options.ts";
import { PageBuffers } from "../../src/simulate/page_buffers.ts";
import { StartClicks } from "../../src/simulate/start.ts";
import type { ParameterArena } from "../../src/tape/parameters.ts";

export type ActingKind = "random" | "greedy" | "cdqn";

/** Name of clickgan among the compared programs. */
export const OWN = "clickgan";
export const PAGES = 20;
export const SLATE = 3;
export const WIDTH = 16;
/** Number of pages per submission to the device, as in the simulator. */
const SUBMIT = 8;
export const SEED = 1;

/** Creates an untrained model, because times do not depend on the weights. */
export function createUntrainedModel(gpu: Gpu, items: number): UserModel {
  return new UserModel(gpu, { kind: "dense", count: items, width: WIDTH, values: makeFeatures(items) }, {
    ...defaultModel,
    // With larger initial weights, utilities differ enough for a comparison of slates.
    kernelSd: 0.3,
  }, { seed: SEED });
}

/** Returns [items, WIDTH] random features. */
export function makeFeatures(items: number): Float32Array<ArrayBuffer> {
  const random = createRandomStream(SEED, "bench simulate", String(items));
  return Float32Array.from({ length: items * WIDTH }, () => random.normal());
}

/** Settings of the policy training: the defaults, but with little exploration from the start. */
export const trainingConfig = {
  ...{ ...defaultPolicyTraining, epsilonStart: defaultPolicyTraining.epsilonEnd },
  ...{ slate: SLATE, pages: PAGES, seed: SEED, steps: 2 ** 40 },
};

/** Simulated users of a clickgan model, whose slates are all chosen by the same policy. */
export class SimulatedPages {
  readonly name = OWN;
  #played = 0;

  private constructor(
    private readonly page: PageBuffers,
    private readonly episode: Episode,
    private readonly log: LogViews,
    private readonly stack: DisposableStack,
    readonly parameters: ParameterArena | undefined,
  ) {}

  static async create(
    gpu: Gpu,
    model: UserModel,
    kind: ActingKind,
    { users, items }: { readonly users: number; readonly items: number },
  ): Promise<SimulatedPages> {
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, kind));
    const page = new PageBuffers(gpu, arena, { users, slate: SLATE, items, pages: PAGES, startClicks: 0 });
    const source = new LearnedSource(model);
    const environment = stack.use(source.users(page));
    const learner = kind === "cdqn"
      ? stack.use(algorithms.cdqn({ gpu, config: trainingConfig, source, observer: environment }))
      : undefined;
    const policy = learner?.policy ?? (kind === "greedy" ? createGreedyPolicy() : randomPolicy);
    const log = logViews(page);
    const rules = resolveSettings({ users, slate: SLATE, pages: PAGES }, items);
    const starts = new StartClicks(page, "empty");
    const episode = await Episode.create({ arena, page, environment, policy, starts, log, rules });
    return new SimulatedPages(page, episode, log, stack.move(), learner?.parameters);
  }

  /** Simulates pages, one episode after another. @returns milliseconds until the last page has ended. */
  async play(pages: number): Promise<number> {
    const { page: { gpu, alive, users } } = this;
    const began = performance.now();
    for (let done = 0; done < pages;) {
      const t = this.#played % PAGES;
      const count = Math.min(SUBMIT, pages - done, PAGES - t);
      const episode = Math.floor(this.#played / PAGES);
      CommandRecorder.submit(gpu, "pages", (commands) => {
        if (t === 0) this.episode.begin(commands, { users, firstUser: 0, episode, seed: SEED });
        for (let own = t; own < t + count; own++) this.episode.page(commands, own);
      });
      done += count;
      this.#played += count;
    }
    await readViews(gpu, [{ ...alive, size: 4 }]);
    gpu.check();
    return performance.now() - began;
  }

  async readLog(pages: number): Promise<EpisodeLog> {
    await this.play(pages);
    const { page: { gpu, users } } = this;
    return { ...await readLog(gpu, this.page, this.log, { episode: 0, firstUser: 0, users }), pages };
  }

  [Symbol.dispose](): void {
    this.stack.dispose();
  }
}
