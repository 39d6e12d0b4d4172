/**
 * Where a kernel finds its data: a range of a buffer, as storage or as a uniform, or a storage texture.
 *
 * Why textures: a CPU that poses as a GPU (llvmpipe) reads storage number by number, each after a bounds check of its own.
 * It fetches a texel of four f32 whole, in a third of the instructions (bench/ladder.md, "How llvmpipe runs a kernel").
 * Storing a texel takes longer than storing to a buffer. So kernels write a buffer, which is copied into the texture after
 * them: 6.5 MB take 1.6 + 1.0 ms, where textureStore takes 4.8.
 *
 * On such an adapter the matrices that products read again and again stand in textures, and nothing else does. A kernel is
 * written for buffers. A binding that may stand in a texture is read and written through functions of one line, `load_NAME`
 * and `store_NAME`, which {@link placed} rewrites.
 */

import type { Kernel } from "./kernel.ts";
import type { Sizes } from "./sizes.ts";
import {
  BYTES_PER_TEXEL,
  laidOut,
  placeText,
  regionsOf,
  texelText,
  TEXTURE_FORMAT,
  type TextureLayout,
} from "./texture_layout.ts";

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
  readonly written?: { readonly view: View; readonly bytes: (sizes: Sizes) => number };
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
  return "uniform" in memory;
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

/**
 * A kernel's text with its bindings declared for the places where the views stand.
 * @throws Error for a binding that the kernel reads or writes without the function that this takes.
 */
export function placed(kernel: Kernel, source: string, views: Readonly<Record<string, Memory>>): string {
  for (const [name, view] of Object.entries(views)) {
    if (isUniform(view)) source = inUniform(kernel, source, name, view);
    else if (isTexture(view) && reads(kernel, name)) source = readTexture(kernel, source, name, view);
    else if (isTexture(view)) source = writeTexture(kernel, source, name, view);
  }
  return source;
}

/** Whether a kernel only reads a binding. */
function reads(kernel: Kernel, name: string): boolean {
  return kernel.bindings.some((binding) => binding.name === name && binding.kind === "read");
}

/** With a binding as a uniform, which has a fixed size. */
function inUniform(kernel: Kernel, source: string, name: string, { size }: UniformView): string {
  const declaration = `var<storage, read> ${name}: array<vec4f>;`;
  if (!source.includes(declaration)) throw new Error(`kernel ${kernel.name}: ${name} cannot be a uniform`);
  return source.replace(declaration, `var<uniform> ${name}: array<vec4f, ${size / 16}>;`);
}

/** With a binding as a storage texture. */
function readTexture(kernel: Kernel, source: string, name: string, { layout }: TextureView): string {
  const head = `fn load_${name}(i: u32) -> vec4f`;
  const line = `${head} { return ${name}[i]; }`;
  if (!source.includes(line)) {
    throw new Error(`kernel ${kernel.name} has no function load_${name}, so it cannot stand in a texture`);
  }
  return source
    .replace(line, `${head} { return textureLoad(${name}, ${texelText(layout)}); }`)
    .replace(
      `var<storage, read> ${name}: array<vec4f>;`,
      `var ${name}: texture_storage_2d<${TEXTURE_FORMAT}, read>;`,
    );
}

/** With a binding that is written in the order of a texture. */
function writeTexture(kernel: Kernel, source: string, name: string, { layout }: TextureView): string {
  if (layout.rowVectors === 1) return source; // row by row
  const head = `fn store_${name}(i: u32, value: vec4f)`;
  const line = `${head} { ${name}[i] = value; }`;
  if (!source.includes(line)) {
    throw new Error(`kernel ${kernel.name} has no function store_${name}, so it cannot stand in panels`);
  }
  return source.replace(line, `${head} { ${name}[${placeText(layout)}] = value; }`);
}
