/** Times each dispatch of a program by timestamp queries, a pass for each. For benches: it is slower than a replay. */

import type { Gpu } from "./device.ts";
import type { Cost, Program } from "./program.ts";
import { readViews } from "./readback.ts";
import type { BatchSizes } from "./step.ts";

export interface DispatchProfile extends Cost {
  readonly label: string;
  readonly kernel: string;
  /** Median over the repeats, in microseconds; timestamps are nanoseconds on llvmpipe and NVIDIA. */
  readonly microseconds: number;
}

/** @throws Error where the adapter has no timestamps. */
export async function profileProgram(
  gpu: Gpu,
  program: Program,
  sizes: BatchSizes,
  stepOffset: number,
  repeats = 11,
): Promise<DispatchProfile[]> {
  if (!gpu.hasTimestamps) throw new Error("the adapter has no timestamp queries");
  const count = 2 * program.dispatches.length;
  const querySet = gpu.device.createQuerySet({ type: "timestamp", count });
  const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  const buffer = gpu.createBuffer("timestamps", 8 * count, usage);
  const times: number[][] = program.dispatches.map(() => []);
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const encoder = gpu.device.createCommandEncoder({ label: `profile ${program.name}` });
      program.dispatches.forEach((_, k) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 },
        });
        program.encodeOne(pass, k, sizes, stepOffset);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, count, buffer, 0);
      gpu.queue.submit([encoder.finish()]);
      const [words] = await readViews(gpu, [{ buffer, offset: 0, size: 8 * count }]);
      const ticks = new BigUint64Array(words?.buffer ?? new ArrayBuffer(0));
      times.forEach((list, k) => list.push(Number((ticks[2 * k + 1] ?? 0n) - (ticks[2 * k] ?? 0n)) / 1000));
    }
  } finally {
    gpu.destroyBuffer(buffer);
    querySet.destroy();
  }
  return program.dispatches.map(({ spec }, k) => ({
    label: spec.label,
    kernel: spec.kernel.name,
    microseconds: median(times[k] ?? []),
    ...spec.cost(sizes),
  }));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? sorted[middle] ?? NaN
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
