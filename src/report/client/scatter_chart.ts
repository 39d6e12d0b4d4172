/** Points in a plane, some of them joined by a line, with whiskers and names. */

import type { Chart, ChartConfiguration, Plugin } from "chart.js";
import type { ScatterChart } from "../chart_types.ts";
import {
  axis,
  colourOf,
  commonOptions,
  dashOf,
  faded,
  FONT,
  logarithmicAxis,
  shortNumber,
  type Theme,
} from "./options.ts";

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
      ...commonOptions<"scatter">(theme, {
        callbacks: {
          title: ([item]) => item ? chart.series[item.datasetIndex]?.points[item.dataIndex]?.name ?? "" : "",
          label: ({ datasetIndex, dataIndex, parsed }) => {
            const series = chart.series[datasetIndex];
            const { low, high } = series?.points[dataIndex] ?? {};
            const quartiles = low === undefined || high === undefined
              ? ""
              : ` (${shortNumber(low)} to ${shortNumber(high)})`;
            const place = `${shortNumber(parsed.x ?? NaN)}, ${shortNumber(parsed.y ?? NaN)}`;
            return ` ${series?.name}: ${place}${quartiles}`;
          },
        },
      }),
      interaction: { mode: "nearest", intersect: true },
      scales: { x: scale("x", chart.xTitle), y: scale("y", chart.yTitle) },
    },
    plugins: [pointMarks(chart, theme)],
  };
}

/** Pixels from a whisker's middle to the ends of its strokes. */
const CAP = 4;
/** Pixels between a point and its name, and of a line of text. */
const GAP = 7;
const LINE = 12;
/** Half of a point's width. */
const POINT = 4;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Draws on points what the library has not: whiskers between quartiles, and names where there is room for them. */
function pointMarks({ series }: ScatterChart, theme: Theme): Plugin<"scatter"> {
  return {
    id: "pointMarks",
    afterDatasetsDraw(chart) {
      const { ctx, scales: { y } } = chart;
      const visible = series.flatMap((one, dataset) =>
        chart.isDatasetVisible(dataset) ? [{ ...one, elements: chart.getDatasetMeta(dataset).data }] : []
      );
      // A name stands on no point and on no other name.
      const taken = visible.flatMap(({ elements }) => elements.map(({ x, y }) => around(x, y)));
      ctx.save();
      ctx.lineWidth = 1.5;
      ctx.font = `11px ${FONT}`;
      ctx.textBaseline = "middle";
      ctx.textAlign = "left";
      for (const { colour, points, elements } of visible) {
        ctx.strokeStyle = colourOf(theme, colour);
        points.forEach(({ low, high }, index) => {
          const element = elements[index];
          if (!element || low === undefined || high === undefined) return;
          drawWhisker(ctx, element.x, y?.getPixelForValue(low) ?? NaN, y?.getPixelForValue(high) ?? NaN);
        });
      }
      ctx.fillStyle = theme.text;
      for (const { points, joined, elements } of visible) {
        points.forEach(({ label }, index) => {
          const element = elements[index];
          if (element && label !== undefined) drawName(chart, label, element, joined, taken);
        });
      }
      ctx.restore();
    },
  };
}

function drawWhisker(ctx: CanvasRenderingContext2D, x: number, low: number, high: number): void {
  ctx.beginPath();
  ctx.moveTo(x, low);
  ctx.lineTo(x, high);
  for (const end of [low, high]) {
    ctx.moveTo(x - CAP, end);
    ctx.lineTo(x + CAP, end);
  }
  ctx.stroke();
}

function around(x: number, y: number): Box {
  return { left: x - POINT, right: x + POINT, top: y - POINT, bottom: y + POINT };
}

/**
 * Right of the point, left, above or below: where there is room; else it is left out. On a line below or above alone,
 * moved into the chart.
 */
function drawName(
  { ctx, chartArea }: Chart,
  name: string,
  { x, y }: { x: number; y: number },
  joined: boolean,
  taken: Box[],
): void {
  const width = ctx.measureText(name).width;
  const middle = joined
    ? Math.min(Math.max(x - width / 2, chartArea.left + GAP), chartArea.right - width)
    : x - width / 2;
  const [above, below] = [[middle, y - LINE], [middle, y + LINE]];
  const places = joined ? [below, above] : [[x + GAP, y], [x - GAP - width, y], above, below];
  for (const [left = 0, centre = 0] of places) {
    const box = { left, right: left + width, top: centre - LINE / 2, bottom: centre + LINE / 2 };
    const inside = box.left >= chartArea.left && box.right <= chartArea.right && box.top >= chartArea.top &&
      box.bottom <= chartArea.bottom;
    if (!inside || taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    ctx.fillText(name, left, centre);
    return;
  }
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
