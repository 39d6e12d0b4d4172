/** Interface between the training loop and a stage's batches, and groups of steps in one command buffer. */

import { CommandRecorder } from "../gpu/commands.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { ResultRing } from "./training_results.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BestKeeper } from "./best_keeper.ts";

export interface CountedBatch {
  /** Number of samples over which the means are taken: for clicks, the number of predicted events. */
  readonly counted: number;
  /** Number of ring slots that hold the batch's sums, one per micro-batch; 1 if absent. */
  readonly microBatches?: number;
}

/** Arguments of a step that several ranks run together; see {@link import("./distributed_context.ts").stepShared}. */
export type SharedStep = [
  t: number,
  ranks: ProcessGroup,
  ring: ResultRing,
  own: readonly number[],
  patient: boolean,
];

/** Sums over all ranks: `extra` of the additional numbers, `sums` of the step's metrics over `counted` samples. */
export interface StepSums {
  readonly extra: Float32Array;
  readonly sums: Float32Array;
  readonly counted: number;
}

/**
 * Steps of a training. {@link import("./batch_trainer.ts").BatchTrainer} handles iterations, ring slots, command buffers,
 * sums, validations and snapshots, but knows nothing about batches. This interface defines how a batch is drawn (type C),
 * what a batch holds and how it is uploaded (type B), which programs make a step, and how many samples a mean is over.
 * click_steps.ts implements it for clicks, policy/learning/policy_steps.ts for pages of a replay buffer.
 * | The batch of iteration t is in slot t modulo the ring's number of steps. For each group of steps the trainer calls
 * {@link put} once, then {@link encodeLayout} for every {@link slices} batches and {@link encode} for each batch. No method
 * but {@link stepShared} may wait for the device.
 */
export interface Steps<C, B extends CountedBatch = CountedBatch> {
  /** Largest number of batches whose index arrays are built at once. */
  readonly slices: number;
  /**
   * Fills the slots of iterations after + 1, after + 2, ... and uploads these slots. A batch depends on the seed and the
   * iteration alone, so a resumed run has the same batches. @param most largest number of iterations; fewer, but at least one,
   * are filled if the device has no room for more. @param own input that replaces the drawn batches. @throws UserError for an
   * invalid batch, before anything is changed.
   */
  put(after: number, most: number, own?: C): readonly B[];
  /** Encodes the construction of the index arrays of batches in consecutive slots from `slot` on, in slices 0, 1, ... */
  encodeLayout(commands: CommandRecorder, batches: readonly B[], slot: number): void;
  /** Encodes the whole step on the batch in `slot`, whose index arrays are in `slice`. */
  encode(commands: CommandRecorder, batch: B, slot: number, slice: number): void;
  /** Runs step t together with other ranks, which exchange gradients before the update. Waits for the device and the other ranks. */
  stepShared?(...step: SharedStep): Promise<StepSums>;
}

/** Validation that runs on the device between two steps and keeps the best weights. */
export interface Validation {
  /** Number of samples over which the validation's means are taken. */
  readonly counted: number;
  readonly evaluation: {
    /** Encodes the evaluation, which writes its sums to the shards' ring slots. Does not wait for the device. */
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
 * Encodes the steps from iteration `after` + 1 on, and the validations that are due, including one before the first step.
 * @param range `most`: largest number of steps; the group is shorter if the device has no room for the batches. `validated`:
 * last iteration with a validation. @throws UserError for an invalid batch, before anything is changed.
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
