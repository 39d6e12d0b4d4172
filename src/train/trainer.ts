/**
 * Training: many steps in flight, no waiting between them. A group of steps, with the validations that fall among
 * them, is one command buffer; results come back through a ring that is read while later groups run.
 */

import { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, Plan } from "../batch/plan.ts";
import { checkLog } from "../data/check_log.ts";
import { type ClickLog, usersOf } from "../data/click_log.ts";
import { randomStream } from "../data/random.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../data/user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/program.ts";
import { ReadbackQueue, readFloats } from "../gpu/readback.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import type { Weights } from "../tape/parameters.ts";
import { parseConfig } from "../model/config.ts";
import { fitItems } from "../model/item_features.ts";
import { ModelProgram } from "../model/model_program.ts";
import type { UserModel } from "../model/user_model.ts";
import {
  BestKeeper,
  type BestRecords,
  betterRecords,
  criteria,
  type Criterion,
  noBest,
} from "./best_keeper.ts";
import { learningRateAt, type TrainingConfig, trainingConfigSchema } from "./config.ts";
import { Evaluation } from "./evaluation.ts";
import { means, sumsAt } from "./sums.ts";

/** Steps that the ring holds at most, and as many validations; fewer for batches of very many users. */
const MOST_PLACES = 256;
/** Users in all places of the plan, at 16 bytes. */
const PLAN_USERS = 2 ** 20;
/** Groups of steps in flight: one runs while the next waits in the queue. */
const IN_FLIGHT = 2;
/** How long a group should take: long against a read-back (11 ms), short against a user's patience. */
const GROUP_MS = 80;

/** One training step: the loss of its batch before the update. */
export interface StepResult extends ChoiceFigures {
  readonly iteration: number;
}
export interface ValidationResult extends StepResult {
  readonly best: BestRecords;
}

/** Everything that a resumed training needs to go on bit for bit. */
export interface TrainerState {
  readonly iteration: number;
  readonly weights: Weights;
  readonly m: Weights;
  readonly v: Weights;
  readonly best: BestRecords;
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

export interface RunCallbacks {
  onStep?(result: StepResult): void;
  onValidation?(result: ValidationResult): void;
  /** Called between groups, when everything up to `iteration` is done; the state may be read. */
  onPause?(iteration: number): Promise<void> | void;
  /** Whether {@link onPause} is wanted: it drains what is in flight. */
  wantsPause?(): boolean;
}

/** The loss is no finite number any more. */
export class DivergedError extends UserError {
  constructor(readonly iteration: number) {
    super(
      `The loss of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller --learning-rate; snapshots from before it are kept.`,
    );
  }
}

export class Trainer {
  #iteration = 0;
  #best: BestRecords = noBest;
  #validated = -1;

  private constructor(
    readonly model: UserModel,
    /** Over the model's items. */
    readonly log: ClickLog,
    readonly config: TrainingConfig,
    readonly program: ModelProgram,
    readonly adam: AdamState,
    readonly plan: Plan,
    readonly deviceLog: DeviceLog,
    private readonly ring: View,
    private readonly arena: Arena,
    private readonly trainUsers: Uint32Array,
    private readonly validation: { evaluation: Evaluation; keeper: BestKeeper } | undefined,
  ) {}

  /**
   * @param options.validate false for a trainer that is only stepped by hand.
   * @throws UserError for a config out of range, a log that does not fit together, or sizes beyond the adapter.
   */
  static async create(
    model: UserModel,
    clicks: ClickLog,
    config: TrainingConfig,
    options: { validate?: boolean } = {},
  ): Promise<Trainer> {
    parseConfig(trainingConfigSchema, config, "training");
    checkLog(clicks);
    const log = fitItems(clicks, model.shape, "The model");
    const trainUsers = usersOf(log, "train");
    if (config.batchSize > trainUsers.length) {
      throw new UserError(
        `Expected a batch of at most ${trainUsers.length} users (there are no more train users), ` +
          `got --batch-size ${config.batchSize}.`,
      );
    }
    const { gpu } = model;
    const made: { destroy(): void }[] = [];
    const keep = <T extends { destroy(): void }>(part: T): T => {
      made.push(part);
      return part;
    };
    try {
      const arena = keep(new Arena(gpu, "trainer"));
      const deviceLog = keep(new DeviceLog(gpu, log));
      // Any user may be stepped on by hand, so all of them count.
      const capacity = batchCapacity(log, log.userSplit.keys(), config.batchSize);
      const places = Math.max(4, Math.min(MOST_PLACES, Math.floor(PLAN_USERS / (config.batchSize + 1))));
      const plan = keep(new Plan(gpu, log, capacity, places, places));
      const adam = keep(new AdamState(model.parameters));
      let ring: View | undefined;
      const makeRing = (shards: number) => {
        ring = arena.allocate("ring", 16 * (2 * places + shards));
        return { view: ring, firstSlot: 2 * places };
      };
      let validation: { evaluation: Evaluation; keeper: BestKeeper } | undefined;
      if (options.validate ?? true) {
        const users = usersOf(log, "validation");
        const evaluation = keep(
          await Evaluation.create(model, deviceLog, log, users, config.evaluationShards, makeRing),
        );
        const keeper = keep(
          await BestKeeper.create(model.parameters, plan, ring ?? makeRing(0).view, evaluation),
        );
        validation = { evaluation, keeper };
      }
      const results = ring ?? makeRing(0).view;
      const program = keep(
        await ModelProgram.create(model, {
          name: "training",
          log: deviceLog,
          plan,
          ring: results,
          adam,
        }),
      );
      return new Trainer(
        model,
        log,
        config,
        program,
        adam,
        plan,
        deviceLog,
        results,
        arena,
        trainUsers,
        validation,
      );
    } catch (error) {
      for (const part of made.reverse()) part.destroy();
      throw error;
    }
  }

  /** Steps done. */
  get iteration(): number {
    return this.#iteration;
  }
  get best(): BestRecords {
    return this.#best;
  }

  /** The train users of iteration t: they follow from seed and t alone, so that a resumed run draws the same. */
  batchOf(t: number): Uint32Array {
    const { seed, batchSize } = this.config;
    const places = randomStream(seed, "batch", t).sampleWithoutReplacement(this.trainUsers.length, batchSize);
    return places.map((place) => this.trainUsers[place] ?? 0);
  }

  /**
   * One step on users of your choice, or on those of the next iteration. Waits for its result, 11 ms or more: to train,
   * use {@link run}.
   */
  async step(users: ArrayLike<number> = this.batchOf(this.#iteration + 1)): Promise<StepResult> {
    const group = this.#encodeGroup(this.#iteration, 1, () => users);
    this.model.gpu.queue.submit([group.commands]);
    const [result] = this.#results(group, await readFloats(this.model.gpu, this.ring), {});
    if (!result) throw new Error("a step gave no result");
    return result;
  }

  /**
   * Trains up to iteration `to`, validating on the way (before the first step too). Returns early, with everything
   * that was begun done, once `signal` is aborted.
   *
   * @throws DivergedError when a loss is no finite number.
   */
  async run(to: number, callbacks: RunCallbacks = {}, signal?: AbortSignal): Promise<void> {
    const reads = new ReadbackQueue(this.model.gpu, this.ring);
    const groups: Group[] = [];
    let submitted = this.#iteration;
    let size = 2;
    let last = performance.now();
    const takeOne = async () => {
      const ring = await reads.take();
      const group = groups.shift();
      if (!group) return;
      const now = performance.now();
      // Sizes do not touch results, only how often the host looks.
      const stepMs = (now - last) / group.count;
      last = now;
      size = Math.max(1, Math.min(2 * size, this.plan.places, Math.round(GROUP_MS / Math.max(stepMs, 1e-3))));
      this.#results(group, ring, callbacks);
    };
    try {
      while (submitted < to && !signal?.aborted) {
        if (callbacks.wantsPause?.()) {
          while (reads.length > 0) await takeOne();
          await callbacks.onPause?.(this.#iteration);
          last = performance.now();
        }
        const group = this.#encodeGroup(submitted, Math.min(size, to - submitted), (t) => this.batchOf(t));
        groups.push(group);
        reads.submit(group.commands);
        submitted += group.count;
        if (reads.length >= IN_FLIGHT) await takeOne();
      }
      while (reads.length > 0) await takeOne();
    } finally {
      await reads.destroy();
    }
  }

  /** Steps `after`+1 .. `after`+count, and validations where they are due, as one command buffer. */
  #encodeGroup(after: number, count: number, users: (t: number) => ArrayLike<number>): Group {
    const { plan, program, config } = this;
    // All that can be refused comes first, so that a refused batch leaves nothing half done.
    const batches = Array.from({ length: count }, (_, k) => {
      const t = after + 1 + k;
      const slot = t % plan.places;
      const learningRate = adamRate(learningRateAt(config, t), t);
      return plan.put(slot, users(t), { slot, learningRate, iteration: t });
    });
    plan.uploadRing(0, plan.places, after + 1, count);
    const encoder = this.model.gpu.device.createCommandEncoder({
      label: `iterations ${after + 1}..${after + count}`,
    });
    const pass = encoder.beginComputePass({ label: "training" });
    const validations: number[] = [];
    const validateAfter = (t: number) => {
      if (!this.validation || t % config.validateEvery !== 0 || t <= this.#validated) return;
      const slot = this.#validationSlot(t);
      plan.putPurpose(slot, { slot, learningRate: 0, iteration: t });
      this.validation.evaluation.encode(pass);
      const nothing = { users: 0, events: 0, rows: 0, items: 0 };
      this.validation.keeper.program.encode(pass, nothing, plan.offset(slot));
      this.#validated = t;
      validations.push(t);
    };
    validateAfter(after);
    batches.forEach((sizes, k) => {
      const t = after + 1 + k;
      program.program.encode(pass, sizes, plan.offset(t % plan.places));
      validateAfter(t);
    });
    pass.end();
    const [first] = validations;
    if (first !== undefined) {
      plan.uploadRing(plan.places, plan.places, first / config.validateEvery, validations.length);
    }
    return { after, count, events: batches.map((b) => b.events), validations, commands: encoder.finish() };
  }

  /** The place of a validation's header, and its slot in the ring: behind those of the steps. */
  #validationSlot(t: number): number {
    return this.plan.places + (t / this.config.validateEvery) % this.plan.places;
  }

  /** Takes a finished group's results from the ring. */
  #results(group: Group, ring: Float32Array, callbacks: RunCallbacks): StepResult[] {
    const results: StepResult[] = [];
    const validations = [...group.validations];
    const validated = (upTo: number) => {
      while (validations[0] !== undefined && validations[0] <= upTo) {
        const t = validations.shift() ?? 0;
        const sums = sumsAt(ring, this.#validationSlot(t));
        this.#best = betterRecords(this.#best, sums, t);
        const events = this.validation?.evaluation.events ?? NaN;
        callbacks.onValidation?.({ iteration: t, ...means(sums, events), best: this.#best });
      }
    };
    validated(group.after);
    group.events.forEach((events, k) => {
      const iteration = group.after + 1 + k;
      const figures = means(sumsAt(ring, iteration % this.plan.places), events);
      if (!Number.isFinite(figures.nll)) throw new DivergedError(iteration);
      this.#iteration = iteration;
      const result = { iteration, ...figures };
      results.push(result);
      callbacks.onStep?.(result);
      validated(iteration);
    });
    return results;
  }

  /** The weights that were best on the validation users. */
  snapshot(criterion: Criterion): Promise<Weights> {
    if (!this.validation) throw new Error("this trainer does not validate");
    return this.validation.keeper.snapshot(criterion);
  }

  /** Reads everything that {@link restore} takes. Nothing may be in flight. */
  async state(): Promise<TrainerState> {
    const { parameters } = this.model;
    const snapshots: Partial<Record<Criterion, Weights>> = {};
    if (this.validation) {
      for (const criterion of criteria) snapshots[criterion] = await this.snapshot(criterion);
    }
    return {
      iteration: this.#iteration,
      weights: await parameters.read(),
      m: await parameters.read(this.adam.m.buffer),
      v: await parameters.read(this.adam.v.buffer),
      best: this.#best,
      snapshots,
    };
  }

  restore(state: TrainerState): void {
    const { parameters } = this.model;
    parameters.write(state.weights);
    parameters.write(state.m, this.adam.m.buffer);
    parameters.write(state.v, this.adam.v.buffer);
    this.#iteration = state.iteration;
    this.#best = state.best;
    // The validation of this iteration belongs to the earlier session, but for that before the first step.
    this.#validated = state.iteration > 0 ? state.iteration : -1;
    this.validation?.keeper.restore(state.best, state.snapshots);
  }

  destroy(): void {
    this.validation?.evaluation.destroy();
    this.validation?.keeper.destroy();
    for (const part of [this.program, this.adam, this.plan, this.deviceLog, this.arena]) part.destroy();
  }
}

/** Steps that were encoded together. */
interface Group {
  readonly after: number;
  readonly count: number;
  /** Events of each step's batch. */
  readonly events: readonly number[];
  /** Iterations after which there was a validation. */
  readonly validations: readonly number[];
  readonly commands: GPUCommandBuffer;
}
