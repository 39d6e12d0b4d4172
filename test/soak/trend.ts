/** Whether a series of samples stays where it is. */

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
