/** Times passes by timestamp queries: what a bench measures with. Slower than a replay, as every pass is apart. */

import type { Gpu } from "./device.ts";
import type { Cost, Program } from "./program.ts";
import { readViews } from "./readback.ts";
import type { BatchSizes } from "./step.ts";

/** What a pass is filled with. */
export type EncodePass = (pass: GPUComputePassEncoder) => void;

/** Timestamps that a query set of WebGPU holds at most, two a pass. */
const MOST_QUERIES = 4096;

/**
 * Runs passes one after another in one submission.
 * @returns microseconds of each; timestamps are nanoseconds, as on llvmpipe and NVIDIA.
 * @throws Error where the adapter has no timestamps, or for more passes than a query set holds.
 */
export async function timePasses(gpu: Gpu, passes: readonly EncodePass[]): Promise<number[]> {
  if (!gpu.hasTimestamps) throw new Error("the adapter has no timestamp queries");
  const count = 2 * passes.length;
  if (count > MOST_QUERIES) {
    throw new Error(`expected at most ${MOST_QUERIES / 2} passes, got ${passes.length}`);
  }
  const querySet = gpu.device.createQuerySet({ type: "timestamp", count });
  const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  const buffer = gpu.createBuffer("timestamps", 8 * count, usage);
  try {
    const encoder = gpu.device.createCommandEncoder({ label: "timed passes" });
    passes.forEach((encode, k) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 },
      });
      encode(pass);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, buffer, 0);
    gpu.queue.submit([encoder.finish()]);
    const [words] = await readViews(gpu, [{ buffer, offset: 0, size: 8 * count }]);
    const ticks = new BigUint64Array(words?.buffer ?? new ArrayBuffer(0));
    return passes.map((_, k) => Number((ticks[2 * k + 1] ?? 0n) - (ticks[2 * k] ?? 0n)) / 1000);
  } finally {
    gpu.destroyBuffer(buffer);
    querySet.destroy();
  }
}

export interface DispatchProfile extends Cost {
  readonly label: string;
  readonly kernel: string;
  /** Median over the repeats. */
  readonly microseconds: number;
}

/** Times each dispatch of a program, a pass for each. @throws Error where the adapter has no timestamps. */
export async function profileProgram(
  gpu: Gpu,
  program: Program,
  sizes: BatchSizes,
  stepOffset: number,
  repeats = 11,
): Promise<DispatchProfile[]> {
  const times: number[][] = program.dispatches.map(() => []);
  const passes = program.dispatches.map((_, k): EncodePass => (pass) =>
    program.encodeOne(pass, k, sizes, stepOffset)
  );
  for (let repeat = 0; repeat < repeats; repeat++) {
    (await timePasses(gpu, passes)).forEach((time, k) => times[k]?.push(time));
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
