/** Reading results. A wait may cost 10 ms or more whatever its size (see {@link StagingPool}), so nothing here is called inside a training step. */

import type { Gpu } from "./device.ts";
import { BYTES_PER_TEXEL, isTexture, type Memory, unpackTexels, type View } from "./memory.ts";

/** Where a texture may be copied to. */
const ALIGNMENT = 256;
/** Views share a buffer of up to so many bytes: it takes longer to make one than to copy a small view. */
const MOST_SHARED = 2 ** 20;

/** Copies buffers and textures to the host in one wait. Words are raw: a Float32Array over the same buffer has the floats. */
export async function readViews(gpu: Gpu, memories: readonly Memory[]): Promise<Uint32Array<ArrayBuffer>[]> {
  const views = memories.map((memory) => isTexture(memory) && memory.written ? memory.written.view : memory);
  const { places, sizes } = planStaging(views.map(stagingBytes));
  const staging = StagingPool.of(gpu);
  const buffers = sizes.map((bytes) => staging.take(bytes));
  const encoder = gpu.device.createCommandEncoder({ label: "read-back" });
  views.forEach((view, k) => {
    const { buffer: which, offset } = places[k]!;
    const { buffer } = buffers[which]!;
    if (isTexture(view)) {
      const { texture } = view;
      const bytesPerRow = texture.height > 1 ? BYTES_PER_TEXEL * texture.width : undefined;
      encoder.copyTextureToBuffer({ texture }, { buffer, offset, bytesPerRow }, [
        texture.width,
        texture.height,
      ]);
    } else {
      encoder.copyBufferToBuffer(view.buffer, view.offset, buffer, offset, view.size);
    }
  });
  gpu.queue.submit([encoder.finish()]);
  for (const buffer of buffers) staging.startMapping(buffer);
  const words: Uint32Array<ArrayBuffer>[] = [];
  await Promise.all(buffers.map((buffer, which) =>
    staging.read(buffer, (range) => {
      memories.forEach((memory, k) => {
        const place = places[k]!;
        if (place.buffer !== which) return;
        const found = range(place.offset, place.bytes);
        words[k] = isTexture(memory)
          ? unpackTexels(memory.layout, new Uint32Array(found), memory.size / 4)
          : new Uint32Array(found.slice(0));
      });
    })
  ));
  return words;
}

/** One after the other in as few buffers as may be. @returns a place for each, and how large the buffers are. */
function planStaging(lengths: readonly number[]) {
  const sizes: number[] = [];
  const places = lengths.map((bytes) => {
    const begun = Math.ceil((sizes.at(-1) ?? 0) / ALIGNMENT) * ALIGNMENT;
    const shared = sizes.length > 0 && begun + bytes <= MOST_SHARED;
    const offset = shared ? begun : 0;
    if (shared) sizes.pop();
    sizes.push(offset + bytes);
    return { buffer: sizes.length - 1, offset, bytes };
  });
  return { places, sizes };
}

function stagingBytes(view: Memory): number {
  return isTexture(view) ? BYTES_PER_TEXEL * view.texture.width * view.texture.height : view.size;
}

/** Reads of one view that go on while later work is encoded. Each is copied in the queue's order, and waited for when it is taken. */
export class ReadbackQueue {
  readonly #staging: StagingPool;
  readonly #pending: StagingBuffer[] = [];

  constructor(readonly gpu: Gpu, readonly view: View) {
    this.#staging = StagingPool.of(gpu);
  }

  /** Reads not yet taken. */
  get length(): number {
    return this.#pending.length;
  }
  /** Whether {@link take} waits for all that was submitted, so that what comes next is to be submitted after it. */
  get waitsForAll(): boolean {
    return this.#staging.mapsAtOnce;
  }

  /** Submits work and after it a copy of the view. Others have a turn meanwhile. */
  async submit(commands: GPUCommandBuffer): Promise<void> {
    const staging = this.#staging.take(this.view.size);
    const copy = this.gpu.device.createCommandEncoder({ label: "results" });
    copy.copyBufferToBuffer(this.view.buffer, this.view.offset, staging.buffer, 0, this.view.size);
    this.gpu.queue.submit([commands, copy.finish()]);
    this.#staging.startMapping(staging);
    this.#pending.push(staging);
    await this.#staging.yieldToEvents();
  }

  /** The view as it was after the oldest submitted work. @throws Error for what WebGPU reported. */
  async take(): Promise<Float32Array<ArrayBuffer>> {
    const next = this.#pending.shift();
    if (!next) throw new Error("no read is under way");
    return await this.#staging.read(next, (range) => new Float32Array(range(0, this.view.size).slice(0)));
  }

  /** Waits for what is under way and frees its buffers. */
  async destroy(): Promise<void> {
    await Promise.allSettled(this.#pending.map(({ mapped }) => mapped));
    for (const staging of this.#pending.splice(0)) this.#staging.drop(staging);
  }
}

export async function readFloats(gpu: Gpu, view: Memory): Promise<Float32Array<ArrayBuffer>> {
  const [words] = await readViews(gpu, [view]);
  return new Float32Array(words?.buffer ?? new ArrayBuffer(0));
}

/** One after another. */
export function joinArrays(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

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
  mappedBefore: boolean;
  mapped?: Promise<void>;
}

/** Buffers that results are copied to, for the host to read. Small ones are kept and used again. */
export class StagingPool {
  /** Whether a map waits for the device, and may then be read without a further wait. */
  get mapsAtOnce(): boolean {
    return this.#mapsSynchronously;
  }
  #mapsSynchronously = MAPS_AT_ONCE.test(navigator.userAgent);
  /** Those that nobody uses, by their size. */
  readonly #free = new Map<number, StagingBuffer[]>();

  /** Called with 1 before a read waits for the device, and with -1 after it. */
  onWait: ((waits: 1 | -1) => void) | undefined;

  #lastTurn = 0;

  private constructor(private readonly gpu: Gpu) {}

  static readonly #ofGpu = new WeakMap<Gpu, StagingPool>();

  /** A device has one. What it keeps goes with the device, and does not count as live. */
  static of(gpu: Gpu): StagingPool {
    const staging = StagingPool.#ofGpu.get(gpu) ?? new StagingPool(gpu);
    StagingPool.#ofGpu.set(gpu, staging);
    return staging;
  }

  /** A buffer of at least so many bytes, for one {@link read}. @throws UserError for more than the adapter can hold. */
  take(bytes: number): StagingBuffer {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    if (bytes > MOST_KEPT) {
      return { buffer: this.gpu.createBuffer("read-back", bytes, usage), size: bytes, mappedBefore: false };
    }
    const size = 2 ** Math.ceil(Math.log2(Math.max(LEAST, bytes)));
    return this.#free.get(size)?.pop() ??
      {
        buffer: this.gpu.device.createBuffer({ label: "read-back", size, usage }),
        size,
        mappedBefore: false,
      };
  }

  /** To be called when what it shall hold is submitted: begins to map it, where that does not wait. */
  startMapping(staging: StagingBuffer): void {
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
    this.onWait?.(1);
    try {
      const mapped = staging.mapped ?? buffer.mapAsync(GPUMapMode.READ);
      const now = () => use((at, bytes) => buffer.getMappedRange(at, bytes));
      const early = this.#mapsSynchronously && staging.mappedBefore;
      if (early) mapped.catch(() => {});
      else await mapped;
      const used = early ? await this.#useWhenMapped(now, mapped) : now();
      buffer.unmap();
      this.#recycle(staging);
      if (performance.now() - this.#lastTurn > MOST_MS) await this.yieldToEvents();
      this.gpu.check();
      return used;
    } catch (error) {
      this.drop(staging);
      this.gpu.check();
      throw error;
    } finally {
      this.onWait?.(-1);
    }
  }

  /** What is there at once, or else when it is mapped: npm's Dawn runs in the same runtime, and maps as browsers do. */
  async #useWhenMapped<T>(now: () => T, mapped: Promise<void>): Promise<T> {
    try {
      return now();
    } catch {
      this.#mapsSynchronously = false;
      await mapped;
      return now();
    }
  }

  /** Where reads do not wait, lets all others have a turn: signals, timers, servers. */
  async yieldToEvents(): Promise<void> {
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

  #recycle(staging: StagingBuffer): void {
    if (staging.size > MOST_KEPT) return this.drop(staging);
    const free = this.#free.get(staging.size) ?? [];
    this.#free.set(staging.size, free);
    free.push({ ...staging, mappedBefore: true, mapped: undefined });
  }
}
