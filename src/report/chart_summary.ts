/** A chart in words, for those who do not see it. */

import { type ChartDefinition, type Curve, seriesName, type StackChart } from "./chart_types.ts";

export function chartSummary(chart: ChartDefinition): string {
  switch (chart.kind) {
    case "line":
      return `${chart.title} over ${chart.xTitle}: ` +
        chart.series.map((series) => `${seriesName(chart, series)} ends at ${endOf(series)}`).join("; ");
    case "bar":
      return `${chart.title}: ` +
        chart.bars.map(({ name, mean, sd }) =>
          `${name} ${mean.toFixed(4)}${sd === null ? "" : ` plus or minus ${sd.toFixed(4)}`}`
        ).join("; ");
    case "scatter":
      return `${chart.title}: ${chart.yTitle} over ${chart.xTitle}; ` +
        chart.series.map(({ name, points }) => `${name}, ${points.length} points`).join("; ");
    case "stack":
      return `${chart.title}: ${
        chart.bars.map((bar, k) => `${bar} ${sumOf(chart, k).toFixed(2)} ${chart.unit}`).join("; ")
      }`;
  }
}

/** Sum of a bar's segments. */
export function sumOf({ segments }: StackChart, bar: number): number {
  return segments.reduce((sum, { values }) => sum + (values[bar] ?? 0), 0);
}

function endOf({ x, mean }: Curve): string {
  const last = mean.findLastIndex((value) => value !== null);
  return `${mean[last]?.toFixed(4)} at ${x[last]}`;
}
