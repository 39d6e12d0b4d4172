/** Learning curves over seeds, thinned to what a chart can show. */

import { meanAndSd } from "../data/mean_sd.ts";
import type { Curve } from "./chart_types.ts";
import type { RunLog } from "./report_data.ts";

/** With more points they would be less than a pixel apart on a phone. */
export const MAX_POINTS = 300;

/**
 * The mean of a column over runs, with its spread. Logs of more rows than `most` are smoothed first: iterations are put
 * into windows of equally many, and a run's value in a window is its mean there. Runs may have stopped at different
 * iterations, and a value that is no number counts nowhere.
 *
 * @returns undefined when no log has a value of that column
 */
export function curveOf(logs: readonly RunLog[], column: string, most = MAX_POINTS): Curve | undefined {
  const runs = logs.map((log) => valuesOf(log, column));
  const iterations = [...new Set(runs.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const window = Math.ceil(iterations.length / most);
  const points: { x: number; mean: number | null; sd: number | null; runs: number }[] = [];
  for (let start = 0; start < iterations.length; start += window) {
    const part = iterations.slice(start, start + window);
    const means = runs.flatMap((values) => {
      const present = part.flatMap((iteration) => values.get(iteration) ?? []);
      return present.length > 0 ? [meanAndSd(present).mean] : [];
    });
    const { mean, sd } = meanAndSd(means);
    const x = ((part[0] ?? 0) + (part.at(-1) ?? 0)) / 2;
    points.push({ x, mean: finite(mean), sd: finite(sd), runs: means.length });
  }
  if (points.every(({ mean }) => mean === null)) return undefined;
  return {
    x: points.map(({ x }) => x),
    mean: points.map(({ mean }) => mean),
    sd: points.map(({ sd }) => sd),
    runs: points.map(({ runs }) => runs),
    window,
  };
}

/** By iteration; an iteration whose value is no number is kept, so that it is a gap. */
function valuesOf({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}

/** Null for NaN, which JSON does not have. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
