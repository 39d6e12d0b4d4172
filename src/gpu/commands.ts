/** Records the commands of one submission: compute passes, and copies between the passes. */

import type { Gpu } from "./device.ts";
import { BYTES_PER_TEXEL, listRegions, type TextureView, type View } from "./memory.ts";
import { type BatchSizes, evaluateSize } from "./sizes.ts";

export class CommandRecorder {
  readonly #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | undefined;

  constructor(gpu: Gpu, private readonly label: string) {
    this.#encoder = gpu.device.createCommandEncoder({ label });
  }

  static submit(gpu: Gpu, label: string, encode: (commands: CommandRecorder) => void): void {
    const commands = new CommandRecorder(gpu, label);
    encode(commands);
    gpu.queue.submit([commands.finish()]);
  }

  /** The current compute pass. A copy ends the pass, and the next read of this property begins another. */
  get pass(): GPUComputePassEncoder {
    return this.#pass ??= this.#encoder.beginComputePass({ label: this.label });
  }

  /** Copies a batch's data to a texture: kernels wrote the data to the texture's buffer (`written`). */
  copyToTexture(view: TextureView, sizes: BatchSizes): void {
    this.#endPass();
    copyWritten(this.#encoder, view, sizes);
  }

  copy(from: View, to: View): void {
    this.#endPass();
    this.#encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, from.size);
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

/** Records the copy from a texture's buffer to the texture. @throws Error for a texture without a buffer. */
export function copyWritten(
  encoder: GPUCommandEncoder,
  { texture, layout, written }: TextureView,
  sizes: BatchSizes,
): void {
  if (!written) throw new Error(`no kernel writes the texture ${texture.label}`);
  for (const { line, lines, texels } of listRegions(layout, evaluateSize(written.bytes, sizes))) {
    const bytesPerRow = lines > 1 ? BYTES_PER_TEXEL * layout.width : undefined;
    const offset = BYTES_PER_TEXEL * layout.width * line;
    const source = { buffer: written.view.buffer, offset, bytesPerRow };
    encoder.copyBufferToTexture(source, { texture, origin: [0, line] }, [texels, lines]);
  }
}
