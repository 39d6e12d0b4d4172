/** Reads results to the host. A read may take 10 ms, so training reads the results of many steps at once. */

import type { Gpu } from "./device.ts";
import { BYTES_PER_TEXEL, isTexture, type Memory, unpackTexels, type View } from "./memory.ts";

/** Alignment, in bytes, of a texture's texels in a staging buffer. */
const ALIGNMENT = 256;
/** Several small views are read through one staging buffer of at most this many bytes, which saves time. */
const MOST_SHARED = 2 ** 20;

/** Copies buffers and textures to the host with a single wait. Returns 32-bit words, which may be floats. */
export async function readViews(gpu: Gpu, memories: readonly Memory[]): Promise<Uint32Array<ArrayBuffer>[]> {
  const views = memories.map((memory) => isTexture(memory) && memory.written ? memory.written.view : memory);
  const { locations, sizes } = planStaging(views.map(stagingBytes));
  const staging = StagingPool.of(gpu);
  const buffers = sizes.map((bytes) => staging.take(bytes));
  const encoder = gpu.device.createCommandEncoder({ label: "read-back" });
  views.forEach((view, k) => {
    const { buffer: which, offset } = locations[k]!;
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
        const location = locations[k]!;
        if (location.buffer !== which) return;
        const found = range(location.offset, location.bytes);
        words[k] = isTexture(memory)
          ? unpackTexels(memory.layout, new Uint32Array(found), memory.size / 4)
          : new Uint32Array(found.slice(0));
      });
    })
  ));
  return words;
}

/** Assigns data of the given lengths (bytes) to few staging buffers. @returns offsets and buffer sizes */
function planStaging(lengths: readonly number[]) {
  const sizes: number[] = [];
  const locations = lengths.map((bytes) => {
    const begun = Math.ceil((sizes.at(-1) ?? 0) / ALIGNMENT) * ALIGNMENT;
    const shared = sizes.length > 0 && begun + bytes <= MOST_SHARED;
    const offset = shared ? begun : 0;
    if (shared) sizes.pop();
    sizes.push(offset + bytes);
    return { buffer: sizes.length - 1, offset, bytes };
  });
  return { locations, sizes };
}

function stagingBytes(view: Memory): number {
  return isTexture(view) ? BYTES_PER_TEXEL * view.texture.width * view.texture.height : view.size;
}

/** Queue of reads of a view: {@link submit} starts a read, and {@link take} waits for the oldest read. */
export class ReadbackQueue {
  readonly #staging: StagingPool;
  readonly #pending: StagingBuffer[] = [];

  constructor(readonly gpu: Gpu, readonly view: View) {
    this.#staging = StagingPool.of(gpu);
  }

  get length(): number {
    return this.#pending.length;
  }
  /** True if {@link take} waits for all submitted work, not only for the oldest read. */
  get waitsForAll(): boolean {
    return this.#staging.mapsAtOnce;
  }

  /** Submits work and then a copy of the view. Then yields to Deno's other events. */
  async submit(commands: GPUCommandBuffer): Promise<void> {
    const staging = this.#staging.take(this.view.size);
    const copy = this.gpu.device.createCommandEncoder({ label: "results" });
    copy.copyBufferToBuffer(this.view.buffer, this.view.offset, staging.buffer, 0, this.view.size);
    this.gpu.queue.submit([commands, copy.finish()]);
    this.#staging.startMapping(staging);
    this.#pending.push(staging);
    await this.#staging.yieldToEvents();
  }

  /** Returns the oldest result that was not taken yet. @throws Error of WebGPU */
  async take(): Promise<Float32Array<ArrayBuffer>> {
    const next = this.#pending.shift();
    if (!next) throw new Error("expected a submit() before each take()");
    return await this.#staging.read(next, (range) => new Float32Array(range(0, this.view.size).slice(0)));
  }

  async destroy(): Promise<void> {
    await Promise.allSettled(this.#pending.map(({ mapped }) => mapped));
    for (const staging of this.#pending.splice(0)) this.#staging.drop(staging);
  }
}

export async function readFloats(gpu: Gpu, view: Memory): Promise<Float32Array<ArrayBuffer>> {
  const [words] = await readViews(gpu, [view]);
  return new Float32Array(words?.buffer ?? new ArrayBuffer(0));
}

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
 * Matches Deno versions in which mapAsync returns only when the buffer is mapped. Awaiting the promise of
 * mapAsync takes another 10 ms or more. Only a buffer's first promise is awaited: without that, Deno panics.
 */
const MAPS_AT_ONCE = /^deno\/2\.9\./i;

/** Largest reused staging buffer, in bytes. */
const MOST_KEPT = 2 ** 20;
/** Smallest staging buffer in bytes. */
const LEAST = 2 ** 12;
/** Longest time in ms that reads may block Deno's other events (signals, timers, servers). */
const MOST_MS = 100;

export interface StagingBuffer {
  readonly buffer: GPUBuffer;
  readonly size: number;
  /** True if a promise of mapAsync for this buffer was awaited before. */
  mappedBefore: boolean;
  mapped?: Promise<void>;
}

/** Pool of buffers through which the host reads results. Small buffers are kept and reused. */
export class StagingPool {
  /** True if mapAsync itself waits for the device, so that the buffer can be read immediately. */
  get mapsAtOnce(): boolean {
    return this.#mapsSynchronously;
  }
  #mapsSynchronously = MAPS_AT_ONCE.test(navigator.userAgent);
  readonly #free = new Map<number, StagingBuffer[]>();

  /** Called with 1 before a read waits for the device, and with -1 after the wait. */
  onWait: ((waits: 1 | -1) => void) | undefined;

  #lastTurn = 0;

  private constructor(private readonly gpu: Gpu) {}

  static readonly #ofGpu = new WeakMap<Gpu, StagingPool>();

  /** Returns the pool of a device. Reused buffers live as long as the device. */
  static of(gpu: Gpu): StagingPool {
    const staging = StagingPool.#ofGpu.get(gpu) ?? new StagingPool(gpu);
    StagingPool.#ofGpu.set(gpu, staging);
    return staging;
  }

  /** Returns a buffer of at least `bytes` bytes for a {@link read}. @throws UserError if too large */
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

  /** Starts mapping a buffer that a submitted command writes. Does nothing if {@link mapsAtOnce} is true. */
  startMapping(staging: StagingBuffer): void {
    if (!this.mapsAtOnce) staging.mapped = staging.buffer.mapAsync(GPUMapMode.READ);
  }

  /** Waits for a buffer's data, calls `use` with a function that reads byte ranges, and frees the buffer. */
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
      if (performance.now() - this.#lastTurn > MOST_MS) await this.yieldToEvents();
      this.gpu.check(); // check before the buffer is reused: after an error, it is dropped
      this.#recycle(staging);
      return used;
    } catch (error) {
      this.drop(staging);
      this.gpu.check();
      throw error;
    } finally {
      this.onWait?.(-1);
    }
  }

  /** Calls `now`. If `now` throws (as with npm's webgpu), awaits `mapped` and calls `now` again. */
  async #useWhenMapped<T>(now: () => T, mapped: Promise<void>): Promise<T> {
    try {
      return now();
    } catch {
      this.#mapsSynchronously = false;
      await mapped;
      return now();
    }
  }

  /** Lets Deno handle signals, timers and servers, which wait during reads if {@link mapsAtOnce} is true. */
  async yieldToEvents(): Promise<void> {
    if (!this.mapsAtOnce) return;
    // A timer of 0 ms takes 1 to 2 ms. A message takes 0.01 ms, but Deno then handles no signal.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastTurn = performance.now();
  }

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
