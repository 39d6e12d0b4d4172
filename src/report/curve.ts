/** Learning curves over seeds, thinned to what a chart can show. */

import { meanAndSd } from "../data/mean_sd.ts";
import { type CurvePoint, toFiniteOrNull } from "./chart_definition.ts";
import type { RunLog } from "./report_data.ts";

/** With more points a phone would have less than two pixels for each. */
const MAX_POINTS = 150;

/**
 * Iterations that a point is the mean of: 1, 2, 5, 10, 20 and so on. All curves of a page have the same, whatever their
 * length, so that what looks smoother is smoother.
 *
 * @param iterations of the longest run
 */
export function chooseWindow(iterations: number): number {
  for (let decade = 1;; decade *= 10) {
    const found = [1, 2, 5].find((digit) => digit * decade * MAX_POINTS >= iterations);
    if (found !== undefined) return found * decade;
  }
}

/**
 * The mean of a column over runs, with its spread. A run's value in a window of iterations is its mean there. Runs may
 * have stopped at different iterations, and a value that is no number counts nowhere.
 *
 * @param window iterations 1 to `window` are the first one, with iteration 0 apart
 * @param offset is added to the iterations
 * @returns none when no log has a value of that column
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

/** By iteration; an iteration whose value is no number is kept, so that it is a gap. */
function readColumn({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}
