/** What a bench measured, as a file. */

import { dirname } from "node:path";
import { z } from "zod";
import type { AdapterDescription } from "../src/gpu/device.ts";
import { UserError } from "../src/user_error.ts";
import { atomicWriteFile, makeFolder } from "../src/files/atomic_write.ts";
import { readJson } from "../src/files/json_file.ts";
import type { AdapterFigure } from "./adapter_ceilings.ts";
import type { GrowthPoint } from "./growth.ts";
import type { KernelResult } from "./kernel_cases.ts";
import type { StepResult } from "./step_profile.ts";

export interface BenchReport {
  /** Of this layout. */
  readonly format: 1;
  /** ISO 8601. */
  readonly date: string;
  /** Of clickgan. */
  readonly version: string;
  readonly adapter: AdapterDescription;
  readonly machine: {
    readonly cores: number;
    /** Whether dispatches were timed by the adapter's clock; else by the host's. */
    readonly timestamps: boolean;
    /** Whether Mesa may take compiled kernels from its cache on the disk, so that compiling looks cheap. */
    readonly shaderCache: boolean;
  };
  /** Each part is empty where it was not asked for. */
  readonly figures: readonly AdapterFigure[];
  readonly kernels: readonly KernelResult[];
  readonly steps: readonly StepResult[];
  readonly growth: readonly GrowthPoint[];
}

const time = z.number().nonnegative();
const count = z.int().nonnegative();
const timing = { median: time, min: time, lower: time, upper: time, samples: count };
const cost = { flops: time, bytes: time };

const benchSchema: z.ZodType<BenchReport> = z.strictObject({
  format: z.literal(1),
  date: z.iso.datetime(),
  version: z.string(),
  adapter: z.strictObject({
    kind: z.enum(["cpu", "gpu"]),
    description: z.string(),
    vendor: z.string(),
    architecture: z.string(),
    runtime: z.string(),
  }),
  machine: z.strictObject({ cores: count, timestamps: z.boolean(), shaderCache: z.boolean() }),
  figures: z.array(z.strictObject({
    name: z.string(),
    unit: z.enum(["GFLOP/s", "GB/s", "G f32/s", "G words/s", "us"]),
    median: time,
    lower: time,
    upper: time,
    best: time,
    samples: count,
  })),
  kernels: z.array(z.strictObject({
    id: z.string(),
    kernel: z.string(),
    workload: z.string(),
    invocations: z.tuple([count, count]),
    dispatches: count,
    compileMs: time,
    ...cost,
    ...timing,
  })),
  steps: z.array(z.strictObject({
    workload: z.string(),
    model: z.string(),
    users: count,
    events: count,
    rows: count,
    items: count,
    dispatches: z.array(z.strictObject({ label: z.string(), kernel: z.string(), ...cost, ...timing })),
    wall: z.strictObject(timing),
    group: count,
    host: z.strictObject({ draw: time, put: time, upload: time, encode: time, submit: time }),
    gpuBytes: count,
  })),
  growth: z.array(z.strictObject({
    axis: z.string(),
    value: count,
    x: count,
    time: z.strictObject(timing).optional(),
    gpuBytes: count.optional(),
    refusal: z.strictObject({ limit: z.string(), message: z.string() }).optional(),
  })),
});

/** @throws UserError when the file cannot be written. */
export async function writeBench(file: string, report: BenchReport): Promise<void> {
  await makeFolder(dirname(file));
  await atomicWriteFile(file, JSON.stringify(report, null, 1) + "\n");
}

/** @throws UserError for a file that is missing or not of this layout. */
export async function readBench(file: string): Promise<BenchReport> {
  const report = await readJson(file, benchSchema);
  if (report) return report;
  throw new UserError(`Expected the JSON of an earlier bench (--json), found no file ${file}.`);
}
