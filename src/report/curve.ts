/** Learning curves over seeds, averaged to as many points as a chart can show. */

import { meanAndSd } from "../data/mean_sd.ts";
import { toFiniteOrNull } from "./line_chart.ts";
import type { CurvePoint } from "./line_chart.ts";
import type { RunLog } from "./report_data.ts";

/** More points would have less than two pixels each on a phone. */
const MAX_POINTS = 150;

/**
 * Chooses the number of iterations averaged per point: 1, 2, 5, 10, 20 and so on. All curves of a page use the same window, so
 * that their smoothness is comparable.
 * @param iterations of the longest run
 */
export function chooseWindow(iterations: number): number {
  for (let decade = 1;; decade *= 10) {
    const found = [1, 2, 5].find((digit) => digit * decade * MAX_POINTS >= iterations);
    if (found !== undefined) return found * decade;
  }
}

/**
 * Computes mean and sd of a column over runs, from each run's mean per window. Runs may end at different iterations; values
 * that are not numbers are ignored. Returns no points if no log has a value of that column.
 * @param window iterations 1 to `window` are the first window; iteration 0 is separate
 * @param offset is added to the iterations
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

/** Returns values by iteration; null is a gap. */
function readColumn({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}
