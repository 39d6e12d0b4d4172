/**
 * Training loop of all stages. The host submits steps in groups, without waiting for results. A group of
 * steps is one command buffer, which also contains the validations that are due between the steps. The host
 * reads a group's results from a ring buffer while later groups run. The interface
 * {@link import("./steps.ts").Steps} supplies the batches and the GPU programs of a step.
 */

import { ReadbackQueue, readFloats } from "../gpu/readback.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { computeEarlyEnd, criteria, improveRecords, noBest } from "./best_records.ts";
import type { BestRecords, Criterion, ValidationSchedule } from "./best_records.ts";
import { encodeGroup, type StepGroup, type StepGroupInputs } from "./steps.ts";
import { DivergedError } from "./training_results.ts";
import type { MetricSummary, TrainingStepResult, ValidationResult } from "./training_results.ts";
import { joinParameterSpecs, readJoined, stateBuffers, writeJoined } from "./networks.ts";
import type { TrainedNetwork, TrainerState } from "./networks.ts";
import type { DistributedContext } from "./distributed_context.ts";

/** Number of groups of steps submitted at a time: one runs on the device, and one waits in the queue. */
const IN_FLIGHT = 2;
/** Target duration of a group of steps in ms. A read-back takes 11 ms. A pause must wait for two groups. */
const GROUP_MS = 80;
/** The first group has fewer steps by this factor: it is encoded faster, so the device starts earlier. */
const FIRST_GROUP = 8;

/** Callbacks of {@link BatchTrainer.run}. */
export interface TrainingCallbacks<F> {
  /** Called after every step, in the order of the steps. */
  onStep?(result: TrainingStepResult<F>): void;
  /** Called after every validation, in the order of the validations. */
  onValidation?(result: ValidationResult<F>): void;
  /** Called after step `iteration`, when all submitted steps have ended; it may read the trainer's state. */
  onPause?(iteration: number): Promise<void> | void;
  /** Returns true to request a call of {@link onPause} as soon as all submitted steps have ended. */
  wantsPause?(): boolean;
}

export interface TrainerComponents<C, F> extends StepGroupInputs<C> {
  readonly summary: MetricSummary<F>;
  readonly networks: readonly TrainedNetwork[];
  readonly schedule: ValidationSchedule;
  /** Names of the options that set the learning rates, for error messages. */
  readonly rates: string;
  /** Context of a distributed training; undefined for a single process. */
  readonly distributed?: DistributedContext;
  readonly stack: DisposableStack;
}

/** Trains networks. C is the type of a batch (e.g. a list of users), and F the type of a batch's metrics. */
export class BatchTrainer<C, F> {
  #iteration = 0;
  #groupSize = 2;
  #best: BestRecords = noBest;
  #validated = -1;

  /** @internal */
  protected constructor(
    /** @internal */
    protected readonly components: TrainerComponents<C, F>,
  ) {}

  /** Number of finished training steps. */
  get iteration(): number {
    return this.#iteration;
  }
  /** Best validation result so far for each criterion. */
  get best(): BestRecords {
    return this.#best;
  }
  /** Largest number of steps per command buffer. */
  get maxGroup(): number {
    return this.components.ring.steps;
  }
  /** Specifications of the parameters of all networks, with the same names as in {@link state}. */
  get specs(): ParameterSpec[] {
    return joinParameterSpecs(this.components.networks);
  }

  /** @internal Returns the error for a non-finite loss. */
  diverged(iteration: number): DivergedError {
    return new DivergedError(iteration, this.components.rates);
  }

  /** True if early stopping has ended the training. */
  get stopped(): boolean {
    return this.#iteration >= this.#computeEarlyEnd();
  }

  #computeEarlyEnd(): number {
    const { schedule, validation } = this.components;
    return validation ? computeEarlyEnd(schedule, this.#best) : Infinity;
  }

  /**
   * Trains one step, by default on the batch of the next iteration, and waits for the result.
   * {@link run} is faster for many steps, because it does not wait after each step.
   * @throws UserError for an invalid batch. @throws DivergedError for a non-finite loss.
   */
  async step(batch?: C): Promise<TrainingStepResult<F>> {
    const { gpu, ring } = this.components;
    const group = this.#encode(this.#iteration, 1, batch);
    gpu.queue.submit([group.commands]);
    const [result] = this.#take(group, await readFloats(gpu, ring.view), {});
    if (!result) throw new Error("a step gave no result");
    return result;
  }

  /**
   * Trains up to iteration `to`. Validates before the first step, and then on schedule. If `signal` is
   * aborted, or early stopping is due, submits no more steps and returns when all submitted steps have ended.
   * @throws DivergedError for a non-finite loss.
   */
  async run(to: number, callbacks: TrainingCallbacks<F> = {}, signal?: AbortSignal): Promise<void> {
    if (this.components.distributed) {
      return await this.#runDistributed(this.components.distributed, to, callbacks, signal);
    }
    const reads = new ReadbackQueue(this.components.gpu, this.components.ring.view);
    const groups: StepGroup[] = [];
    let submitted = this.#iteration;
    let size = Math.max(2, Math.ceil(this.#groupSize / FIRST_GROUP));
    let last = performance.now();
    const takeOne = async () => {
      const values = await reads.take();
      const group = groups.shift();
      if (!group) return;
      const now = performance.now();
      // The group size changes how often the host reads results, but not the results.
      const stepMs = (now - last) / group.batches.length;
      last = now;
      size = Math.max(1, Math.min(2 * size, this.maxGroup, Math.round(GROUP_MS / Math.max(stepMs, 1e-3))));
      this.#groupSize = size;
      this.#take(group, values, callbacks);
    };
    try {
      while (!signal?.aborted) {
        // No step is submitted beyond the earliest possible early stop, so all hosts end with the same step.
        let end = Math.min(to, this.#computeEarlyEnd());
        while (submitted >= end && reads.length > 0) {
          await takeOne();
          end = Math.min(to, this.#computeEarlyEnd());
        }
        if (submitted >= end) break;
        if (callbacks.wantsPause?.()) {
          while (reads.length > 0) await takeOne();
          await callbacks.onPause?.(this.#iteration);
          last = performance.now();
        }
        const group = this.#encode(submitted, Math.min(size, end - submitted));
        // If a read waits for all submitted work, the previous group is read before the next submit.
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

  /** Trains as one of several ranks, all of which stop and validate at the same synchronisation points. */
  async #runDistributed(
    distributed: DistributedContext,
    to: number,
    callbacks: TrainingCallbacks<F>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { gpu, networks, ring, validation, schedule: { validateEvery } } = this.components;
    const { ranks, collectives } = distributed;
    this.restore(await collectives.broadcastState(ranks, await this.state()));
    let pending = { stops: false, pauses: false };
    for (let patient = true;;) {
      const before = this.#iteration;
      if (validation && before % validateEvery === 0 && before > this.#validated) {
        this.#validated = before;
        const at = { n: before / validateEvery, iteration: before, patient };
        const sums = await collectives.validateShared(gpu, ranks, ring, validation, at);
        this.#reportValidation(before, sums, callbacks);
      }
      if (pending.pauses && callbacks.wantsPause) await callbacks.onPause?.(before);
      const end = Math.min(to, this.#computeEarlyEnd());
      if (pending.stops || before >= end) return;
      const requests = [signal?.aborted ?? false, callbacks.wantsPause?.() ?? false].map(Number);
      const [stops, pauses] = await this.#advance(distributed, end, requests, patient, callbacks);
      await collectives.expectEqualWeights(gpu, ranks, networks, { before, iteration: this.#iteration });
      pending = { stops: stops !== 0, pauses: pauses !== 0 };
      patient = pending.pauses;
    }
  }

  /**
   * Trains up to the next synchronisation point. @param requests - this rank's requests to stop and to pause,
   * each 1 or 0. @returns the sums of `requests` over all ranks.
   */
  async #advance(
    { ranks, syncEvery, collectives }: DistributedContext,
    end: number,
    requests: number[],
    patient: boolean,
    callbacks: TrainingCallbacks<F>,
  ): Promise<Float32Array> {
    const { gpu, ring, steps, networks, summary } = this.components;
    const after = this.#iteration;
    if (syncEvery === 1) {
      if (!steps.stepShared) throw new Error("training steps of this kind cannot run on several ranks");
      const { extra, sums, counted } = await steps.stepShared(after + 1, ranks, ring, requests, patient);
      this.#report(after + 1, summary.means(sums, counted), callbacks);
      return extra;
    }
    const own = await this.#trainAlone(after, Math.min(end, after + syncEvery - after % syncEvery));
    const all = await ranks.sum(Float32Array.from([...requests, ...own.flat()]), patient);
    let offset = requests.length;
    for (const [k, { length }] of own.entries()) {
      const sums = all.subarray(offset, offset += length);
      this.#report(after + 1 + k, summary.means(sums, sums[length - 1] ?? NaN), callbacks);
    }
    await collectives.averageOverRanks(gpu, ranks, networks);
    return all.subarray(0, requests.length);
  }

  /** Trains this rank alone, up to iteration `to`. @returns metric sums and number of events of each step */
  async #trainAlone(after: number, to: number): Promise<number[][]> {
    const { gpu, ring } = this.components;
    const own: number[][] = [];
    for (let t = after; t < to;) {
      const components = { ...this.components, validation: undefined };
      const group = encodeGroup(components, { after: t, most: Math.min(to - t, ring.steps), validated: t });
      gpu.queue.submit([group.commands]);
      const values = await readFloats(gpu, ring.view);
      for (const { counted, microBatches } of group.batches) {
        own.push([...ring.sumsAt(values, ring.stepSlot(++t), microBatches), counted]);
      }
    }
    return own;
  }

  #report(iteration: number, metrics: F, callbacks: TrainingCallbacks<F>): TrainingStepResult<F> {
    if (!Number.isFinite(this.components.summary.loss(metrics))) throw this.diverged(iteration);
    this.#iteration = iteration;
    const result = { iteration, ...metrics };
    callbacks.onStep?.(result);
    return result;
  }

  #reportValidation(iteration: number, sums: Float32Array, callbacks: TrainingCallbacks<F>): void {
    const { summary, validation, rates } = this.components;
    const counted = validation?.counted ?? NaN;
    this.#best = improveRecords(this.#best, sums.subarray(4 * summary.bestBy), iteration);
    const metrics = summary.means(sums, counted);
    if (!Number.isFinite(summary.loss(metrics))) throw new DivergedError(iteration, rates, "validation loss");
    callbacks.onValidation?.({ iteration, ...metrics, best: this.#best, counted });
  }

  #encode(after: number, most: number, own?: C): StepGroup {
    const group = encodeGroup(this.components, { after, most, validated: this.#validated, own });
    this.#validated = group.validations.at(-1) ?? this.#validated;
    return group;
  }

  #take(
    { after, batches, validations }: StepGroup,
    values: Float32Array,
    callbacks: TrainingCallbacks<F>,
  ): TrainingStepResult<F>[] {
    const { ring, summary, schedule } = this.components;
    const steps: TrainingStepResult<F>[] = [];
    let broken: DivergedError | undefined;
    for (let iteration = after; iteration <= after + batches.length; iteration++) {
      const batch = batches[iteration - after - 1];
      if (batch) {
        const { counted, microBatches } = batch;
        const metrics = summary.means(ring.sumsAt(values, ring.stepSlot(iteration), microBatches), counted);
        if (broken && Number.isFinite(summary.loss(metrics))) throw broken;
        steps.push(this.#report(iteration, metrics, callbacks));
      }
      if (validations.includes(iteration)) {
        const sums = ring.sumsAt(values, ring.validationSlot(iteration / schedule.validateEvery));
        try {
          this.#reportValidation(iteration, sums, callbacks);
        } catch (error) {
          // If both fail, throw the error of the first step, not of the validation before the first step.
          if (!(error instanceof DivergedError) || iteration > after) throw error;
          broken = error;
        }
      }
    }
    return steps;
  }

  /** Returns the best weights so far by a criterion. @throws Error for a training without validations. */
  async snapshot(criterion: Criterion): Promise<Weights> {
    if (!this.components.validation) throw new Error("this trainer does not validate");
    return await this.components.validation.keeper.snapshot(criterion);
  }

  /** Reads all current weights. Before the call, all submitted steps must have ended. */
  weights(): Promise<Weights> {
    return readJoined(this.components.networks, stateBuffers.weights);
  }

  /**
   * Replaces all weights. Before the call, all submitted steps must have ended.
   * @throws Error for an unknown parameter name, or a wrong number of values of a parameter.
   */
  setWeights(weights: Weights): void {
    writeJoined(this.components.networks, weights, stateBuffers.weights);
  }

  /** Reads the training state for {@link restore}. Before the call, all submitted steps must have ended. */
  async state(): Promise<TrainerState> {
    const { networks, validation } = this.components;
    const snapshots: Partial<Record<Criterion, Weights>> = {};
    for (const criterion of criteria) {
      const weights = await validation?.keeper.snapshot(criterion);
      if (weights) snapshots[criterion] = weights;
    }
    return {
      iteration: this.#iteration,
      weights: await this.weights(),
      m: await readJoined(networks, stateBuffers.m),
      v: await readJoined(networks, stateBuffers.v),
      best: this.#best,
      snapshots,
    };
  }

  /**
   * Restores a state of this or another trainer. Before the call, all submitted steps must have ended.
   * @throws Error for an unknown parameter name, or a wrong number of values of a parameter.
   */
  restore(state: TrainerState): void {
    const { networks, validation } = this.components;
    writeJoined(networks, state.weights, stateBuffers.weights);
    writeJoined(networks, state.m, stateBuffers.m);
    writeJoined(networks, state.v, stateBuffers.v);
    validation?.keeper.restore(state.best, state.snapshots);
    this.#iteration = state.iteration;
    this.#best = state.best;
    // The session that saved the state also ran this iteration's validation, except at iteration 0.
    this.#validated = state.iteration > 0 ? state.iteration : -1;
  }

  /** Frees the trainer's GPU memory, but not the model's. */
  destroy(): void {
    this.components.stack.dispose();
  }
  /** Calls `destroy`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
