/** A chart's data as CSV: what is drawn, one point or bar a row. */

import type { ChartDefinition } from "../chart_types.ts";

export function csvOf(chart: ChartDefinition): string {
  const rows: (string | number | null | undefined)[][] = chart.kind === "line"
    ? [
      ["series", "iteration", "mean", "sd", "runs"],
      ...chart.series.flatMap(({ name, x, mean, sd, runs }) =>
        x.map((at, k) => [name, at, mean[k], sd[k], runs[k]])
      ),
    ]
    : [
      ["series", "snapshot", "mean", "sd", "runs"],
      ...chart.bars.map(({ name, snapshot, mean, sd, runs }) => [name, snapshot, mean, sd, runs]),
      ...chart.lines.map(({ name, value }) => [name, "baseline", value, null, null]),
    ];
  return rows.map((row) => row.map(field).join(",") + "\n").join("");
}

/** Empty for a gap; a number reads back as the same float. */
function field(value: string | number | null | undefined): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
