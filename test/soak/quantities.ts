/** What the soak watches, how much of it may grow, and whether a series of samples does. */

import type { ProcessSample } from "./sessions.ts";

/** A moment of the soak. What is not known then is absent: a quantity of a process is only judged by what there is. */
export interface Moment {
  readonly seconds: number;
  /** What the sessions are at. */
  readonly phase: string;
  /** The `train` that is never interrupted. */
  readonly command?: ProcessSample;
  /** This process, which trains in sessions. */
  readonly here?: ProcessSample;
  /** Of this process's device: MiB and count of its live buffers and textures. */
  readonly gpu: { readonly bytes: number; readonly buffers: number };
  /** MiB of this process's JavaScript heap that outlived the last full collection. */
  readonly heap?: number;
}

export interface Quantity {
  /** As a column of the CSV. */
  readonly column: string;
  readonly title: string;
  readonly unit: string;
  /** Rise per hour. */
  readonly allowed: number;
  readonly why: string;
  readonly of: (moment: Moment) => number | undefined;
}

/**
 * A day of training may end with half a GiB more than it began with. On one busy core these small runs make half a
 * million steps an hour: that is 40 bytes a step, less than a step's result, and 120 KB a snapshot.
 */
const MEMORY = { unit: "MiB", allowed: 20, why: "half a GiB a day" };
/** A handle that each session loses would be 30 an hour and more, one that each snapshot loses 180. */
const HANDLES = { unit: "", allowed: 6, why: "each session losing one would be 30 or more" };
/** The runtime keeps threads for files as long as they have had work a short while ago: they come and go. */
const THREADS = { unit: "", allowed: 6, why: "as of file handles" };
const COUNT = { unit: "", allowed: 0.5, why: "nothing that is made in training stays" };

export const quantities: readonly Quantity[] = [
  { ...MEMORY, column: "command_own_mib", title: "own memory", of: (m) => m.command?.own },
  { ...HANDLES, column: "command_handles", title: "file handles", of: (m) => m.command?.handles },
  { ...THREADS, column: "command_threads", title: "threads", of: (m) => m.command?.threads },
  {
    ...MEMORY,
    allowed: 4,
    why: "pages that a buffer has touched stay, new buffers do not",
    column: "command_gpu_mib",
    title: "GPU memory (as the driver maps it)",
    of: (m) => m.command?.shared,
  },
  { ...MEMORY, column: "sessions_own_mib", title: "own memory", of: (m) => m.here?.own },
  {
    ...MEMORY,
    allowed: 4,
    why: "what outlives a collection is what is held",
    column: "sessions_heap_mib",
    title: "JavaScript heap after a collection",
    of: (m) => m.heap,
  },
  { ...HANDLES, column: "sessions_handles", title: "file handles", of: (m) => m.here?.handles },
  { ...THREADS, column: "sessions_threads", title: "threads", of: (m) => m.here?.threads },
  { ...COUNT, column: "sessions_gpu_mib", title: "GPU memory", unit: "MiB", of: (m) => m.gpu.bytes },
  { ...COUNT, column: "sessions_gpu_buffers", title: "GPU buffers", of: (m) => m.gpu.buffers },
];

export const CSV_HEADER = [
  "seconds",
  "phase",
  "command_resident_mib",
  "sessions_resident_mib",
  ...quantities.map(({ column }) => column),
].join(",") + "\n";

export function csvRow(moment: Moment): string {
  const number = (value: number | undefined) => value === undefined ? "" : String(+value.toFixed(2));
  return [
    moment.seconds.toFixed(1),
    moment.phase,
    number(moment.command?.resident),
    number(moment.here?.resident),
    ...quantities.map(({ of }) => number(of(moment))),
  ].join(",") + "\n";
}

/** A soak of less, without its first minutes, is said to show little. */
const TELLING_MINUTES = 30;

/**
 * The verdict in words.
 * @param moments after the warm-up. @param faults what went wrong besides. @param sessions whether this process trained, too.
 */
export function verdict(
  moments: readonly Moment[],
  faults: readonly string[],
  sessions = true,
): { text: string; passes: boolean } {
  const lines: string[] = [];
  let passes = faults.length === 0;
  let of = "";
  for (const quantity of quantities) {
    const commands = quantity.column.startsWith("command");
    if (!commands && !sessions) continue;
    const points = moments.flatMap((moment) => {
      const value = quantity.of(moment);
      return value === undefined ? [] : [{ hours: moment.seconds / 3600, value, phase: moment.phase }];
    });
    const process = commands ? "a command, never interrupted" : "a process that trains in sessions";
    if (process !== of) lines.push(`Of ${process}:`);
    of = process;
    const { level, perHour, passes: flat } = trendOf(points, quantity.allowed);
    if (points.length < 2) {
      lines.push(`  ?      ${quantity.title}: too few samples`);
      passes = false;
      continue;
    }
    const unit = quantity.unit && ` ${quantity.unit}`;
    const sign = perHour < 0 ? "" : "+";
    const limit = `at most +${quantity.allowed}: ${quantity.why}`;
    lines.push(
      `  ${flat ? "flat " : "RISES"}  ${quantity.title}: ${+level.toFixed(2)}${unit}, ` +
        `${sign}${perHour.toFixed(2)}${unit} an hour (${limit})`,
    );
    passes &&= flat;
  }
  for (const fault of faults) lines.push(`FAULT  ${fault}`);
  const minutes = ((moments.at(-1)?.seconds ?? 0) - (moments[0]?.seconds ?? 0)) / 60;
  const little = minutes < TELLING_MINUTES ? `, as far as ${minutes.toFixed(1)} minutes can show` : "";
  lines.push(passes ? `The soak passes: nothing grows${little}.` : "The soak does not pass.");
  return { text: lines.join("\n"), passes };
}

/** A quantity at a time. */
export interface Point {
  readonly hours: number;
  readonly value: number;
  /** What was done then: only samples of the same are compared. */
  readonly phase: string;
}

/**
 * The slope of a series by Theil and Sen: the median of the slopes of all pairs, here of the same phase. A garbage collector's
 * saw-tooth, and single samples that are far off, do not move it. 0 where there is no pair.
 */
export function slopeOf(points: readonly Point[]): number {
  const slopes: number[] = [];
  for (const [k, { hours, value, phase }] of points.entries()) {
    for (const later of points.slice(k + 1)) {
      if (later.phase !== phase || later.hours <= hours) continue;
      slopes.push((later.value - value) / (later.hours - hours));
    }
  }
  return medianOf(slopes) ?? 0;
}

/** Undefined of nothing. */
export function medianOf(values: Iterable<number>): number | undefined {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** How a quantity went. */
export interface Trend {
  /** Median. */
  readonly level: number;
  readonly perHour: number;
  readonly passes: boolean;
}

/**
 * @param allowed rise per hour. A series shorter than an hour may rise by as much all in all: what a slope is uncertain by
 *   (collections, threads that come and go) is a rise that does not become smaller with it.
 */
export function trendOf(points: readonly Point[], allowed: number): Trend {
  const perHour = slopeOf(points);
  const first = points[0]?.hours ?? 0;
  const hours = (points.at(-1)?.hours ?? 0) - first;
  const level = medianOf(points.map(({ value }) => value)) ?? NaN;
  return { level, perHour, passes: points.length > 1 && perHour * hours <= allowed * Math.max(1, hours) };
}
