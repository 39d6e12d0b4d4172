/** Draws on bars what the library has not: their values and whiskers. */

import type { Chart, Plugin } from "chart.js";
import { type BarChart, whiskerOf } from "../chart_types.ts";
import { figure, FONT } from "./options.ts";
import type { Theme } from "./theme.ts";

/** Pixels from a whisker's middle to the ends of its strokes. */
const CAP = 5;
/** Pixels around a value. */
const GAP = 6;

export function marks({ bars }: BarChart, theme: Theme): Plugin<"bar"> {
  return {
    id: "marks",
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      ctx.save();
      ctx.strokeStyle = theme.text;
      ctx.fillStyle = theme.text;
      ctx.lineWidth = 1.5;
      ctx.font = `12px ${FONT}`;
      ctx.textBaseline = "middle";
      bars.forEach((bar, index) => {
        const element = chart.getDatasetMeta(0).data[index];
        if (!element) return;
        const whisker = whiskerOf(bar);
        const ends = whisker ? drawWhisker(chart, whisker, element.y) : [element.x, element.x] as const;
        drawValue(chart, figure(bar.mean, bar.sd), ends, element.y);
      });
      ctx.restore();
    },
  };
}

/** In its bar where it has room there, else behind it. @param ends of what stands at the bar's end */
function drawValue(chart: Chart<"bar">, text: string, ends: readonly [number, number], y: number): void {
  const { ctx, chartArea } = chart;
  const width = ctx.measureText(text).width;
  const start = Math.max(chartArea.left, chart.scales.x?.getPixelForValue(0) ?? 0);
  const inside = ends[0] - start > width + 2 * GAP;
  ctx.textAlign = "left";
  ctx.fillText(text, inside ? start + GAP : Math.min(ends[1] + GAP, chartArea.right - width), y);
}

/** @returns its ends in pixels */
function drawWhisker(
  chart: Chart<"bar">,
  [from, to]: readonly [number, number],
  y: number,
): readonly [number, number] {
  const { ctx, scales: { x } } = chart;
  const left = x?.getPixelForValue(from) ?? NaN;
  const right = x?.getPixelForValue(to) ?? NaN;
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(right, y);
  for (const end of [left, right]) {
    ctx.moveTo(end, y - CAP);
    ctx.lineTo(end, y + CAP);
  }
  ctx.stroke();
  return [left, right];
}
