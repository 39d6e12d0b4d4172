/** The commands of a submission: compute passes, and copies between them. */

import type { Gpu } from "./device.ts";
import { BYTES_PER_TEXEL, TEXTURE_WIDTH, type TextureView } from "./memory.ts";
import type { BatchSizes } from "./step.ts";

export class Commands {
  readonly #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;

  /** @param label of it, for messages. */
  constructor(gpu: Gpu, private readonly label: string) {
    this.#encoder = gpu.device.createCommandEncoder({ label });
  }

  /** Where dispatches go: one pass for as long as nothing is copied. */
  get pass(): GPUComputePassEncoder {
    return this.#pass ??= this.#encoder.beginComputePass({ label: this.label });
  }

  /** Copies what kernels wrote into the texture that others read, as much as a batch of these sizes has. */
  copyToTexture(view: TextureView, sizes: BatchSizes): void {
    this.#endPass();
    copyWritten(this.#encoder, view, sizes);
  }

  finish(): GPUCommandBuffer {
    this.#endPass();
    return this.#encoder.finish();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}

/** See {@link Commands.copyToTexture}. @throws Error for a texture that no kernel writes. */
export function copyWritten(
  encoder: GPUCommandEncoder,
  { texture, written }: TextureView,
  sizes: BatchSizes,
): void {
  if (!written) throw new Error(`no kernel writes the texture ${texture.label}`);
  const texels = Math.ceil(written.bytes(sizes) / BYTES_PER_TEXEL);
  if (texels === 0) return;
  const source = { buffer: written.view.buffer, bytesPerRow: BYTES_PER_TEXEL * TEXTURE_WIDTH };
  encoder.copyBufferToTexture(source, { texture }, [
    Math.min(texels, texture.width),
    Math.ceil(texels / texture.width),
  ]);
}
