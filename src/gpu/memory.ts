/**
 * Where a kernel finds its data: a range of a buffer, as storage or as a uniform, or a storage texture.
 *
 * Why textures: a CPU that poses as a GPU (llvmpipe) reads storage number by number, each behind a bounds check of its
 * own, about 200 instructions for a vec4f in 8 lanes. A texel of four f32 is fetched whole: about 60. Storing one takes
 * five times what a buffer's store takes, so kernels write a buffer, which is copied into the texture after them: 6.5 MB
 * in 1.6 + 1.0 ms where textureStore takes 4.8. On such an adapter what matrix products read again and again stands in
 * textures, and nothing else. A kernel is written for buffers; what may stand in a texture it reads through a function
 * of one line, `load_NAME`, that {@link inTextures} turns.
 */

import type { Kernel } from "./kernel.ts";
import type { BatchSizes } from "./step.ts";

/** A range of a buffer that a kernel sees. */
export interface View {
  readonly buffer: GPUBuffer;
  /** Bytes; a multiple of 256. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** The view is the first of several, of batches that are laid out side by side. */
  readonly slices?: { readonly count: number; /** Bytes from one to the next. */ readonly stride: number };
}

/** Vectors of four f32, one a texel, in rows of {@link TEXTURE_WIDTH}: vector i stands at (i % width, i / width). */
export interface TextureView {
  readonly texture: GPUTexture;
  /** Bytes of the vectors that count. */
  readonly size: number;
  /** What kernels write in its place, and how much of it a batch has; absent for what only the host writes. */
  readonly written?: { readonly view: View; readonly bytes: (sizes: BatchSizes) => number };
}

/**
 * A small range of a buffer that kernels only read, as a uniform: on llvmpipe a vec4f costs about 140 instructions there
 * and 200 from storage. At most 64 KiB.
 */
export interface UniformView extends View {
  readonly uniform: true;
}

export type Memory = View | TextureView;

/** Texels of a row; the largest that every adapter has. */
export const TEXTURE_WIDTH = 8192;
export const TEXTURE_FORMAT = "rgba32float";
export const BYTES_PER_TEXEL = 16;

export function isTexture(memory: Memory): memory is TextureView {
  return "texture" in memory;
}

/** Bytes that a uniform binding may have on every adapter. */
export const UNIFORM_BYTES = 65536;

/** The view as a uniform where it fits one; as it is where not. */
export function uniformIfSmall(view: View): View {
  const uniform: UniformView = { ...view, uniform: true };
  return view.size <= UNIFORM_BYTES ? uniform : view;
}

export function isUniform(memory: Memory): memory is UniformView {
  return "uniform" in memory;
}

/** @throws Error for a texture, where only a buffer can be used. */
export function bufferOf(memory: Memory): View {
  if (isTexture(memory)) throw new Error(`expected a buffer, got the texture ${memory.texture.label}`);
  return memory;
}

/** The texels of a texture's rows that hold `bytes`. */
export function textureSize(bytes: number): [width: number, height: number] {
  const texels = Math.max(1, Math.ceil(bytes / 16));
  return [Math.min(texels, TEXTURE_WIDTH), Math.ceil(texels / TEXTURE_WIDTH)];
}

/** Writes whole vectors of four, from the start on. */
export function writeMemory(
  queue: GPUQueue,
  memory: Memory,
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): void {
  if (!isTexture(memory)) return queue.writeBuffer(memory.buffer, memory.offset, data);
  const { texture, written } = memory;
  if (written) queue.writeBuffer(written.view.buffer, written.view.offset, data);
  const { width } = texture;
  const write = (row: number, texels: number, rows: number) => {
    if (texels * rows === 0) return;
    const part = data.subarray(4 * width * row, 4 * (width * row + texels * rows));
    queue.writeTexture({ texture, origin: [0, row] }, part, { bytesPerRow: BYTES_PER_TEXEL * texels }, [
      texels,
      rows,
    ]);
  };
  const texels = data.length / 4;
  const rows = Math.floor(texels / width);
  write(0, width, rows);
  write(rows, texels - width * rows, 1);
}

/** A kernel's text with its bindings where the views stand; see {@link inTextures}, {@link inUniforms}. */
export function placed(kernel: Kernel, source: string, views: Readonly<Record<string, Memory>>): string {
  const names = (is: (memory: Memory) => boolean) => Object.keys(views).filter((name) => is(views[name]!));
  const read = names(isTexture).filter((name) => reads(kernel, name));
  return inUniforms(kernel, inTextures(kernel, source, read), names(isUniform), views);
}

/** Whether a kernel only reads a binding. */
function reads(kernel: Kernel, name: string): boolean {
  return kernel.bindings.some((binding) => binding.name === name && binding.kind === "read");
}

/** The same with the named bindings as uniforms, which have a fixed size. @throws Error for one that is no array<vec4f>. */
function inUniforms(
  kernel: Kernel,
  source: string,
  names: readonly string[],
  views: Readonly<Record<string, Memory>>,
): string {
  return names.reduce((text, name) => {
    const declaration = `var<storage, read> ${name}: array<vec4f>;`;
    if (!text.includes(declaration)) throw new Error(`kernel ${kernel.name}: ${name} cannot be a uniform`);
    return text.replace(declaration, `var<uniform> ${name}: array<vec4f, ${(views[name]?.size ?? 0) / 16}>;`);
  }, source);
}

/**
 * A kernel's text with the named bindings as storage textures.
 * @throws Error for a binding that the kernel reads without its function.
 */
function inTextures(kernel: Kernel, source: string, names: readonly string[]): string {
  for (const name of names) {
    const line = `fn load_${name}(i: u32) -> vec4f { return ${name}[i]; }`;
    if (!source.includes(line)) {
      throw new Error(`kernel ${kernel.name} has no function for ${name}, so it cannot stand in a texture`);
    }
    const texel = `vec2u(i & ${TEXTURE_WIDTH - 1}u, i >> ${Math.log2(TEXTURE_WIDTH)}u)`;
    source = source.replace(
      line,
      `fn load_${name}(i: u32) -> vec4f { return textureLoad(${name}, ${texel}); }`,
    );
    source = source.replace(
      `var<storage, read> ${name}: array<vec4f>;`,
      `var ${name}: texture_storage_2d<${TEXTURE_FORMAT}, read>;`,
    );
  }
  return source;
}
