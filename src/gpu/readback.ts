/** Reading results. A wait costs 10 ms or more whatever its size, so nothing here is called inside a training step. */

import type { Gpu } from "./device.ts";
import { isTexture, type Memory, type View } from "./memory.ts";
import { BYTES_PER_TEXEL, takenOut } from "./texture_layout.ts";

/** Where a texture may be copied to. */
const ALIGNMENT = 256;
/** Views share a buffer of up to so many bytes: it takes longer to make one than to copy a small view. */
const MOST_SHARED = 2 ** 20;

/** Copies buffers and textures to the host in one wait. Words are raw: a Float32Array over the same buffer has the floats. */
export async function readViews(gpu: Gpu, memories: readonly Memory[]): Promise<Uint32Array<ArrayBuffer>[]> {
  const views = memories.map((memory) => isTexture(memory) && memory.written ? memory.written.view : memory);
  const { places, sizes } = placesOf(views.map(stagingBytes));
  const staging = sizes.map((bytes) =>
    gpu.createBuffer("read-back", bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST)
  );
  try {
    const encoder = gpu.device.createCommandEncoder({ label: "read-back" });
    views.forEach((view, k) => {
      const { buffer: which, offset } = places[k]!;
      const buffer = staging[which]!;
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
    await Promise.all(staging.map((buffer) => buffer.mapAsync(GPUMapMode.READ)));
    gpu.check();
    return memories.map((memory, k) => {
      const { buffer, offset, bytes } = places[k]!;
      const words = staging[buffer]!.getMappedRange(offset, bytes);
      return isTexture(memory)
        ? takenOut(memory.layout, new Uint32Array(words), memory.size / 4)
        : new Uint32Array(words.slice(0));
    });
  } finally {
    for (const buffer of staging) gpu.destroyBuffer(buffer);
  }
}

/** One after the other in as few buffers as may be. @returns a place for each, and how large the buffers are. */
function placesOf(lengths: readonly number[]) {
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

/**
 * Reads of one view that go on while later work is encoded. Each is copied in the queue's order, and waited for when it is
 * taken. Staging buffers are kept and used again.
 */
export class ReadbackQueue {
  readonly #pending: { buffer: GPUBuffer; mapped: Promise<void> }[] = [];
  readonly #free: GPUBuffer[] = [];

  constructor(readonly gpu: Gpu, readonly view: View) {}

  /** Reads not yet taken. */
  get length(): number {
    return this.#pending.length;
  }

  /** Submits work and after it a copy of the view. */
  submit(commands: GPUCommandBuffer): void {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const buffer = this.#free.pop() ?? this.gpu.createBuffer("results", this.view.size, usage);
    const copy = this.gpu.device.createCommandEncoder({ label: "results" });
    copy.copyBufferToBuffer(this.view.buffer, this.view.offset, buffer, 0, this.view.size);
    this.gpu.queue.submit([commands, copy.finish()]);
    this.#pending.push({ buffer, mapped: buffer.mapAsync(GPUMapMode.READ) });
  }

  /** The view as it was after the oldest submitted work. @throws Error for what WebGPU reported. */
  async take(): Promise<Float32Array<ArrayBuffer>> {
    const [next] = this.#pending;
    if (!next) throw new Error("no read is under way");
    await next.mapped;
    this.#pending.shift();
    const values = new Float32Array(next.buffer.getMappedRange().slice(0));
    next.buffer.unmap();
    this.#free.push(next.buffer);
    this.gpu.check();
    return values;
  }

  /** Waits for what is under way and frees all buffers. */
  async destroy(): Promise<void> {
    await Promise.allSettled(this.#pending.map((p) => p.mapped));
    for (const buffer of [...this.#free.splice(0), ...this.#pending.splice(0).map((p) => p.buffer)]) {
      this.gpu.destroyBuffer(buffer);
    }
  }
}

export async function readFloats(gpu: Gpu, view: Memory): Promise<Float32Array<ArrayBuffer>> {
  const [words] = await readViews(gpu, [view]);
  return new Float32Array(words?.buffer ?? new ArrayBuffer(0));
}
