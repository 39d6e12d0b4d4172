/** Iterations of a policy's training: each simulates a page for all users, and then runs training steps. */

import { adamRate, type AdamState } from "../../ops/adam.ts";
import type { PolicyTrainingConfig } from "./policy_training_config.ts";
import { makeKey } from "../../data/philox.ts";
import type { Arena } from "../../gpu/arena.ts";
import type { CommandRecorder } from "../../gpu/commands.ts";
import type { View } from "../../gpu/memory.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { StepHeaders, type StepSettings } from "../../gpu/step.ts";
import { gradientClip } from "../../ops/gradient_clip.ts";
import type { Episode } from "../../simulate/episode.ts";
import type { ResultRing } from "../../train/training_results.ts";
import type { CountedBatch, Steps } from "../../train/steps.ts";
import type { Learner } from "./learner.ts";
import { learnDimensions, type LearnSizes, type ReplaySample } from "./replay_sample.ts";
import { pageReward, qTarget } from "./q_loss.ts";

/** After this share of the iterations, the learning rate is multiplied by LATE_RATE. */
const LATE = 0.75;
const LATE_RATE = 0.2;

/** Schedule of a training's iterations t = 1, 2, ... */
export class PolicySchedule {
  /** Number of iterations, which is a multiple of the pages per episode. */
  readonly iterations: number;
  /** Number of iterations between two evaluations and snapshots, a multiple of the pages per episode. */
  readonly evaluateEvery: number;

  constructor(readonly config: PolicyTrainingConfig) {
    const { steps, users, pages, evaluateEvery } = config;
    const episodes = (pagesOfUsers: number) => Math.max(1, Math.ceil(pagesOfUsers / (users * pages)));
    this.iterations = pages * episodes(steps);
    this.evaluateEvery = pages * episodes(evaluateEvery);
  }

  getPage(t: number): number {
    return (t - 1) % this.config.pages;
  }

  getEpisode(t: number): number {
    return Math.floor((t - 1) / this.config.pages);
  }

  /** Returns the last iteration of the episode to which iteration t belongs. */
  endOfEpisode(t: number): number {
    return this.config.pages * Math.ceil(t / this.config.pages);
  }

  epsilon(t: number): number {
    const { epsilonStart, epsilonEnd, epsilonShare } = this.config;
    const done = (t - 1) / Math.max(1, epsilonShare * this.iterations);
    return epsilonStart + (epsilonEnd - epsilonStart) * Math.min(1, done);
  }

  /** Returns the number of optimiser steps before iteration t. No steps run during the first episode. */
  learnedBefore(t: number): number {
    return this.config.stepsPerPage * Math.max(0, t - 1 - this.config.pages);
  }

  stepsIn(t: number): number {
    return t > this.config.pages ? this.config.stepsPerPage : 0;
  }

  /** Returns Adam's step size for optimiser step n = 1, 2, ... in iteration t. */
  rate(t: number, n: number): number {
    const { learningRate } = this.config;
    return adamRate(t > LATE * this.iterations ? LATE_RATE * learningRate : learningRate, n);
  }
}

interface PolicyBatch extends CountedBatch {
  readonly iteration: number;
}

export interface PolicyStepsParts {
  readonly arena: Arena;
  readonly schedule: PolicySchedule;
  readonly ring: ResultRing;
  readonly learner: Learner;
  readonly adam: AdamState;
  readonly sample: ReplaySample;
  /** Episode of the training users, whose pages are written to the replay buffer. */
  readonly episode: Episode;
  /** [pages, users] outcomes of the current episode's pages. */
  readonly outcomes: View;
}

/** Returns the number of ring slots for an iteration's results: one per training step, one for the page. */
export function countRingParts({ stepsPerPage }: Pick<PolicyTrainingConfig, "stepsPerPage">): number {
  return stepsPerPage + 1;
}

interface Programs {
  readonly sample: Program<LearnSizes>;
  readonly between: ((commands: CommandRecorder) => void) | undefined;
  readonly learn: Program<LearnSizes>;
  readonly afterCopy: Program<LearnSizes>;
  readonly reward: Program<LearnSizes>;
}

export class PolicySteps implements Steps<number, PolicyBatch> {
  readonly slices = 1;
  /** True if the target network's item tables must be computed before the next training step. */
  #stale = true;

  private constructor(
    private readonly parts: PolicyStepsParts,
    private readonly headers: StepHeaders<LearnSizes>,
    private readonly programs: Programs,
  ) {}

  static async create(parts: PolicyStepsParts): Promise<PolicySteps> {
    const { arena, schedule: { config }, ring, learner, adam, sample, outcomes } = parts;
    const { gpu } = arena;
    const { rows, clip } = config;
    const headers = new StepHeaders(arena, learnDimensions, ring.steps, countRingParts(config));
    const targets = arena.allocate("target values", 4 * rows);
    const update = learner.record({ sample, targets, ring: ring.view });
    const record = (name: string, specs: readonly DispatchSpec<LearnSizes>[]) =>
      Program.record(gpu, name, headers.buffer, specs);
    const optimiser = [
      ...(clip === null ? [] : gradientClip(learner.parameters, clip, arena)),
      ...adam.dispatches({ dimensions: learnDimensions, sparseRows: new Map() }),
    ];
    return new PolicySteps(parts, headers, {
      sample: await record("replay_sample", sample.dispatches()),
      between: await update.between?.(),
      learn: await record("learn", [
        ...update.next,
        qTarget(config, { outcome: sample.outcome, next: update.nextValue, targets }),
        ...update.fit,
        ...optimiser,
        ...update.afterUpdate,
      ]),
      afterCopy: await record("target weights", update.afterCopy),
      reward: await record("rewards", [pageReward(config, { outcome: outcomes, ring: ring.view })]),
    });
  }

  put(after: number, most: number): PolicyBatch[] {
    const { schedule, ring, sample: { sizes } } = this.parts;
    const { config } = schedule;
    // The page headers of an episode are uploaded before its commands, so one call covers at most one
    // episode.
    const count = Math.min(most, schedule.endOfEpisode(after + 1) - after);
    const { rows, seed: noise, stepsPerPage } = config;
    return Array.from({ length: count }, (_, k) => {
      const iteration = after + 1 + k;
      const place = iteration % ring.steps;
      const page = {
        page: schedule.getPage(iteration),
        episode: schedule.getEpisode(iteration),
        firstUser: 0,
      };
      const purposes = Array.from({ length: stepsPerPage + 1 }, (_, step): StepSettings => {
        const before = schedule.learnedBefore(iteration) + step;
        return {
          slot: ring.stepSlot(iteration) + step,
          learningRate: step < schedule.stepsIn(iteration) ? schedule.rate(iteration, before + 1) : 0,
          iteration: before,
          noise,
          page,
        };
      });
      this.headers.put(place, { sizes, counted: rows, first: 0 }, purposes);
      this.headers.upload(place, 1);
      return { iteration, counted: rows * schedule.stepsIn(iteration), microBatches: stepsPerPage + 1 };
    });
  }

  /** Marks the target network's item tables as outdated. Call this method after setting weights. */
  weightsChanged(): void {
    this.#stale = true;
  }

  encodeLayout(): void {}

  encode(commands: CommandRecorder, { iteration }: PolicyBatch, place: number): void {
    const { schedule, episode, sample, learner: { parameters, target } } = this.parts;
    const { config } = schedule;
    const { sizes } = sample;
    const page = schedule.getPage(iteration);
    if (page === 0) {
      sample.begin(schedule.getEpisode(iteration), makeKey(config.seed));
      episode.begin(commands, {
        users: config.users,
        firstUser: 0,
        episode: schedule.getEpisode(iteration),
        seed: config.seed,
        epsilon: (later) => schedule.epsilon(iteration + later),
      });
    }
    episode.page(commands, page);
    if (this.#stale) this.programs.afterCopy.encode(commands, sizes, this.headers.offset(place));
    this.#stale = false;
    const learned = schedule.learnedBefore(iteration);
    for (let step = 0; step < schedule.stepsIn(iteration); step++) {
      const offset = this.headers.offset(place, step);
      this.programs.sample.encode(commands, sizes, offset);
      this.programs.between?.(commands);
      this.programs.learn.encode(commands, sizes, offset);
      if ((learned + step + 1) % config.targetEvery !== 0) continue;
      commands.copy(parameters.weights, target);
      this.programs.afterCopy.encode(commands, sizes, this.headers.offset(place, step));
    }
    this.programs.reward.encode(commands, sizes, this.headers.offset(place, config.stepsPerPage));
  }
}
