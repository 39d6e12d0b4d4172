/**
 * What work on the device can be timed by. Timestamps of an adapter count nanoseconds, but browsers round them, to 100 us as a
 * rule. Where there are none, the host waits until the queue is empty.
 */

import type { Gpu } from "../../gpu/device.ts";
import { type EncodeBetween, type EncodePass, timePasses } from "../../gpu/profiler.ts";
import { timingOf } from "./timing.ts";

export interface Clock {
  readonly kind: "timestamps" | "queue";
  /** Microseconds by which one reading of a time may be off. */
  readonly step: number;
  /** Microseconds that a reading is always too long: what the host takes to hand work in and to learn that it is done. */
  readonly latency: number;
}

/** What fills a pass, or stands between passes. */
export type Work = EncodePass | EncodeBetween;

/** Work so many times, one after the other. */
export function repeated(work: EncodePass, count: number): EncodePass;
export function repeated(work: Work, count: number): Work;
export function repeated(work: Work, count: number): Work {
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
const MOST_REPEATS = 2 ** 14;
/** Different times that show the step of a clock. */
const SHOWN = 6;
const EMPTY_PASSES = 15;
/** Browsers round their own clock, too, mostly to 100 us. */
const ROUNDED = 100;

const clocks = new WeakMap<Gpu, Promise<Clock>>();

/** The better clock of a device, found out once. @param work some work that may be repeated, to time. */
export function clockOf(gpu: Gpu, work: Work): Promise<Clock> {
  let clock = clocks.get(gpu);
  if (!clock) {
    clock = findClock(gpu, work);
    clocks.set(gpu, clock);
    // The next one may have more luck.
    clock.catch(() => clocks.delete(gpu));
  }
  return clock;
}

async function findClock(gpu: Gpu, work: Work): Promise<Clock> {
  const step = gpu.hasTimestamps ? await timestampStep(gpu, work) : undefined;
  return step === undefined ? await queueClock(gpu) : { kind: "timestamps", step, latency: 0 };
}

/** Undefined where timestamps never differ. */
async function timestampStep(gpu: Gpu, work: Work): Promise<number | undefined> {
  const seen: number[] = [];
  for (let repeats = 1; repeats <= MOST_REPEATS; repeats *= 4) {
    const passes = Array<Work>(SHOWN).fill(repeated(work, repeats));
    seen.push(...(await timePasses(gpu, passes)).filter((time) => time > 0));
    if (seen.length >= SHOWN) break;
  }
  return stepOf(seen);
}

/** The largest step, in whole nanoseconds, that all times are multiples of: microseconds, as the times are. */
export function stepOf(times: readonly number[]): number | undefined {
  let step = 0;
  for (const time of times) {
    let [a, b] = [Math.round(1000 * time), step];
    while (b > 0) [a, b] = [b, a % b];
    step = a;
  }
  return step > 0 ? step / 1000 : undefined;
}

/** The clock of the host, around an empty queue. */
export async function queueClock(gpu: Gpu): Promise<Clock> {
  const times = await timeByQueue(gpu, Array<EncodePass>(EMPTY_PASSES).fill(() => {}));
  const { median: latency, lower, upper } = timingOf(times);
  return { kind: "queue", step: Math.max(ROUNDED, upper - lower), latency };
}

/** Work once, ready to be submitted. */
export function commandsOf(gpu: Gpu, label: string, work: Work): GPUCommandBuffer {
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
export async function timeBy(gpu: Gpu, { kind, latency }: Clock, works: readonly Work[]): Promise<number[]> {
  const times = await (kind === "timestamps" ? timePasses : timeByQueue)(gpu, works);
  return times.map((time) => Math.max(0, time - latency));
}

/** Microseconds from handing work in to learning that it is done. */
async function timeByQueue(gpu: Gpu, works: readonly Work[]): Promise<number[]> {
  const times: number[] = [];
  for (const work of works) {
    const commands = commandsOf(gpu, "timed work", work);
    const began = performance.now();
    gpu.queue.submit([commands]);
    await gpu.workDone();
    times.push(1000 * (performance.now() - began));
  }
  return times;
}
