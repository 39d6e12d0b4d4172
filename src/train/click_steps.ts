/**
 * Training steps on clicks. A step draws a batch of users, and writes the user numbers to the batch plan (a
 * GPU buffer). On the device, the step then builds the batch's index arrays (e.g. the rows of each event),
 * and runs the GPU programs of the training stage.
 */

import type { ClickSizes } from "../batch/click_sizes.ts";
import { countScoredEvents, maxSizes, splitMicroBatches } from "../batch/plan.ts";
import type { BatchPlan, BatchSlot, MicroBatchPlan } from "../batch/plan.ts";
import type { ClickLog } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import { onlySlice, type Program } from "../gpu/program.ts";
import type { StepSettings } from "../gpu/step.ts";
import type { WeightUpdate } from "../model/model_program.ts";
import type { DistributedContext } from "./distributed_context.ts";
import type { SharedStep, Steps, StepSums } from "./steps.ts";
import type { TrainingLog } from "./training_log.ts";

export type UpdateSettings = Pick<StepSettings, "learningRate" | "decay" | "tableDecay">;

export interface ClickPrograms {
  /** Program that builds the index arrays of several batches at once. */
  readonly layout: Program<ClickSizes>;
  /** Returns the settings (e.g. the learning rate) of each weight update in iteration t. */
  settings(t: number): readonly UpdateSettings[];
  /** Phases of an iteration, in order. A phase runs all micro-batches, and then updates one network. */
  readonly phases: readonly TrainingPhase[];
}

export interface TrainingPhase extends WeightUpdate {
  /** Index of this phase's settings in the list that {@link ClickPrograms.settings} returns. */
  readonly header: number;
  /** Programs that compute the forward pass and the gradients of a micro-batch. */
  readonly gradients: readonly Program<ClickSizes>[];
  /** Programs for phases after the first, if the batch is not split: they recompute only changed outputs. */
  readonly recompute: readonly Program<ClickSizes>[];
}

export interface ClickBatches {
  readonly training: TrainingLog;
  readonly plan: BatchPlan;
  /** Largest sizes of a micro-batch. A larger batch is split into micro-batches. */
  readonly cut: MicroBatchPlan;
  readonly trainUsers: Uint32Array;
  readonly schedule: { readonly seed: number; readonly batchSize: number };
  /** Context of a distributed training; undefined for a single process. */
  readonly distributed?: DistributedContext;
}

/** Batch of a step. Its micro-batches are in consecutive slots of the batch plan (a GPU buffer). */
export interface PlannedStep {
  readonly counted: number;
  readonly microBatches: number;
  readonly batches: readonly BatchSlot[];
}

export class ClickSteps implements Steps<ArrayLike<number>, PlannedStep> {
  constructor(readonly batches: ClickBatches, readonly programs: ClickPrograms) {}

  get slices(): number {
    return this.batches.plan.slices;
  }

  draw(t: number): Uint32Array {
    const { trainUsers, schedule } = this.batches;
    const random = createRandomStream(schedule.seed, "batch", t);
    const indices = random.sampleWithoutReplacement(trainUsers.length, schedule.batchSize);
    return indices.map((index) => trainUsers[index] ?? 0);
  }

  /** @throws UserError for an unknown or repeated user, or if no user of a batch has an event to predict. */
  put(after: number, most: number, own?: ArrayLike<number>): PlannedStep[] {
    const { training, plan, cut, distributed } = this.batches;
    // All checks come before all changes, so a rejected batch changes nothing.
    const counts: (number | undefined)[] = [];
    const taken = training.take(most, (k) => {
      const users = own ?? this.draw(after + 1 + k);
      if (!distributed) return users;
      const share = distributed.collectives.shareOfBatch(training.source, users, distributed);
      counts[k] = share.counted;
      return share.users;
    });
    const placed = taken.batches.map((users, k) => this.#putStep(after + 1 + k, users, taken.log, counts[k]));
    taken.send();
    plan.uploadRing((after + 1) * cut.parts, placed.length * cut.parts);
    return placed;
  }

  #putStep(t: number, users: ArrayLike<number>, log: ClickLog, counted?: number): PlannedStep {
    const { plan, cut, schedule, distributed } = this.batches;
    const first = t * cut.parts % plan.slots;
    const userLists = cut.parts > 1 ? splitMicroBatches(log, users, cut.limit) : [users];
    const meanOver = counted ?? (userLists.length > 1 ? countScoredEvents(log, users) : undefined);
    const before = (distributed?.ranks.rank ?? 0) * cut.parts;
    const batches = userLists.map((own, k) => {
      const common = { slot: first + k, iteration: t, noise: computeStepNoise(schedule.seed, t, before + k) };
      const settings = this.programs.settings(t).map((update) => ({ ...common, ...update }));
      return plan.put(first + k, own, settings, log, meanOver);
    });
    return { counted: batches[0]?.counted ?? NaN, microBatches: batches.length, batches };
  }

  encodeLayout(commands: CommandRecorder, steps: readonly PlannedStep[], slot: number): void {
    const { plan, cut } = this.batches;
    const batches = steps.flatMap((step) => (step.microBatches === 1 ? step.batches : []));
    if (batches.length === 0) return;
    const slices = { index: 0, count: batches.length };
    this.programs.layout.encode(commands, maxSizes(batches), plan.offset(slot * cut.parts), slices);
  }

  /** Programs of an iteration whose batch is not split, each with its {@link TrainingPhase.header}. */
  get wholeBatchPrograms(): { readonly program: Program<ClickSizes>; readonly header: number }[] {
    return this.programs.phases.flatMap(({ header, gradients, recompute, sum }, phase) => {
      const programs = [...phase > 0 ? recompute : gradients, ...sum ? [sum.update] : []];
      return programs.map((program) => ({ program, header }));
    });
  }

  encode(commands: CommandRecorder, { batches }: PlannedStep, slot: number, index: number): void {
    const { plan, cut } = this.batches;
    const first = slot * cut.parts;
    const isWhole = batches.length === 1;
    const slice = isWhole ? { index, count: 1 } : onlySlice;
    for (const [phase, { header, gradients, recompute, sum }] of this.programs.phases.entries()) {
      batches.forEach((part, k) => {
        const offset = plan.offset(first + k, header);
        if (!isWhole) this.programs.layout.encode(commands, part, plan.offset(first + k));
        for (const program of isWhole && phase > 0 ? recompute : gradients) {
          program.encode(commands, part, offset, slice);
        }
        sum?.encode(commands, part, offset, { first: k === 0, last: k === batches.length - 1 }, slice);
      });
    }
  }

  stepShared(...step: SharedStep): Promise<StepSums> {
    const { distributed } = this.batches;
    if (!distributed) throw new Error("this training does not run on several ranks");
    return distributed.collectives.stepShared(this, ...step);
  }
}

/** Returns the seed of item dropout in iteration t. Each micro-batch has its own seed. */
export function computeStepNoise(seed: number, t: number, microBatch = 0): number {
  return createRandomStream(seed, "noise", t, ...(microBatch > 0 ? [microBatch] : [])).integer(2 ** 32);
}
