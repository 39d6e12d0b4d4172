/** Horizontal bars, cut into segments. All are of one length, as their sizes may span decades. */

import type { ChartConfiguration } from "chart.js";
import { sumOf } from "../chart_summary.ts";
import type { StackChart } from "../chart_types.ts";
import { axis, horizontalBarOptions, nameAxis, shortNumber, tooltip } from "./options.ts";
import { colourOf, faded, type Theme } from "./theme.ts";

export function stackConfiguration(chart: StackChart, theme: Theme): ChartConfiguration<"bar"> {
  const sums = chart.bars.map((_, bar) => sumOf(chart, bar));
  const share = (value: number, bar: number) => 100 * value / (sums[bar] ?? NaN);
  const names = nameAxis(theme);
  return {
    type: "bar",
    data: {
      labels: [...chart.bars],
      datasets: chart.segments.map(({ name, colour, values }) => ({
        label: name,
        data: values.map(share),
        backgroundColor: faded(colourOf(theme, colour), 0.7),
        borderColor: colourOf(theme, colour),
        borderWidth: 1,
        maxBarThickness: 26,
      })),
    },
    options: {
      ...horizontalBarOptions(theme),
      scales: {
        x: { ...axis(`% of the bar's ${chart.unit}`, theme), beginAtZero: true, max: 100, stacked: true },
        y: {
          ...names,
          stacked: true,
          ticks: {
            ...names.ticks,
            callback: (_, bar) => [chart.bars[bar] ?? "", `${shortNumber(sums[bar] ?? NaN)} ${chart.unit}`],
          },
        },
      },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          callbacks: {
            label: ({ datasetIndex, dataIndex, parsed }) => {
              const { name, values } = chart.segments[datasetIndex] ?? { name: "", values: [] };
              return ` ${name}: ${shortNumber(values[dataIndex] ?? NaN)} ${chart.unit}, ${
                (parsed.x ?? NaN).toFixed(1)
              } %`;
            },
          },
        },
      },
    },
  };
}
