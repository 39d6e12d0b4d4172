/** The slope of a series of measurements, and whether it is a rise. */

/** A measurement, and when it was made. */
export interface Point {
  readonly hours: number;
  readonly value: number;
}

/**
 * Returns the slope of a series per hour by Theil and Sen: the median of the slopes of all pairs of points. A garbage collector's
 * saw-tooth, and single points that are far off, do not move it. It is 0 where there is no pair.
 */
export function slopeOf(points: readonly Point[]): number {
  const slopes = points.flatMap(({ hours, value }, k) =>
    points.slice(k + 1).map((later) => (later.value - value) / (later.hours - hours))
  );
  return medianOf(slopes) ?? 0;
}

/** Returns the median, undefined for no values. */
export function medianOf(values: readonly number[]): number | undefined {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/**
 * Returns whether a series rises no faster than allowed.
 * @param allowed rise per hour. A series shorter than an hour may rise by as much in all: what a slope is uncertain by
 *   (collections, threads that come and go) is a rise that does not become smaller with the time.
 */
export function isFlat(points: readonly Point[], allowed: number): boolean {
  const hours = (points.at(-1)?.hours ?? 0) - (points[0]?.hours ?? 0);
  return points.length > 1 && slopeOf(points) * hours <= allowed * Math.max(1, hours);
}
