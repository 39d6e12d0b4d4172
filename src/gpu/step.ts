/**
 * The step header: a uniform that all kernels of a training step share. It has the sizes of the step's batch,
 * and the index (slot) at which the step writes its results.
 *
 * A program is recorded once. Each step replays the program with another offset into a buffer of step
 * headers. So a batch with other sizes needs only a header of 256 bytes, not another program.
 */

import type { Arena } from "./arena.ts";
import { type BatchSizes, type Dimensions, getSize } from "./sizes.ts";

export interface StepSettings {
  /** Index (slot) in the ring buffer of results at which the step writes. */
  readonly slot: number;
  /** Learning rate of this iteration after Adam's bias correction; 0 without training. */
  readonly learningRate: number;
  /** Number of iterations before this step. */
  readonly iteration: number;
  /** Fraction of a weight that a step subtracts from the weight: learning rate x weight decay. */
  readonly decay?: number;
  /** Fraction that weight decay subtracts in tables with a row per item or token; by default `decay`. */
  readonly tableDecay?: number;
  /** Random seed of the step, 32 bits. */
  readonly noise?: number;
  readonly page?: SimulatedPage;
}

export interface SimulatedPage {
  /** Index of the page within the episode. */
  readonly page: number;
  readonly episode: number;
  /** Index of the batch's first user among all users. A user's random numbers depend on the user's index. */
  readonly firstUser: number;
  /** Probability that a slate is random. */
  readonly epsilon?: number;
}

export interface StepBatch<S extends BatchSizes> {
  readonly sizes: S;
  /** Denominator of the batch's mean loss: in a batch of clicks, the number of events that have a loss. */
  readonly counted: number;
  /** Index of the batch's first user in a list of users on the GPU; 0 without such a list. */
  readonly first: number;
}

/** Distance between step headers in bytes. Every adapter accepts multiples of 256 as uniform offsets. */
export const STEP_STRIDE = 256;
/** Number of bytes that kernels read, from the start of a header. */
export const STEP_BYTES = 80;

/** Buffer of step headers, by slot (index). A new header does not change steps that were submitted before. */
export class StepHeaders<S extends BatchSizes> {
  readonly buffer: GPUBuffer;
  readonly #values: DataView<ArrayBuffer>;

  /** @param each - headers per slot @param seen - slots that a multi-step kernel reads per dispatch */
  constructor(
    private readonly arena: Arena,
    readonly dimensions: Dimensions<S>,
    slots: number,
    readonly each = 1,
    seen = 1,
  ) {
    this.#values = new DataView(new ArrayBuffer(STEP_STRIDE * slots * each));
    const behind = STEP_STRIDE * each * seen;
    this.buffer = arena.allocate("headers", this.#values.byteLength + behind).buffer;
  }

  /** Returns the offset of a header in bytes, for {@link import("./program.ts").Program.encode}. */
  offset(slot: number, header = 0): number {
    return (slot * this.each + header) * STEP_STRIDE;
  }

  /** Writes a slot's headers. @param purpose - settings per header; further headers get the last settings */
  put(slot: number, batch: StepBatch<S>, purpose: StepSettings | readonly StepSettings[]): void {
    const purposes = [purpose].flat();
    for (let header = 0; header < this.each; header++) {
      const own = purposes[Math.min(header, purposes.length - 1)];
      if (own) writeStepHeader(this.#values, this.offset(slot, header), this.dimensions, batch, own);
    }
  }

  upload(first: number, count: number): void {
    const [from, to] = [this.offset(first), this.offset(first + count)];
    this.arena.gpu.queue.writeBuffer(this.buffer, from, new Uint8Array(this.#values.buffer, from, to - from));
  }
}

/** Writes a header in the layout of `struct Step` of the kernels. */
function writeStepHeader<S extends BatchSizes>(
  target: DataView,
  offset: number,
  dimensions: Dimensions<S>,
  { sizes, counted, first }: StepBatch<S>,
  purpose: StepSettings,
): void {
  dimensions.names.forEach((name, k) => target.setUint32(offset + 4 * k, getSize(name, sizes), true));
  target.setUint32(offset + 16, first, true);
  target.setUint32(offset + 20, purpose.slot, true);
  target.setUint32(offset + 24, dimensions.countChunks(sizes), true);
  target.setFloat32(offset + 28, purpose.learningRate, true);
  target.setUint32(offset + 32, purpose.iteration, true);
  target.setFloat32(offset + 36, purpose.decay ?? 0, true);
  target.setUint32(offset + 40, purpose.noise ?? 0, true);
  target.setUint32(offset + 44, counted, true);
  target.setUint32(offset + 48, purpose.page?.page ?? 0, true);
  target.setUint32(offset + 52, purpose.page?.episode ?? 0, true);
  target.setUint32(offset + 56, purpose.page?.firstUser ?? 0, true);
  target.setFloat32(offset + 60, purpose.page?.epsilon ?? 0, true);
  target.setFloat32(offset + 64, purpose.tableDecay ?? purpose.decay ?? 0, true);
}
