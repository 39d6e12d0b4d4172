/** Computes minimum, median and quartiles of repeated time measurements. */

import type { Timing } from "./bench_report.ts";

/** Returns median, minimum and quartiles of times. @throws Error for an empty list */
export function summarizeTimes(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const rank = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]];
    if (below === undefined || above === undefined) throw new Error("expected samples, got none");
    return below + (above - below) * (rank - Math.floor(rank));
  };
  return { median: at(0.5), min: at(0), lower: at(0.25), upper: at(0.75), samples: sorted.length };
}

/** Returns a median's error in microseconds: half the interquartile range, or the clock's error if larger. */
export function estimateMedianError({ lower, upper, error = 0 }: Timing): number {
  return Math.max((upper - lower) / 2, error);
}
