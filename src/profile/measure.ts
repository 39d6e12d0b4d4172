/** How work on the device is timed: by which clock, in many samples of many repeats each, and what is said of them. */

import type { Timing } from "./bench_report.ts";
import type { Gpu } from "../gpu/device.ts";
import { summarizeTimes } from "./timing.ts";
import { type EncodePass, type PassBoundary, timePasses } from "../gpu/profiler.ts";

/**
 * What work on the device can be timed by. Timestamps of an adapter count nanoseconds, but browsers round them, to 100 us as a
 * rule. Where there are none, the host waits until the queue is empty.
 */
export interface Clock {
  readonly kind: "timestamps" | "queue";
  /** Microseconds by which one reading of a time may be off. */
  readonly step: number;
  /** Microseconds that a reading is always too long: what the host takes to hand work in and to learn that it is done. */
  readonly latency: number;
}

/** What fills a pass, or stands between passes. */
export type TimedEncoding = EncodePass | PassBoundary;

/** Work so many times, one after the other. */
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

/** Repeats in a pass that are tried until timestamps differ: what takes a microsecond takes 16 ms then. */
const TRIED_REPEATS = 2 ** 14;
/** Different times that show the step of a clock. */
const SHOWN = 6;
const EMPTY_PASSES = 15;
/** Browsers round their own clock, too, mostly to 100 us. */
const ROUNDED = 100;

const clocks = new WeakMap<Gpu, Promise<Clock>>();

/** The better clock of a device, found out once. @param work some work that may be repeated, to time. */
export function chooseClock(gpu: Gpu, work: TimedEncoding): Promise<Clock> {
  let clock = clocks.get(gpu);
  if (!clock) {
    clock = findClock(gpu, work);
    clocks.set(gpu, clock);
    // The next one may have more luck.
    clock.catch(() => clocks.delete(gpu));
  }
  return clock;
}

async function findClock(gpu: Gpu, work: TimedEncoding): Promise<Clock> {
  const step = gpu.hasTimestamps ? await timestampStep(gpu, work) : undefined;
  return step === undefined ? await createQueueClock(gpu) : { kind: "timestamps", step, latency: 0 };
}

/** Undefined where timestamps never differ. */
async function timestampStep(gpu: Gpu, work: TimedEncoding): Promise<number | undefined> {
  const seen: number[] = [];
  for (let repeats = 1; repeats <= TRIED_REPEATS; repeats *= 4) {
    const passes = Array<TimedEncoding>(SHOWN).fill(repeatWork(work, repeats));
    seen.push(...(await timePasses(gpu, passes)).filter((time) => time > 0));
    if (seen.length >= SHOWN) break;
  }
  return findClockStep(seen);
}

/** The largest step, in whole nanoseconds, that all times are multiples of: microseconds, as the times are. */
export function findClockStep(times: readonly number[]): number | undefined {
  let step = 0;
  for (const time of times) {
    let [a, b] = [Math.round(1000 * time), step];
    while (b > 0) [a, b] = [b, a % b];
    step = a;
  }
  return step > 0 ? step / 1000 : undefined;
}

/** The clock of the host, around an empty queue. */
export async function createQueueClock(gpu: Gpu): Promise<Clock> {
  const times = await timeByQueue(gpu, Array<EncodePass>(EMPTY_PASSES).fill(() => {}));
  const { median: latency, lower, upper } = summarizeTimes(times);
  return { kind: "queue", step: Math.max(ROUNDED, upper - lower), latency };
}

/** Work once, ready to be submitted. */
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

/** Microseconds of each work, by a clock. */
export async function timeBy(
  gpu: Gpu,
  { kind, latency }: Clock,
  works: readonly TimedEncoding[],
): Promise<number[]> {
  const times = await (kind === "timestamps" ? timePasses : timeByQueue)(gpu, works);
  return times.map((time) => Math.max(0, time - latency));
}

/** Microseconds from handing work in to learning that it is done. */
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

/** Microseconds that a sample should last by timestamps: long against the start of a pass. */
const SAMPLE = 1000;
/** A sample lasts so many steps of the clock. */
const STEPS = 50;
/** Bounds of a sample by the queue, in microseconds. */
const QUEUE_SAMPLE = { least: 20_000, most: 200_000 };
const MOST_REPEATS = 256;
/** The same of a clock that has to count many of them at once. */
const MOST_COARSE_REPEATS = 2 ** 14;
/** Steps of a clock that are no matter in {@link SAMPLE}. */
const FINE = 1;
/** By how much a guess of the repeats may grow at once. */
const MORE = 16;
const SAMPLES = { least: 5, most: 41 };
/** What lasts this long, in microseconds, is sampled fewer times. */
const LONG = { microseconds: 50_000, samples: 3 };
/** Microseconds of work in one submission; drivers of GPUs end what takes seconds. */
const SUBMISSION = 250_000;

export interface MeasureOptions {
  /** Time that may be spent, but for the least number of samples. */
  readonly seconds: number;
  /** By default the better one of the device. */
  readonly clock?: Clock;
}

/** Whether a single pass can be timed. */
export function isFine({ kind, step }: Clock): boolean {
  return kind === "timestamps" && step <= FINE;
}

/** Microseconds that a sample should last, and repeats in it at most. */
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
 * Times one dispatch by repeating it in a pass, often enough for a sample to be long. Work on it is warm: it has run
 * before. What it changes of what it reads stays changed; see preserveState of step_profile.ts.
 * @param work the dispatch, or a copy, once.
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
  // What starts a sample weighs less the longer it is, so the guess has to be made again.
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

/** Steps of the host's clock, in microseconds, that are no matter for a single call. */
const FINE_HOST = 5;
/** Where it is coarser: samples, each of so many steps. */
const COARSE_HOST = { samples: 11, steps: 20 };

/**
 * Times something on the host: microseconds of each of `count` calls. Browsers round the host's clock: there, of a call in each
 * of a few samples of many.
 */
export function timeHost(
  count: number,
  call: (k: number) => void,
  now: () => number = () => performance.now(),
): number[] {
  const step = hostStep(now);
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

/** Milliseconds from one time that a clock shows to the next. */
function hostStep(now: () => number): number {
  const next = (time: number) => {
    let later = now();
    while (later === time) later = now();
    return later;
  };
  const first = next(now());
  const second = next(first);
  return Math.min(second - first, next(second) - second);
}
