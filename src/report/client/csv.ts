/** A chart's data as CSV: what is drawn, one point or bar a row. */

import { type ChartDefinition, seriesName } from "../chart_types.ts";

type Row = (string | number | null | undefined)[];

export function csvOf(chart: ChartDefinition): string {
  return rowsOf(chart).map((row) => row.map(field).join(",") + "\n").join("");
}

function rowsOf(chart: ChartDefinition): Row[] {
  switch (chart.kind) {
    case "line":
      return [
        ["series", chart.xTitle, "mean", "sd", "runs", "stage begins at"],
        ...chart.series.flatMap((series) =>
          series.x.map((at, k): Row => {
            const { mean, sd, runs, offset } = series;
            return [seriesName(chart, series), at, mean[k], sd[k], runs[k], offset];
          })
        ),
      ];
    case "bar":
      return [
        ["series", "snapshot", "mean", "sd", "runs", "95 % from", "to"],
        ...chart.bars.map(({ name, snapshot, mean, sd, runs, range = [null, null] }): Row => [
          ...[name, snapshot, mean, sd, runs],
          ...range,
        ]),
      ];
    case "scatter":
      return [
        ["series", "point", chart.xTitle, chart.yTitle, "lower quartile", "upper quartile"],
        ...chart.series.flatMap(({ name, points }) =>
          points.map((point): Row => [name, point.name, point.x, point.y, point.low, point.high])
        ),
      ];
    case "stack":
      return [
        ["bar", "segment", chart.unit],
        ...chart.bars.flatMap((bar, k) =>
          chart.segments.map(({ name, values }): Row => [bar, name, values[k]])
        ),
      ];
  }
}

/** Empty for a gap; a number reads back as the same float. */
function field(value: string | number | null | undefined): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
