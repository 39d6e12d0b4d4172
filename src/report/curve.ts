/** Computes learning curves: means over seeds, and over windows of iterations. */

import { meanAndSd } from "../data/mean_sd.ts";
import { toFiniteOrNull } from "./line_chart.ts";
import type { CurvePoint } from "./line_chart.ts";
import type { RunLog } from "./report_data.ts";

/** Largest number of points per curve. On a phone, more points would be less than two pixels apart. */
const MAX_POINTS = 150;

/**
 * Chooses the window size of a page: 1, 2, 5, 10, 20, ... iterations. A point of a curve is a mean over one window. A page has
 * one window size, so that the smoothness of curves can be compared.
 * @param iterations: number of iterations of the longest run
 */
export function chooseWindow(iterations: number): number {
  for (let decade = 1;; decade *= 10) {
    const found = [1, 2, 5].find((digit) => digit * decade * MAX_POINTS >= iterations);
    if (found !== undefined) return found * decade;
  }
}

/**
 * Computes a curve of a log column. First, each run's values are averaged per window of iterations. Then the curve gets, for each
 * window, the mean and the sd of these averages over the runs. Runs may end at different iterations. Ignores non-finite values.
 * Returns [] for a column without values.
 * @param window: iterations per window. The first window is iterations 1 to `window`; iteration 0 is a separate point
 * @param offset: number that is added to all iterations
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

/** Returns a map from iteration to a column's value. A value that is not finite is null. */
function readColumn({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}
