/** Learning curves with their bands, and circles where the best snapshots are. */

import {
  type Chart,
  type ChartConfiguration,
  type ChartDataset,
  type ChartEvent,
  Interaction,
  type InteractionItem,
  type Plugin,
  type ScriptableContext,
} from "chart.js";
import { type Curve, type LineChart, type Series, seriesName } from "../chart_types.ts";
import {
  axis,
  colourOf,
  commonOptions,
  CURVE,
  dashOf,
  DATASETS_A_SERIES,
  faded,
  figure,
  FONT,
  logarithmicAxis,
  type Theme,
} from "./options.ts";

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
      ...commonOptions<"line">(theme, {
        filter: ({ datasetIndex }) => chart.series.length <= MANY || !seriesOf(datasetIndex)?.faint,
        callbacks: {
          title: (items) => `${chart.xTitle} ${items[0]?.parsed.x}`,
          label: ({ datasetIndex, dataIndex, parsed }) => {
            const series = seriesOf(datasetIndex);
            return series ? label(chart, series, dataIndex, parsed.y ?? NaN) : "";
          },
        },
      }),
      interaction: { mode: "nearestX", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", ...axis(chart.xTitle, theme), bounds: "data", beginAtZero: true },
        y: chart.logarithmic ? logarithmicAxis(y) : { type: "linear", ...y, ...suggested(chart.levels) },
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

/** Draws upright lines where the adversarial stage begins. */
function dividers({ dividers }: LineChart, theme: Theme): Plugin<"line"> {
  return {
    id: "dividers",
    beforeDatasetsDraw({ ctx, chartArea, scales }) {
      ctx.save();
      ctx.lineWidth = 1.5;
      ctx.font = `11px ${FONT}`;
      ctx.textBaseline = "top";
      dividers.forEach(({ x, colour, name }, index) => {
        const at = scales.x?.getPixelForValue(x) ?? NaN;
        ctx.strokeStyle = colourOf(theme, colour);
        ctx.beginPath();
        ctx.moveTo(at, chartArea.top);
        ctx.lineTo(at, chartArea.bottom);
        ctx.stroke();
        if (index > 0) return; // one name is enough
        const fits = at + ctx.measureText(name).width + 8 < chartArea.right;
        ctx.fillStyle = theme.text;
        ctx.textAlign = fits ? "left" : "right";
        ctx.fillText(name, fits ? at + 4 : at - 4, chartArea.top + 2);
      });
      ctx.restore();
    },
  };
}

/** Pixels of a name's line. */
const LINE = 12;

/** Draws lines across where baselines stand, with their names where these do not cover each other. */
function levels({ levels }: LineChart, theme: Theme): Plugin<"line"> {
  return {
    id: "levels",
    beforeDatasetsDraw({ ctx, chartArea: { left, right, top, bottom }, scales }) {
      ctx.save();
      ctx.font = `11px ${FONT}`;
      ctx.textAlign = "right";
      ctx.strokeStyle = theme.neutral;
      ctx.fillStyle = theme.text;
      ctx.setLineDash([4, 4]);
      const named: number[] = [];
      for (const { name, y } of levels) {
        const at = scales.y?.getPixelForValue(y) ?? NaN;
        if (!(at >= top && at <= bottom)) continue;
        ctx.beginPath();
        ctx.moveTo(left, at);
        ctx.lineTo(right, at);
        ctx.stroke();
        if (named.some((other) => Math.abs(other - at) < LINE)) continue;
        named.push(at);
        const above = at - LINE >= top;
        ctx.textBaseline = above ? "bottom" : "top";
        ctx.fillText(name, right - 4, above ? at - 1 : at + 2);
      }
      ctx.restore();
    },
  };
}

/** What a pointer over learning curves points at: of each curve the point nearest in x, as their x differ. */
declare module "chart.js" {
  interface InteractionModeMap {
    nearestX: (chart: Chart, event: ChartEvent) => InteractionItem[];
  }
}

/** Pixels beside its ends at which a curve is still meant. */
const REACH = 24;

export function registerNearestX(): void {
  Interaction.modes.nearestX = (chart, event) => {
    const items = chart.getSortedVisibleDatasetMetas().flatMap((meta): InteractionItem[] => {
      if (meta.index % DATASETS_A_SERIES !== CURVE) return [];
      let best: InteractionItem | undefined;
      meta.data.forEach((element, index) => {
        const isGap = Number.isNaN(element.y) || ("skip" in element && element.skip === true);
        if (isGap || (best && distance(best.element, event) <= distance(element, event))) return;
        best = { element, datasetIndex: meta.index, index };
      });
      return best && distance(best.element, event) <= REACH ? [best] : [];
    });
    return items.sort((a, b) => a.datasetIndex - b.datasetIndex);
  };
}

function distance({ x }: { x: number }, event: ChartEvent): number {
  return Math.abs(x - (event.x ?? NaN));
}
