/** What a bench measured, as a file. */

import * as v from "../src/schema.ts";
import { readJson } from "../src/run/files/json_file.ts";
import type { BenchReport, LadderFigures } from "../src/selftest/profile/bench_report.ts";
import { UserError } from "../src/user_error.ts";

const time = v.atLeast(0);
const count = v.whole(0);
const timing = { median: time, min: time, lower: time, upper: time, samples: count, error: v.optional(time) };
const asked = v.optional(v.union([time, v.literal("unreadable")]));
const cost = { flops: time, bytes: time };

const ladderSchema: v.GenericSchema<unknown, LadderFigures> = v.strictObject({
  ladder: v.string(),
  size: v.array(count),
  steps: v.array(v.strictObject({
    number: count,
    kernel: v.string(),
    idea: v.string(),
    changes: count,
    time: v.optional(v.strictObject(timing)),
    gainOnFirst: v.optional(time),
    gain: v.optional(time),
    compileMs: v.optional(time),
    checkedSizes: v.optional(count),
    refusal: v.optional(v.string()),
    counts: v.optional(v.strictObject({ reads: asked, sectors: asked, conflicts: asked })),
  })),
});

export const benchSchema: v.GenericSchema<unknown, BenchReport> = v.strictObject({
  format: v.literal(1),
  date: v.pipe(v.string(), v.isoTimestamp()),
  version: v.string(),
  adapter: v.strictObject({
    kind: v.picklist(["cpu", "gpu"]),
    description: v.string(),
    vendor: v.string(),
    architecture: v.string(),
    runtime: v.string(),
  }),
  machine: v.strictObject({ cores: count, timestamps: v.boolean(), shaderCache: v.boolean() }),
  figures: v.array(v.strictObject({
    name: v.string(),
    unit: v.picklist(["GFLOP/s", "GB/s", "G f32/s", "G words/s", "us", "invocations"]),
    median: time,
    lower: time,
    upper: time,
    best: time,
    samples: count,
  })),
  kernels: v.array(v.strictObject({
    id: v.string(),
    kernel: v.string(),
    workload: v.string(),
    invocations: v.tuple([count, count]),
    dispatches: count,
    compileMs: time,
    ...cost,
    ...timing,
  })),
  steps: v.array(v.strictObject({
    workload: v.string(),
    model: v.string(),
    users: count,
    events: count,
    rows: count,
    items: count,
    dispatches: v.array(v.strictObject({
      label: v.string(),
      kernel: v.string(),
      invocations: v.optional(count),
      ...cost,
      ...timing,
    })),
    wall: v.strictObject(timing),
    group: count,
    host: v.strictObject({ draw: time, put: time, upload: time, encode: time, submit: time }),
    gpuBytes: count,
  })),
  growth: v.array(v.strictObject({
    axis: v.string(),
    value: count,
    x: count,
    time: v.optional(v.strictObject(timing)),
    gpuBytes: v.optional(count),
    refusal: v.optional(v.strictObject({ limit: v.string(), message: v.string() })),
  })),
  ladders: v.optional(v.array(ladderSchema)),
  selftest: v.optional(v.array(v.strictObject({
    kind: v.picklist(["cpu", "gpu"]),
    cases: count,
    differing: v.array(v.strictObject({ name: v.string(), message: v.string() })),
    leftOut: v.optional(v.array(v.string())),
  }))),
  training: v.optional(v.strictObject({
    iteration: count,
    msToFirstStep: v.optional(time),
    stepsPerSecond: v.optional(time),
  })),
});

/** @throws UserError for a file that is missing or not of this layout. */
export async function readBench(file: string): Promise<BenchReport> {
  const report = await readJson(file, benchSchema);
  if (report) return report;
  throw new UserError(`Expected the JSON of an earlier bench (--json), found no file ${file}.`);
}
