/**
 * The seam between the engine that trains and what it trains on: steps, and groups of them. A group of steps, with the
 * validations that fall among them, is one command buffer.
 */

import { CommandRecorder } from "../gpu/commands.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { ResultRing } from "./training_results.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BestKeeper } from "./best_keeper.ts";

/** A batch, as far as the engine knows it. */
export interface CountedBatch {
  /** What means are taken over: of clicks, the events that are not given. */
  readonly counted: number;
  /** Slots of the ring that its sums are spread over; 1 if absent. More of a batch that is computed in parts. */
  readonly parts?: number;
}

/** What a step with other ranks takes: its number, the ring, numbers of this rank that travel along, and whether others may have much to do before. */
export type SharedStep = [
  t: number,
  ranks: ProcessGroup,
  ring: ResultRing,
  own: readonly number[],
  patient: boolean,
];

/** Over all ranks: the sums of what travelled along, those of the step's loss, and what its means are taken over. */
export interface StepSums {
  readonly beside: Float32Array;
  readonly sums: Float32Array;
  readonly counted: number;
}

/**
 * The steps of a training. This is the seam: {@link import("./batch_trainer.ts").BatchTrainer} knows iterations, places
 * of a ring, command buffers, sums, validations and snapshots, and nothing of what a batch is. That is known behind this
 * interface alone: how a batch is drawn (C), what it holds and how it gets to the device (B), which programs make a step
 * of it, and what its means are taken over. Clicks do it in click_steps.ts, and the pages of a replay
 * buffer, from which a policy learns, in policy/learning/policy_steps.ts.
 *
 * The batch of iteration t stands at place t modulo the places of the ring. For each group of steps the engine calls
 * {@link put} once, then {@link encodeLayout} for every {@link slices} batches and {@link encode} for each batch. Nothing
 * here may wait for the device.
 */
export interface Steps<C, B extends CountedBatch = CountedBatch> {
  /** Batches that are laid out at once, at most. */
  readonly slices: number;
  /**
   * Puts what the iterations after + 1, after + 2, ... take at their places, and sends it to the device. It follows from the seed
   * and the iteration alone, so that a resumed run takes the same.
   * @param most how many: fewer where the device has no room for more, but at least one.
   * @param own what they take instead of what is drawn for them.
   * @throws UserError for what makes no batch; then nothing was done.
   */
  put(after: number, most: number, own?: C): readonly B[];
  /** Appends what lays out batches that stand side by side from `place` on, each in a slice: 0, 1, ... */
  encodeLayout(commands: CommandRecorder, batches: readonly B[], place: number): void;
  /** Appends the whole step of a batch that stands at `place` and is laid out in `slice`. */
  encode(commands: CommandRecorder, batch: B, place: number, slice: number): void;
  /**
   * Of steps that ranks share: the whole step of iteration t, with the gradients of all between backward and update. Waits for
   * the device, and for the other ranks.
   */
  stepShared?(...step: SharedStep): Promise<StepSums>;
}

/** Says which weights are the best: evaluates them between two steps, on the device. */
export interface Validation {
  /** What its means are taken over. */
  readonly counted: number;
  readonly evaluation: {
    /** Appends what adds its sums to the shards' slots of the ring. Nothing waits. */
    encode(commands: CommandRecorder): void;
  };
  readonly keeper: BestKeeper;
}

/** What a group is made with. */
export interface StepGroupParts<C> {
  readonly gpu: Gpu;
  readonly steps: Steps<C>;
  readonly ring: ResultRing;
  readonly validation: Validation | undefined;
  readonly schedule: { readonly validateEvery: number };
}

/** Steps that were encoded together. */
export interface StepGroup {
  /** The iteration before its first. */
  readonly after: number;
  /** The batches of its steps, in order. */
  readonly batches: readonly CountedBatch[];
  /** Iterations after which there was a validation. */
  readonly validations: readonly number[];
  readonly commands: GPUCommandBuffer;
}

/**
 * Encodes the steps from `after` + 1 on, and validations where they are due, before the first step too.
 * @param range `most` steps; fewer where the device has no room for their batches. `validated`: the last iteration after
 *   which there was a validation. `own`: what they take instead of what is drawn for them.
 * @throws UserError for what makes no batch; then nothing was done.
 */
export function encodeGroup<C>(
  { gpu, steps, ring, validation, schedule: { validateEvery } }: StepGroupParts<C>,
  { after, most, validated, own }: {
    readonly after: number;
    readonly most: number;
    readonly validated: number;
    readonly own?: C;
  },
): StepGroup {
  const batches = steps.put(after, most, own);
  const count = batches.length;
  const commands = new CommandRecorder(gpu, `iterations ${after + 1}..${after + count}`);
  const validations: number[] = [];
  const validateAfter = (t: number) => {
    if (!validation || t % validateEvery !== 0 || t <= validated) return;
    validation.evaluation.encode(commands);
    validation.keeper.encode(commands, t / validateEvery, t);
    validations.push(t);
  };
  validateAfter(after);
  for (let first = 0; first < count;) {
    const start = (after + 1 + first) % ring.places;
    const slices = batches.slice(first, first + Math.min(steps.slices, ring.places - start));
    steps.encodeLayout(commands, slices, start);
    slices.forEach((batch, slice) => {
      steps.encode(commands, batch, start + slice, slice);
      validateAfter(after + 1 + first + slice);
    });
    first += slices.length;
  }
  return { after, batches, validations, commands: commands.finish() };
}

/** A result of a group. */
export interface StepGroupResult {
  readonly kind: "step" | "validation";
  readonly iteration: number;
}

/** The results of a group in the order in which they came to be. */
export function* listResults({ after, batches, validations }: StepGroup): Generator<StepGroupResult> {
  for (let iteration = after; iteration <= after + batches.length; iteration++) {
    if (iteration > after) yield { kind: "step", iteration };
    if (validations.includes(iteration)) yield { kind: "validation", iteration };
  }
}
