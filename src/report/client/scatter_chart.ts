/** Points in a plane, some of them joined by a line. */

import type { ChartConfiguration } from "chart.js";
import type { ScatterChart } from "../chart_types.ts";
import { axis, commonOptions, tooltip } from "./options.ts";
import { colourOf, dashOf, faded, type Theme } from "./theme.ts";

export function scatterConfiguration(chart: ScatterChart, theme: Theme): ChartConfiguration<"scatter"> {
  const scale = (name: "x" | "y", title: string) => {
    const common = axis(title, theme);
    if (!chart.logarithmic.includes(name)) return { type: "linear" as const, ...common };
    return {
      type: "logarithmic" as const,
      ...common,
      ticks: { ...common.ticks, callback: logarithmicLabel },
    };
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
            label: ({ datasetIndex, parsed }) =>
              ` ${chart.series[datasetIndex]?.name}: ${short(parsed.x)}, ${short(parsed.y)}`,
          },
        },
      },
    },
  };
}

/** Ticks at 1, 3, 10, 30 and so on have a label; others have their line alone. */
function logarithmicLabel(tick: number | string): string {
  const value = Number(tick);
  const first = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  const labelled = [1, 3].some((digit) => Math.abs(first - digit) < 1e-6);
  return labelled ? value.toLocaleString("en-US", { maximumSignificantDigits: 2 }) : "";
}

function short(value: number | null): string {
  return Number((value ?? NaN).toPrecision(4)).toLocaleString("en-US", { maximumSignificantDigits: 4 });
}
