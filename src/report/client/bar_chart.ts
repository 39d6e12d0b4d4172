/** Horizontal bars, so that long names have room on a phone: test figures, and bars that are cut into segments. */

import type { Chart, ChartConfiguration, Plugin, TooltipCallbacks } from "chart.js";
import { type BarChart, type StackChart, sumOf, whiskerOf } from "../chart_types.ts";
import { axis, colourOf, commonOptions, faded, figure, FONT, shortNumber, type Theme } from "./options.ts";

/** For horizontal bars: the pointer chooses a bar by its height alone. */
function horizontalBarOptions(theme: Theme, callbacks: Partial<TooltipCallbacks<"bar">>) {
  return {
    ...commonOptions<"bar">(theme, { callbacks }),
    indexAxis: "y" as const,
    interaction: { mode: "index" as const, axis: "y" as const, intersect: false },
  };
}

/** The names beside horizontal bars, all of them. */
function nameAxis(theme: Theme) {
  return {
    grid: { display: false },
    border: { color: theme.grid },
    ticks: { color: theme.text, autoSkip: false },
  };
}

/** Characters of a line of a name beside its bar. */
const NAME_WIDTH = 20;

export function barConfiguration(chart: BarChart, theme: Theme): ChartConfiguration<"bar"> {
  const { bars } = chart;
  const colours = bars.map((bar) => colourOf(theme, bar.colour));
  const names = nameAxis(theme);
  const ends = bars.map((bar) => whiskerOf(bar)?.[1] ?? bar.mean);
  return {
    type: "bar",
    data: {
      labels: bars.map(({ name }) => name),
      datasets: [{
        data: bars.map(({ mean }) => mean),
        backgroundColor: colours.map((colour) => faded(colour, 0.4)),
        borderColor: colours,
        borderWidth: 1,
        maxBarThickness: 26,
      }],
    },
    options: {
      ...horizontalBarOptions(theme, {
        label: ({ dataIndex }) => {
          const bar = bars[dataIndex];
          return bar ? ` ${figure(bar.mean, bar.sd)}` : "";
        },
        afterLabel: ({ dataIndex }) => {
          const bar = bars[dataIndex];
          if (!bar) return "";
          const range = bar.range ? `, ${bar.range.map((end) => end.toFixed(4)).join(" to ")}` : "";
          return ` ${bar.snapshot}${bar.runs > 1 ? `, ${bar.runs} seeds` : ""}${range}`;
        },
      }),
      scales: {
        x: { ...axis(chart.xTitle, theme), beginAtZero: true, suggestedMax: Math.max(...ends) },
        y: {
          ...names,
          ticks: { ...names.ticks, callback: (_, index) => wrapped(bars[index]?.name ?? "") },
        },
      },
    },
    plugins: [marks(chart, theme)],
  };
}

/** A name in lines, cut at blanks. */
function wrapped(name: string): string[] {
  const lines: string[] = [];
  for (const word of name.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < NAME_WIDTH) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word.length > NAME_WIDTH ? `${word.slice(0, NAME_WIDTH - 1)}\u2026` : word);
  }
  return lines;
}

/** Pixels from a whisker's middle to the ends of its strokes. */
const CAP = 5;
/** Pixels around a value. */
const GAP = 6;

/** Draws on bars what the library has not: their values and whiskers. */
function marks({ bars }: BarChart, theme: Theme): Plugin<"bar"> {
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

/** All bars are of one length, as their sizes may span decades. */
export function stackConfiguration(chart: StackChart, theme: Theme): ChartConfiguration<"bar"> {
  const sums = chart.bars.map((_, bar) => sumOf(chart, bar));
  const share = (value: number, bar: number) => 100 * value / (sums[bar] ?? NaN);
  const names = nameAxis(theme);
  return {
    type: "bar",
    data: {
      labels: [...chart.bars],
      datasets: chart.segments.map(({ name, colour, values }) => ({
        label: name,
        data: values.map(share),
        backgroundColor: faded(colourOf(theme, colour), 0.7),
        borderColor: colourOf(theme, colour),
        borderWidth: 1,
        maxBarThickness: 26,
      })),
    },
    options: {
      ...horizontalBarOptions(theme, {
        label: ({ datasetIndex, dataIndex, parsed }) => {
          const { name, values } = chart.segments[datasetIndex] ?? { name: "", values: [] };
          const share = `${(parsed.x ?? NaN).toFixed(1)} %`;
          return ` ${name}: ${shortNumber(values[dataIndex] ?? NaN)} ${chart.unit}, ${share}`;
        },
      }),
      scales: {
        x: { ...axis(`% of the bar's ${chart.unit}`, theme), beginAtZero: true, max: 100, stacked: true },
        y: {
          ...names,
          stacked: true,
          ticks: {
            ...names.ticks,
            callback: (_, bar) => [chart.bars[bar] ?? "", `${shortNumber(sums[bar] ?? NaN)} ${chart.unit}`],
          },
        },
      },
    },
  };
}
