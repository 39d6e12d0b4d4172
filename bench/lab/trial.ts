/** What one training of the bench of the lab tells, and the figures of several. */

import * as v from "../../src/schema.ts";
import { type Timing, timingOf } from "../../src/selftest/profile/timing.ts";

/** What was asked of the device. */
export interface Counts {
  readonly dispatches: number;
  readonly submits: number;
  /** Buffers that were mapped: waits for the device. */
  readonly maps: number;
}

const count = v.whole(0);
const time = v.finiteNumber();
const recordedSchema = v.object({
  adapter: v.string(),
  /** Milliseconds from opening the page, or from the start of the program, to an open device. */
  openMs: time,
  /** What the worker was asked to train. */
  request: v.unknown(),
  /** Milliseconds by the page's clock, and the iteration of the last step that was told of then. */
  steps: v.array(v.tuple([time, count])),
  losses: v.array(v.finiteNumber()),
  began: time,
  ended: time,
  counts: v.object({ dispatches: count, submits: count, maps: count }),
});
export type Recorded = v.InferOutput<typeof recordedSchema>;

export const trialSchema = v.object({
  ...recordedSchema.entries,
  /** Of the browser, or Deno, with its version. */
  runtime: v.string(),
  /** Of each wait for a device that does nothing else: milliseconds. */
  waits: v.array(time),
  /** When a frame of the page began, and milliseconds since the one before; none without a page. */
  frames: v.array(v.tuple([time, time])),
});
/** A training, once. */
export type Trial = v.InferOutput<typeof trialSchema>;

/** Figures of one training. */
export interface TrialFigures {
  readonly openMs: number;
  /** From the click on Train to the first loss: the data, the baselines, compiling, and a group of steps. */
  readonly firstStepMs: number;
  /** In the second half of the iterations, validations among them. */
  readonly stepsPerSecond: number;
  /** Of the whole training, validations among them. */
  readonly dispatchesPerStep: number;
  readonly waitMs: number;
  /** While it trains, from the first step on. Undefined without a page. */
  readonly frames?: {
    readonly median: number;
    readonly worst: number;
    readonly late: number;
    readonly count: number;
  };
  /** The longest before the first step. */
  readonly worstFrameBefore?: number;
}

/** A frame that is later than this has missed a turn of a screen of 60 Hz. */
const LATE_MS = 1.5 * 1000 / 60;

/** @throws Error for a training that told of too little to reckon with. */
export function trialFigures(
  { steps, began, ended, losses, counts, waits, frames, openMs }: Trial,
): TrialFigures {
  const rate = stepRate(steps);
  const [first] = steps;
  if (!first || rate === undefined) throw new Error(`expected several groups of steps, got ${steps.length}`);
  const among = (from: number, to: number) =>
    frames.flatMap(([at, gap]) => at > from && at <= to ? [gap] : []);
  const training = among(first[0], ended);
  return {
    openMs,
    firstStepMs: first[0] - began,
    stepsPerSecond: rate,
    dispatchesPerStep: counts.dispatches / losses.length,
    waitMs: middleMean(waits),
    ...(training.length === 0 ? {} : {
      frames: {
        median: timingOf(training).median,
        worst: Math.max(...training),
        late: training.filter((gap) => gap > LATE_MS).length,
        count: training.length,
      },
      worstFrameBefore: Math.max(...among(began, first[0])),
    }),
  };
}

/** Steps a second in the second half of the steps; undefined where too little was told. */
export function stepRate(steps: Recorded["steps"]): number | undefined {
  const last = steps.at(-1);
  const middle = steps.find(([, iteration]) => 2 * iteration >= (last?.[1] ?? 0));
  if (!last || !middle || last[0] <= middle[0]) return undefined;
  return 1000 * (last[1] - middle[1]) / (last[0] - middle[0]);
}

/** The mean of the middle half: finer than the clock that all were read from, and deaf to the few that took long. */
function middleMean(values: readonly number[]): number {
  const quarter = Math.floor(values.length / 4);
  const middle = values.toSorted((a, b) => a - b).slice(quarter, values.length - quarter);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** How far losses are apart at most; infinite where one has more of them. */
export function lossesApart(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  return Math.max(0, ...a.map((loss, k) => Math.abs(loss - (b[k] ?? NaN))));
}

/** A figure of several trainings: median, and from the least to the most. */
export function spread(values: readonly number[]): Timing & { readonly max: number } {
  return { ...timingOf(values), max: Math.max(...values) };
}
