/** Schema of an adapter's measurements by `deno task bench` and the lab, whose pages import only the types. */

import type { AdapterDescription } from "../gpu/device.ts";
import * as v from "../schema.ts";

const time = v.atLeast(0);
const count = v.whole(0);
const list = <T>(of: v.GenericSchema<unknown, T>) => v.pipe(v.array(of), v.readonly());
const object = <E extends v.ObjectEntries>(entries: E) => v.pipe(v.strictObject(entries), v.readonly());
const pair = v.pipe(v.tuple([count, count]), v.readonly());

/** Statistics of repeated times of the same work, in microseconds. */
const timingEntries = {
  median: time,
  min: time,
  /** Quartiles: half of the samples lie between them. */
  lower: time,
  upper: time,
  samples: count,
  /** Clock error of each sample; absent if negligible. */
  error: v.optional(time),
};
const timing = object(timingEntries);
export type Timing = v.InferOutput<typeof timing>;

/** See {@link import("../gpu/program.ts").Cost}. */
const cost = { flops: time, bytes: time };

/** A measurement of an adapter: a time, or a rate. */
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
  /** First use, e.g. "W1 LSTM: utility/layer2 forward". Results are matched by it. */
  id: v.string(),
  kernel: v.string(),
  workload: v.string(),
  invocations: pair,
  /** Number of dispatches of the workload's models with these sizes. */
  dispatches: count,
  /** Milliseconds to create the pipeline and, with timestamps, to run its first dispatch. */
  compileMs: time,
  ...cost,
  ...timingEntries,
});
export type KernelMeasurement = v.InferOutput<typeof kernelResult>;

const dispatchResult = object({
  label: v.string(),
  kernel: v.string(),
  /** Absent for copies, and in reports of earlier versions. */
  invocations: v.optional(count),
  ...cost,
  ...timingEntries,
});
export type DispatchMeasurement = v.InferOutput<typeof dispatchResult>;

/** The host's microseconds per step: drawing users; writing numbers, sizes and header; upload; encoding; submission. */
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
  /** Microseconds per step in a run of many; one sample per run. */
  wall: timing,
  /** Steps per command buffer in such a run. */
  group: count,
  host: hostTimes,
  /** Bytes of all buffers: log, items, model and step. */
  gpuBytes: count,
});
export type StepMeasurement = v.InferOutput<typeof stepResult>;

const growthPoint = object({
  axis: v.string(),
  value: count,
  /** Value that the time is fitted to: the batch's rows for axes that add rows, else `value`. */
  x: count,
  /** Microseconds per step; absent if the size was rejected. */
  time: v.optional(timing),
  /** Bytes of all buffers, including the log's. */
  gpuBytes: v.optional(count),
  /** The adapter's limit that rejects the size, and the message. */
  refusal: v.optional(v.strictObject({ limit: v.string(), message: v.string() })),
});
export type GrowthPoint = v.InferOutput<typeof growthPoint>;

/** A timed step of a ladder. A step that is wrong or does not support the size has a reason instead of times. */
const ladderStep = {
  number: v.whole(1),
  kernel: v.string(),
  idea: v.string(),
  /** Number of the step that its gain is relative to. */
  changes: v.whole(1),
  time: v.optional(timing),
  /** Speedup over the naive step, and over the step that it changes: medians over the rounds. */
  gainOnFirst: v.optional(time),
  gain: v.optional(time),
};
/** Memory accesses of a step: see {@link import("../kernel_analysis/access_counts.ts").AccessCounts}. */
const accessCount = v.optional(v.union([time, v.literal("unreadable")]));
const ladderCounts = v.strictObject({
  /** Storage reads per invocation. */
  reads: accessCount,
  /** Sectors of 32 bytes per read of a subgroup. */
  sectors: accessCount,
  /** Bank conflicts: turns per access to workgroup memory. */
  conflicts: accessCount,
});
const ladderStepMeasurement = object({
  ...ladderStep,
  compileMs: v.optional(time),
  /** Number of sizes that were compared with the reference. */
  checkedSizes: v.optional(count),
  refusal: v.optional(v.string()),
  /** Absent if the step does not support the size. */
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
  /** Name from the driver. */
  adapter: v.string(),
  cores: v.whole(1),
  runtime: v.string(),
};
/** The shipped part of a step's measurements. */
const shippedStep = { ...ladderStep, time: v.optional(v.object({ median: time, min: time })) };
export const shippedLadder = v.object({ ...shipped, steps: list(v.object(shippedStep)) });
export const shippedLadders = v.array(
  v.strictObject({ ...shipped, steps: list(v.strictObject(shippedStep)) }),
);
/** Measurements of a ladder that the repository ships, from one adapter. */
export type ShippedLadder = v.InferOutput<typeof shippedLadder>;

/** Self-test result: number of cases, and those that differ from their f64 references. */
const selftestSummary = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  cases: count,
  differing: list(v.strictObject({ name: v.string(), message: v.string() })),
  /** Kernels that did not run because the adapter never uses them; absent if there are none. */
  leftOut: v.optional(list(v.string())),
});
export type SelftestSummary = v.InferOutput<typeof selftestSummary>;

const trainingSpeed = v.strictObject({
  iteration: count,
  /** Milliseconds from the start to the first loss, including compilation. */
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
  /** ISO 8601. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  version: v.string(),
  adapter,
  machine: v.strictObject({
    cores: count,
    /** True if the adapter's clock timed the dispatches, else the host's. */
    timestamps: v.boolean(),
    /** True if Mesa may take compiled kernels from its disk cache, which makes compilation look cheap. */
    shaderCache: v.boolean(),
  }),
  /** Parts that were not requested are empty. */
  probes: list(adapterMeasurement),
  kernels: list(kernelResult),
  steps: list(stepResult),
  growth: list(growthPoint),
  /** Only in reports of the lab's page. */
  ladders: v.optional(list(ladderMeasurement)),
  selftest: v.optional(list(selftestSummary)),
  training: v.optional(trainingSpeed),
});
export type BenchReport = v.InferOutput<typeof benchReport>;
