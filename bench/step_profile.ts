/** What a training step is made of: its dispatches, and what the host does meanwhile. */

import { Commands } from "../src/gpu/commands.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { timePasses, workOf } from "../src/gpu/profiler.ts";
import type { Cost } from "../src/gpu/program.ts";
import type { BenchLog } from "./workloads.ts";
import { timeRepeated, type Timing, timingOf } from "./measure.ts";
import type { BenchModel, Recording, Steppable } from "./recordings.ts";

export interface DispatchResult extends Cost, Timing {
  readonly label: string;
  readonly kernel: string;
}

/** The host's own microseconds a step, by what it does. */
export interface HostTimes {
  /** Drawing the batch's users. */
  readonly draw: number;
  /** Laying out the batch: running numbers, sizes, header. */
  readonly put: number;
  readonly upload: number;
  readonly encode: number;
  readonly submit: number;
}

export interface StepResult {
  readonly workload: string;
  readonly model: string;
  readonly users: number;
  readonly events: number;
  readonly rows: number;
  readonly items: number;
  readonly dispatches: readonly DispatchResult[];
  /** Microseconds of a step in a run of many, samples over runs. */
  readonly wall: Timing;
  /** Steps that such a run puts into one command buffer. */
  readonly group: number;
  readonly host: HostTimes;
  /** Bytes of all buffers: log, items, model, its step. */
  readonly gpuBytes: number;
}

/** Microseconds of a group of steps, as the trainers have it. */
const GROUP = 80_000;
/** Microseconds of a run of steps that is one sample, at least: its first steps are a group of their own. */
const RUN = 300_000;
const ROUNDS = { least: 5, most: 11 };

export async function profileStep(
  gpu: Gpu,
  { name, log, users }: BenchLog,
  model: BenchModel,
  seconds: number,
): Promise<StepResult> {
  const recording = await model.record(gpu, log, users);
  try {
    const { trainer, sizes } = recording;
    const gpuBytes = gpu.liveBytes;
    const run = await stepRuns(trainer);
    const profile = dispatchProfile(gpu, recording);
    await profile.round();
    const rounds = Math.floor(1e6 * seconds / run.microseconds);
    const walls: number[] = [];
    // In turn, as a machine that others use is now slower, now faster.
    for (let round = 0; round < Math.max(ROUNDS.least, Math.min(ROUNDS.most, rounds)); round++) {
      walls.push(await run.once());
      await profile.round();
    }
    const wall = timingOf(walls);
    const group = Math.max(1, Math.min(trainer.places, Math.round(GROUP / wall.median)));
    const host = await timeHostSteps(gpu, recording, group);
    const dispatches = await profile.results();
    const { users, events, rows, items } = sizes;
    const batch = { users, events, rows, items };
    return { workload: name, model: model.name, ...batch, dispatches, wall, group, host, gpuBytes };
  } finally {
    recording.destroy();
  }
}

/** Microseconds a step, as training runs take it: samples of at least three runs. */
export async function timeSteps(trainer: Steppable, seconds: number): Promise<number[]> {
  const run = await stepRuns(trainer);
  const runs = Math.max(3, Math.min(ROUNDS.most, Math.floor(1e6 * seconds / run.microseconds)));
  const times: number[] = [];
  while (times.length < runs) times.push(await run.once());
  return times;
}

/** Runs of enough steps for a sample; the first ones, which compile, are done. */
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

/** Times the dispatches of a step, each in a pass of its own, in their order, over and over. */
function dispatchProfile(gpu: Gpu, recording: Recording) {
  const samples: number[][] = [];
  const encoders = () =>
    recording.step().flatMap(({ program, sizes, offset, slice }) => workOf(program, sizes, offset, slice));
  let first = true;
  return {
    async round(): Promise<void> {
      if (!gpu.hasTimestamps) return;
      const times = await timePasses(gpu, encoders().map(({ encode }) => encode));
      if (!first) times.forEach((time, k) => (samples[k] ??= []).push(time));
      first = false;
    },
    async results(): Promise<DispatchResult[]> {
      const results: DispatchResult[] = [];
      for (const [k, { label, kernel, steps, flops, bytes, encode }] of encoders().entries()) {
        const own = samples[k]?.map((time) => time / steps);
        const timing = own
          ? timingOf(own)
          : typeof encode === "function"
          ? await timeRepeated(gpu, encode, { seconds: 0 })
          : timingOf([0]); // by the wall clock alone a copy cannot be told from what is around it
        results.push({ label, kernel, flops, bytes, ...timing });
      }
      return results;
    },
  };
}

const HOST_GROUPS = 5;

/** Does what a training run does on the host, group by group, and waits untimed in between. */
async function timeHostSteps(gpu: Gpu, recording: Recording, group: number): Promise<HostTimes> {
  const { trainer } = recording;
  const { plan } = trainer;
  const parts = recording.step();
  const totals = { draw: 0, put: 0, upload: 0, encode: 0, submit: 0 };
  const time = <T>(what: keyof HostTimes, work: () => T): T => {
    const began = performance.now();
    const result = work();
    totals[what] += 1000 * (performance.now() - began);
    return result;
  };
  for (let g = 0; g < HOST_GROUPS; g++) {
    const first = 1 + g * group;
    const batches = time("draw", () => Array.from({ length: group }, (_, k) => trainer.batchOf(first + k)));
    time("put", () => {
      for (const [k, users] of batches.entries()) {
        plan.put(k, users, { slot: k, learningRate: 0, iteration: first + k });
      }
    });
    time("upload", () => plan.upload(0, group));
    const commands = time("encode", () => {
      const commands = new Commands(gpu, "steps of a host's profile");
      for (let k = 0; k < group; k++) {
        for (const { program, sizes, offset, slice } of parts) {
          // What lays out several batches at once is there for the first of them.
          if (k % (slice?.count ?? 1) === 0) program.encode(commands, sizes, offset, slice);
        }
      }
      return commands.finish();
    });
    time("submit", () => gpu.queue.submit([commands]));
    await gpu.queue.onSubmittedWorkDone();
  }
  gpu.check();
  const steps = HOST_GROUPS * group;
  return {
    draw: totals.draw / steps,
    put: totals.put / steps,
    upload: totals.upload / steps,
    encode: totals.encode / steps,
    submit: totals.submit / steps,
  };
}

/** Microseconds that the dispatches of a step take together. */
export function dispatchTime({ dispatches }: StepResult): number {
  return dispatches.reduce((sum, { median }) => sum + median, 0);
}
/** The host's own microseconds a step. */
export function hostTime({ host }: StepResult): number {
  return Object.values(host).reduce((sum: number, time: number) => sum + time, 0);
}
