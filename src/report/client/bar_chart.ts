/** Test figures as horizontal bars, so that long names have room on a phone. */

import type { ChartConfiguration } from "chart.js";
import { type BarChart, whiskerOf } from "../chart_types.ts";
import { marks } from "./marks.ts";
import { axis, figure, horizontalBarOptions, nameAxis, tooltip } from "./options.ts";
import { colourOf, faded, type Theme } from "./theme.ts";

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
      ...horizontalBarOptions(theme),
      scales: {
        x: { ...axis(chart.xTitle, theme), beginAtZero: true, suggestedMax: Math.max(...ends) },
        y: {
          ...names,
          ticks: { ...names.ticks, callback: (_, index) => wrapped(bars[index]?.name ?? "") },
        },
      },
      plugins: {
        tooltip: {
          ...tooltip(theme),
          callbacks: {
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
          },
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
