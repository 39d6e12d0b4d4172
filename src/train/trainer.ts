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
import { readViews } from "../gpu/readback.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import type { Weights } from "../tape/parameters.ts";
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
import { ModelProgram } from "./model_program.ts";
import { means, sumsAt } from "./sums.ts";

/** Steps that the ring holds, and validations. */
const PLACES = 256;
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
    log: ClickLog,
    config: TrainingConfig,
    options: { validate?: boolean } = {},
  ): Promise<Trainer> {
    trainingConfigSchema.parse(config);
    checkLog(log);
    if (log.items.count !== model.shape.count || log.items.kind !== model.shape.kind) {
      throw new UserError(
        `Expected a log over the model's ${model.shape.count} ${model.shape.kind} items, ` +
          `got one over ${log.items.count} ${log.items.kind} items.`,
      );
    }
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
      const plan = keep(new Plan(gpu, log, config.batchSize, 2 * PLACES));
      const adam = keep(new AdamState(model.parameters));
      const capacity = batchCapacity(log, trainUsers, config.batchSize);
      let ring: View | undefined;
      const makeRing = (shards: number) => {
        ring = arena.allocate("ring", 16 * (2 * PLACES + shards));
        return { view: ring, firstSlot: 2 * PLACES };
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
          capacity,
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
    const { gpu } = this.model;
    const group = this.#encodeGroup(this.#iteration, 1, () => users);
    gpu.queue.submit([group.commands]);
    const [words] = await readViews(gpu, [this.ring]);
    const [result] = this.#results(group, new Float32Array(words?.buffer ?? new ArrayBuffer(0)), {});
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
    const { gpu } = this.model;
    const pending: { group: Group; buffer: GPUBuffer; mapped: Promise<void> }[] = [];
    const free: GPUBuffer[] = [];
    let submitted = this.#iteration;
    let size = 2;
    let last = performance.now();
    const takeOne = async () => {
      const next = pending.shift();
      if (!next) return;
      await next.mapped;
      gpu.check();
      const ring = new Float32Array(next.buffer.getMappedRange().slice(0));
      next.buffer.unmap();
      free.push(next.buffer);
      const now = performance.now();
      // Sizes do not touch results, only how often the host looks.
      const stepMs = (now - last) / next.group.count;
      last = now;
      size = Math.max(1, Math.min(2 * size, PLACES, Math.round(GROUP_MS / Math.max(stepMs, 1e-3))));
      this.#results(next.group, ring, callbacks);
    };
    try {
      while (submitted < to && !signal?.aborted) {
        if (callbacks.wantsPause?.()) {
          while (pending.length > 0) await takeOne();
          await callbacks.onPause?.(this.#iteration);
          last = performance.now();
        }
        const group = this.#encodeGroup(submitted, Math.min(size, to - submitted), (t) => this.batchOf(t));
        const buffer = free.pop() ??
          gpu.createBuffer("results", this.ring.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
        const copy = gpu.device.createCommandEncoder({ label: "results" });
        copy.copyBufferToBuffer(this.ring.buffer, 0, buffer, 0, this.ring.size);
        gpu.queue.submit([group.commands, copy.finish()]);
        pending.push({ group, buffer, mapped: buffer.mapAsync(GPUMapMode.READ) });
        submitted += group.count;
        if (pending.length >= IN_FLIGHT) await takeOne();
      }
      while (pending.length > 0) await takeOne();
    } finally {
      await Promise.allSettled(pending.map((p) => p.mapped));
      for (const buffer of [...free, ...pending.map((p) => p.buffer)]) gpu.destroyBuffer(buffer);
    }
  }

  /** Steps `after`+1 .. `after`+count, and validations where they are due, as one command buffer. */
  #encodeGroup(after: number, count: number, users: (t: number) => ArrayLike<number>): Group {
    const { plan, program, config } = this;
    const group: Group = { after, count, events: [], validations: [], commands: undefined as never };
    const encoder = this.model.gpu.device.createCommandEncoder({
      label: `iterations ${after + 1}..${after + count}`,
    });
    const pass = encoder.beginComputePass({ label: "training" });
    const validateAfter = (t: number) => {
      if (!this.validation || t % config.validateEvery !== 0 || t <= this.#validated) return;
      const place = PLACES + (t / config.validateEvery) % PLACES;
      plan.putPurpose(place, { slot: place, learningRate: 0, iteration: t });
      this.validation.evaluation.encode(pass);
      const nothing = { users: 0, events: 0, rows: 0, items: 0 };
      this.validation.keeper.program.encode(pass, nothing, plan.offset(place));
      this.#validated = t;
      group.validations.push(t);
    };
    validateAfter(after);
    for (let t = after + 1; t <= after + count; t++) {
      const place = t % PLACES;
      const rate = adamRate(learningRateAt(config, t), t);
      const sizes = plan.put(place, users(t), { slot: place, learningRate: rate, iteration: t });
      program.program.encode(pass, sizes, plan.offset(place));
      group.events.push(sizes.events);
      validateAfter(t);
    }
    pass.end();
    plan.uploadRing(0, PLACES, after + 1, count);
    const [firstValidation] = group.validations;
    if (firstValidation !== undefined) {
      plan.uploadRing(PLACES, PLACES, firstValidation / config.validateEvery, group.validations.length);
    }
    group.commands = encoder.finish();
    return group;
  }

  /** Takes a finished group's results from the ring. */
  #results(group: Group, ring: Float32Array, callbacks: RunCallbacks): StepResult[] {
    const results: StepResult[] = [];
    const validations = [...group.validations];
    const validated = (upTo: number) => {
      while (validations[0] !== undefined && validations[0] <= upTo) {
        const t = validations.shift() ?? 0;
        const sums = sumsAt(ring, PLACES + (t / this.config.validateEvery) % PLACES);
        this.#best = betterRecords(this.#best, sums, t);
        const events = this.validation?.evaluation.events ?? NaN;
        callbacks.onValidation?.({ iteration: t, ...means(sums, events), best: this.#best });
      }
    };
    validated(group.after);
    group.events.forEach((events, k) => {
      const iteration = group.after + 1 + k;
      const figures = means(sumsAt(ring, iteration % PLACES), events);
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
    // The validation of this iteration belongs to the earlier session.
    this.#validated = state.iteration;
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
  readonly events: number[];
  /** Iterations after which there was a validation. */
  readonly validations: number[];
  commands: GPUCommandBuffer;
}
