/** Learning curves over seeds, thinned to what a chart can show. */

import { meanAndSd } from "../data/mean_sd.ts";
import type { Curve, LineChart, Series } from "./chart_types.ts";
import type { RunLog } from "./report_data.ts";

/** With more points a phone would have less than two pixels for each. */
const MAX_POINTS = 150;

/**
 * Iterations that a point is the mean of: 1, 2, 5, 10, 20 and so on. All curves of a page have the same, whatever their
 * length, so that what looks smoother is smoother.
 *
 * @param iterations of the longest run
 */
export function windowFor(iterations: number): number {
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
 * @returns undefined when no log has a value of that column
 */
export function curveOf(
  logs: readonly RunLog[],
  column: string,
  window: number,
  offset = 0,
): Curve | undefined {
  const runs = logs.map((log) => valuesOf(log, column));
  const iterations = [...new Set(runs.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const points: CurvePoint[] = [];
  for (const part of Map.groupBy(iterations, (iteration) => Math.ceil(iteration / window)).values()) {
    const means = runs.flatMap((values) => {
      const present = part.flatMap((iteration) => values.get(iteration) ?? []);
      return present.length > 0 ? [meanAndSd(present).mean] : [];
    });
    const { mean, sd } = meanAndSd(means);
    const x = offset + ((part[0] ?? 0) + (part.at(-1) ?? 0)) / 2;
    points.push({ x, mean, sd, runs: means.length });
  }
  const curve = curveThrough(points);
  return curve.mean.every((value) => value === null) ? undefined : curve;
}

/** A point of a curve. */
export interface CurvePoint {
  readonly x: number;
  readonly mean: number;
  /** Over runs, or of a resampled mean. */
  readonly sd?: number | null;
  readonly runs?: number;
}

function curveThrough(points: readonly CurvePoint[]): Curve {
  return {
    x: points.map(({ x }) => x),
    mean: points.map(({ mean }) => finite(mean)),
    sd: points.map(({ sd = null }) => sd === null ? null : finite(sd)),
    runs: points.map(({ runs = 1 }) => runs),
  };
}

/** A curve that stands alone: no stage before it, and no snapshots on it. */
export function seriesThrough(
  { dash = 0, ...look }: Pick<Series, "model" | "colour" | "part"> & { readonly dash?: number },
  points: readonly CurvePoint[],
): Series {
  return { ...look, dash, faint: false, offset: 0, marks: [], ...curveThrough(points) };
}

/** A chart of such curves; none where no curve has a point. */
export function curveChart(
  words: Pick<LineChart, "id" | "title" | "note" | "xTitle" | "yTitle">,
  series: readonly Series[],
): LineChart[] {
  const drawn = series.filter(({ mean }) => mean.some((value) => value !== null));
  if (drawn.length === 0) return [];
  return [{ kind: "line", ...words, logarithmic: false, dividers: [], levels: [], series: drawn }];
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
