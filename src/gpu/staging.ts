/** Buffers that results are copied to, for the host to read. Small ones are kept and used again. */

import type { Gpu } from "./device.ts";

/**
 * Deno's mapAsync waits for the device by itself: when the call returns, the range is there, and awaiting its promise only adds
 * the 10 ms or more until Deno looks. That holds of a buffer whose map was awaited once before; with a new one Deno panics. It
 * was seen of this version, and is taken of no other: elsewhere each map is awaited.
 */
const MAPS_AT_ONCE = /^deno\/2\.9\./i;

/** No larger buffer is kept: to copy it out takes longer than the wait. */
const MOST_KEPT = 2 ** 20;
/** The smallest, in bytes. */
const LEAST = 2 ** 12;
/** Reads that do not wait leave no turn to signals, timers and servers: they get one after so many ms. */
const MOST_MS = 100;

export interface StagingBuffer {
  readonly buffer: GPUBuffer;
  readonly size: number;
  /** Its map was awaited once. */
  ready: boolean;
  mapped?: Promise<void>;
}

export class Staging {
  /** Whether a map waits for the device, and may then be read without a further wait. */
  get mapsAtOnce(): boolean {
    return this.#mapsAtOnce;
  }
  #mapsAtOnce = MAPS_AT_ONCE.test(navigator.userAgent);
  /** Those that nobody uses, by their size. */
  readonly #free = new Map<number, StagingBuffer[]>();

  #lastTurn = 0;

  private constructor(private readonly gpu: Gpu) {}

  static readonly #ofGpu = new WeakMap<Gpu, Staging>();

  /** A device has one. What it keeps goes with the device, and does not count as live. */
  static of(gpu: Gpu): Staging {
    const staging = Staging.#ofGpu.get(gpu) ?? new Staging(gpu);
    Staging.#ofGpu.set(gpu, staging);
    return staging;
  }

  /** A buffer of at least so many bytes, for one {@link read}. @throws UserError for more than the adapter can hold. */
  take(bytes: number): StagingBuffer {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    if (bytes > MOST_KEPT) {
      return { buffer: this.gpu.createBuffer("read-back", bytes, usage), size: bytes, ready: false };
    }
    const size = 2 ** Math.ceil(Math.log2(Math.max(LEAST, bytes)));
    return this.#free.get(size)?.pop() ??
      { buffer: this.gpu.device.createBuffer({ label: "read-back", size, usage }), size, ready: false };
  }

  /** To be called when what it shall hold is submitted: begins to map it, where that does not wait. */
  submitted(staging: StagingBuffer): void {
    if (!this.mapsAtOnce) staging.mapped = staging.buffer.mapAsync(GPUMapMode.READ);
  }

  /**
   * Waits for what was copied to it, and takes it back.
   * @param use is given what reads a range of it: offset and bytes. @throws Error for what WebGPU reported.
   */
  async read<T>(
    staging: StagingBuffer,
    use: (range: (at: number, bytes: number) => ArrayBuffer) => T,
  ): Promise<T> {
    const { buffer } = staging;
    try {
      const mapped = staging.mapped ?? buffer.mapAsync(GPUMapMode.READ);
      const now = () => use((at, bytes) => buffer.getMappedRange(at, bytes));
      const early = this.#mapsAtOnce && staging.ready;
      if (early) mapped.catch(() => {});
      else await mapped;
      const used = early ? await this.#orLater(now, mapped) : now();
      buffer.unmap();
      this.#giveBack(staging);
      if (performance.now() - this.#lastTurn > MOST_MS) await this.turn();
      this.gpu.check();
      return used;
    } catch (error) {
      this.drop(staging);
      this.gpu.check();
      throw error;
    }
  }

  /** What is there at once, or else when it is mapped: npm's Dawn runs in the same runtime, and maps as browsers do. */
  async #orLater<T>(now: () => T, mapped: Promise<void>): Promise<T> {
    try {
      return now();
    } catch {
      this.#mapsAtOnce = false;
      await mapped;
      return now();
    }
  }

  /** Where reads do not wait, lets all others have a turn: signals, timers, servers. */
  async turn(): Promise<void> {
    if (!this.mapsAtOnce) return;
    // A timer of 0 takes 1 to 2 ms. A message takes .01, but Deno hears no signal meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastTurn = performance.now();
  }

  /** Frees it unread. */
  drop({ buffer, size }: StagingBuffer): void {
    if (size > MOST_KEPT) this.gpu.destroyBuffer(buffer);
    else buffer.destroy();
  }

  #giveBack(staging: StagingBuffer): void {
    if (staging.size > MOST_KEPT) return this.drop(staging);
    const free = this.#free.get(staging.size) ?? [];
    this.#free.set(staging.size, free);
    free.push({ ...staging, ready: true, mapped: undefined });
  }
}
