/** Computes learning curves: means over seeds and over windows of iterations. */

import { meanAndSd } from "../data/mean_sd.ts";
import { type CurvePoint, toFiniteOrNull } from "./line_chart.ts";
import type { RunLog } from "./report_data.ts";

/** Largest number of points per curve. More points would be less than two pixels apart on a phone. */
const MAX_POINTS = 150;

/**
 * Chooses the window: the number of iterations per point of a curve, which is 1, 2, 5, 10, 20, ... All curves
 * of a page have the same window, so that their smoothness can be compared.
 * @param iterations - number of iterations of the longest run
 */
export function chooseWindow(iterations: number): number {
  for (let decade = 1;; decade *= 10) {
    const found = [1, 2, 5].find((digit) => digit * decade * MAX_POINTS >= iterations);
    if (found !== undefined) return found * decade;
  }
}

/**
 * Computes a curve of a log column: for each window of iterations, first the mean of each run, then mean and
 * sd of these means over the runs. Runs may end at different iterations. Ignores non-finite values.
 * @param window - iterations per window; the first has 1 to `window`, and iteration 0 is a separate point
 * @param offset - number that is added to all iterations @returns [] for a column without values
 */
export function computeCurve(
  logs: readonly RunLog[],
  column: string,
  window: number,
  offset = 0,
): CurvePoint[] {
  const runs = logs.map((log) => readColumn(log, column));
  const iterations = [...new Set(runs.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const parts = Map.groupBy(iterations, (iteration) => Math.ceil(iteration / window));
  const points = [...parts.values()].map((part): CurvePoint => {
    const means = runs.flatMap((values) => {
      const present = part.flatMap((iteration) => values.get(iteration) ?? []);
      return present.length > 0 ? [meanAndSd(present).mean] : [];
    });
    const { mean, sd } = meanAndSd(means);
    const x = offset + ((part[0] ?? 0) + (part.at(-1) ?? 0)) / 2;
    return { x, y: toFiniteOrNull(mean), sd: toFiniteOrNull(sd), runs: means.length };
  });
  return points.every(({ y }) => y === null) ? [] : points;
}

/** Returns the values of a column by iteration. Values that are not finite are null. */
function readColumn({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}
