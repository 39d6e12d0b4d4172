/** Times work on the device: chooses a clock and takes many samples. Repeats short work within a sample. */

import type { Timing } from "./bench_report.ts";
import type { Gpu } from "../gpu/device.ts";
import { summarizeTimes } from "./timing.ts";
import { type EncodePass, type PassBoundary, timePasses } from "../gpu/profiler.ts";

/** Clock for GPU work: timestamps (rounded to 100 us in browsers), or host time until the queue is empty. */
export interface Clock {
  readonly kind: "timestamps" | "queue";
  /** Error in microseconds of one reading of the clock. */
  readonly step: number;
  /** Constant overhead of a measurement in microseconds: submitting work and waiting for its end. */
  readonly latency: number;
}

/** GPU work to be timed: dispatches of a compute pass, or commands between passes (such as copies). */
export type TimedEncoding = EncodePass | PassBoundary;

export function repeatWork(work: EncodePass, count: number): EncodePass;
export function repeatWork(work: TimedEncoding, count: number): TimedEncoding;
export function repeatWork(work: TimedEncoding, count: number): TimedEncoding {
  if (typeof work === "function") {
    return (pass) => {
      for (let k = 0; k < count; k++) work(pass);
    };
  }
  return {
    between(encoder) {
      for (let k = 0; k < count; k++) work.between(encoder);
    },
  };
}

/** Maximum number of repeats of the work per pass in {@link timestampStep}. */
const TRIED_REPEATS = 2 ** 14;
/** Number of measured times above 0 from which the resolution of timestamps is computed. */
const SHOWN = 6;
const EMPTY_PASSES = 15;
/** Microseconds to which most browsers round the host's clock. */
const ROUNDED = 100;

const clocks = new WeakMap<Gpu, Promise<Clock>>();

/** Returns a device's best clock. The first call for a device times `work` to find timestamps' resolution. */
export function chooseClock(gpu: Gpu, work: TimedEncoding): Promise<Clock> {
  let clock = clocks.get(gpu);
  if (!clock) {
    clock = findClock(gpu, work);
    clocks.set(gpu, clock);
    // After an error, the next call chooses a clock again.
    clock.catch(() => clocks.delete(gpu));
  }
  return clock;
}

async function findClock(gpu: Gpu, work: TimedEncoding): Promise<Clock> {
  const step = gpu.hasTimestamps ? await timestampStep(gpu, work) : undefined;
  return step === undefined ? await createQueueClock(gpu) : { kind: "timestamps", step, latency: 0 };
}

/** Measures the resolution of timestamps in microseconds; returns undefined if timestamps never differ. */
async function timestampStep(gpu: Gpu, work: TimedEncoding): Promise<number | undefined> {
  const seen: number[] = [];
  for (let repeats = 1; repeats <= TRIED_REPEATS; repeats *= 4) {
    const passes = Array<TimedEncoding>(SHOWN).fill(repeatWork(work, repeats));
    seen.push(...(await timePasses(gpu, passes)).filter((time) => time > 0));
    if (seen.length >= SHOWN) break;
  }
  return findClockStep(seen);
}

/** Returns a clock's resolution: the greatest common divisor of `times` (in microseconds, rounded to ns). */
export function findClockStep(times: readonly number[]): number | undefined {
  let step = 0;
  for (const time of times) {
    let [a, b] = [Math.round(1000 * time), step];
    while (b > 0) [a, b] = [b, a % b];
    step = a;
  }
  return step > 0 ? step / 1000 : undefined;
}

/** Creates the clock that measures the host's time until the queue is empty. */
export async function createQueueClock(gpu: Gpu): Promise<Clock> {
  const times = await timeByQueue(gpu, Array<EncodePass>(EMPTY_PASSES).fill(() => {}));
  const { median: latency, lower, upper } = summarizeTimes(times);
  return { kind: "queue", step: Math.max(ROUNDED, upper - lower), latency };
}

export function encodeCommands(gpu: Gpu, label: string, work: TimedEncoding): GPUCommandBuffer {
  const encoder = gpu.device.createCommandEncoder({ label });
  if (typeof work === "function") {
    const pass = encoder.beginComputePass();
    work(pass);
    pass.end();
  } else {
    work.between(encoder);
  }
  return encoder.finish();
}

/** Measures the microseconds of each piece of work with the given clock. */
export async function timeBy(
  gpu: Gpu,
  { kind, latency }: Clock,
  works: readonly TimedEncoding[],
): Promise<number[]> {
  const times = await (kind === "timestamps" ? timePasses : timeByQueue)(gpu, works);
  return times.map((time) => Math.max(0, time - latency));
}

/** Measures the microseconds of each piece of work with the host's clock, from submission to end. */
async function timeByQueue(gpu: Gpu, works: readonly TimedEncoding[]): Promise<number[]> {
  const times: number[] = [];
  for (const work of works) {
    const commands = encodeCommands(gpu, "timed work", work);
    const began = performance.now();
    gpu.queue.submit([commands]);
    await gpu.workDone();
    times.push(1000 * (performance.now() - began));
  }
  return times;
}

/** Minimum duration of a sample with timestamps, in microseconds, so that a pass's start is negligible. */
const SAMPLE = 1000;
const STEPS = 50;
/** Range, in microseconds, for the minimum duration of a sample that the host's clock times. */
const QUEUE_SAMPLE = { least: 20_000, most: 200_000 };
const MOST_REPEATS = 256;
/** Maximum number of repeats of the work per sample if the clock is coarse. */
const MOST_COARSE_REPEATS = 2 ** 14;
/** Timestamps with at most this resolution, in microseconds, can time a single pass. */
const FINE = 1;
/** Largest factor by which the number of repeats per sample is increased at once. */
const MORE = 16;
const SAMPLES = { least: 5, most: 41 };
/** Only `samples` samples are required of work that takes longer than `microseconds`. */
const LONG = { microseconds: 50_000, samples: 3 };
/** Maximum duration of a submission in microseconds, because GPU drivers abort work that takes seconds. */
const SUBMISSION = 250_000;

export interface MeasureOptions {
  /** Sampling time in seconds. Slow work takes longer, because a minimum number of samples is required. */
  readonly seconds: number;
  readonly clock?: Clock;
}

/** True if the clock can time a single pass. */
export function isFine({ kind, step }: Clock): boolean {
  return kind === "timestamps" && step <= FINE;
}

/** Returns the minimum duration of a sample in microseconds, and its maximum number of repeats. */
export function getSampleLimits(clock: Clock): { sample: number; most: number } {
  const { kind, step } = clock;
  if (kind === "timestamps") {
    return {
      sample: Math.max(SAMPLE, STEPS * step),
      most: isFine(clock) ? MOST_REPEATS : MOST_COARSE_REPEATS,
    };
  }
  const { least, most } = QUEUE_SAMPLE;
  return { sample: Math.min(most, Math.max(least, STEPS * step)), most: MOST_COARSE_REPEATS };
}

/**
 * Times one dispatch or buffer copy. A sample repeats the work so often that the clock's error is small. A
 * first run is not timed. Buffers that the dispatch changes are not restored.
 * @param work - encodes one dispatch or one copy
 */
export async function timeRepeated(gpu: Gpu, work: TimedEncoding, options: MeasureOptions): Promise<Timing> {
  const { seconds, clock = await chooseClock(gpu, work) } = options;
  const run = async (repeats: number, samples: number) =>
    (await timeBy(gpu, clock, Array<TimedEncoding>(samples).fill(repeatWork(work, repeats)))).map((time) =>
      time / repeats
    );
  await run(1, 1);
  const { sample, most } = getSampleLimits(clock);
  let repeats = 1;
  let [each = 0] = await run(1, 1);
  // A short sample overestimates the time, because it includes the start of a pass. Longer samples follow.
  while (repeats * each < sample / 2 && repeats < most) {
    const more = Math.min(MORE, sample / (repeats * Math.max(each, 0.1)));
    repeats = Math.min(most, Math.ceil(repeats * more));
    [each = 0] = await run(repeats, 1);
  }
  each = Math.max(each, 0.1);
  const wanted = Math.floor(1e6 * seconds / (repeats * each));
  const least = clock.kind === "timestamps" && each > LONG.microseconds ? LONG.samples : SAMPLES.least;
  let left = Math.max(least, Math.min(SAMPLES.most, wanted));
  const atOnce = Math.max(1, Math.floor(SUBMISSION / (repeats * each)));
  const values: number[] = [];
  while (left > 0) {
    const samples = Math.min(left, atOnce);
    values.push(...await run(repeats, samples));
    left -= samples;
  }
  gpu.check();
  return isFine(clock) ? summarizeTimes(values) : { ...summarizeTimes(values), error: clock.step / repeats };
}

/** Host clocks with at most this resolution, in microseconds, can time a single call. */
const FINE_HOST = 5;
/** For a coarse host clock: number of samples, and minimum duration of a sample in steps of the clock. */
const COARSE_HOST = { samples: 11, steps: 20 };

/** Times a host function. Returns microseconds per call or, with a coarse clock, means over many calls. */
export function timeHost(
  count: number,
  call: (k: number) => void,
  now: () => number = () => performance.now(),
): number[] {
  const step = measureHostStep(now);
  if (1000 * step <= FINE_HOST) {
    return Array.from({ length: count }, (_, k) => {
      const began = now();
      call(k);
      return 1000 * (now() - began);
    });
  }
  let k = 0;
  return Array.from({ length: COARSE_HOST.samples }, () => {
    const [began, first] = [now(), k];
    while (now() - began < COARSE_HOST.steps * step) call(k++);
    return 1000 * (now() - began) / (k - first);
  });
}

/** Measures the resolution of the host's clock, in milliseconds: the smallest step between readings. */
function measureHostStep(now: () => number): number {
  const next = (time: number) => {
    let later = now();
    while (later === time) later = now();
    return later;
  };
  const first = next(now());
  const second = next(first);
  return Math.min(second - first, next(second) - second);
}
