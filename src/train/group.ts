/** A group of steps, and the validations that fall among them: one command buffer. */

import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BestKeeper } from "./best_keeper.ts";
import type { ResultRing } from "./result_ring.ts";
import type { Counted, Steps } from "./steps.ts";

/** Says which weights are the best: evaluates them between two steps, on the device. */
export interface Validation {
  /** What its means are taken over. */
  readonly counted: number;
  readonly evaluation: {
    /** Appends what adds its sums to the shards' slots of the ring. Nothing waits. */
    encode(commands: Commands): void;
  };
  readonly keeper: BestKeeper;
}

/** What a group is made with. */
export interface GroupParts<C> {
  readonly gpu: Gpu;
  readonly steps: Steps<C>;
  readonly ring: ResultRing;
  readonly validation: Validation | undefined;
  readonly schedule: { readonly validateEvery: number };
}

/** Steps that were encoded together. */
export interface Group {
  /** The iteration before its first. */
  readonly after: number;
  /** The batches of its steps, in order. */
  readonly batches: readonly Counted[];
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
  { gpu, steps, ring, validation, schedule: { validateEvery } }: GroupParts<C>,
  { after, most, validated, own }: {
    readonly after: number;
    readonly most: number;
    readonly validated: number;
    readonly own?: C;
  },
): Group {
  const batches = steps.put(after, most, own);
  const count = batches.length;
  const commands = new Commands(gpu, `iterations ${after + 1}..${after + count}`);
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
export interface GroupResult {
  readonly kind: "step" | "validation";
  readonly iteration: number;
}

/** The results of a group in the order in which they came to be. */
export function* resultsOf({ after, batches, validations }: Group): Generator<GroupResult> {
  for (let iteration = after; iteration <= after + batches.length; iteration++) {
    if (iteration > after) yield { kind: "step", iteration };
    if (validations.includes(iteration)) yield { kind: "validation", iteration };
  }
}
