/** Points in a plane, some of them joined by a line, with whiskers and names. */

import type { ChartConfiguration } from "chart.js";
import type { ScatterChart } from "../chart_types.ts";
import { logarithmicAxis, shortNumber } from "./logarithmic.ts";
import { axis, commonOptions, tooltip } from "./options.ts";
import { pointMarks } from "./point_marks.ts";
import { colourOf, dashOf, faded, type Theme } from "./theme.ts";

export function scatterConfiguration(chart: ScatterChart, theme: Theme): ChartConfiguration<"scatter"> {
  const scale = (name: "x" | "y", title: string) => {
    const points = chart.series.flatMap((series) => series.points);
    const ends = points.flatMap(({ y, low = y, high = y }) => [low, high]);
    const common = name === "x"
      ? axis(title, theme)
      : { ...axis(title, theme), suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) };
    return chart.logarithmic.includes(name)
      ? logarithmicAxis(common)
      : { type: "linear" as const, ...common, beginAtZero: true };
  };
  return {
    type: "scatter",
    data: {
      datasets: chart.series.map(({ name, colour, dash, joined, points }) => ({
        label: name,
        data: points.map(({ x, y }) => ({ x, y })),
        showLine: joined,
        borderColor: colourOf(theme, colour),
        borderDash: dashOf(dash),
        borderWidth: joined ? 2 : 1,
        backgroundColor: faded(colourOf(theme, colour), 0.6),
        pointRadius: 4,
        pointHoverRadius: 6,
      })),
    },
    options: {
      ...commonOptions(theme),
      interaction: { mode: "nearest", intersect: true },
      scales: { x: scale("x", chart.xTitle), y: scale("y", chart.yTitle) },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          callbacks: {
            title: ([item]) =>
              item ? chart.series[item.datasetIndex]?.points[item.dataIndex]?.name ?? "" : "",
            label: ({ datasetIndex, dataIndex, parsed }) => {
              const series = chart.series[datasetIndex];
              const { low, high } = series?.points[dataIndex] ?? {};
              const quartiles = low === undefined || high === undefined
                ? ""
                : ` (${shortNumber(low)} to ${shortNumber(high)})`;
              return ` ${series?.name}: ${shortNumber(parsed.x ?? NaN)}, ${
                shortNumber(parsed.y ?? NaN)
              }${quartiles}`;
            },
          },
        },
      },
    },
    plugins: [pointMarks(chart, theme)],
  };
}
