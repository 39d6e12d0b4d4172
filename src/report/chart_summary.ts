/** A chart in words, for those who do not see it. */

import type { ChartDefinition, Curve } from "./chart_types.ts";

export function chartSummary(chart: ChartDefinition): string {
  const parts = chart.kind === "line"
    ? chart.series.map((series) => `${series.name} ends at ${endOf(series)}`)
    : [
      ...chart.bars.map(({ name, mean, sd }) =>
        `${name} ${mean.toFixed(4)}${sd === null ? "" : ` plus or minus ${sd.toFixed(4)}`}`
      ),
      ...chart.lines.map(({ name, value }) => `${name} ${value.toFixed(4)}`),
    ];
  const axes = chart.kind === "line" ? ` over ${chart.xTitle}` : "";
  return `${chart.title}${axes}: ${parts.join("; ")}`;
}

function endOf({ x, mean }: Curve): string {
  const last = mean.findLastIndex((value) => value !== null);
  return `${mean[last]?.toFixed(4)} at ${x[last]}`;
}
