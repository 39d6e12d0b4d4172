/**
 * What was measured on one adapter: by `deno task bench` and saved by the lab's page, in one layout, so that they compare.
 * Pages take the types alone: schemas would be carried by their scripts.
 */

import type { AdapterDescription } from "../gpu/device.ts";
import * as v from "../schema.ts";

const time = v.atLeast(0);
const count = v.whole(0);
const list = <T>(of: v.GenericSchema<unknown, T>) => v.pipe(v.array(of), v.readonly());
const object = <E extends v.ObjectEntries>(entries: E) => v.pipe(v.strictObject(entries), v.readonly());
const pair = v.pipe(v.tuple([count, count]), v.readonly());

/** What is said of several times of the same work, in microseconds. */
const timingEntries = {
  median: time,
  min: time,
  /** Quartiles: half of the samples are between them. */
  lower: time,
  upper: time,
  samples: count,
  /** By how much each sample may be off because of the clock; absent where that is next to nothing. */
  error: v.optional(time),
};
const timing = object(timingEntries);
export type Timing = v.InferOutput<typeof timing>;

/** Of {@link import("../gpu/program.ts").Cost}. */
const cost = { flops: time, bytes: time };

/** What was measured of an adapter: times, or rates, of which more is better. */
const adapterFigure = object({
  name: v.string(),
  unit: v.picklist(["GFLOP/s", "GB/s", "G f32/s", "G words/s", "us", "invocations"]),
  median: time,
  /** Quartiles. */
  lower: time,
  upper: time,
  best: time,
  samples: count,
});
export type AdapterFigure = v.InferOutput<typeof adapterFigure>;

const kernelResult = object({
  /** Where it was found first: "W1 LSTM: utility/layer2 forward". Results are compared by it. */
  id: v.string(),
  kernel: v.string(),
  workload: v.string(),
  invocations: pair,
  /** Dispatches of the workload's models that this one stands for. */
  dispatches: count,
  /** Milliseconds of making the pipeline and, with timestamps, of its first dispatch. */
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

/** The host's own microseconds a step: drawing the batch's users; running numbers, sizes and header; and so on. */
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
  /** Microseconds of a step in a run of many, samples over runs. */
  wall: timing,
  /** Steps that such a run puts into one command buffer. */
  group: count,
  host: hostTimes,
  /** Bytes of all buffers: log, items, model, its step. */
  gpuBytes: count,
});
export type StepMeasurement = v.InferOutput<typeof stepResult>;

const growthPoint = object({
  axis: v.string(),
  value: count,
  /** What the time is reckoned by: rows of the batch for axes that add rows, else the value. */
  x: count,
  /** Microseconds a step; absent where it was refused. */
  time: v.optional(timing),
  /** Of all buffers, the log's among them. */
  gpuBytes: v.optional(count),
  /** The adapter's limit that refuses it, and by what. */
  refusal: v.optional(v.strictObject({ limit: v.string(), message: v.string() })),
});
export type GrowthPoint = v.InferOutput<typeof growthPoint>;

/** A step of a ladder, timed; what the size cannot be done by, or what is wrong, has no times, but a reason. */
const ladderStep = {
  /** From 1. */
  number: v.whole(1),
  kernel: v.string(),
  idea: v.string(),
  /** Number of the step that its gain is on. */
  changes: v.whole(1),
  /** Microseconds. */
  time: v.optional(timing),
  /** How often faster than the naive step, and than the one that it changes: medians over the rounds. */
  gainOnFirst: v.optional(time),
  gain: v.optional(time),
};
/** What a step asks of memory, read from its text: see {@link import("../kernel_analysis/access_counts.ts").Asked}. */
const asked = v.optional(v.union([time, v.literal("unreadable")]));
const ladderCounts = v.strictObject({
  /** Reads of storage that an invocation does. */
  reads: asked,
  /** Sectors of 32 bytes that a subgroup's read touches. */
  sectors: asked,
  /** Turns that an access to workgroup memory waits for its banks. */
  conflicts: asked,
});
const ladderStepFigure = object({
  ...ladderStep,
  compileMs: v.optional(time),
  /** At how many sizes it was compared with the reference. */
  checkedSizes: v.optional(count),
  refusal: v.optional(v.string()),
  /** Absent where the size cannot be done by it. */
  counts: v.optional(ladderCounts),
});
export type LadderStepFigure = v.InferOutput<typeof ladderStepFigure>;

const ladderFigures = object({ ladder: v.string(), size: list(v.whole(1)), steps: list(ladderStepFigure) });
export type LadderFigures = v.InferOutput<typeof ladderFigures>;

const shipped = {
  ladder: v.string(),
  size: list(v.whole(1)),
  /** As the driver has it. */
  adapter: v.string(),
  cores: v.whole(1),
  runtime: v.string(),
};
/** Of a step's figures what the repository ships. What stands there beside it is left out. */
const shippedStep = { ...ladderStep, time: v.optional(v.object({ median: time, min: time })) };
export const shippedLadder = v.object({ ...shipped, steps: list(v.object(shippedStep)) });
export const shippedLadders = v.array(
  v.strictObject({ ...shipped, steps: list(v.strictObject(shippedStep)) }),
);
/** The figures of a ladder that the repository ships: what its machine measured, one adapter for all steps. */
export type ShippedLadder = v.InferOutput<typeof shippedLadder>;

/** How many kernels of the self-test were as their f64 references, and which were not. */
const selftestFigures = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  cases: count,
  differing: list(v.strictObject({ name: v.string(), message: v.string() })),
  /** Kernels that were not run, as the adapter never takes them; absent where there are none. */
  leftOut: v.optional(list(v.string())),
});
export type SelftestFigures = v.InferOutput<typeof selftestFigures>;

/** A training in the lab's page. */
const trainingFigures = v.strictObject({
  iteration: count,
  /** Milliseconds from the start to the first loss, compilation included. */
  msToFirstStep: v.optional(time),
  stepsPerSecond: v.optional(time),
});
export type TrainingFigures = v.InferOutput<typeof trainingFigures>;

const adapter: v.GenericSchema<unknown, AdapterDescription> = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  description: v.string(),
  vendor: v.string(),
  architecture: v.string(),
  runtime: v.string(),
});

/** What the JSON of a bench says that it is. */
export const BENCH_FORMAT = "clickgan-bench";

export const benchReport = object({
  format: v.literal(BENCH_FORMAT),
  /** ISO 8601. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  /** Of clickgan. */
  version: v.string(),
  adapter,
  machine: v.strictObject({
    cores: count,
    /** Whether dispatches were timed by the adapter's clock; else by the host's. */
    timestamps: v.boolean(),
    /** Whether Mesa may take compiled kernels from its cache on the disk, so that compiling looks cheap. */
    shaderCache: v.boolean(),
  }),
  /** Each part is empty where it was not asked for. */
  figures: list(adapterFigure),
  kernels: list(kernelResult),
  steps: list(stepResult),
  growth: list(growthPoint),
  /** Only of the lab's page. */
  ladders: v.optional(list(ladderFigures)),
  selftest: v.optional(list(selftestFigures)),
  training: v.optional(trainingFigures),
});
export type BenchReport = v.InferOutput<typeof benchReport>;
