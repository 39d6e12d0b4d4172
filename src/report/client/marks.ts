/** Plugin of Chart.js that draws whiskers, and writes the values of bars. */

import type { Chart, Plugin } from "chart.js";
import { type ChartDataset, type ChartPoint, computeWhisker } from "../chart_definition.ts";
import { FONT } from "./defaults.ts";

/** Half the length of the strokes at the ends of a whisker, in pixels. */
const CAP = 4;
/** Distance between a bar and the text of its value, in pixels. */
const GAP = 6;

/** A point of a chart, and its position in pixels. */
interface Mark {
  readonly x: number;
  readonly y: number;
  readonly point: ChartPoint;
  readonly dataset: ChartDataset;
}

export const marks: Plugin = {
  id: "marks",
  afterDatasetsDraw(chart) {
    const { ctx } = chart;
    const isBars = chart.options.indexAxis === "y";
    const drawn = chart.getSortedVisibleDatasetMetas().filter(({ type }) => type !== "line")
      .flatMap(({ index, data }) => {
        const dataset = chart.data.datasets[index] as unknown as ChartDataset;
        return data.map(({ x, y }, k): Mark => ({ x, y, point: dataset.data[k]!, dataset }));
      });
    const text = String(chart.options.color);
    ctx.save();
    ctx.fillStyle = text;
    ctx.lineWidth = 1.5;
    ctx.font = `12px ${FONT}`;
    ctx.textBaseline = "middle";
    for (const mark of drawn) {
      ctx.strokeStyle = isBars ? text : String(mark.dataset.borderColor);
      const end = drawWhisker(chart, mark, isBars);
      if (mark.point.label !== undefined) drawValue(chart, mark.point.label, mark, end);
    }
    ctx.restore();
  },
};

/** Draws the whisker of a point, if any. @returns the whisker's ends in pixels; both are `x` without one */
function drawWhisker({ ctx, scales }: Chart, { x, y, point }: Mark, isBars: boolean): [number, number] {
  const scale = isBars ? scales.x : scales.y;
  const [from = x, to = x] = computeWhisker(point)?.map((end) => scale?.getPixelForValue(end) ?? NaN) ?? [];
  if (from === to) return [from, to];
  ctx.beginPath();
  // Whiskers of bars are horizontal, whiskers of points are vertical.
  const line = (a: number, b: number, c: number, d: number) => {
    ctx.moveTo(...isBars ? [a, y + b] as const : [x + b, a] as const);
    ctx.lineTo(...isBars ? [c, y + d] as const : [x + d, c] as const);
  };
  line(from, 0, to, 0);
  for (const end of [from, to]) line(end, -CAP, end, CAP);
  ctx.stroke();
  return [from, to];
}

/** Draws a value inside its bar if it fits, otherwise right of the bar. @param ends - ends of the whisker */
function drawValue(chart: Chart, text: string, { y }: Mark, ends: readonly [number, number]): void {
  const { ctx, chartArea, scales } = chart;
  const { width } = ctx.measureText(text);
  const start = Math.max(chartArea.left, scales.x?.getPixelForValue(0) ?? 0);
  const isInside = ends[0] - start > width + 2 * GAP;
  ctx.fillText(text, isInside ? start + GAP : Math.min(ends[1] + GAP, chart.width - width), y);
}
