/**
 * The engine of all training: many steps in flight, no waiting between them. A group of steps, with the validations that
 * fall among them, is one command buffer; results come back through a ring that is read while later groups run.
 *
 * What is trained, and on what, it does not know: see {@link import("./steps.ts").Steps}.
 */

import { ReadbackQueue, readFloats } from "../gpu/readback.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import {
  type BestRecords,
  type Criterion,
  earlyEnd,
  improveRecords,
  noBest,
  type ValidationSchedule,
} from "./best_records.ts";
import { encodeGroup, listResults, type StepGroup, type StepGroupParts } from "./steps.ts";
import {
  DivergedError,
  type MetricSummary,
  type TrainingStepResult,
  type ValidationResult,
} from "./training_results.ts";
import { joinParameterSpecs, type TrainedNetwork } from "./networks.ts";
import type { DistributedContext } from "./distributed_context.ts";
import {
  readState,
  readWeights,
  type StateBuffers,
  type TrainerState,
  writeState,
  writeWeights,
} from "./trainer_state.ts";

/** Groups of steps in flight: one runs while the next waits in the queue. */
const IN_FLIGHT = 2;
/** How long a group should take: long against a read-back (up to 11 ms), short against a user's patience. */
const GROUP_MS = 80;
/** The first group of a run is by so much smaller, as the device waits while it is encoded. */
const FIRST_GROUP = 8;

/** What a run tells, and asks. */
export interface TrainingCallbacks<F> {
  /** Called for every step, in order. */
  onStep?(result: TrainingStepResult<F>): void;
  /** Called for every validation, in order. */
  onValidation?(result: ValidationResult<F>): void;
  /** Called between groups, when everything up to `iteration` is done; the state may be read. */
  onPause?(iteration: number): Promise<void> | void;
  /** Whether {@link onPause} is wanted: it drains what is in flight. */
  wantsPause?(): boolean;
}

/** What a training is made of. C: what an iteration takes. F: the figures of a batch. */
export interface TrainerComponents<C, F> extends StepGroupParts<C> {
  readonly summary: MetricSummary<F>;
  readonly networks: readonly TrainedNetwork[];
  readonly schedule: ValidationSchedule;
  /** The options that set its learning rates. */
  readonly rates: string;
  /** Of a training that several processes share. */
  readonly together?: DistributedContext;
  /** Everything to be freed in the end. */
  readonly stack: DisposableStack;
}

/** Trains networks: step by step, or many steps at once. C: what an iteration takes. F: the figures of a batch. */
export class BatchTrainer<C, F> {
  #iteration = 0;
  /** Steps in the last group of the last run. */
  #groupSize = 2;
  #best: BestRecords = noBest;
  /** The last iteration after which a validation was encoded. */
  #validated = -1;

  /** @internal */
  protected constructor(
    /**
     * What it is made of.
     * @internal
     */
    protected readonly parts: TrainerComponents<C, F>,
  ) {}

  /** Steps done. */
  get iteration(): number {
    return this.#iteration;
  }
  /** The best validations so far. */
  get best(): BestRecords {
    return this.#best;
  }
  /** Steps that one command buffer may hold. */
  get places(): number {
    return this.parts.ring.places;
  }
  /** Of all networks' parameters, as their weights are named in {@link state}. */
  get specs(): ParameterSpec[] {
    return joinParameterSpecs(this.parts.networks);
  }

  /**
   * The error of a loss that is no finite number.
   * @internal
   */
  diverged(iteration: number): DivergedError {
    return new DivergedError(iteration, this.parts.rates);
  }

  /** Whether early stopping has ended the training. */
  get stopped(): boolean {
    return this.#iteration >= this.#earlyEnd();
  }

  /** The iteration at which early stopping ends the training unless a validation up to it is better. */
  #earlyEnd(): number {
    const { schedule, validation } = this.parts;
    return validation ? earlyEnd(schedule, this.#best) : Infinity;
  }

  /**
   * One step on a batch of your choice, or on what the next iteration takes. Waits for its result: to train,
   * use {@link run}.
   * @throws UserError for what makes no batch. @throws DivergedError when its loss is no finite number.
   */
  async step(batch?: C): Promise<TrainingStepResult<F>> {
    const { gpu, ring } = this.parts;
    const group = this.#encode(this.#iteration, 1, batch);
    gpu.queue.submit([group.commands]);
    const [result] = this.#take(group, await readFloats(gpu, ring.view), {});
    if (!result) throw new Error("a step gave no result");
    return result;
  }

  /**
   * Trains up to iteration `to`, validating on the way (before the first step too). Returns early, with everything
   * that was begun done, once `signal` is aborted or early stopping is due.
   *
   * @throws DivergedError when a loss is no finite number.
   */
  async run(to: number, callbacks: TrainingCallbacks<F> = {}, signal?: AbortSignal): Promise<void> {
    if (this.parts.together) return await this.#runTogether(this.parts.together, to, callbacks, signal);
    const reads = new ReadbackQueue(this.parts.gpu, this.parts.ring.view);
    const groups: StepGroup[] = [];
    let submitted = this.#iteration;
    let size = Math.max(2, Math.ceil(this.#groupSize / FIRST_GROUP));
    let last = performance.now();
    const takeOne = async () => {
      const values = await reads.take();
      const group = groups.shift();
      if (!group) return;
      const now = performance.now();
      // Sizes do not touch results, only how often the host looks.
      const stepMs = (now - last) / group.batches.length;
      last = now;
      size = Math.max(1, Math.min(2 * size, this.places, Math.round(GROUP_MS / Math.max(stepMs, 1e-3))));
      this.#groupSize = size;
      this.#take(group, values, callbacks);
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
        const group = this.#encode(submitted, Math.min(size, end - submitted));
        // Encoded while the device works on the last: where a read waits for all that was submitted, that one is taken first.
        while (reads.waitsForAll && reads.length > 0) await takeOne();
        groups.push(group);
        await reads.submit(group.commands);
        submitted += group.batches.length;
        while (reads.length >= IN_FLIGHT) await takeOne();
      }
      while (reads.length > 0) await takeOne();
    } finally {
      await reads.destroy();
    }
  }

  /** {@link run} of one of several ranks. It stops and validates where the ranks are at one. */
  async #runTogether(
    together: DistributedContext,
    to: number,
    callbacks: TrainingCallbacks<F>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { gpu, networks, ring, validation, schedule: { validateEvery } } = this.parts;
    const { ranks, how } = together;
    this.restore(await how.firstState(ranks, await this.state()));
    let standing = { stops: false, pauses: false };
    for (let patient = true;;) {
      const before = this.#iteration;
      if (validation && before % validateEvery === 0 && before > this.#validated) {
        this.#validated = before;
        const at = { n: before / validateEvery, iteration: before, patient };
        const sums = await how.validateShared(gpu, ranks, ring, validation, at);
        this.#tellValidation(before, sums, callbacks);
      }
      if (standing.pauses && callbacks.wantsPause) await callbacks.onPause?.(before);
      const end = Math.min(to, this.#earlyEnd());
      if (standing.stops || before >= end) return;
      const asks = [signal?.aborted ?? false, callbacks.wantsPause?.() ?? false].map(Number);
      const [stops, pauses] = await this.#advance(together, end, asks, patient, callbacks);
      await how.expectEqualWeights(gpu, ranks, networks, { before, iteration: this.#iteration });
      standing = { stops: stops !== 0, pauses: pauses !== 0 };
      patient = standing.pauses;
    }
  }

  /** Up to where the ranks are at one again. @param asks of this rank. @returns their sums over all. */
  async #advance(
    { ranks, syncEvery, how }: DistributedContext,
    end: number,
    asks: number[],
    patient: boolean,
    callbacks: TrainingCallbacks<F>,
  ): Promise<Float32Array> {
    const { gpu, ring, steps, networks, summary } = this.parts;
    const after = this.#iteration;
    if (syncEvery === 1) {
      if (!steps.stepShared) throw new Error("expected steps that ranks can share");
      const { beside, sums, counted } = await steps.stepShared(after + 1, ranks, ring, asks, patient);
      this.#tell(after + 1, summary.means(sums, counted), callbacks);
      return beside;
    }
    const own = await this.#alone(after, Math.min(end, after + syncEvery - after % syncEvery));
    const all = await ranks.sum(Float32Array.from([...asks, ...own.flat()]), patient);
    let at = asks.length;
    for (const [k, { length }] of own.entries()) {
      const sums = all.subarray(at, at += length);
      this.#tell(after + 1 + k, summary.means(sums, sums[length - 1] ?? NaN), callbacks);
    }
    await how.average(gpu, ranks, networks);
    return all.subarray(0, asks.length);
  }

  /** Steps of this rank alone. @returns of each, its sums, and what the means are taken over. */
  async #alone(after: number, to: number): Promise<number[][]> {
    const { gpu, ring } = this.parts;
    const own: number[][] = [];
    for (let t = after; t < to;) {
      const parts = { ...this.parts, validation: undefined };
      const group = encodeGroup(parts, { after: t, most: Math.min(to - t, ring.places), validated: t });
      gpu.queue.submit([group.commands]);
      const values = await readFloats(gpu, ring.view);
      for (const { counted, parts } of group.batches) {
        own.push([...ring.sumsAt(values, ring.ofStep(++t), parts), counted]);
      }
    }
    return own;
  }

  /** @throws DivergedError for a loss that is no finite number. */
  #tell(iteration: number, figures: F, callbacks: TrainingCallbacks<F>): TrainingStepResult<F> {
    if (!Number.isFinite(this.parts.summary.loss(figures))) throw this.diverged(iteration);
    this.#iteration = iteration;
    const result = { iteration, ...figures };
    callbacks.onStep?.(result);
    return result;
  }

  /** @throws DivergedError for a loss that is no finite number. */
  #tellValidation(iteration: number, sums: Float32Array, callbacks: TrainingCallbacks<F>): void {
    const { summary, validation, rates } = this.parts;
    const counted = validation?.counted ?? NaN;
    this.#best = improveRecords(this.#best, sums.subarray(4 * summary.bestBy), iteration);
    const figures = summary.means(sums, counted);
    if (!Number.isFinite(summary.loss(figures))) throw new DivergedError(iteration, rates, "validation loss");
    callbacks.onValidation?.({ iteration, ...figures, best: this.#best, counted });
  }

  #encode(after: number, most: number, own?: C): StepGroup {
    const group = encodeGroup(this.parts, { after, most, validated: this.#validated, own });
    this.#validated = group.validations.at(-1) ?? this.#validated;
    return group;
  }

  /** Takes a finished group's results. @param values the ring as it was after the group. */
  #take(group: StepGroup, values: Float32Array, callbacks: TrainingCallbacks<F>): TrainingStepResult<F>[] {
    const { ring, summary, schedule } = this.parts;
    const steps: TrainingStepResult<F>[] = [];
    let broken: DivergedError | undefined;
    for (const { kind, iteration } of listResults(group)) {
      if (kind === "step") {
        const { counted, parts } = group.batches[iteration - group.after - 1] ?? { counted: NaN };
        const figures = summary.means(ring.sumsAt(values, ring.ofStep(iteration), parts), counted);
        if (broken && Number.isFinite(summary.loss(figures))) throw broken;
        steps.push(this.#tell(iteration, figures, callbacks));
      } else {
        const sums = ring.sumsAt(values, ring.ofValidation(iteration / schedule.validateEvery));
        try {
          this.#tellValidation(iteration, sums, callbacks);
        } catch (error) {
          // Weights that break the validation before the first step break that step too, as a rule: it is told first.
          if (!(error instanceof DivergedError) || iteration > group.after) throw error;
          broken = error;
        }
      }
    }
    return steps;
  }

  /** The weights that were best on the validation users. @throws Error for a trainer that does not validate. */
  async snapshot(criterion: Criterion): Promise<Weights> {
    if (!this.parts.validation) throw new Error("this trainer does not validate");
    const weights = await this.parts.validation.keeper.snapshot(criterion);
    if (!weights) throw new Error("this trainer has not validated yet");
    return weights;
  }

  /** All weights as they stand. Nothing may be in flight. */
  weights(): Promise<Weights> {
    return readWeights(this.parts.networks);
  }

  /** Replaces all weights. Nothing may be in flight. */
  setWeights(weights: Weights): void {
    writeWeights(this.parts.networks, weights);
  }

  /** Reads everything that {@link restore} takes. Nothing may be in flight. */
  state(): Promise<TrainerState> {
    return readState(this.#holders, { iteration: this.#iteration, best: this.#best });
  }

  /** What its state stands in. */
  get #holders(): StateBuffers {
    const { networks, validation } = this.parts;
    return { networks, keeper: validation?.keeper };
  }

  /** Puts the training where another one, or this one, stood. Nothing may be in flight. */
  restore(state: TrainerState): void {
    writeState(this.#holders, state);
    this.#iteration = state.iteration;
    this.#best = state.best;
    // The validation of this iteration belongs to the earlier session, but for that before the first step.
    this.#validated = state.iteration > 0 ? state.iteration : -1;
  }

  /** Frees what it made; the model that it trains stays. */
  destroy(): void {
    this.parts.stack.dispose();
  }
  /** As `destroy`, for blocks that hold it by `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
