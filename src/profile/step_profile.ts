/** Profiles a training step: times each dispatch, the whole step, and the host's work. */

import type { DispatchMeasurement, HostTimes, StepMeasurement, Timing } from "./bench_report.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { listTimedWork, timePasses } from "../gpu/profiler.ts";
import { chooseClock, type Clock, encodeCommands, isFine, timeRepeated } from "./measure.ts";
import { summarizeTimes } from "./timing.ts";
import type { BenchLog, BenchModel, Recording, Steppable } from "./workloads.ts";
import { isTexture, type View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { BatchSizes } from "../gpu/sizes.ts";

/** Approximate duration in microseconds of a command buffer, which has several training steps. */
const GROUP = 80_000;
/** Minimum duration in microseconds of a run of training steps, which gives one sample. */
const RUN = 300_000;
const ROUNDS = { least: 5, most: 11 };

export interface ProfileOptions {
  /** Time for measuring whole training steps, in seconds; slow steps take longer. */
  readonly seconds: number;
  /** Called with the progress. @param share - finished share of the work that `text` names, 0 to 1 */
  onProgress?(text: string, share: number): void;
}

export async function profileStep(
  gpu: Gpu,
  { name, log, users }: BenchLog,
  model: BenchModel,
  options: ProfileOptions,
): Promise<StepMeasurement> {
  using recording = await model.record(gpu, log, users);
  return { workload: name, model: model.name, ...await profileRecording(gpu, recording, options) };
}

/** Profiles a model's training step. Timing whole steps changes the weights; timing dispatches does not. */
export async function profileRecording(
  gpu: Gpu,
  recording: Recording,
  { seconds, onProgress = () => {} }: ProfileOptions,
): Promise<Omit<StepMeasurement, "workload" | "model">> {
  const { trainer, sizes } = recording;
  const gpuBytes = gpu.liveBytes;
  onProgress("first steps, which compile", 0);
  const run = await stepRuns(trainer);
  const profile = await dispatchProfile(gpu, recording);
  await profile.round();
  const wanted = Math.floor(1e6 * seconds / run.microseconds);
  const rounds = Math.max(ROUNDS.least, Math.min(ROUNDS.most, wanted));
  const walls: number[] = [];
  // Whole steps and single dispatches are timed in turn, because the speed of a shared machine changes.
  for (let round = 1; round <= rounds; round++) {
    onProgress(`whole steps, round ${round} of ${rounds}`, (round - 1) / rounds);
    walls.push(await run.once());
    await profile.round();
  }
  const wall = summarizeTimes(walls);
  const group = Math.max(1, Math.min(trainer.maxGroup, Math.round(GROUP / wall.median)));
  const host = await timeHostSteps(gpu, recording, group);
  const dispatches = await profile.results(onProgress);
  const { users, events, rows, items } = sizes;
  return { ...{ users, events, rows, items }, dispatches, wall, group, host, gpuBytes };
}

/** Returns the microseconds per step in each of three or more training runs. */
export async function timeSteps(trainer: Steppable, seconds: number): Promise<number[]> {
  const run = await stepRuns(trainer);
  const runs = Math.max(3, Math.min(ROUNDS.most, Math.floor(1e6 * seconds / run.microseconds)));
  const times: number[] = [];
  while (times.length < runs) times.push(await run.once());
  return times;
}

/** Runs a few steps, in which kernels compile. Returns a function that times a run of further steps. */
async function stepRuns(trainer: Steppable): Promise<{ microseconds: number; once(): Promise<number> }> {
  const run = async (steps: number) => {
    const began = performance.now();
    await trainer.run(trainer.iteration + steps);
    return 1000 * (performance.now() - began) / steps;
  };
  await run(2);
  const guess = await run(4);
  const steps = Math.max(4, Math.ceil(RUN / guess));
  return { microseconds: steps * guess, once: () => run(steps) };
}

/**
 * Times the dispatches of a training step. With a fine clock, each call of `round` times every dispatch once,
 * in its own pass. With a coarse clock, `round` does nothing, and `results` times repeats of each dispatch.
 */
export async function dispatchProfile(gpu: Gpu, recording: Recording, fixed?: Clock) {
  const samples: number[][] = [];
  const works = () =>
    recording.step().flatMap(({ program, sizes, offset, slice }) =>
      listTimedWork(program, sizes, offset, slice).map((work) => ({
        ...work,
        spec: program.dispatches[work.dispatch]?.spec,
      }))
    );
  const [first] = works();
  if (!first?.spec) throw new Error("expected a step with a dispatch");
  const { spec, encode } = first;
  const clock = fixed ?? await preserveState(gpu, spec, () => chooseClock(gpu, encode));
  const fine = isFine(clock);
  let warm = false;
  return {
    async round(): Promise<void> {
      if (!fine) return;
      const times = await timePasses(gpu, works().map(({ encode }) => encode));
      if (warm) times.forEach((time, k) => (samples[k] ??= []).push(time));
      warm = true;
    },
    async results(onProgress: Required<ProfileOptions>["onProgress"]): Promise<DispatchMeasurement[]> {
      const results: DispatchMeasurement[] = [];
      const all = works();
      for (const [k, { label, kernel, steps, invocations, flops, bytes, encode, spec }] of all.entries()) {
        const own = samples[k];
        if (!own) onProgress(`dispatch ${k + 1} of ${all.length}: ${label}`, k / all.length);
        const repeat = () => timeRepeated(gpu, encode, { seconds: 0, clock });
        const timing = own
          ? summarizeTimes(own)
          : spec
          ? await preserveState(gpu, spec, repeat)
          : await repeat();
        if (!own) gpu.queue.submit([encodeCommands(gpu, "once", encode)]);
        results.push({
          label,
          kernel,
          ...(invocations !== undefined && { invocations }),
          flops,
          bytes,
          ...perStep(timing, steps),
        });
      }
      return results;
    },
  };
}

function perStep(timing: Timing, steps: number): Timing {
  const { median, min, lower, upper, samples, error } = timing;
  return {
    median: median / steps,
    min: min / steps,
    lower: lower / steps,
    upper: upper / steps,
    samples,
    ...(error !== undefined && { error: error / steps }),
  };
}

const HOST_GROUPS = 5;

/** Times the host's work per training step. Waiting for the GPU is not timed. */
async function timeHostSteps(gpu: Gpu, recording: Recording, group: number): Promise<HostTimes> {
  const { trainer } = recording;
  const { plan } = trainer;
  const parts = recording.step();
  const each = { draw: 0, put: 0, upload: 0, encode: 0, submit: 0 };
  const time = <T>(what: keyof HostTimes, work: () => T): T => {
    const began = performance.now();
    const result = work();
    each[what] += 1000 * (performance.now() - began) / (HOST_GROUPS * group);
    return result;
  };
  for (let g = 0; g < HOST_GROUPS; g++) {
    const first = 1 + g * group;
    const batches = time("draw", () => Array.from({ length: group }, (_, k) => trainer.drawBatch(first + k)));
    time("put", () => {
      for (const [k, users] of batches.entries()) {
        plan.put(k, users, { slot: k, learningRate: 0, iteration: first + k });
      }
    });
    time("upload", () => plan.upload(0, group));
    const commands = time("encode", () => {
      const commands = new CommandRecorder(gpu, "steps of a host's profile");
      for (let k = 0; k < group; k++) {
        for (const { program, sizes, offset, slice } of parts) {
          // A dispatch that builds several batches at once is encoded once, with the first of these batches.
          if (k % (slice?.count ?? 1) === 0) program.encode(commands, sizes, offset, slice);
        }
      }
      return commands.finish();
    });
    time("submit", () => gpu.queue.submit([commands]));
    await gpu.workDone();
  }
  gpu.check();
  return each;
}

export function dispatchTime({ dispatches }: StepMeasurement): number {
  return dispatches.reduce((sum, { median }) => sum + median, 0);
}
/** Returns the total time of the host per step in microseconds. */
export function getHostTime({ host }: StepMeasurement): number {
  return Object.values(host).reduce((sum: number, time: number) => sum + time, 0);
}

export function listWrittenRanges<S extends BatchSizes>(
  { kernel, views }: Pick<DispatchSpec<S>, "kernel" | "views">,
): { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number }[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const memory = views[name];
    if (kind !== "read_write" || !memory) return [];
    const view: View | undefined = isTexture(memory) ? memory.written?.view : memory;
    if (!view) return [];
    const { buffer, offset, slices } = view;
    const end = offset + view.size + (slices ? slices.stride * (slices.count - 1) : 0);
    return [{ buffer, offset, size: Math.min(end, buffer.size) - offset }];
  });
}

/**
 * Repeats a dispatch, then restores the buffers that the dispatch writes, because some kernels change their
 * own inputs: for example, batch_rank clears the bits that it counts, and Adam updates its moments.
 * @throws UserError if the adapter has no memory for copies of the buffers
 */
async function preserveState<S extends BatchSizes, T>(
  gpu: Gpu,
  spec: Pick<DispatchSpec<S>, "kernel" | "views">,
  repeat: () => Promise<T>,
): Promise<T> {
  const written = listWrittenRanges(spec);
  const bytes = written.reduce((sum, { size }) => sum + size, 0);
  const kept = gpu.createBuffer("kept state", bytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  const copy = (back: boolean) =>
    CommandRecorder.submit(gpu, "kept state", (commands) => {
      let offset = 0;
      for (const view of written) {
        const own = { buffer: kept, offset, size: view.size };
        if (back) commands.copy(own, view);
        else commands.copy(view, own);
        offset += view.size;
      }
    });
  try {
    copy(false);
    const result = await repeat();
    copy(true);
    return result;
  } finally {
    gpu.destroyBuffer(kept);
  }
}

export type BindingAccess = "reads" | "writes" | "reads and writes";

/** Returns the access mode of each binding of a kernel, by name. @param text - WGSL source */
export function classifyBindings(
  { bindings }: Pick<DispatchSpec["kernel"], "bindings">,
  text: string,
): Map<string, BindingAccess> {
  const plain = text.replace(/\/\/.*$/gm, "");
  // Remove code that a constant of value false or 0 disables, such as the addition to an earlier gradient.
  const code = plain.replace(
    /\bif \((\w+)( > 0u)?( && \w+)?\) \{(?:[^{}]|\{[^{}]*\})*\}/g,
    (all, name, size) => plain.includes(`const ${name} = ${size ? "0u" : "false"};`) ? "" : all,
  );
  const classify = (name: string): BindingAccess => {
    if (new RegExp(`\\batomic(?!Store)\\w+\\(\\s*&${name}\\b`).test(code)) return "reads and writes";
    // Match an index with at most one nested pair of brackets, and the next token. A store is `name[...] =`.
    const index = `\\[(?:[^\\[\\]]|\\[[^\\[\\]]*\\])*\\](?:\\.\\w+)?`;
    const uses = code.matchAll(new RegExp(`\\b${name}${index}\\s*(==|[-+*/%&|^]?=|\\S)`, "g"));
    const next = Array.from(uses, ([, token = ""]) => token);
    if (!next.some((token) => token !== "=")) return "writes";
    return next.some((token) => /^[^=]?=$/.test(token)) ? "reads and writes" : "reads";
  };
  return new Map(bindings.map(({ name, kind }) => [name, kind === "read_write" ? classify(name) : "reads"]));
}
