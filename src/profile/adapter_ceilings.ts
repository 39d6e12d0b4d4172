/** Measures the adapter's peak rates and the host's costs by running the kernels in kernels/probe. */

import copyText from "../../kernels/probe/copy.wgsl" with { type: "text" };
import fmaText from "../../kernels/probe/fma.wgsl" with { type: "text" };
import loadStorageText from "../../kernels/probe/load_storage.wgsl" with { type: "text" };
import loadStorageVec4Text from "../../kernels/probe/load_storage_vec4.wgsl" with { type: "text" };
import loadWorkgroupText from "../../kernels/probe/load_workgroup.wgsl" with { type: "text" };
import loadWorkgroupVec4Text from "../../kernels/probe/load_workgroup_vec4.wgsl" with { type: "text" };
import noOpText from "../../kernels/probe/no_op.wgsl" with { type: "text" };
import philoxText from "../../kernels/probe/philox.wgsl" with { type: "text" };
import type { AdapterMeasurement, Timing } from "./bench_report.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { getConstant, type Kernel, parseKernel } from "../gpu/kernel.ts";
import { toUniformIfSmall, type View } from "../gpu/memory.ts";
import type { EncodePass } from "../gpu/profiler.ts";
import { Program } from "../gpu/program.ts";
import { readFloats } from "../gpu/readback.ts";
import { encodeCommands, timeHost, timeRepeated } from "./measure.ts";
import { summarizeTimes } from "./timing.ts";
import { BUSY, COPIES, FLOOR, FMA } from "./roofline.ts";

const probes = {
  noOp: parseKernel("no_op", noOpText),
  fma: parseKernel("fma", fmaText),
  copy: parseKernel("copy", copyText),
  philox: parseKernel("philox", philoxText),
};
const loadVectors = parseKernel("load_storage_vec4", loadStorageVec4Text);
const loads: readonly [name: string, probe: Kernel][] = [
  ["storage, f32", parseKernel("load_storage", loadStorageText)],
  ["storage, vec4f", loadVectors],
  ["uniform, vec4f", loadVectors],
  ["workgroup, f32", parseKernel("load_workgroup", loadWorkgroupText)],
  ["workgroup, vec4f", parseKernel("load_workgroup_vec4", loadWorkgroupVec4Text)],
];

export const probeKernels: readonly Kernel[] = [
  ...new Set([...Object.values(probes), ...loads.map(([, probe]) => probe)]),
];

/** FLOPs (in fma.wgsl) and loads (in load_*.wgsl) per invocation and round of the kernel's loop. */
const FLOPS_PER_ROUND = 96;
const LOADS_PER_ROUND = 8;
/** Share of its peak rate above which an adapter counts as fully busy; one busy core of two reaches 1/2. */
const ENOUGH = 3 / 4;
/** A usual kernel has 4 independent sums per invocation, fma.wgsl 12, so it needs 3 times the invocations. */
const KERNEL_SUMS = 12 / 4;
const COUNTERS = 2 ** 16;
/** Minimum run time of a probe in microseconds; invocations are doubled until the run takes that long. */
const PROBE = 2000;
const INVOCATIONS = { least: 2 ** 11, most: 2 ** 20 };
/** Batch sizes of 0: every program expects batch sizes, but a probe has no batch. */
const NOTHING = { users: 0, events: 0, rows: 0, items: 0 };

interface Bench {
  readonly gpu: Gpu;
  readonly arena: Arena;
  /** Sampling time per probe in seconds; slow probes take longer. */
  readonly seconds: number;
  /** Buffer of the uniform `step` (batch sizes and numbers of the step), which every kernel binds. */
  readonly steps: GPUBuffer;
  /** One float per invocation: the output of most probes. */
  readonly output: View;
}

type Views = Readonly<Record<string, View>>;

/** Runs all probes. @param seconds - sampling time per probe; a minimum number of samples may take longer */
export async function measureAdapter(
  gpu: Gpu,
  seconds: number,
  onProgress: (name: string, share: number) => void = () => {},
): Promise<AdapterMeasurement[]> {
  using arena = new Arena(gpu, "probes");
  const steps = arena.allocate("steps", 256).buffer;
  const output = arena.allocate("output", 4 * INVOCATIONS.most);
  const bench = { gpu, arena, seconds, steps, output };
  const seeds = arena.upload("seeds", Float32Array.of(0.999, 0.001));
  const parts: readonly (readonly [name: string, measure: () => Promise<AdapterMeasurement[]>])[] = [
    [FMA, () => measureMultiplyAdd(bench, seeds)],
    ...COPIES.map(([name, bytes]) => [name, async () => [await copyRate(bench, name, bytes)]] as const),
    ...loads.map(([name, probe]) =>
      [`load ${name}`, async () => [await loadRate(bench, name, probe)]] as const
    ),
    ["random words", async () => [await randomWordRate(bench, seeds)]],
    ["host", () => measureHostCosts(bench)],
  ];
  const measured: AdapterMeasurement[] = [];
  for (const [k, [name, measure]] of parts.entries()) {
    onProgress(name, k / parts.length);
    measured.push(...await measure());
  }
  gpu.check();
  return measured;
}

/** Measures the peak rate of multiply-adds, and how many invocations reach {@link ENOUGH} of that rate. */
async function measureMultiplyAdd(bench: Bench, seeds: View): Promise<AdapterMeasurement[]> {
  const views = { seeds, output: bench.output };
  const { invocations, timing } = await timeWide(bench, probes.fma, views);
  const flops = FLOPS_PER_ROUND * getConstant(probes.fma, "ROUNDS") * invocations;
  const floor = await time(bench, probes.noOp, { output: bench.output }, 1);
  let busy = getConstant(probes.fma, "WORKGROUP");
  for (; busy < invocations; busy *= 2) {
    const few = await time(bench, probes.fma, views, busy, 0);
    if (ENOUGH * (few.min - floor.min) / busy <= timing.min / invocations) break;
  }
  const kept = KERNEL_SUMS * busy;
  const same = { median: kept, lower: kept, upper: kept, best: kept, samples: timing.samples };
  return [computeRate(FMA, "GFLOP/s", flops, timing), { name: BUSY, unit: "invocations", ...same }];
}

async function copyRate(bench: Bench, name: string, bytes: number): Promise<AdapterMeasurement> {
  const { gpu } = bench;
  const half = Math.min(bytes / 2, gpu.device.limits.maxStorageBufferBindingSize);
  using memory = new Arena(gpu, "copy");
  const views = { input: memory.allocate("input", half), output: memory.allocate("output", half) };
  return computeRate(name, "GB/s", 2 * half, await time(bench, probes.copy, views, half / 64));
}

async function loadRate(bench: Bench, name: string, probe: Kernel): Promise<AdapterMeasurement> {
  const { arena, output } = bench;
  const floatsEach = name.endsWith("vec4f") ? 4 : 1;
  const floats = getConstant(probe, "COUNT") * floatsEach;
  const buffer = arena.upload("input", new Float32Array(floats).fill(0.5));
  const input = name.startsWith("uniform") ? toUniformIfSmall(buffer) : buffer;
  const { invocations, timing } = await timeWide(bench, probe, { input, output });
  const each = LOADS_PER_ROUND * getConstant(probe, "ROUNDS") * floatsEach;
  return computeRate(`load from ${name}`, "G f32/s", each * invocations, timing);
}

async function randomWordRate(bench: Bench, key: View): Promise<AdapterMeasurement> {
  const { arena } = bench;
  const counters = arena.upload("counters", Uint32Array.from({ length: 4 * COUNTERS }, (_, k) => k));
  const words = arena.allocate("words", 16 * COUNTERS);
  const timing = await time(bench, probes.philox, { counters, key, words }, COUNTERS);
  return computeRate("random words by counter", "G words/s", 4 * COUNTERS, timing);
}

/** Measures the host's time to submit a dispatch, to create a bind group, and to read 4 bytes back. */
async function measureHostCosts(bench: Bench): Promise<AdapterMeasurement[]> {
  const { gpu, steps, output } = bench;
  const floor = computeCost(FLOOR, await time(bench, probes.noOp, { output }, 1));
  const noOp = await record(bench, probes.noOp, { output }, 1);
  const encodeOne: EncodePass = (pass) => noOp.encodeOne(pass, 0, NOTHING, 0);
  const submitOne = () => gpu.queue.submit([encodeCommands(gpu, "no-op", encodeOne)]);
  submitOne();
  const summarize = (name: string, times: readonly number[]) => computeCost(name, summarizeTimes(times));
  return [
    floor,
    summarize("encoding and submitting one dispatch, on the host", timeHost(200, submitOne)),
    summarize("createBindGroup of three buffers, on the host", bindGroups(gpu, output, steps)),
    summarize("reading 4 bytes back, until the host has them", await readBacks(gpu, output)),
  ];
}

/** Divides work by measured times. @param work - number of FLOPs, bytes, floats or words per timed run */
function computeRate(
  name: string,
  unit: AdapterMeasurement["unit"],
  work: number,
  timing: Timing,
): AdapterMeasurement {
  const of = (microseconds: number) => work / microseconds / 1000;
  const { median, min, lower, upper, samples } = timing;
  return { name, unit, median: of(median), lower: of(upper), upper: of(lower), best: of(min), samples };
}

function computeCost(name: string, { median, min, lower, upper, samples }: Timing): AdapterMeasurement {
  return { name, unit: "us", median, lower, upper, best: min, samples };
}

function record(
  { gpu, steps }: Bench,
  probe: Kernel,
  views: Views,
  invocations: number,
): Promise<Program<typeof NOTHING>> {
  return Program.record(gpu, "probe", steps, [{
    kernel: probe,
    label: `probe ${probe.name}`,
    views,
    invocations: [invocations],
  }]);
}

async function time(
  bench: Bench,
  probe: Kernel,
  views: Views,
  invocations: number,
  seconds = bench.seconds,
): Promise<Timing> {
  const program = await record(bench, probe, views, invocations);
  return await timeRepeated(bench.gpu, (pass) => program.encodeOne(pass, 0, NOTHING, 0), { seconds });
}

/** Times a probe. Doubles the number of invocations until a run takes {@link PROBE} us, up to a limit. */
async function timeWide(
  bench: Bench,
  probe: Kernel,
  views: Views,
): Promise<{ invocations: number; timing: Timing }> {
  let invocations = INVOCATIONS.least;
  let timing = await time(bench, probe, views, invocations, 0);
  while (timing.min < PROBE && invocations < INVOCATIONS.most) {
    invocations *= 2;
    timing = await time(bench, probe, views, invocations, 0);
  }
  // On a slow adapter, the samples so far have already taken `seconds`.
  const enough = timing.samples * timing.median >= 1e6 * bench.seconds;
  return { invocations, timing: enough ? timing : await time(bench, probe, views, invocations) };
}

function bindGroups(gpu: Gpu, { buffer }: View, steps: GPUBuffer): number[] {
  const visibility = GPUShaderStage.COMPUTE;
  const layout = gpu.device.createBindGroupLayout({
    entries: [
      { binding: 0, visibility, buffer: { type: "read-only-storage" } },
      { binding: 1, visibility, buffer: { type: "read-only-storage" } },
      { binding: 2, visibility, buffer: { type: "uniform" } },
    ],
  });
  const entries = [buffer, buffer, steps].map((buffer, binding) => ({ binding, resource: { buffer } }));
  return timeHost(200, () => void gpu.device.createBindGroup({ layout, entries }));
}

async function readBacks(gpu: Gpu, { buffer, offset }: View): Promise<number[]> {
  const times: number[] = [];
  for (let k = 0; k < 15; k++) {
    const began = performance.now();
    await readFloats(gpu, { buffer, offset, size: 4 });
    times.push(1000 * (performance.now() - began));
  }
  return times;
}
