/** Schema of the reports of `deno task bench` and of `deno task lab` (measurements in a browser). */

import type { AdapterDescription } from "../gpu/device.ts";
import * as v from "../schema.ts";

const time = v.atLeast(0);
const count = v.whole(0);
const list = <T>(of: v.GenericSchema<unknown, T>) => v.pipe(v.array(of), v.readonly());
const object = <E extends v.ObjectEntries>(entries: E) => v.pipe(v.strictObject(entries), v.readonly());
const pair = v.pipe(v.tuple([count, count]), v.readonly());

/** Statistics, in microseconds, of repeated measurements of the same time. */
const timingEntries = {
  median: time,
  min: time,
  /** Lower quartile of the samples. `upper` is the upper quartile. */
  lower: time,
  upper: time,
  samples: count,
  /** Error of a sample due to the resolution of the clock; absent if negligible. */
  error: v.optional(time),
};
const timing = object(timingEntries);
export type Timing = v.InferOutput<typeof timing>;

const cost = { flops: time, bytes: time };

/** Result of a probe of the adapter: a rate, a time, or a number of invocations. */
const adapterMeasurement = object({
  name: v.string(),
  unit: v.picklist(["GFLOP/s", "GB/s", "G f32/s", "G words/s", "us", "invocations"]),
  median: time,
  lower: time,
  upper: time,
  best: time,
  samples: count,
});
export type AdapterMeasurement = v.InferOutput<typeof adapterMeasurement>;

const kernelResult = object({
  /** Name of workload, model and the kernel's first dispatch, such as "W1 LSTM: utility/layer2 forward". */
  id: v.string(),
  kernel: v.string(),
  workload: v.string(),
  invocations: pair,
  /** Number of dispatches with this kernel and these sizes, summed over the models. */
  dispatches: count,
  /** Milliseconds to create the pipeline, plus the extra time of the first dispatch (if measurable). */
  compileMs: time,
  ...cost,
  ...timingEntries,
});
export type KernelMeasurement = v.InferOutput<typeof kernelResult>;

const dispatchResult = object({
  label: v.string(),
  kernel: v.string(),
  /** Number of invocations; undefined for buffer copies, and in reports of earlier versions of clickgan. */
  invocations: v.optional(count),
  ...cost,
  ...timingEntries,
});
export type DispatchMeasurement = v.InferOutput<typeof dispatchResult>;

/** Microseconds of host time per step: draw users, write the batch (`put`), upload, encode, and submit. */
const hostTimes = v.strictObject({ draw: time, put: time, upload: time, encode: time, submit: time });
export type HostTimes = v.InferOutput<typeof hostTimes>;

const stepResult = object({
  workload: v.string(),
  model: v.string(),
  users: count,
  events: count,
  rows: count,
  items: count,
  dispatches: list(dispatchResult),
  /** Microseconds per step in runs of many steps. A sample is the mean over one run. */
  wall: timing,
  /** Number of steps per command buffer in a run of many steps. */
  group: count,
  host: hostTimes,
  /** Bytes of all GPU buffers: the buffers of the log, the items, the model and the step. */
  gpuBytes: count,
});
export type StepMeasurement = v.InferOutput<typeof stepResult>;

const growthPoint = object({
  axis: v.string(),
  value: count,
  /** x coordinate in the chart: rows per batch; if `axis` does not change the number of rows, `value`. */
  x: count,
  /** Microseconds per step; absent for a rejected size. */
  time: v.optional(timing),
  /** Bytes of all GPU buffers, including the buffers of the log. */
  gpuBytes: v.optional(count),
  /** Limit of the adapter that a rejected size exceeds, and the error message. */
  refusal: v.optional(v.strictObject({ limit: v.string(), message: v.string() })),
});
export type GrowthPoint = v.InferOutput<typeof growthPoint>;

/** One version in a ladder (the versions of a kernel). Wrong or unsupported versions have no `time`. */
const ladderStep = {
  number: v.whole(1),
  kernel: v.string(),
  idea: v.string(),
  /** Number of the earlier version from which this version was made. */
  changes: v.whole(1),
  time: v.optional(timing),
  /** Speedup (quotient of median times) over version 1. `gain` is the speedup over version `changes`. */
  gainOnFirst: v.optional(time),
  gain: v.optional(time),
};
/** Number of memory accesses; "unknown" if addresses depend on data that the analysis does not have. */
const accessCount = v.optional(v.union([time, v.literal("unknown")]));
const ladderCounts = v.strictObject({
  /** Number of reads from storage buffers per invocation. */
  reads: accessCount,
  /** Number of 32-byte memory sectors per read by 32 invocations. `writeSectors`: sectors per write. */
  sectors: accessCount,
  writeSectors: accessCount,
  /** Mean number of extra cycles per access of a subgroup to workgroup memory, due to bank conflicts. */
  conflicts: accessCount,
});
const ladderStepMeasurement = object({
  ...ladderStep,
  compileMs: v.optional(time),
  /** Number of problem sizes at which the kernel's results were checked. */
  checkedSizes: v.optional(count),
  refusal: v.optional(v.string()),
  /** True if the kernel's results differ from the reference; then `refusal` has the details. */
  isWrong: v.optional(v.literal(true)),
  /** Memory accesses of the kernel; absent if the kernel does not support the size. */
  counts: v.optional(ladderCounts),
});
export type LadderStepMeasurement = v.InferOutput<typeof ladderStepMeasurement>;

const ladderMeasurement = object({
  ladder: v.string(),
  size: list(v.whole(1)),
  steps: list(ladderStepMeasurement),
});
export type LadderMeasurement = v.InferOutput<typeof ladderMeasurement>;

const shipped = {
  ladder: v.string(),
  size: list(v.whole(1)),
  adapter: v.string(),
  cores: v.whole(1),
  runtime: v.string(),
};
/** Schema of one version of a kernel in the ladder results that the repository stores as JSON. */
const shippedStep = { ...ladderStep, time: v.optional(v.object({ median: time, min: time })) };
export const shippedLadder = v.object({ ...shipped, steps: list(v.object(shippedStep)) });
export const shippedLadders = v.array(
  v.strictObject({ ...shipped, steps: list(v.strictObject(shippedStep)) }),
);
/** Measurements of all versions of a kernel (a ladder) on one adapter, as stored in the repository. */
export type ShippedLadder = v.InferOutput<typeof shippedLadder>;

/** Result of a self-test. `differing` lists test cases whose results differ from the f64 reference. */
const selftestSummary = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  cases: count,
  differing: list(v.strictObject({ name: v.string(), message: v.string() })),
});
export type SelftestSummary = v.InferOutput<typeof selftestSummary>;

const trainingSpeed = v.strictObject({
  iteration: count,
  /** Milliseconds from the start of the training to the first loss, including compilation. */
  msToFirstStep: v.optional(time),
  stepsPerSecond: v.optional(time),
});
export type TrainingSpeed = v.InferOutput<typeof trainingSpeed>;

const adapter: v.GenericSchema<unknown, AdapterDescription> = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  description: v.string(),
  vendor: v.string(),
  architecture: v.string(),
  runtime: v.string(),
});

export const BENCH_FORMAT = "clickgan-bench";

export const benchReport = object({
  format: v.literal(BENCH_FORMAT),
  date: v.pipe(v.string(), v.isoTimestamp()),
  version: v.string(),
  adapter,
  machine: v.strictObject({
    cores: count,
    /** True if the adapter's clock timed the dispatches; false if the host's clock did. */
    timestamps: v.boolean(),
    /** True if Mesa may have read compiled kernels from its disk cache, so that `compileMs` is too short. */
    shaderCache: v.boolean(),
  }),
  /** Results of probes of the adapter. Lists of measurements that were not requested are empty. */
  probes: list(adapterMeasurement),
  kernels: list(kernelResult),
  steps: list(stepResult),
  growth: list(growthPoint),
  /** Measurements of ladders (versions of a kernel); only in reports of `deno task lab`. */
  ladders: v.optional(list(ladderMeasurement)),
  selftest: v.optional(list(selftestSummary)),
  training: v.optional(trainingSpeed),
});
export type BenchReport = v.InferOutput<typeof benchReport>;
