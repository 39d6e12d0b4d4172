/**
 * The uniform that all kernels of a step share: the sizes of its batch and where its results go.
 *
 * A program is recorded once; a step is replayed with another offset into a buffer of such headers. So a batch of
 * other sizes costs nothing but 256 bytes.
 */

/** Sizes of a batch, by the letters of the field: users, events, rows, and distinct items. */
export interface BatchSizes {
  readonly users: number;
  readonly events: number;
  readonly rows: number;
  readonly items: number;
}

/** A dimension of a tensor: fixed, or one of the batch's sizes. */
export type Dim = number | keyof BatchSizes;

/** Index of a size in the kernels' `step.size`. */
export const sizeIndex: Readonly<Record<keyof BatchSizes, number>> = {
  users: 0,
  events: 1,
  rows: 2,
  items: 3,
};

export function extent(dim: Dim, sizes: BatchSizes): number {
  return typeof dim === "number" ? dim : sizes[dim];
}

export interface StepHeader extends BatchSizes {
  /** Where the batch's users start in the plan, in entries. */
  readonly firstUser: number;
  /** Slot of the result ring that the step writes. */
  readonly slot: number;
  /** Adam's bias-corrected rate of this iteration; 0 where nothing is trained. */
  readonly learningRate: number;
  /** Iterations completed before this step, for the record of the best one. */
  readonly iteration: number;
  /** The share that weight decay takes off the parameters that decay: learning rate x weight decay. */
  readonly decay?: number;
  /** A 32-bit number that rules what is random in the step. */
  readonly noise?: number;
  /** Events that means are taken over: those that are not given. All of them if absent. */
  readonly counted?: number;
}

/** Bytes from one header to the next: the least offset that every adapter takes for a uniform. */
export const STEP_STRIDE = 256;
/** Bytes of a header that kernels see. */
export const STEP_BYTES = 48;

/**
 * Into how many partial sums the weight gradients of a step are split: one for every 256 rows, at most 16.
 * It follows from the batch alone, so that the order of every sum does too.
 */
export function partialChunks(sizes: BatchSizes): number {
  return Math.min(MAX_CHUNKS, Math.max(1, Math.ceil(sizes.rows / 256)));
}
export const MAX_CHUNKS = 16;

/** Writes a header in the layout of the kernels' `struct Step`. */
export function writeStepHeader(target: DataView, offset: number, step: StepHeader): void {
  const words = [
    step.users,
    step.events,
    step.rows,
    step.items,
    step.firstUser,
    step.slot,
    partialChunks(step),
  ];
  words.forEach((word, k) => target.setUint32(offset + 4 * k, word, true));
  target.setFloat32(offset + 28, step.learningRate, true);
  target.setUint32(offset + 32, step.iteration, true);
  target.setFloat32(offset + 36, step.decay ?? 0, true);
  target.setUint32(offset + 40, step.noise ?? 0, true);
  target.setUint32(offset + 44, step.counted ?? step.events, true);
}
