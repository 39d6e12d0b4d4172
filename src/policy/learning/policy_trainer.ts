/** Trains a policy on simulated users. Simulation, replay buffer and training steps run on the device. */

import { makeKey } from "../../data/philox.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import { adamRate, AdamState, gradientClip } from "../../ops/adam.ts";
import { Episode, logViews } from "../../simulate/episode.ts";
import type { SimulationMetrics } from "../../simulate/simulation_metrics.ts";
import { resolveSettings } from "../../simulate/simulator_options.ts";
import { PageBuffers } from "../../simulate/page_buffers.ts";
import type { Policy } from "../../simulate/policy.ts";
import { Simulator } from "../../simulate/simulator.ts";
import { StartClicks, startClicks, type StartOptions } from "../../simulate/start.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { Weights } from "../../tape/parameters.ts";
import { BatchTrainer, type TrainerComponents } from "../../train/batch_trainer.ts";
import { type MetricSummary, ResultRing } from "../../train/training_results.ts";
import type { TrainerState } from "../../train/networks.ts";
import { parseConfig } from "../../model/model_config.ts";
import { algorithms } from "./algorithms.ts";
import { type PolicyTrainingConfig, policyTrainingSchema } from "./policy_training_config.ts";
import type { Learner, LearnerFactory } from "./learner.ts";
import { learnDimensions, type LearnSizes, ReplaySample } from "./replay_sample.ts";
import { countEpisodes, ReplayBuffer, type ReplayPage, type ReplayState } from "./replay_buffer.ts";
import type { CommandRecorder } from "../../gpu/commands.ts";
import type { View } from "../../gpu/memory.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { StepHeaders, type StepSettings } from "../../gpu/step.ts";
import type { CountedBatch, Steps } from "../../train/steps.ts";
import { pageReward, qTarget } from "./q_loss.ts";

/** Number of iterations whose results fit into the device's ring buffer. */
const PLACES = 256;

export interface PolicyStepMetrics {
  /** Mean loss of the pages replayed in this iteration; 0 before the first training step. */
  readonly loss: number;
  /** Mean Q-value of the slates replayed in this iteration; 0 before the first training step. */
  readonly q: number;
  /** Mean reward of this iteration's page over the users who saw it; random slates are included. */
  readonly reward: number;
}

const policySummary: MetricSummary<PolicyStepMetrics> = {
  vectors: 1,
  bestBy: 0,
  means(sums, learned) {
    const [loss = NaN, q = NaN, reward = NaN, users = NaN] = Array.from(sums);
    const metrics = { loss: learned > 0 ? loss / learned : 0, q: learned > 0 ? q / learned : 0 };
    return { ...metrics, reward: users > 0 ? reward / users : 0 };
  },
  loss: ({ loss, reward }) => loss + reward,
};

/** State of a training between two episodes. A training can be resumed from this state. */
export interface PolicyState {
  readonly trainer: TrainerState;
  readonly target: Weights;
  readonly replay: ReplayState;
}

export interface PolicyTrainerOptions {
  readonly start?: StartOptions;
  /** Creates the learner; by default, a learner of the algorithm that the config names. */
  readonly makeLearner?: LearnerFactory;
}

interface PolicyTrainerParts {
  readonly arena: Arena;
  readonly source: UsersSource;
  readonly start: StartOptions;
  readonly schedule: PolicySchedule;
  readonly ring: ResultRing;
  readonly learner: Learner;
  readonly adam: AdamState;
  readonly replay: ReplayBuffer;
  readonly sample: ReplaySample;
  /** The current training episode. Its pages are written to the replay buffer. */
  readonly episode: Episode;
  /** [pages, users] outcomes of the current episode's pages. */
  readonly outcomes: View;
}

export class PolicyTrainer extends BatchTrainer<number, PolicyStepMetrics> {
  private constructor(
    private readonly own: PolicyTrainerParts,
    private readonly policySteps: PolicySteps,
    components: TrainerComponents<number, PolicyStepMetrics>,
  ) {
    super(components);
  }

  get schedule(): PolicySchedule {
    return this.own.schedule;
  }

  /**
   * Allocates users, network and replay buffer on the device, and records the training's dispatches.
   * @param source - simulated users to train on.
   * @throws UserError for a config that is out of range, does not fit the number of items, or exceeds the
   * adapter's limits.
   */
  static async create(
    gpu: Gpu,
    source: UsersSource,
    config: PolicyTrainingConfig,
    { start = "empty", makeLearner = algorithms[config.algorithm] }: PolicyTrainerOptions = {},
  ): Promise<PolicyTrainer> {
    using stack = new DisposableStack();
    parseConfig(policyTrainingSchema, config, "policy training");
    if ((config.start === "empty") !== (start === "empty")) {
      throw new Error('expected both config.start and options.start to be "empty", or neither');
    }
    const { users, slate, pages, rows, stepsPerPage, replay: remembered } = config;
    const items = source.itemCount;
    const settings = resolveSettings({ ...config, start }, items);
    const schedule = new PolicySchedule(config);
    const arena = stack.use(new Arena(gpu, "policy training"));
    const page = new PageBuffers(gpu, arena, { users, slate, items, pages, startClicks: startClicks(start) });
    const environment = stack.use(source.users(page));
    const log = logViews(page);
    const starts = new StartClicks(page, start);
    const learner = stack.use(makeLearner({ gpu, config, observer: environment, source }));
    const adam = stack.use(new AdamState(learner.parameters));
    const { stride: stateStride, columns: stateColumns } = environment.state;
    const episodes = countEpisodes(remembered, config);
    const replay = new ReplayBuffer(arena, { users, pages, slate, stateStride, episodes });
    const { excluded: leftOut } = settings.pool;
    const sampleOptions = { rows, items, stateColumns, repeats: config.repeats, leftOut, start };
    const sample = new ReplaySample(arena, replay, sampleOptions);
    const ring = new ResultRing(arena, PLACES, policySummary.vectors, 0, countRingParts({ stepsPerPage }));
    const { slates, alive } = page;
    const { outcomes } = log;
    const seen: ReplayPage = { state: environment.state, slates, outcomes, alive };
    const episode = await Episode.create({
      ...{ arena, page, environment, policy: learner.policy, rules: settings, starts, log },
      before: replay.begin(seen),
      after: replay.push(seen),
    });
    const parts = { arena, source, start, schedule, ring, learner, adam, replay, sample, episode, outcomes };
    const steps = await PolicySteps.create(parts);
    return new PolicyTrainer(parts, steps, {
      ...{ gpu, steps, ring, stack: stack.move(), validation: undefined, summary: policySummary },
      networks: [{ prefix: "", parameters: learner.parameters, adam }],
      schedule: { validateEvery: 1, earlyStopping: "none", patience: 1 },
      rates: "--learning-rate",
    });
  }

  get policy(): Policy {
    return this.own.learner.policy;
  }

  /** Simulates the policy without exploration. The device must be idle. */
  async evaluate(users = this.config.evaluationUsers, episode = CURVE_EPISODE): Promise<SimulationMetrics> {
    const { source, start, arena: { gpu } } = this.own;
    using simulator = await Simulator.create(gpu, source, { ...this.config, users, start });
    return await simulator.run(this.policy, { firstEpisode: episode });
  }

  get config(): PolicyTrainingConfig {
    return this.schedule.config;
  }

  /** Sets the weights of the online and the target network. The device must be idle. */
  override setWeights(weights: Weights): void {
    super.setWeights(weights);
    this.#writeTarget(weights);
  }

  /** Reads the state for {@link restoreAll}. Call it between two episodes, when the device is idle. */
  async stateOfAll(): Promise<PolicyState> {
    if (this.iteration % this.config.pages !== 0) {
      throw new Error(`the state can be read only between episodes, not after page ${this.iteration}`);
    }
    const { learner, replay } = this.own;
    return {
      trainer: await this.state(),
      target: await learner.parameters.read(learner.target.buffer),
      replay: await replay.state(),
    };
  }

  /** Restores a state. @param from - file name for messages. @throws UserError for a damaged replay buffer */
  restoreAll({ trainer, target, replay }: PolicyState, from: string): void {
    this.own.replay.restore(replay, this.own.source.itemCount, from);
    this.restore(trainer);
    const { pages, seed } = this.config;
    const next = this.iteration / pages;
    for (let e = Math.max(0, next - this.own.replay.size.episodes); e < next; e++) {
      this.own.sample.begin(e, makeKey(seed));
    }
    this.#writeTarget(target);
  }

  #writeTarget(weights: Weights): void {
    const { learner, episode } = this.own;
    learner.parameters.write(weights, learner.target.buffer);
    episode.weightsChanged();
    this.policySteps.weightsChanged();
  }
}

/** Episode index in evaluations. It is larger than in training, so evaluations draw other random numbers. */
export const CURVE_EPISODE = 2 ** 31;

/** After this share of the iterations, the learning rate is multiplied by LATE_RATE (0.2). */
const LATE = 0.75;
const LATE_RATE = 0.2;

/** Schedule of a training. Iteration t = 1, 2, ... simulates a page per user, then runs training steps. */
export class PolicySchedule {
  /** Number of iterations: a multiple of the pages per episode. */
  readonly iterations: number;
  /** Number of iterations between two evaluations (with snapshots): a multiple of the pages per episode. */
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

/** Counts an iteration's entries in the ring buffer: one per training step, one for the simulated page. */
function countRingParts({ stepsPerPage }: Pick<PolicyTrainingConfig, "stepsPerPage">): number {
  return stepsPerPage + 1;
}

interface Programs {
  readonly sample: Program<LearnSizes>;
  readonly between: ((commands: CommandRecorder) => void) | undefined;
  readonly learn: Program<LearnSizes>;
  readonly afterCopy: Program<LearnSizes>;
  readonly reward: Program<LearnSizes>;
}

/** Iterations of the training: each simulates a page for all users, and then runs training steps. */
class PolicySteps implements Steps<number, PolicyBatch> {
  readonly slices = 1;
  /** True if the target network's item tables must be computed before the next training step. */
  #stale = true;

  private constructor(
    private readonly parts: PolicyTrainerParts,
    private readonly headers: StepHeaders<LearnSizes>,
    private readonly programs: Programs,
  ) {}

  static async create(parts: PolicyTrainerParts): Promise<PolicySteps> {
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
