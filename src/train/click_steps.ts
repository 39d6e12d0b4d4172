/** Steps on batches of clicks: users are drawn, put into the plan, and laid out before a stage's programs run on them. */

import type { ClickSizes } from "../batch/click_sizes.ts";
import { largestOf, type PlacedBatch, type Plan } from "../batch/plan.ts";
import { randomStream } from "../data/random.ts";
import type { Commands } from "../gpu/commands.ts";
import type { Program, Slice } from "../gpu/program.ts";
import type { StepPurpose } from "../gpu/step.ts";
import type { Steps } from "./steps.ts";
import type { TrainingLog } from "./training_log.ts";

/** How a step moves the weights. */
export type Move = Pick<StepPurpose, "learningRate" | "decay">;

/** What a stage makes of a batch. */
export interface ClickPrograms {
  /** Lays out batches, a slice each. */
  readonly layout: Program<ClickSizes>;
  /** How iteration t moves the weights: one for each header of its place. */
  moves(t: number): readonly Move[];
  /** Appends an iteration. @param offset in the plan's headers, of each header of its place. */
  encode(commands: Commands, sizes: ClickSizes, offset: (header: number) => number, slice: Slice): void;
}

/** Where the batches come from, and where they go. */
export interface ClickBatches {
  readonly training: TrainingLog;
  readonly plan: Plan;
  readonly trainUsers: Uint32Array;
  /** `batchSize`: users that an iteration draws. */
  readonly schedule: { readonly seed: number; readonly batchSize: number };
}

export class ClickSteps implements Steps<ArrayLike<number>, PlacedBatch> {
  constructor(private readonly batches: ClickBatches, private readonly programs: ClickPrograms) {}

  get slices(): number {
    return this.batches.plan.slices;
  }

  /** @returns train users, all of them different */
  draw(t: number): Uint32Array {
    const { trainUsers, schedule } = this.batches;
    const random = randomStream(schedule.seed, "batch", t);
    const places = random.sampleWithoutReplacement(trainUsers.length, schedule.batchSize);
    return places.map((place) => trainUsers[place] ?? 0);
  }

  /** @throws UserError for a user that the log does not have or that comes twice, or users without events to predict. */
  put(after: number, most: number, draw: (t: number) => ArrayLike<number>): PlacedBatch[] {
    const { training, plan, schedule } = this.batches;
    // All that can be refused comes first, so that a refused batch leaves nothing half done.
    const taken = training.take(most, (k) => draw(after + 1 + k));
    const placed = taken.batches.map((users, k) => {
      const t = after + 1 + k;
      const place = t % plan.places;
      const common = { slot: place, iteration: t, noise: noiseOf(schedule.seed, t) };
      return plan.put(
        place,
        users,
        this.programs.moves(t).map((move) => ({ ...common, ...move })),
        taken.log,
      );
    });
    taken.send();
    plan.uploadRing(after + 1, placed.length);
    return placed;
  }

  encodeLayout(commands: Commands, batches: readonly PlacedBatch[], place: number): void {
    const slices = { index: 0, count: batches.length };
    this.programs.layout.encode(commands, largestOf(batches), this.batches.plan.offset(place), slices);
  }

  encode(commands: Commands, batch: PlacedBatch, place: number, slice: number): void {
    const { plan } = this.batches;
    this.programs.encode(commands, batch, (header) => plan.offset(place, header), { index: slice, count: 1 });
  }
}

/** What rules item dropout in iteration t. */
export function noiseOf(seed: number, t: number): number {
  return randomStream(seed, "noise", t).integer(2 ** 32);
}
