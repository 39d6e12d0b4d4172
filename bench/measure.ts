/** How a bench times: many samples of many repeats each, and what is said of them. */

import type { Gpu } from "../src/gpu/device.ts";
import { type EncodePass, timePasses } from "../src/gpu/profiler.ts";

/** Microseconds. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  /** Quartiles: half of the samples are between them. */
  readonly lower: number;
  readonly upper: number;
  readonly samples: number;
}

/** @throws Error without samples. */
export function timingOf(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    if (below === undefined || above === undefined) throw new Error("expected samples, got none");
    return below + (above - below) * (place - Math.floor(place));
  };
  return { median: at(0.5), min: at(0), lower: at(0.25), upper: at(0.75), samples: sorted.length };
}

/** Microseconds that a sample should last: long against the clock and the start of a pass. */
const SAMPLE = 1000;
/** The same where there are no timestamps: the host learns that work is done some 10 ms late. */
const WALL_SAMPLE = 200_000;
const MOST_REPEATS = 256;
const MOST_WALL_REPEATS = 2 ** 14;
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
  /** False: by the wall clock, as where the adapter has no timestamps. */
  readonly timestamps?: boolean;
}

/**
 * Times one dispatch by repeating it in a pass, often enough for a sample to be long. Work on it is warm: it has run
 * before.
 * @param encode the dispatch, once.
 */
export async function timeRepeated(gpu: Gpu, encode: EncodePass, options: MeasureOptions): Promise<Timing> {
  const { seconds, timestamps = gpu.hasTimestamps } = options;
  const clock = timestamps ? timePasses : timeByWall;
  const times = (count: number): EncodePass => (pass) => {
    for (let k = 0; k < count; k++) encode(pass);
  };
  const run = async (repeats: number, samples: number) =>
    (await clock(gpu, Array<EncodePass>(samples).fill(times(repeats)))).map((time) => time / repeats);
  await run(1, 1);
  const [sample, most] = timestamps ? [SAMPLE, MOST_REPEATS] : [WALL_SAMPLE, MOST_WALL_REPEATS];
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
  const least = timestamps && each > LONG.microseconds ? LONG.samples : SAMPLES.least;
  let left = Math.max(least, Math.min(SAMPLES.most, wanted));
  const atOnce = Math.max(1, Math.floor(SUBMISSION / (repeats * each)));
  const values: number[] = [];
  while (left > 0) {
    const samples = Math.min(left, atOnce);
    values.push(...await run(repeats, samples));
    left -= samples;
  }
  gpu.check();
  return timingOf(values);
}

/** Microseconds from handing a pass in to learning that it is done. */
async function timeByWall(gpu: Gpu, passes: readonly EncodePass[]): Promise<number[]> {
  const times: number[] = [];
  for (const encode of passes) {
    const encoder = gpu.device.createCommandEncoder({ label: "timed pass" });
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    const commands = encoder.finish();
    const began = performance.now();
    gpu.queue.submit([commands]);
    await gpu.queue.onSubmittedWorkDone();
    times.push(1000 * (performance.now() - began));
  }
  return times;
}

/** Times something on the host: microseconds of each of `count` calls. */
export function timeHost(count: number, call: (k: number) => void): number[] {
  return Array.from({ length: count }, (_, k) => {
    const began = performance.now();
    call(k);
    return 1000 * (performance.now() - began);
  });
}
