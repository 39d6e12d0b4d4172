/** Declares how a training stage supplies batches to the training loop. Encodes groups of steps. */

import { CommandRecorder } from "../gpu/commands.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { ResultRing } from "./training_results.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BestKeeper } from "./best_keeper.ts";

export interface CountedBatch {
  /** Number of samples over which metrics are averaged: for clicks, the number of predicted events. */
  readonly counted: number;
  /** Number of micro-batches (1 if absent); the result ring has a slot of metric sums per micro-batch. */
  readonly microBatches?: number;
}

/** Arguments of {@link Steps.stepShared}. */
export type SharedStep = [
  t: number,
  ranks: ProcessGroup,
  ring: ResultRing,
  own: readonly number[],
  patient: boolean,
];

/** Sums over all ranks: metrics (`sums`), number of samples (`counted`) and other numbers (`extra`). */
export interface StepSums {
  readonly extra: Float32Array;
  readonly sums: Float32Array;
  readonly counted: number;
}

/**
 * Steps of a training, which {@link import("./batch_trainer.ts").BatchTrainer} runs. An implementation of
 * this interface draws a batch (type C), uploads it (type B), and encodes a step's GPU programs.
 * Implementations: `click_steps.ts` trains on clicks, `policy/learning/policy_trainer.ts` on pages of a
 * replay buffer. The batch of iteration t is stored in slot t % {@link ResultRing.steps} of a GPU buffer. For
 * each group of steps, the trainer calls {@link put} once, {@link encodeLayout} once per {@link slices}
 * batches, and {@link encode} once per batch. Only {@link stepShared} may wait for the GPU.
 */
export interface Steps<C, B extends CountedBatch = CountedBatch> {
  /** Largest number of batches whose index arrays are built at once. */
  readonly slices: number;
  /**
   * Uploads the batches of the iterations after iteration `after`. A batch depends only on the seed and the
   * iteration, so a resumed run has the same batches. @param most - largest number of batches. Fewer batches
   * (at least one) are uploaded if the device's memory is too small. @param own - input that replaces the
   * drawn batches. @throws UserError for an invalid batch, before anything is changed.
   */
  put(after: number, most: number, own?: C): readonly B[];
  /** Encodes dispatches that build index arrays. Batch k is in slot `slot` + k; its arrays go to slice k. */
  encodeLayout(commands: CommandRecorder, batches: readonly B[], slot: number): void;
  /** Encodes the whole step on the batch in `slot`, whose index arrays are in `slice`. */
  encode(commands: CommandRecorder, batch: B, slot: number, slice: number): void;
  /** Runs a step whose gradients are summed over all ranks. Waits for the device and the other ranks. */
  stepShared?(...step: SharedStep): Promise<StepSums>;
}

/** Validation, which runs on the device between two steps, and stores the best weights. */
export interface Validation {
  /** Number of samples by which the validation's sums are divided. */
  readonly counted: number;
  readonly evaluation: {
    /** Encodes an evaluation that writes metric sums to a {@link ResultRing}; does not wait for the GPU. */
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
 * Encodes the steps that follow iteration `after`, and the validations due before, between and after them.
 * `most` is the largest number of steps; fewer are encoded if the batches do not fit the device. `validated`
 * is the last iteration with a validation. @throws UserError for an invalid batch, before anything is
 * changed.
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
