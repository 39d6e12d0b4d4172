/**
 * The uniform that all kernels of a step share: the sizes of its batch and where its results go.
 *
 * A program is recorded once; a step is replayed with another offset into a buffer of such headers. So a batch of
 * other sizes costs nothing but 256 bytes.
 */

import type { Arena } from "./arena.ts";
import { type BatchSizes, type Dimensions, resolveDimension } from "./sizes.ts";

/** What a step is besides its batch. */
export interface StepSettings {
  /** Slot of the result ring that the step writes. */
  readonly slot: number;
  /** Adam's bias-corrected rate of this iteration; 0 where nothing is trained. */
  readonly learningRate: number;
  /** Iterations completed before this step, for the record of the best one. */
  readonly iteration: number;
  /** The share that weight decay takes off the parameters that decay: learning rate x weight decay. */
  readonly decay?: number;
  /** The seed of what is random in the step, 32 bits. */
  readonly noise?: number;
  /** Of a step that simulates users. */
  readonly page?: SimulatedPage;
}

/** The page that a step shows to all simulated users. */
export interface SimulatedPage {
  /** From 0 on, of the episode. */
  readonly page: number;
  readonly episode: number;
  /** The number of the first user: random numbers follow from a user's own number. */
  readonly firstUser: number;
  /** Probability that a slate is drawn at random instead of chosen. */
  readonly epsilon?: number;
}

/** The batch of a step. */
export interface StepBatch<S extends BatchSizes> {
  readonly sizes: S;
  /** How many things means are taken over: of clicks, the events that are not given. */
  readonly counted: number;
  /** Where the batch starts in its plan, in entries; 0 where there is none. */
  readonly first: number;
}

/** Bytes from one header to the next: the least offset that every adapter takes for a uniform. */
export const STEP_STRIDE = 256;
/** Bytes of a header that kernels see. */
export const STEP_BYTES = 64;

/**
 * The headers of steps, in places that are used again. Writes are ordered with submitted work, so a place may be set
 * anew while earlier steps are still in flight.
 */
export class StepHeaders<S extends BatchSizes> {
  /** As {@link import("./program.ts").Program.record} wants it. */
  readonly buffer: GPUBuffer;
  readonly #values: DataView<ArrayBuffer>;

  /**
   * @param places how many steps are held at once. @param each headers of a place: programs that work on one batch may
   *   differ in the rest of it. @param seen how many places a kernel for several steps sees, from any place on.
   */
  constructor(
    private readonly arena: Arena,
    readonly dimensions: Dimensions<S>,
    places: number,
    readonly each = 1,
    seen = 1,
  ) {
    this.#values = new DataView(new ArrayBuffer(STEP_STRIDE * places * each));
    const behind = STEP_STRIDE * each * seen;
    this.buffer = arena.allocate("headers", this.#values.byteLength + behind).buffer;
  }

  /** Byte offset of a header, as {@link import("./program.ts").Program.encode} wants it. */
  offset(place: number, header = 0): number {
    return (place * this.each + header) * STEP_STRIDE;
  }

  /**
   * Sets the headers of a place; {@link upload} sends them.
   * @param purpose of its headers, one for each that differs: the last stands for the rest.
   */
  put(place: number, batch: StepBatch<S>, purpose: StepSettings | readonly StepSettings[]): void {
    const purposes = [purpose].flat();
    for (let header = 0; header < this.each; header++) {
      const own = purposes[Math.min(header, purposes.length - 1)];
      if (own) writeStepHeader(this.#values, this.offset(place, header), this.dimensions, batch, own);
    }
  }

  /** Sends the places from `first` on. */
  upload(first: number, count: number): void {
    const [from, to] = [this.offset(first), this.offset(first + count)];
    this.arena.gpu.queue.writeBuffer(this.buffer, from, new Uint8Array(this.#values.buffer, from, to - from));
  }
}

/** Writes a header in the layout of the kernels' `struct Step`. */
function writeStepHeader<S extends BatchSizes>(
  target: DataView,
  offset: number,
  dimensions: Dimensions<S>,
  { sizes, counted, first }: StepBatch<S>,
  purpose: StepSettings,
): void {
  dimensions.names.forEach((name, k) =>
    target.setUint32(offset + 4 * k, resolveDimension(name, sizes), true)
  );
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
}
