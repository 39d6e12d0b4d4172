/** What trainings of the bench of the lab tell, their figures in tables, and whether all were the same training. */

import { short } from "../../src/number_text.ts";
import type { Timing } from "../../src/selftest/profile/bench_report.ts";
import * as v from "../../src/schema.ts";
import { timingOf } from "../../src/selftest/profile/timing.ts";
import type { Cells } from "../output.ts";

/** The worker as Deno runs it, without a page; beside the page's files. */
export const WHOLE_WORKER = "whole_worker.js";
/** What the page has asked its worker to train, beside them too. */
export const REQUEST = "request.json";

/** What whoever trains is given, as JSON. */
export interface AskedTrial {
  readonly chromium: string;
  /** Whether the browser leaves a GPU alone. */
  readonly software: boolean;
  /** With the page's files: see sides.ts. */
  readonly folder: string;
  /** Of steps. */
  readonly seconds: number;
}

const count = v.whole(0);
const time = v.finiteNumber();
/** What was asked of the device. */
const countsSchema = v.object({
  dispatches: count,
  submits: count,
  /** Buffers that were mapped: waits for the device. */
  maps: count,
});
export type Counts = v.InferOutput<typeof countsSchema>;
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
  counts: countsSchema,
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
function lossesApart(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  return Math.max(0, ...a.map((loss, k) => Math.abs(loss - (b[k] ?? NaN))));
}

/** A figure of several trainings: median, and from the least to the most. */
function spread(values: readonly number[]): Timing & { readonly max: number } {
  return { ...timingOf(values), max: Math.max(...values) };
}

/** All rounds of one side. */
export interface SideTrials {
  /** "Chromium" or "Deno". */
  readonly name: string;
  readonly trials: readonly Trial[];
}

/** What is compared, each with what it is in words for the head of the table. */
const columns: readonly (readonly [head: string, of: (figures: TrialFigures) => number])[] = [
  ["device open, ms", ({ openMs }) => openMs],
  ["first step, ms", ({ firstStepMs }) => firstStepMs],
  ["steps/s", ({ stepsPerSecond }) => stepsPerSecond],
  ["dispatches a step", ({ dispatchesPerStep }) => dispatchesPerStep],
  ["mapAsync, ms", ({ waitMs }) => waitMs],
];

export function trialCells(sides: readonly SideTrials[]): Cells {
  return {
    head: ["", "adapter", "steps", ...columns.map(([head]) => head)],
    rows: sides.map(({ name, trials }) => {
      const figures = trials.map(trialFigures);
      const steps = spread(trials.map(({ losses }) => losses.length));
      return [
        `${name}, ${trials[0]?.runtime ?? ""}`,
        trials[0]?.adapter ?? "",
        short(steps.median),
        ...columns.map(([, of]) => spreadText(figures.map(of))),
      ];
    }),
  };
}

/** The page's frames: of the sides that have a page. */
export function frameCells(sides: readonly SideTrials[]): Cells {
  return {
    head: [
      "frames of the page, ms from one to the next",
      "median",
      "worst",
      "late",
      "worst before the first step",
    ],
    rows: sides.flatMap(({ name, trials }) => {
      const figures = trials.map(trialFigures).flatMap(({ frames, worstFrameBefore }) =>
        frames ? [{ ...frames, before: worstFrameBefore ?? NaN }] : []
      );
      if (figures.length === 0) return [];
      const [late, all] = (["late", "count"] as const).map((key) =>
        figures.reduce((sum, one) => sum + one[key], 0)
      );
      return [[
        name,
        spreadText(figures.map(({ median }) => median)),
        short(Math.max(...figures.map(({ worst }) => worst))),
        `${late} of ${all}`,
        short(Math.max(...figures.map(({ before }) => before))),
      ]];
    }),
  };
}

/** "7.1 (6.8..7.3)": the median, and the least and the most of all rounds. */
export function spreadText(values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return min === max ? short(median) : `${short(median)} (${short(min)}..${short(max)})`;
}

/** Steps whose losses are compared, and by how much they may differ: exp and tanh do between drivers, and steps add up. */
const COMPARED = 100;
const TOLERANCE = 1e-4;

/** Whether all trainings were the same one. */
export function agreement(sides: readonly SideTrials[]): { readonly text: string; readonly wrong: boolean } {
  const all = sides.flatMap(({ trials }) => trials.map(({ losses }) => losses));
  const steps = Math.min(COMPARED, ...all.map(({ length }) => length));
  const first = all[0]?.slice(0, steps) ?? [];
  const apart = Math.max(...all.map((losses) => lossesApart(first, losses.slice(0, steps))));
  return {
    text: `The losses of the first ${steps} steps are within ${apart.toExponential(1)} of each other.`,
    wrong: steps === 0 || !(apart <= TOLERANCE),
  };
}
