/** Steps on batches of clicks: users are drawn, put into the plan, and laid out before a stage's programs run on them. */

import type { ClickSizes } from "../batch/click_sizes.ts";
import {
  type BatchPlan,
  type BatchSlot,
  countScoredEvents,
  maxSizes,
  type MicroBatchPlan,
  splitMicroBatches,
} from "../batch/plan.ts";
import type { ClickLog } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import { onlySlice, type Program } from "../gpu/program.ts";
import type { StepSettings } from "../gpu/step.ts";
import type { WeightUpdate } from "../model/model_program.ts";
import type { DistributedContext } from "./distributed_context.ts";
import type { SharedStep, Steps, StepSums } from "./steps.ts";
import type { TrainingLog } from "./training_log.ts";

/** How a step moves the weights. */
export type UpdateSettings = Pick<StepSettings, "learningRate" | "decay">;

/** What a stage makes of a batch. */
export interface ClickPrograms {
  /** Lays out batches, a slice each. */
  readonly layout: Program<ClickSizes>;
  /** How iteration t moves the weights: one for each header of its place. */
  moves(t: number): readonly UpdateSettings[];
  /** An iteration; each phase goes through all parts of the batch. */
  readonly phases: readonly TrainingPhase[];
}

/** What an iteration does to one network. */
export interface TrainingPhase extends WeightUpdate {
  /** Of its place: says how the weights move. */
  readonly header: number;
  /** Forward, and the gradients of a part that has just been laid out. */
  readonly gradients: readonly Program<ClickSizes>[];
  /** The same of the only part, which stands as the phase before has left it. */
  readonly again: readonly Program<ClickSizes>[];
}

/** Where the batches come from, and where they go. */
export interface ClickBatches {
  readonly training: TrainingLog;
  readonly plan: BatchPlan;
  /** How batches are cut that are too large. */
  readonly cut: MicroBatchPlan;
  readonly trainUsers: Uint32Array;
  /** `batchSize`: users that an iteration draws. */
  readonly schedule: { readonly seed: number; readonly batchSize: number };
  /** Of a training that several processes share. */
  readonly together?: DistributedContext;
}

/** A batch in the plan, in one part as a rule: they stand in places that follow one another. */
export interface PlannedStep {
  readonly counted: number;
  readonly parts: number;
  readonly batches: readonly BatchSlot[];
}

export class ClickSteps implements Steps<ArrayLike<number>, PlannedStep> {
  constructor(readonly batches: ClickBatches, readonly programs: ClickPrograms) {}

  get slices(): number {
    return this.batches.plan.slices;
  }

  /** @returns train users, all of them different */
  draw(t: number): Uint32Array {
    const { trainUsers, schedule } = this.batches;
    const random = createRandomStream(schedule.seed, "batch", t);
    const places = random.sampleWithoutReplacement(trainUsers.length, schedule.batchSize);
    return places.map((place) => trainUsers[place] ?? 0);
  }

  /** @throws UserError for a user that the log does not have or that comes twice, or users without events to predict. */
  put(after: number, most: number, own?: ArrayLike<number>): PlannedStep[] {
    const { training, plan, cut } = this.batches;
    // All that can be refused comes first, so that a refused batch leaves nothing half done.
    const counts: (number | undefined)[] = [];
    const taken = training.take(most, (k) => {
      const users = own ?? this.draw(after + 1 + k);
      if (!this.batches.together) return users;
      const share = this.batches.together.how.shareOfBatch(training.source, users, this.batches.together);
      counts[k] = share.counted;
      return share.users;
    });
    const placed = taken.batches.map((users, k) => this.#putStep(after + 1 + k, users, taken.log, counts[k]));
    taken.send();
    plan.uploadRing((after + 1) * cut.parts, placed.length * cut.parts);
    return placed;
  }

  /** Sets the places of iteration t. @param counted what means are taken over, if not the users' own events */
  #putStep(t: number, users: ArrayLike<number>, log: ClickLog, counted?: number): PlannedStep {
    const { plan, cut, schedule, together } = this.batches;
    const first = t * cut.parts % plan.places;
    const parts = cut.parts > 1 ? splitMicroBatches(log, users, cut.limit) : [users];
    const of = counted ?? (parts.length > 1 ? countScoredEvents(log, users) : undefined);
    const before = (together?.ranks.rank ?? 0) * cut.parts;
    const batches = parts.map((own, part) => {
      const common = {
        slot: first + part,
        iteration: t,
        noise: computeStepNoise(schedule.seed, t, before + part),
      };
      return plan.put(
        first + part,
        own,
        this.programs.moves(t).map((move) => ({ ...common, ...move })),
        log,
        of,
      );
    });
    return { counted: batches[0]?.counted ?? NaN, parts: batches.length, batches };
  }

  encodeLayout(commands: CommandRecorder, steps: readonly PlannedStep[], place: number): void {
    const { plan, cut } = this.batches;
    const batches = steps.flatMap((step) => (step.parts === 1 ? step.batches : []));
    if (batches.length === 0) return;
    const slices = { index: 0, count: batches.length };
    this.programs.layout.encode(commands, maxSizes(batches), plan.offset(place * cut.parts), slices);
  }

  /** The programs of an iteration on a batch of one part that is laid out, in order. @returns each with the header of its place */
  get programsOfOne(): { readonly program: Program<ClickSizes>; readonly header: number }[] {
    return this.programs.phases.flatMap(({ header, gradients, again, sum }, phase) => {
      const programs = [...phase > 0 ? again : gradients, ...sum ? [sum.update] : []];
      return programs.map((program) => ({ program, header }));
    });
  }

  encode(commands: CommandRecorder, { batches }: PlannedStep, place: number, index: number): void {
    const { plan, cut } = this.batches;
    const first = place * cut.parts;
    const isWhole = batches.length === 1;
    const slice = isWhole ? { index, count: 1 } : onlySlice;
    for (const [phase, { header, gradients, again, sum }] of this.programs.phases.entries()) {
      batches.forEach((part, k) => {
        const offset = plan.offset(first + k, header);
        if (!isWhole) this.programs.layout.encode(commands, part, plan.offset(first + k));
        for (const program of isWhole && phase > 0 ? again : gradients) {
          program.encode(commands, part, offset, slice);
        }
        sum?.encode(commands, part, offset, { first: k === 0, last: k === batches.length - 1 }, slice);
      });
    }
  }

  /** Step t with other ranks: see {@link import("./distributed_context.ts").stepShared}. */
  stepShared(...step: SharedStep): Promise<StepSums> {
    const { together } = this.batches;
    if (!together) throw new Error("expected a training that ranks share");
    return together.how.stepShared(this, ...step);
  }
}

/** What rules item dropout in iteration t; parts of a batch have noise of their own. */
export function computeStepNoise(seed: number, t: number, part = 0): number {
  return createRandomStream(seed, "noise", t, ...(part > 0 ? [part] : [])).integer(2 ** 32);
}
