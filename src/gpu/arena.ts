import type { Gpu } from "./device.ts";
import { BYTES_PER_TEXEL, makeRowLayout, type TextureLayout, type TextureView, type View } from "./memory.ts";
import type { SizeExpression } from "./sizes.ts";

/** Alignment, in bytes, that every adapter accepts for the offset of a binding. */
const BINDING_ALIGNMENT = 256;

export function alignBinding(bytes: number): number {
  return Math.ceil(bytes / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
}

/** Buffers and textures that are freed together. Each buffer or texture stores one tensor. */
export class Arena {
  readonly #buffers: GPUBuffer[] = [];
  readonly #textures: GPUTexture[] = [];

  constructor(readonly gpu: Gpu, readonly purpose: string) {}

  /** Allocates a buffer. @throws UserError if the adapter cannot allocate or bind so many bytes. */
  allocate(name: string, bytes: number): View {
    const label = `${this.purpose}: ${name}`;
    this.gpu.requireBindable(bytes, label);
    return this.allocateUnbound(name, bytes);
  }

  /** Allocates a buffer that may exceed the largest binding: kernels bind parts of the buffer (windows). */
  allocateUnbound(name: string, bytes: number): View {
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const usage = STORAGE | UNIFORM | COPY_SRC | COPY_DST;
    const buffer = this.gpu.createBuffer(`${this.purpose}: ${name}`, bytes, usage);
    this.#buffers.push(buffer);
    return { buffer, offset: 0, size: buffer.size };
  }

  /**
   * Allocates a texture for vectors of four f32. @throws UserError if the adapter does not support the size.
   * @param used - number of bytes that kernels write per batch; undefined if only the host writes data
   */
  allocateTexture(
    name: string,
    bytes: number,
    used?: SizeExpression,
    layout: TextureLayout = makeRowLayout(bytes),
  ): TextureView {
    const { width, height } = layout;
    const texture = this.gpu.createTexture(`${this.purpose}: ${name}`, [width, height]);
    this.#textures.push(texture);
    if (!used) return { texture, layout, size: bytes };
    // The size is a whole number of texture lines, because a copy into a texture copies whole lines.
    const view = this.allocate(`${name}, as written`, BYTES_PER_TEXEL * width * height);
    return { texture, layout, size: bytes, written: { view, bytes: used } };
  }

  upload(name: string, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): View {
    const view = this.allocate(name, data.byteLength);
    if (data.byteLength > 0) this.gpu.queue.writeBuffer(view.buffer, 0, data);
    return view;
  }

  destroy(): void {
    for (const buffer of this.#buffers.splice(0)) this.gpu.destroyBuffer(buffer);
    for (const texture of this.#textures.splice(0)) this.gpu.destroyTexture(texture);
  }
  [Symbol.dispose](): void {
    this.destroy();
  }
}
