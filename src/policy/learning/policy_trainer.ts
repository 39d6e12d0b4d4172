/** Trains a policy on simulated users. Simulation, replay buffer and training steps run on the device. */

import { makeKey } from "../../data/philox.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import { AdamState } from "../../ops/adam.ts";
import { logViews } from "../../simulate/choose_clicks.ts";
import { Episode } from "../../simulate/episode.ts";
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
import type { LearnerFactory } from "./learner.ts";
import { countRingParts, PolicySchedule, PolicySteps, type PolicyStepsParts } from "./policy_steps.ts";
import { ReplaySample } from "./replay_sample.ts";
import { countEpisodes, ReplayBuffer, type ReplayPage, type ReplayState } from "./replay_buffer.ts";

/** Maximum number of iterations whose results the device stores before they are read. */
const PLACES = 256;

export interface PolicyStepMetrics {
  /** Mean loss of the iteration's replayed pages; 0 before the first training step. */
  readonly loss: number;
  /** Mean Q-value of the iteration's replayed slates; 0 before the first training step. */
  readonly q: number;
  /** Mean reward over the users who saw the page, including users who saw random slates (exploration). */
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

/** State of a training between two episodes. Interrupting and resuming a training changes no bits. */
export interface PolicyState {
  readonly trainer: TrainerState;
  readonly target: Weights;
  readonly replay: ReplayState;
}

export interface PolicyTrainerOptions {
  readonly start?: StartOptions;
  /** Creates the learner; by default the one of the algorithm that the config names. */
  readonly makeLearner?: LearnerFactory;
}

interface Parts extends PolicyStepsParts {
  readonly replay: ReplayBuffer;
  readonly start: StartOptions;
  readonly policySteps: PolicySteps;
  readonly source: UsersSource;
  readonly trainerParts: TrainerComponents<number, PolicyStepMetrics>;
}

export class PolicyTrainer extends BatchTrainer<number, PolicyStepMetrics> {
  readonly schedule: PolicySchedule;

  private constructor(private readonly own: Parts) {
    super(own.trainerParts);
    this.schedule = own.schedule;
  }

  /**
   * Allocates users, network and replay buffer on the device, and records the training's dispatches.
   * @param source - simulated users to train on.
   * @throws UserError for a config that is out of range, contradicts the catalogue, or exceeds the adapter's
   * limits.
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
      throw new Error("expected the start of the config");
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
    const parts = { arena, schedule, ring, learner, adam, sample, episode, outcomes };
    const steps = await PolicySteps.create(parts);
    return new PolicyTrainer({
      ...{ ...parts, replay, start, policySteps: steps, source },
      trainerParts: {
        ...{ gpu, steps, ring, stack: stack.move(), validation: undefined, summary: policySummary },
        networks: [{ prefix: "", parameters: learner.parameters, adam }],
        schedule: { validateEvery: 1, earlyStopping: "none", patience: 1 },
        rates: "--learning-rate",
      },
    });
  }

  get policy(): Policy {
    return this.own.learner.policy;
  }

  /** Simulates the policy without exploration. The device must be idle. */
  async evaluate(users = this.config.evaluationUsers, episode = CURVE_EPISODE): Promise<SimulationMetrics> {
    const { source, start, trainerParts: { gpu } } = this.own;
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

  /** Reads the training state for {@link restoreAll}, between two episodes. The device must be idle. */
  async stateOfAll(): Promise<PolicyState> {
    if (this.iteration % this.config.pages !== 0) {
      throw new Error(`expected to be between two episodes, not after page ${this.iteration}`);
    }
    const { learner, replay } = this.own;
    return {
      trainer: await this.state(),
      target: await learner.parameters.read(learner.target.buffer),
      replay: await replay.state(),
    };
  }

  /** Restores a state. @param from - name in messages. @throws UserError for a damaged replay buffer. */
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
    const { learner, episode, policySteps } = this.own;
    learner.parameters.write(weights, learner.target.buffer);
    episode.weightsChanged();
    policySteps.weightsChanged();
  }
}

/** Episode number of learning curves, with random numbers that no training or comparison uses. */
export const CURVE_EPISODE = 2 ** 31;
