/** Interface between the engine that trains and what it trains on: steps, and groups of them in one command buffer. */

import { CommandRecorder } from "../gpu/commands.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { ResultRing } from "./training_results.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BestKeeper } from "./best_keeper.ts";

export interface CountedBatch {
  /** Number of samples in the means: for clicks, events that are predicted. */
  readonly counted: number;
  /** Ring slots that its sums are spread over, one per micro-batch; 1 if absent. */
  readonly microBatches?: number;
}

/** Arguments of a step with other ranks; see {@link import("./distributed_context.ts").stepShared}. */
export type SharedStep = [
  t: number,
  ranks: ProcessGroup,
  ring: ResultRing,
  own: readonly number[],
  patient: boolean,
];

/** Sums over all ranks of the extra numbers and of the step's loss, and the number of samples in its means. */
export interface StepSums {
  readonly extra: Float32Array;
  readonly sums: Float32Array;
  readonly counted: number;
}

/**
 * The steps of a training. {@link import("./batch_trainer.ts").BatchTrainer} handles iterations, slots of a ring, command
 * buffers, sums, validations and snapshots, but does not know batches. This interface hides how a batch is drawn (C), what it
 * holds and how it gets to the device (B), which programs make a step, and what its means are taken over. click_steps.ts
 * implements it for clicks, policy/learning/policy_steps.ts for pages of a replay buffer.
 * | The batch of iteration t is in slot t modulo the steps of the ring. For each group of steps the engine calls {@link put}
 * once, then {@link encodeLayout} for every {@link slices} batches and {@link encode} for each batch. None of them may wait for
 * the device.
 */
export interface Steps<C, B extends CountedBatch = CountedBatch> {
  /** Most batches that are laid out at once. */
  readonly slices: number;
  /**
   * Fills the slots of iterations after + 1, after + 2, ... and uploads them. Batches depend on seed and iteration alone, so
   * that a resumed run has the same ones.
   * @param most iterations: fewer if the device has no room for more, but at least one. @param own input that replaces drawn
   * batches.
   * @throws UserError for an invalid batch; then nothing has changed.
   */
  put(after: number, most: number, own?: C): readonly B[];
  /** Encodes the layout of batches in consecutive slots from `slot` on, in slices 0, 1, ... */
  encodeLayout(commands: CommandRecorder, batches: readonly B[], slot: number): void;
  /** Encodes the whole step of the batch in `slot`, which is laid out in `slice`. */
  encode(commands: CommandRecorder, batch: B, slot: number, slice: number): void;
  /** Runs step t with other ranks, with the exchange of gradients before the update. Waits for the device and the other ranks. */
  stepShared?(...step: SharedStep): Promise<StepSums>;
}

/** Validation between two steps on the device, which selects the best weights. */
export interface Validation {
  /** Number of samples in its means. */
  readonly counted: number;
  readonly evaluation: {
    /** Encodes the evaluation, which adds its sums to the shards' slots of the ring. Nothing waits. */
    encode(commands: CommandRecorder): void;
  };
  readonly keeper: BestKeeper;
}

export interface StepGroupInputs<C> {
  readonly gpu: Gpu;
  readonly steps: Steps<C>;
  readonly ring: ResultRing;
  readonly validation: Validation | undefined;
  readonly schedule: { readonly validateEvery: number };
}

export interface StepGroup {
  readonly after: number;
  readonly batches: readonly CountedBatch[];
  readonly validations: readonly number[];
  readonly commands: GPUCommandBuffer;
}

/**
 * Encodes the steps from `after` + 1 on, and validations where they are due, before the first step too.
 * @param range `most` steps; fewer if the device has no room for their batches. `validated`: last iteration with a validation.
 * @throws UserError for an invalid batch; then nothing has changed.
 */
export function encodeGroup<C>(
  { gpu, steps, ring, validation, schedule: { validateEvery } }: StepGroupInputs<C>,
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
    const start = (after + 1 + first) % ring.steps;
    const slices = batches.slice(first, first + Math.min(steps.slices, ring.steps - start));
    steps.encodeLayout(commands, slices, start);
    slices.forEach((batch, slice) => {
      steps.encode(commands, batch, start + slice, slice);
      validateAfter(after + 1 + first + slice);
    });
    first += slices.length;
  }
  return { after, batches, validations, commands: commands.finish() };
}

export interface StepGroupResult {
  readonly kind: "step" | "validation";
  readonly iteration: number;
}

export function* listResults({ after, batches, validations }: StepGroup): Generator<StepGroupResult> {
  for (let iteration = after; iteration <= after + batches.length; iteration++) {
    if (iteration > after) yield { kind: "step", iteration };
    if (validations.includes(iteration)) yield { kind: "validation", iteration };
  }
}
