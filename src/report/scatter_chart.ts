import { buildAxis, compact, dashes } from "./chart_definition.ts";
import type { ChartDataset, ChartDefinition, ChartHead, ChartPoint } from "./chart_definition.ts";
import { nameColour } from "./theme.ts";

export interface ScatterPoint extends Pick<ChartPoint, "low" | "high"> {
  readonly x: number;
  readonly y: number;
  readonly name: string;
}

/** A scatter chart, for example a roofline chart of kernels. */
export interface ScatterChart extends ChartHead {
  readonly xTitle: string;
  readonly yTitle: string;
  /** True if both axes are logarithmic. */
  readonly logarithmic?: boolean;
  /** Series of points: at least one series, and at least one point per series. */
  readonly series: readonly {
    readonly name: string;
    readonly colour: number;
    /** True if a line connects the points in their order. */
    readonly joined: boolean;
    readonly points: readonly ScatterPoint[];
  }[];
}

/** Builds a scatter chart. The whisker of a point shows the 95 % interval of y, from `low` to `high`. */
export function buildScatterChart(chart: ScatterChart): ChartDefinition {
  const { id, title, note, xTitle, yTitle, logarithmic = false, series } = chart;
  const points = series.flatMap((one) => one.points);
  const ends = points.flatMap(({ y, low = y, high = y }) => [low, high]);
  const hasWhiskers = points.some(({ low }) => low !== undefined);
  const scale = (title: string) => ({ ...buildAxis(title, logarithmic), beginAtZero: !logarithmic });
  return {
    ...{ id, title, note },
    summary: `${title}: ${yTitle} over ${xTitle}; ` +
      series.map(({ name, points }) => `${name}, ${points.length} points`).join("; "),
    legend: series.map(({ name, colour }, k) => (
      { text: name, colour: nameColour(colour), dash: dashes.solid, datasets: [k] }
    )),
    columns: [
      ...[["series", "label"], ["point", "name"], [xTitle, "x"], [yTitle, "y"]] as const,
      ...(hasWhiskers ? [[`${yTitle}, 95 % from`, "low"], ["to", "high"]] as const : []),
    ],
    config: {
      type: "scatter",
      data: {
        datasets: series.map(({ name, colour, joined, points }): ChartDataset => ({
          label: name,
          data: points.map((point): ChartPoint => {
            const { x, y, low, high } = point;
            const range = low === undefined || high === undefined
              ? ""
              : ` (${compact.format(low)} to ${compact.format(high)})`;
            return { ...point, text: [`${name}: ${compact.format(x)}, ${compact.format(y)}${range}`] };
          }),
          showLine: joined,
          borderColor: nameColour(colour),
          backgroundColor: nameColour(colour, 0.6),
          borderWidth: joined ? 2 : 1,
          pointRadius: 4,
          pointHoverRadius: 6,
        })),
      },
      options: {
        interaction: { mode: "nearest", intersect: true },
        scales: {
          x: scale(xTitle),
          y: { ...scale(yTitle), suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) },
        },
      },
    },
  };
}
