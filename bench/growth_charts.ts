/** How a step's time and memory grow, as charts. */

import { type ScatterChart, type ScatterPoint, spansDecade } from "../src/report/chart_types.ts";
import type { GrowthPoint } from "../src/selftest/profile/bench_report.ts";
import { growthAxes } from "./growth.ts";

interface Quantity {
  readonly id: string;
  readonly title: string;
  readonly yTitle: string;
  readonly note: string;
  /** Undefined where it was not measured. */
  readonly of: (point: GrowthPoint) => Pick<ScatterPoint, "y" | "low" | "high"> | undefined;
}

const quantities: readonly Quantity[] = [
  {
    id: "time",
    title: "Time of a step",
    yTitle: "ms",
    note: "Whiskers are quartiles.",
    of: ({ time }) => time && { y: time.median / 1000, low: time.lower / 1000, high: time.upper / 1000 },
  },
  {
    id: "memory",
    title: "Memory",
    yTitle: "MiB",
    note: "",
    of: ({ gpuBytes }) => gpuBytes === undefined ? undefined : { y: gpuBytes / 2 ** 20 },
  },
];

/** Time and memory: of the axes that add rows in one chart each, of the others in their own. */
export function growthCharts(points: readonly GrowthPoint[]): ScatterChart[] {
  const rowAxes = growthAxes.filter(({ unit }) => unit === "row").map(({ name }) => name);
  const others = growthAxes.filter(({ unit }) => unit !== "row");
  const groups = [
    { id: "rows", title: "rows of the batch", axes: rowAxes },
    ...others.map(({ name }) => ({ id: name.replace(/\W+/g, "-"), title: name, axes: [name] })),
  ];
  return groups.flatMap(({ id, title, axes }) =>
    quantities.flatMap((quantity): ScatterChart[] => {
      const series = axes.flatMap((name, colour) => {
        const own = pointsOf(points.filter(({ axis }) => axis === name), quantity);
        return own.length === 0 ? [] : [{ name, colour, dash: 0, joined: true, points: own }];
      });
      if (series.length === 0) return [];
      const all = series.flatMap((one) => one.points);
      const wide = spansDecade(all.map(({ x }) => x));
      const logarithmic: ScatterChart["logarithmic"] = !wide ? [] : grows(all.map(({ y }) => y))
        ? ["x", "y"] // what is proportional is a straight line
        : ["x"];
      return [{
        kind: "scatter",
        id: `growth-${quantity.id}-${id}`,
        title: `${quantity.title} by ${title}`,
        note: quantity.note,
        xTitle: title,
        yTitle: quantity.yTitle,
        logarithmic,
        series,
      }];
    })
  );
}

/** What hardly grows is seen to be so on a linear axis alone. */
function grows(values: readonly number[]): boolean {
  return Math.max(...values) > 2 * Math.min(...values);
}

function pointsOf(points: readonly GrowthPoint[], { of }: Quantity): ScatterPoint[] {
  return points.flatMap((point) => {
    const found = of(point);
    return found ? [{ x: point.x, name: `${point.axis} ${point.value}`, ...found }] : [];
  });
}
