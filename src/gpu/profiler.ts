/** Times dispatches by timestamp queries. Each dispatch is a separate pass, so a timed step is slower. */

import { copyWritten } from "./commands.ts";
import type { Gpu } from "./device.ts";
import { computeInvocations, type Cost, getCost, onlySlice, type Program } from "./program.ts";
import { readViews } from "./readback.ts";
import { type BatchSizes, evaluateSize } from "./sizes.ts";

export type EncodePass = (pass: GPUComputePassEncoder) => void;

export interface PassBoundary {
  between(encoder: GPUCommandEncoder): void;
}

/** Largest number of timestamps in a query set of WebGPU. A pass takes two timestamps. */
const MOST_QUERIES = 4096;

/**
 * Executes compute passes and other commands (copies) in the given order, in one submission.
 * @returns microseconds of each pass, assuming timestamps in nanoseconds, as on llvmpipe and NVIDIA
 * @throws Error if the adapter has no timestamps, or for more passes than a query set holds
 */
export async function timePasses(
  gpu: Gpu,
  passes: readonly (EncodePass | PassBoundary)[],
): Promise<number[]> {
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
    const mark = (timestampWrites: GPUComputePassTimestampWrites) =>
      encoder.beginComputePass({ timestampWrites }).end();
    passes.forEach((encode, k) => {
      if (typeof encode !== "function") {
        // Commands are timed from the end of an empty pass before them to the start of one after them.
        mark({ querySet, endOfPassWriteIndex: 2 * k });
        encode.between(encoder);
        mark({ querySet, beginningOfPassWriteIndex: 2 * k + 1 });
        return;
      }
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

/** Timed work: a dispatch, or the copies into textures that follow a dispatch. */
export interface TimedWork extends Cost {
  readonly label: string;
  readonly kernel: string;
  /** Number of steps per dispatch. `flops` and `bytes` are per step; the measured time is of all steps. */
  readonly steps: number;
  /** Number of invocations for all steps together; undefined for copies into textures. */
  readonly invocations?: number;
  /** Index of the dispatch in its program. Copies have the index of the dispatch that wrote the data. */
  readonly dispatch: number;
  readonly encode: EncodePass | PassBoundary;
}

export function listTimedWork<S extends BatchSizes>(
  program: Program<S>,
  sizes: S,
  stepOffset: number,
  slice = onlySlice,
): TimedWork[] {
  return program.dispatches.flatMap(({ spec, copies, manySteps }, k): TimedWork[] => {
    const { label, kernel: { name: kernel } } = spec;
    const encode: EncodePass = (pass) => program.encodeOne(pass, k, sizes, stepOffset, slice);
    const steps = manySteps ? slice.count : 1;
    const [x, y] = computeInvocations(spec.invocations, sizes);
    const invocations = steps * x * y;
    const dispatch = { label, kernel, steps, invocations, dispatch: k, ...getCost(spec, sizes), encode };
    if (copies.length === 0) return [dispatch];
    const bytes = copies.reduce((sum, { written }) => sum + 2 * evaluateSize(written?.bytes ?? 0, sizes), 0);
    const between = (encoder: GPUCommandEncoder) => {
      for (const view of copies) copyWritten(encoder, view, sizes);
    };
    return [dispatch, {
      label: `${label}, into a texture`,
      kernel: "copy",
      steps: 1,
      dispatch: k,
      flops: 0,
      bytes,
      encode: { between },
    }];
  });
}
