/** Draws on bars what the library has not: whiskers of one standard deviation, and lines of the baselines. */

import type { Chart, Plugin } from "chart.js";
import type { BarChart } from "../chart_types.ts";
import { dashOf, type Theme } from "./theme.ts";

/** Pixels from a whisker's middle to the ends of its strokes. */
const CAP = 5;

export function marks({ bars, lines }: BarChart, theme: Theme): Plugin<"bar"> {
  return {
    id: "marks",
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      ctx.save();
      ctx.strokeStyle = theme.text;
      ctx.lineWidth = 1.5;
      lines.forEach(({ value }, index) => drawLine(chart, value, baselineDash(index)));
      ctx.setLineDash([]);
      bars.forEach(({ mean, sd }, index) => {
        const element = chart.getDatasetMeta(0).data[index];
        if (element && sd !== null) drawWhisker(chart, mean - sd, mean + sd, element.y);
      });
      ctx.restore();
    },
  };
}

/** Baselines have no colour of their own: they are told apart by their dashes. */
export function baselineDash(index: number): number[] {
  return dashOf(index + 1);
}

function drawLine(chart: Chart<"bar">, value: number, dash: number[]): void {
  const { ctx, chartArea } = chart;
  const x = chart.scales.x?.getPixelForValue(value) ?? NaN;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x, chartArea.top);
  ctx.lineTo(x, chartArea.bottom);
  ctx.stroke();
}

function drawWhisker(chart: Chart<"bar">, from: number, to: number, y: number): void {
  const { ctx, scales: { x } } = chart;
  const [left, right] = [x?.getPixelForValue(from) ?? NaN, x?.getPixelForValue(to) ?? NaN];
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(right, y);
  for (const end of [left, right]) {
    ctx.moveTo(end, y - CAP);
    ctx.lineTo(end, y + CAP);
  }
  ctx.stroke();
}
