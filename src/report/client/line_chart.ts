/** Learning curves with their bands. */

import { type ChartConfiguration, type ChartDataset, type ScriptableContext } from "chart.js";
import type { Curve, LineChart, Look } from "../chart_types.ts";
import { axis, commonOptions, figure, tooltip } from "./options.ts";
import { colourOf, dashOf, faded, type Theme } from "./theme.ts";

type LineDataset = ChartDataset<"line">;

/** Datasets of a series: the band's upper and lower edge, and the curve over them. */
export const DATASETS_A_SERIES = 3;

export function lineConfiguration(chart: LineChart, theme: Theme): ChartConfiguration<"line"> {
  return {
    type: "line",
    data: { datasets: chart.series.flatMap((series) => datasetsOf(series, theme)) },
    options: {
      ...commonOptions(theme),
      interaction: { mode: "nearestX", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", ...axis(chart.xTitle, theme), bounds: "data", beginAtZero: true },
        y: { ...axis(chart.yTitle, theme) },
      },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          callbacks: {
            title: (items) => `${chart.xTitle} ${items[0]?.parsed.x}`,
            label: ({ datasetIndex, dataIndex, parsed }) => {
              const series = chart.series[Math.floor(datasetIndex / DATASETS_A_SERIES)];
              return series ? label(series, dataIndex, parsed.y ?? NaN) : "";
            },
          },
        },
      },
    },
  };
}

function label(series: Look & Curve, index: number, mean: number): string {
  const runs = series.runs[index] ?? 0;
  const fewer = runs < Math.max(...series.runs) ? ` (${runs} of the seeds)` : "";
  return ` ${series.name}: ${figure(mean, series.sd[index] ?? null)}${fewer}`;
}

function datasetsOf(series: Look & Curve, theme: Theme): LineDataset[] {
  const colour = colourOf(theme, series.colour);
  const edge = (sign: 1 | -1) => ({
    label: series.name,
    data: points(
      series,
      series.mean.map((mean, k) => {
        const sd = series.sd[k];
        return mean === null || sd === null || sd === undefined ? null : mean + sign * sd;
      }),
    ),
    borderWidth: 0,
    pointRadius: 0,
    pointHoverRadius: 0,
    pointHitRadius: 0,
  });
  return [
    { ...edge(1), fill: "+1", backgroundColor: faded(colour, 0.18) },
    { ...edge(-1), fill: false },
    {
      label: series.name,
      data: points(series, series.mean),
      borderColor: colour,
      backgroundColor: colour,
      borderDash: dashOf(series.dash),
      borderWidth: 2,
      borderJoinStyle: "round",
      pointRadius: (context) => standsAlone(context, series) ? 3 : 0,
      pointHoverRadius: 4,
      fill: false,
    },
  ];
}

/** A point without neighbours is no line: it would not be seen. */
function standsAlone({ dataIndex }: ScriptableContext<"line">, { mean }: Curve): boolean {
  const none = (k: number) => mean[k] === null || mean[k] === undefined;
  return none(dataIndex - 1) && none(dataIndex + 1);
}

function points({ x }: Curve, y: readonly (number | null)[]) {
  // A null y is a gap; the library's types know of it in plain arrays only.
  return x.map((at, k) => ({ x: at, y: y[k] ?? null as unknown as number }));
}
