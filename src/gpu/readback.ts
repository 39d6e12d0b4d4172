/** Reading results. A wait may cost 10 ms or more whatever its size (see staging.ts), so nothing here is called inside a training step. */

import type { Gpu } from "./device.ts";
import { isTexture, type Memory, type View } from "./memory.ts";
import { Staging, type StagingBuffer } from "./staging.ts";
import { BYTES_PER_TEXEL, takenOut } from "./texture_layout.ts";

/** Where a texture may be copied to. */
const ALIGNMENT = 256;
/** Views share a buffer of up to so many bytes: it takes longer to make one than to copy a small view. */
const MOST_SHARED = 2 ** 20;

/** Copies buffers and textures to the host in one wait. Words are raw: a Float32Array over the same buffer has the floats. */
export async function readViews(gpu: Gpu, memories: readonly Memory[]): Promise<Uint32Array<ArrayBuffer>[]> {
  const views = memories.map((memory) => isTexture(memory) && memory.written ? memory.written.view : memory);
  const { places, sizes } = placesOf(views.map(stagingBytes));
  const staging = Staging.of(gpu);
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
  for (const buffer of buffers) staging.submitted(buffer);
  const words: Uint32Array<ArrayBuffer>[] = [];
  await Promise.all(buffers.map((buffer, which) =>
    staging.read(buffer, (range) => {
      memories.forEach((memory, k) => {
        const place = places[k]!;
        if (place.buffer !== which) return;
        const found = range(place.offset, place.bytes);
        words[k] = isTexture(memory)
          ? takenOut(memory.layout, new Uint32Array(found), memory.size / 4)
          : new Uint32Array(found.slice(0));
      });
    })
  ));
  return words;
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

/** Reads of one view that go on while later work is encoded. Each is copied in the queue's order, and waited for when it is taken. */
export class ReadbackQueue {
  readonly #staging: Staging;
  readonly #pending: StagingBuffer[] = [];

  constructor(readonly gpu: Gpu, readonly view: View) {
    this.#staging = Staging.of(gpu);
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
    this.#staging.submitted(staging);
    this.#pending.push(staging);
    await this.#staging.turn();
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
export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
