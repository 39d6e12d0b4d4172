/**
 * What both stages of training share: many steps in flight, no waiting between them. A group of steps, with the
 * validations that fall among them, is one command buffer; results come back through a ring that is read while later
 * groups run.
 */

import type { ClickSizes } from "../batch/click_sizes.ts";
import type { DeviceLog } from "../batch/device_log.ts";
import { largestOf, type PlacedBatch, type Plan } from "../batch/plan.ts";
import type { ClickLog } from "../data/click_log.ts";
import { randomStream } from "../data/random.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../user_error.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import { ReadbackQueue, readFloats } from "../gpu/readback.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import {
  type BestKeeper,
  type BestRecords,
  betterRecords,
  criteria,
  type Criterion,
  noBest,
} from "./best_keeper.ts";
import type { Evaluation } from "./evaluation.ts";
import { joinedSpecs, readJoined, type TrainedNetwork, writeJoined } from "./networks.ts";
import type { Summary } from "./sums.ts";
import type { TrainingLog } from "./training_log.ts";

/** Steps that the ring holds at most, and as many validations; fewer for batches of very many users. */
const MOST_PLACES = 256;
/** Users in all places of the plan, at 16 bytes. */
const PLAN_USERS = 2 ** 20;
/** Groups of steps in flight: one runs while the next waits in the queue. */
const IN_FLIGHT = 2;
/** How long a group should take: long against a read-back (11 ms), short against a user's patience. */
const GROUP_MS = 80;
/** The first group of a run is by so much smaller, as the device waits while it is encoded. */
const FIRST_GROUP = 8;

/** One training step: the figures of its batch before the update. */
export type StepResult<F extends ChoiceFigures = ChoiceFigures> = F & { readonly iteration: number };
export type ValidationResult<F extends ChoiceFigures = ChoiceFigures> = StepResult<F> & {
  readonly best: BestRecords;
};

/** Everything that a resumed training needs to go on bit for bit; the generator's names carry its prefix. */
export interface TrainerState {
  readonly iteration: number;
  readonly weights: Weights;
  readonly m: Weights;
  readonly v: Weights;
  readonly best: BestRecords;
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

export interface RunCallbacks<F extends ChoiceFigures = ChoiceFigures> {
  onStep?(result: StepResult<F>): void;
  onValidation?(result: ValidationResult<F>): void;
  /** Called between groups, when everything up to `iteration` is done; the state may be read. */
  onPause?(iteration: number): Promise<void> | void;
  /** Whether {@link onPause} is wanted: it drains what is in flight. */
  wantsPause?(): boolean;
}

/** A loss is no finite number any more. */
export class DivergedError extends UserError {
  /** @param rates the options that are too large. @param loss which. */
  constructor(readonly iteration: number, rates: string, loss = "loss") {
    super(
      `The ${loss} of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller ${rates}, or smaller weights to start from; snapshots from before it are kept.`,
    );
  }
}

/** How a stage draws and validates; part of its config. */
export interface Schedule {
  readonly seed: number;
  readonly batchSize: number;
  readonly validateEvery: number;
  readonly earlyStopping: Criterion | null;
  readonly patience: number;
}

/** What a stage has made for its training. Places of the plan: one for each step in flight, then one a validation. */
export interface TrainerParts<F extends ChoiceFigures> {
  readonly gpu: Gpu;
  readonly training: TrainingLog;
  readonly plan: Plan;
  readonly ring: View;
  readonly summary: Summary<F>;
  readonly networks: readonly TrainedNetwork[];
  readonly trainUsers: Uint32Array;
  readonly validation: { evaluation: Evaluation<F>; keeper: BestKeeper } | undefined;
  readonly schedule: Schedule;
  /** The options that set its learning rates. */
  readonly rates: string;
  /** Everything to be freed in the end, in the order it was made. */
  readonly made: readonly { destroy(): void }[];
}

/** How many steps a ring of this batch size holds. */
export function placesFor(batchSize: number): number {
  return Math.max(4, Math.min(MOST_PLACES, Math.floor(PLAN_USERS / (batchSize + 1))));
}

/** @throws UserError when there are fewer train users than a batch takes. */
export function checkBatchSize(batchSize: number, trainUsers: Uint32Array, option: string): void {
  if (batchSize <= trainUsers.length) return;
  throw new UserError(
    `Expected a batch of at most ${trainUsers.length} users (there are no more train users), ` +
      `got ${option} ${batchSize}.`,
  );
}

export abstract class BatchTrainer<F extends ChoiceFigures> {
  #iteration = 0;
  /** Steps in the last group of the last run. */
  #groupSize = 2;
  #best: BestRecords = noBest;
  #validated = -1;

  protected constructor(protected readonly parts: TrainerParts<F>) {}

  /**
   * Puts the batch and the headers of iteration t. @param log where the users stand.
   * @throws UserError for users that make no batch.
   */
  protected abstract put(t: number, place: number, users: ArrayLike<number>, log: ClickLog): PlacedBatch;
  /** Appends what lays out the batches of `count` places from `place` on, a slice each. @param largest of their sizes. */
  protected abstract encodeLayout(
    commands: Commands,
    largest: ClickSizes,
    place: number,
    count: number,
  ): void;
  /** Appends the step whose batch stands at `place`, laid out in `slice`. */
  protected abstract encode(commands: Commands, sizes: ClickSizes, place: number, slice: number): void;

  /**
   * Of the networks as they stand, on any users of the log. The caller frees it.
   * @param shards 0 for as few as fit. @throws UserError without users with events to predict.
   */
  abstract evaluation(users: ArrayLike<number>, shards: number): Promise<Evaluation<F>>;

  get plan(): Plan {
    return this.parts.plan;
  }
  get deviceLog(): DeviceLog {
    return this.parts.training.deviceLog;
  }
  /** Steps done. */
  get iteration(): number {
    return this.#iteration;
  }
  get best(): BestRecords {
    return this.#best;
  }
  /** Steps that one command buffer may hold. */
  get places(): number {
    return this.plan.places;
  }
  /** Of all networks' parameters, as their weights are named in {@link state}. */
  get specs(): ParameterSpec[] {
    return joinedSpecs(this.parts.networks);
  }

  /** The train users of iteration t: they follow from seed and t alone, so that a resumed run draws the same. */
  batchOf(t: number): Uint32Array {
    const { trainUsers, schedule } = this.parts;
    const random = randomStream(schedule.seed, "batch", t);
    const places = random.sampleWithoutReplacement(trainUsers.length, schedule.batchSize);
    return places.map((place) => trainUsers[place] ?? 0);
  }

  diverged(iteration: number): DivergedError {
    return new DivergedError(iteration, this.parts.rates);
  }

  /** Whether early stopping has ended the training. */
  get stopped(): boolean {
    return this.#iteration >= this.#earlyEnd();
  }

  /** The iteration at which early stopping ends the training unless a validation up to it is better. */
  #earlyEnd(): number {
    const { earlyStopping, patience, validateEvery } = this.parts.schedule;
    if (!earlyStopping || !this.parts.validation) return Infinity;
    return Math.ceil((this.#best[earlyStopping].iteration + patience) / validateEvery) * validateEvery;
  }

  /**
   * One step on users of your choice, or on those of the next iteration. Waits for its result, 11 ms or more: to train,
   * use {@link run}.
   */
  async step(users: ArrayLike<number> = this.batchOf(this.#iteration + 1)): Promise<StepResult<F>> {
    const { gpu, ring } = this.parts;
    const group = this.#encodeGroup(this.#iteration, 1, () => users);
    gpu.queue.submit([group.commands]);
    const [result] = this.#results(group, await readFloats(gpu, ring), {});
    if (!result) throw new Error("a step gave no result");
    return result;
  }

  /**
   * Trains up to iteration `to`, validating on the way (before the first step too). Returns early, with everything
   * that was begun done, once `signal` is aborted or early stopping is due.
   *
   * @throws DivergedError when a loss is no finite number.
   */
  async run(to: number, callbacks: RunCallbacks<F> = {}, signal?: AbortSignal): Promise<void> {
    const reads = new ReadbackQueue(this.parts.gpu, this.parts.ring);
    const groups: Group[] = [];
    let submitted = this.#iteration;
    let size = Math.max(2, Math.ceil(this.#groupSize / FIRST_GROUP));
    let last = performance.now();
    const takeOne = async () => {
      const ring = await reads.take();
      const group = groups.shift();
      if (!group) return;
      const now = performance.now();
      // Sizes do not touch results, only how often the host looks.
      const stepMs = (now - last) / group.count;
      last = now;
      size = Math.max(1, Math.min(2 * size, this.places, Math.round(GROUP_MS / Math.max(stepMs, 1e-3))));
      this.#groupSize = size;
      this.#results(group, ring, callbacks);
    };
    try {
      while (!signal?.aborted) {
        // Nothing is begun behind the earliest end that is known: where a run stops must not depend on the host's pace.
        let end = Math.min(to, this.#earlyEnd());
        while (submitted >= end && reads.length > 0) {
          await takeOne();
          end = Math.min(to, this.#earlyEnd());
        }
        if (submitted >= end) break;
        if (callbacks.wantsPause?.()) {
          while (reads.length > 0) await takeOne();
          await callbacks.onPause?.(this.#iteration);
          last = performance.now();
        }
        const group = this.#encodeGroup(submitted, Math.min(size, end - submitted), (t) => this.batchOf(t));
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

  /**
   * The steps from `after`+1 on, and validations where they are due, as one command buffer.
   * @param most steps: fewer where the users of the next batch do not fit on the device beside those before.
   */
  #encodeGroup(after: number, most: number, users: (t: number) => ArrayLike<number>): Group {
    const { gpu, plan, schedule, training, validation } = this.parts;
    const { validateEvery } = schedule;
    // All that can be refused comes first, so that a refused batch leaves nothing half done.
    const taken = training.take(most, (k) => users(after + 1 + k));
    const batches = taken.batches.map((users, k) => {
      const t = after + 1 + k;
      return this.put(t, t % plan.places, users, taken.log);
    });
    taken.send();
    const count = batches.length;
    plan.uploadRing(0, plan.places, after + 1, count);
    const commands = new Commands(gpu, `iterations ${after + 1}..${after + count}`);
    const validations: number[] = [];
    const validateAfter = (t: number) => {
      if (!validation || t % validateEvery !== 0 || t <= this.#validated) return;
      const slot = this.#validationSlot(t);
      plan.putPurpose(slot, { slot, learningRate: 0, iteration: t });
      validation.evaluation.encode(commands);
      const nothing = { users: 0, events: 0, rows: 0, items: 0 };
      validation.keeper.program.encode(commands, nothing, plan.offset(slot));
      this.#validated = t;
      validations.push(t);
    };
    validateAfter(after);
    let first = 0;
    let laidOut = 0;
    batches.forEach((sizes, k) => {
      const t = after + 1 + k;
      const place = t % plan.places;
      if (k === laidOut) {
        first = k;
        laidOut += Math.min(plan.slices, count - k, plan.places - place);
        this.encodeLayout(commands, largestOf(batches.slice(first, laidOut)), place, laidOut - first);
      }
      this.encode(commands, sizes, place, k - first);
      validateAfter(t);
    });
    const [validated] = validations;
    if (validated !== undefined) {
      plan.uploadRing(plan.places, plan.places, validated / validateEvery, validations.length);
    }
    return { after, count, events: batches.map((b) => b.counted), validations, commands: commands.finish() };
  }

  /** The place of a validation's header, and its slot in the ring: behind those of the steps. */
  #validationSlot(t: number): number {
    return this.places + (t / this.parts.schedule.validateEvery) % this.places;
  }

  #sumsAt(ring: Float32Array, slot: number): Float32Array {
    const words = 4 * this.parts.summary.vectors;
    return ring.subarray(slot * words, (slot + 1) * words);
  }

  /** Takes a finished group's results from the ring. */
  #results(group: Group, ring: Float32Array, callbacks: RunCallbacks<F>): StepResult<F>[] {
    const { summary, validation } = this.parts;
    const results: StepResult<F>[] = [];
    const validations = [...group.validations];
    // The validation before the first step is broken by weights that break that step too, as a rule: it is told first.
    let broken: number | undefined;
    const endIfBroken = () => {
      if (broken !== undefined) throw new DivergedError(broken, this.parts.rates, "validation loss");
    };
    const validated = (upTo: number) => {
      while (validations[0] !== undefined && validations[0] <= upTo) {
        const t = validations.shift() ?? 0;
        const sums = this.#sumsAt(ring, this.#validationSlot(t));
        this.#best = betterRecords(this.#best, sums.subarray(4 * summary.bestBy), t);
        const figures = summary.means(sums, validation?.evaluation.events ?? NaN);
        if (!Number.isFinite(figures.nll)) {
          broken ??= t;
          continue;
        }
        callbacks.onValidation?.({ iteration: t, ...figures, best: this.#best });
      }
    };
    validated(group.after);
    group.events.forEach((events, k) => {
      const iteration = group.after + 1 + k;
      const figures = summary.means(this.#sumsAt(ring, iteration % this.places), events);
      if (!Number.isFinite(figures.nll)) throw this.diverged(iteration);
      endIfBroken();
      this.#iteration = iteration;
      const result = { iteration, ...figures };
      results.push(result);
      callbacks.onStep?.(result);
      validated(iteration);
      endIfBroken();
    });
    return results;
  }

  /** The weights that were best on the validation users. */
  snapshot(criterion: Criterion): Promise<Weights> {
    if (!this.parts.validation) throw new Error("this trainer does not validate");
    return this.parts.validation.keeper.snapshot(criterion);
  }

  /** All weights as they stand. Nothing may be in flight. */
  weights(): Promise<Weights> {
    return readJoined(this.parts.networks, ({ parameters }) => parameters.weights.buffer);
  }

  setWeights(weights: Weights): void {
    writeJoined(this.parts.networks, weights, ({ parameters }) => parameters.weights.buffer);
  }

  /** Reads everything that {@link restore} takes. Nothing may be in flight. */
  async state(): Promise<TrainerState> {
    const { networks, validation } = this.parts;
    const snapshots: Partial<Record<Criterion, Weights>> = {};
    if (validation) {
      for (const criterion of criteria) snapshots[criterion] = await this.snapshot(criterion);
    }
    return {
      iteration: this.#iteration,
      weights: await this.weights(),
      m: await readJoined(networks, ({ adam }) => adam?.m.buffer),
      v: await readJoined(networks, ({ adam }) => adam?.v.buffer),
      best: this.#best,
      snapshots,
    };
  }

  restore(state: TrainerState): void {
    const { networks, validation } = this.parts;
    this.setWeights(state.weights);
    writeJoined(networks, state.m, ({ adam }) => adam?.m.buffer);
    writeJoined(networks, state.v, ({ adam }) => adam?.v.buffer);
    this.#iteration = state.iteration;
    this.#best = state.best;
    // The validation of this iteration belongs to the earlier session, but for that before the first step.
    this.#validated = state.iteration > 0 ? state.iteration : -1;
    validation?.keeper.restore(state.best, state.snapshots);
  }

  destroy(): void {
    for (const part of [...this.parts.made].reverse()) part.destroy();
  }
}

/** Steps that were encoded together. */
interface Group {
  readonly after: number;
  readonly count: number;
  /** Events of each step's batch that are not given. */
  readonly events: readonly number[];
  /** Iterations after which there was a validation. */
  readonly validations: readonly number[];
  readonly commands: GPUCommandBuffer;
}
