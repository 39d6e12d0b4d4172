/** Reading results. A wait costs 10 ms or more whatever its size, so nothing here is called inside a training step. */

import type { Gpu } from "./device.ts";
import type { View } from "./program.ts";

/** Copies views to the host in one wait. Words are raw: make a Float32Array over the same buffer for floats. */
export async function readViews(gpu: Gpu, views: readonly View[]): Promise<Uint32Array<ArrayBuffer>[]> {
  const staging = views.map((view) =>
    gpu.createBuffer("read-back", view.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST)
  );
  try {
    const encoder = gpu.device.createCommandEncoder({ label: "read-back" });
    views.forEach((view, k) => {
      const target = staging[k];
      if (target) encoder.copyBufferToBuffer(view.buffer, view.offset, target, 0, view.size);
    });
    gpu.queue.submit([encoder.finish()]);
    await Promise.all(staging.map((buffer) => buffer.mapAsync(GPUMapMode.READ)));
    gpu.check();
    return staging.map((buffer) => new Uint32Array(buffer.getMappedRange().slice(0)));
  } finally {
    for (const buffer of staging) gpu.destroyBuffer(buffer);
  }
}

export async function readFloats(gpu: Gpu, view: View): Promise<Float32Array<ArrayBuffer>> {
  const [words] = await readViews(gpu, [view]);
  return new Float32Array(words?.buffer ?? new ArrayBuffer(0));
}
