/** Times the benchmarked models' kernels. Dispatches with equal kernel, constants, sizes are timed once. */

import type { ClickDispatch } from "../src/batch/click_sizes.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { buildKernelText, type Constants, type Kernel } from "../src/gpu/kernel.ts";
import { CommandRecorder } from "../src/gpu/commands.ts";
import { type EncodePass, timePasses } from "../src/gpu/profiler.ts";
import { computeInvocations, type Cost, getCost, onlySlice } from "../src/gpu/program.ts";
import type { BenchLog, BenchModel, RecordedPart, Recording } from "../src/profile/workloads.ts";
import { selectModels } from "../src/profile/workloads.ts";
import type { KernelMeasurement } from "../src/profile/bench_report.ts";
import { timeRepeated } from "../src/profile/measure.ts";

interface KernelCase extends Cost {
  /** Label of the dispatch, unique among a model's dispatches, such as "utility/layer2 forward". */
  readonly label: string;
  readonly spec: ClickDispatch;
  readonly invocations: readonly [number, number];
  readonly key: string;
  /** Index of the dispatch's program in the model. `dispatch`: index of the dispatch in this program. */
  readonly part: number;
  readonly dispatch: number;
}

export interface KernelOptions {
  readonly seconds: number;
  readonly only: RegExp;
  /** Compile time in milliseconds by WGSL source. A source in this map is not timed again. */
  readonly compiled: Map<string, number>;
  readonly known?: ReadonlySet<string>;
  readonly suffix?: string;
  /** Ends the measurement after the current kernel. Results of earlier kernels are returned. */
  readonly signal?: AbortSignal;
  /** @param share - share of the work, 0 to 1, that is finished */
  onProgress?(text: string, share: number): void;
}

/** Returns a model's programs. The first `steps` programs run a training step. */
export async function listParts(recording: Recording): Promise<{ parts: RecordedPart[]; steps: number }> {
  const step = recording.step();
  return { parts: [...step, ...await recording.others()], steps: step.length };
}

/** @param steps - number of programs at the start of `parts` that run a training step */
export function listCases(parts: readonly RecordedPart[], steps: number): KernelCase[] {
  const unique = createUniqueLabels();
  return parts.flatMap(({ program, sizes, slice = onlySlice }, part) =>
    program.dispatches.map(({ spec, manySteps }, dispatch): KernelCase => {
      const [x, y] = computeInvocations(spec.invocations, sizes);
      const cost = getCost(spec, sizes);
      const batches = manySteps ? slice.count : 1;
      const invocations: [number, number] = [batches * x, y];
      const [flops, bytes] = [batches * cost.flops, batches * cost.bytes];
      return {
        label: unique(`${part >= steps ? "evaluation, " : ""}${spec.label}`),
        spec,
        invocations,
        flops,
        bytes,
        ...(cost.parts && { parts: cost.parts }),
        key: formatCaseKey(spec.kernel, spec.constants ?? {}, [...invocations, flops, bytes]),
        part,
        dispatch,
      };
    })
  );
}

/** Returns a function that makes labels unique: it appends a number to a repeated label. */
export function createUniqueLabels(): (label: string) => string {
  const seen = new Map<string, number>();
  return (label) => {
    const times = (seen.get(label) ?? 0) + 1;
    seen.set(label, times);
    return times === 1 ? label : `${label} #${times}`;
  };
}

/** Matches names of constants that are only offsets, on which the time of a kernel does not depend. */
const OFFSET = /(_AT|^FIRST\d?|^P4)$/;

function formatCaseKey({ name }: Kernel, constants: Constants, sizes: readonly number[]): string {
  const own = Object.entries(constants).filter(([constant]) => !OFFSET.test(constant));
  return JSON.stringify([name, own.sort(([a], [b]) => (a < b ? -1 : 1)), sizes]);
}

/** Times all kernels of the models. @returns measurements by case, in the order of the dispatches. */
export async function measureKernels(
  gpu: Gpu,
  workload: BenchLog,
  models: readonly BenchModel[],
  options: KernelOptions,
): Promise<Map<string, KernelMeasurement>> {
  const { known = new Set<string>(), only, compiled, suffix = "" } = options;
  const found = new Map<string, KernelMeasurement>();
  const counts = new Map<string, number>();
  const selected = selectModels(workload.log, models);
  for (const [number, model] of selected.entries()) {
    if (options.signal?.aborted) break;
    const where = `${workload.name} ${model.name}${suffix}`;
    const share = (done: number) => (number + done) / selected.length;
    options.onProgress?.(`${where}: recording and compiling`, share(0));
    using recording = await model.record(gpu, workload.log, workload.users);
    const { parts, steps } = await listParts(recording);
    const cases = listCases(parts, steps);
    for (const { key } of cases) counts.set(key, (counts.get(key) ?? 0) + 1);
    const wanted = cases.filter(({ key, spec }) =>
      !found.has(key) && !known.has(key) && only.test(spec.kernel.name)
    );
    if (wanted.length === 0) continue;
    await compile(gpu, parts, wanted.at(-1), compiled);
    for (const [k, one] of wanted.entries()) {
      if (options.signal?.aborted) break;
      const { key, label, spec, invocations, flops, bytes } = one;
      const part = parts[one.part];
      if (!part || found.has(key)) continue;
      options.onProgress?.(`${where}: ${label} (${spec.kernel.name})`, share(k / wanted.length));
      prepare(gpu, parts, one);
      const { program, sizes, offset, slice } = part;
      const encode: EncodePass = (pass) => program.encodeOne(pass, one.dispatch, sizes, offset, slice);
      found.set(key, {
        id: `${where}: ${label}`,
        kernel: spec.kernel.name,
        workload: workload.name,
        invocations,
        dispatches: 0,
        flops,
        bytes,
        ...await timeRepeated(gpu, encode, options),
        compileMs: compiled.get(buildKernelText(spec)) ?? 0,
      });
    }
  }
  return new Map([...found].map(([key, result]) => [key, { ...result, dispatches: counts.get(key) ?? 0 }]));
}

/** Runs all dispatches before the timed dispatch, because they compute its inputs. */
function prepare(gpu: Gpu, parts: readonly RecordedPart[], { part, dispatch }: KernelCase): void {
  CommandRecorder.submit(gpu, "earlier dispatches", (commands) => {
    for (const [p, { program, sizes, offset, slice }] of parts.slice(0, part + 1).entries()) {
      const end = p === part ? dispatch : program.dispatches.length;
      for (let k = 0; k < end; k++) program.encodeStep(commands, k, sizes, offset, slice);
    }
  });
}

/** Compiles the WGSL of all dispatches up to `last`, and adds compile times of new WGSL to `compiled`. */
async function compile(
  gpu: Gpu,
  parts: readonly RecordedPart[],
  last: KernelCase | undefined,
  compiled: Map<string, number>,
): Promise<void> {
  const sources: string[] = [];
  const passes: EncodePass[] = [];
  for (const [p, { program, sizes, offset, slice }] of parts.entries()) {
    for (const [k, { spec }] of program.dispatches.entries()) {
      if (last && (p > last.part || (p === last.part && k > last.dispatch))) break;
      sources.push(buildKernelText(spec));
      passes.push((pass) => program.encodeOne(pass, k, sizes, offset, slice));
    }
  }
  const run = async () => gpu.hasTimestamps ? await timePasses(gpu, passes) : [];
  const [first, again] = [await run(), await run()];
  for (const [k, source] of sources.entries()) {
    if (compiled.has(source)) continue;
    const began = performance.now();
    const module = gpu.device.createShaderModule({ code: source });
    gpu.device.createComputePipeline({ layout: "auto", compute: { module } });
    const host = performance.now() - began;
    // A driver may compile a kernel in its first run, so the extra time of the first run is added.
    compiled.set(source, host + Math.max(0, (first[k] ?? 0) - (again[k] ?? 0)) / 1000);
  }
}
