/** A chart in words, for those who do not see it. */

import type { ChartDefinition, Curve, StackChart } from "./chart_types.ts";

export function chartSummary(chart: ChartDefinition): string {
  switch (chart.kind) {
    case "line":
      return `${chart.title} over ${chart.xTitle}: ` +
        chart.series.map((series) => `${series.name} ends at ${endOf(series)}`).join("; ");
    case "bar":
      return `${chart.title}: ` + [
        ...chart.bars.map(({ name, mean, sd }) =>
          `${name} ${mean.toFixed(4)}${sd === null ? "" : ` plus or minus ${sd.toFixed(4)}`}`
        ),
        ...chart.lines.map(({ name, value }) => `${name} ${value.toFixed(4)}`),
      ].join("; ");
    case "scatter":
      return `${chart.title}: ${chart.yTitle} over ${chart.xTitle}; ` +
        chart.series.map(({ name, points }) => `${name}, ${points.length} points`).join("; ");
    case "stack":
      return `${chart.title}: ${chart.bars.map((bar, k) => `${bar} ${lengthOf(chart, k)}`).join("; ")}, ` +
        chart.xTitle;
  }
}

/** Length of a bar, with two decimals. */
function lengthOf({ segments }: StackChart, bar: number): string {
  return segments.reduce((sum, { values }) => sum + (values[bar] ?? 0), 0).toFixed(2);
}

function endOf({ x, mean }: Curve): string {
  const last = mean.findLastIndex((value) => value !== null);
  return `${mean[last]?.toFixed(4)} at ${x[last]}`;
}
