/** What a bench measured, as a file. */

import { dirname } from "node:path";
import { z } from "zod";
import { atomicWriteFile, makeFolder } from "../src/files/atomic_write.ts";
import { readJson } from "../src/files/json_file.ts";
import type { BenchReport, LadderFigures } from "../src/profile/bench_report.ts";
import { UserError } from "../src/user_error.ts";

const time = z.number().nonnegative();
const count = z.int().nonnegative();
const timing = { median: time, min: time, lower: time, upper: time, samples: count, error: time.optional() };
const cost = { flops: time, bytes: time };

const ladderSchema: z.ZodType<LadderFigures> = z.strictObject({
  ladder: z.string(),
  size: z.array(count),
  steps: z.array(z.strictObject({
    number: count,
    kernel: z.string(),
    idea: z.string(),
    changes: count,
    time: z.strictObject(timing).optional(),
    gainOnFirst: time.optional(),
    gain: time.optional(),
    compileMs: time.optional(),
    refusal: z.string().optional(),
  })),
});

export const benchSchema: z.ZodType<BenchReport> = z.strictObject({
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
  ladders: z.array(ladderSchema).optional(),
  selftest: z.array(z.strictObject({
    kind: z.enum(["cpu", "gpu"]),
    cases: count,
    differing: z.array(z.strictObject({ name: z.string(), message: z.string() })),
  })).optional(),
  training: z.strictObject({
    iteration: count,
    msToFirstStep: time.optional(),
    stepsPerSecond: time.optional(),
  }).optional(),
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
