/** How work on the device is timed: many samples of many repeats each, and what is said of them. */

import type { Timing } from "./bench_report.ts";
import type { Gpu } from "../../gpu/device.ts";
import { type Clock, clockOf, repeated, timeBy, type Work } from "./clock.ts";
import { timingOf } from "./timing.ts";

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
export function sampleOf(clock: Clock): { sample: number; most: number } {
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
 * before. What it changes of what it reads stays changed; see kept_state.ts.
 * @param work the dispatch, or a copy, once.
 */
export async function timeRepeated(gpu: Gpu, work: Work, options: MeasureOptions): Promise<Timing> {
  const { seconds, clock = await clockOf(gpu, work) } = options;
  const run = async (repeats: number, samples: number) =>
    (await timeBy(gpu, clock, Array<Work>(samples).fill(repeated(work, repeats)))).map((time) =>
      time / repeats
    );
  await run(1, 1);
  const { sample, most } = sampleOf(clock);
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
  return isFine(clock) ? timingOf(values) : { ...timingOf(values), error: clock.step / repeats };
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
