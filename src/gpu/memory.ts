/**
 * Where a kernel finds its data: a range of a buffer, as storage or as a uniform, or a storage texture.
 *
 * Why textures: a CPU that poses as a GPU (llvmpipe) reads storage number by number, each after a bounds check of its own.
 * It fetches a texel of four f32 whole, in a third of the instructions (bench/ladder.md, "How llvmpipe runs a kernel").
 * Storing a texel takes longer than storing to a buffer. So kernels write a buffer, which is copied into the texture after
 * them: both together take half of what textureStore takes.
 *
 * On such an adapter the matrices that products read again and again stand in textures, and nothing else does. What
 * this changes in a kernel's text is said in kernel.ts. SwiftShader, another CPU that poses as a GPU, reads a texture
 * no faster than a buffer: there all matrices stand in buffers (kernel_shapes.ts).
 */

import type { Amount } from "./sizes.ts";
import { BYTES_PER_TEXEL, laidOut, regionsOf, type TextureLayout } from "./texture_layout.ts";

/** A range of a buffer that a kernel sees. */
export interface View {
  readonly buffer: GPUBuffer;
  /** Bytes; a multiple of 256. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** The view is the first of several: batches are laid out side by side. */
  readonly slices?: { readonly count: number; /** Bytes from one to the next. */ readonly stride: number };
}

/** Vectors of four f32, one a texel. */
export interface TextureView {
  readonly texture: GPUTexture;
  readonly layout: TextureLayout;
  /** Bytes of the vectors that count. */
  readonly size: number;
  /** The buffer that kernels write instead, laid out alike, and how much of it a batch has; absent if only the host writes. */
  readonly written?: { readonly view: View; readonly bytes: Amount };
}

/**
 * A small range of a buffer that kernels only read, as a uniform: llvmpipe reads it with fewer instructions than storage. At
 * most 64 KiB.
 */
export interface UniformView extends View {
  readonly uniform: true;
}

export type Memory = View | TextureView;

export function isTexture(memory: Memory): memory is TextureView {
  return "texture" in memory;
}

/** Bytes that a uniform binding may have on every adapter. */
export const UNIFORM_BYTES = 65536;

/** The view as a uniform if it fits one, otherwise as it is. */
export function uniformIfSmall(view: View): View {
  const uniform: UniformView = { ...view, uniform: true };
  return view.size <= UNIFORM_BYTES ? uniform : view;
}

export function isUniform(memory: Memory): memory is UniformView {
  return "uniform" in memory && memory.uniform === true;
}

/** @throws Error for a texture, where only a buffer can be used. */
export function bufferOf(memory: Memory): View {
  if (isTexture(memory)) throw new Error(`expected a buffer, got the texture ${memory.texture.label}`);
  return memory;
}

/** Writes whole vectors of four, from the start on. */
export function writeMemory(
  queue: GPUQueue,
  memory: Memory,
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): void {
  if (!isTexture(memory)) return queue.writeBuffer(memory.buffer, memory.offset, data);
  const { texture, written, layout } = memory;
  const texels = laidOut(layout, data);
  const bytesPerRow = BYTES_PER_TEXEL * layout.width;
  for (const region of regionsOf(layout, data.byteLength)) {
    const part = texels.subarray(bytesPerRow * region.line / 4);
    queue.writeTexture({ texture, origin: [0, region.line] }, part, { bytesPerRow }, [
      region.texels,
      region.lines,
    ]);
    for (let k = 0; written && k < region.lines; k++) {
      const { buffer, offset } = written.view;
      const line = part.subarray(bytesPerRow * k / 4, bytesPerRow * k / 4 + 4 * region.texels);
      queue.writeBuffer(buffer, offset + bytesPerRow * (region.line + k), line);
    }
  }
}
