/** Learning curves with their bands, and circles where the best snapshots are. */

import { type ChartConfiguration, type ChartDataset, type ScriptableContext } from "chart.js";
import { type Curve, type LineChart, type Series, seriesName } from "../chart_types.ts";
import { DATASETS_A_SERIES } from "./datasets.ts";
import { dividers } from "./dividers.ts";
import { levels } from "./levels.ts";
import { logarithmicAxis } from "./logarithmic.ts";
import { axis, commonOptions, figure, tooltip } from "./options.ts";
import { colourOf, dashOf, faded, type Theme } from "./theme.ts";

type LineDataset = ChartDataset<"line">;

/** Of more curves than this, the faint ones are not told of on hover. */
const MANY = 8;

export function lineConfiguration(chart: LineChart, theme: Theme): ChartConfiguration<"line"> {
  const y = axis(chart.yTitle, theme);
  const seriesOf = (dataset: number) => chart.series[Math.floor(dataset / DATASETS_A_SERIES)];
  return {
    type: "line",
    data: { datasets: chart.series.flatMap((series) => datasetsOf(series, theme)) },
    options: {
      ...commonOptions(theme),
      interaction: { mode: "nearestX", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", ...axis(chart.xTitle, theme), bounds: "data", beginAtZero: true },
        y: chart.logarithmic ? logarithmicAxis(y) : { type: "linear", ...y, ...suggested(chart.levels) },
      },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          filter: ({ datasetIndex }) => chart.series.length <= MANY || !seriesOf(datasetIndex)?.faint,
          callbacks: {
            title: (items) => `${chart.xTitle} ${items[0]?.parsed.x}`,
            label: ({ datasetIndex, dataIndex, parsed }) => {
              const series = seriesOf(datasetIndex);
              return series ? label(chart, series, dataIndex, parsed.y ?? NaN) : "";
            },
          },
        },
      },
    },
    plugins: [dividers(chart, theme), levels(chart, theme)],
  };
}

/** An axis that has place for the lines across. */
function suggested(levels: LineChart["levels"]) {
  const heights = levels.map(({ y }) => y);
  return heights.length === 0
    ? {}
    : { suggestedMin: Math.min(...heights), suggestedMax: Math.max(...heights) };
}

function label(chart: LineChart, series: Series, index: number, mean: number): string {
  const runs = series.runs[index] ?? 0;
  const fewer = runs < Math.max(...series.runs) ? ` (${runs} of the seeds)` : "";
  const own = series.offset > 0 ? `, ${(series.x[index] ?? NaN) - series.offset} of its stage` : "";
  return ` ${seriesName(chart, series)}: ${figure(mean, series.sd[index] ?? null)}${fewer}${own}`;
}

function datasetsOf(series: Series, theme: Theme): LineDataset[] {
  const colour = colourOf(theme, series.colour);
  const hidden = { borderWidth: 0, pointRadius: 0, pointHoverRadius: 0, pointHitRadius: 0 };
  // The bands of faint curves would hide the others.
  const edge = (sign: 1 | -1) => ({
    label: series.part,
    data: series.faint ? [] : points(
      series,
      series.mean.map((mean, k) => {
        const sd = series.sd[k];
        return mean === null || sd === null || sd === undefined ? null : mean + sign * sd;
      }),
    ),
    ...hidden,
  });
  return [
    { ...edge(1), fill: "+1", backgroundColor: faded(colour, 0.18) },
    { ...edge(-1), fill: false },
    {
      label: series.part,
      data: points(series, series.mean),
      borderColor: series.faint ? faded(colour, 0.7) : colour,
      backgroundColor: colour,
      borderDash: dashOf(series.dash),
      borderWidth: series.faint ? 1.25 : 2,
      borderJoinStyle: "round",
      pointRadius: (context) => standsAlone(context, series) ? 3 : 0,
      pointHoverRadius: 4,
      fill: false,
    },
    {
      label: series.part,
      data: series.marks.map(({ x, y }) => ({ x, y })),
      ...hidden,
      showLine: false,
      pointStyle: "circle",
      pointRadius: 5,
      pointBorderWidth: 2,
      pointBorderColor: colour,
      pointBackgroundColor: theme.background,
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
