/** Horizontal bars, cut into segments. */

import type { ChartConfiguration } from "chart.js";
import type { StackChart } from "../chart_types.ts";
import { axis, horizontalBarOptions, nameAxis, tooltip } from "./options.ts";
import { colourOf, faded, type Theme } from "./theme.ts";

export function stackConfiguration(chart: StackChart, theme: Theme): ChartConfiguration<"bar"> {
  return {
    type: "bar",
    data: {
      labels: [...chart.bars],
      datasets: chart.segments.map(({ name, colour, values }) => ({
        label: name,
        data: [...values],
        backgroundColor: faded(colourOf(theme, colour), 0.7),
        borderColor: colourOf(theme, colour),
        borderWidth: 1,
        maxBarThickness: 26,
      })),
    },
    options: {
      ...horizontalBarOptions(theme),
      scales: {
        x: { ...axis(chart.xTitle, theme), beginAtZero: true, stacked: true },
        y: { ...nameAxis(theme), stacked: true },
      },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          callbacks: { label: ({ dataset, parsed }) => ` ${dataset.label}: ${(parsed.x ?? NaN).toFixed(3)}` },
        },
      },
    },
  };
}
