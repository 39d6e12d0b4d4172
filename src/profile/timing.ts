/** What is said of several times of the same work. */

import type { Timing } from "./bench_report.ts";

/** @throws Error without samples. */
export function summarizeTimes(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    if (below === undefined || above === undefined) throw new Error("expected samples, got none");
    return below + (above - below) * (place - Math.floor(place));
  };
  return { median: at(0.5), min: at(0), lower: at(0.25), upper: at(0.75), samples: sorted.length };
}

/**
 * How sure a median is, in microseconds more or less: half of the distance between the quartiles, or the clock's error if that
 * is more.
 */
export function estimateMedianError({ lower, upper, error = 0 }: Timing): number {
  return Math.max((upper - lower) / 2, error);
}
