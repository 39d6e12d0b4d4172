import { buildAxis, computeWhisker, formatMean } from "./chart_definition.ts";
import type { ChartDefinition, ChartHead, ChartPoint } from "./chart_definition.ts";
import { nameColour } from "./theme.ts";

export interface Bar {
  readonly name: string;
  readonly colour: number;
  readonly mean: number;
  /** Standard deviation of the metric over the runs; null for a single run. */
  readonly sd: number | null;
  /** 95 % bootstrap interval over test users; undefined if `runs` is above 1. */
  readonly range?: readonly [low: number, high: number];
  readonly runs: number;
  /** Snapshot whose metric the bar shows; "baseline" for a baseline. */
  readonly snapshot: string;
}

/** Builds a chart of horizontal bars with values and whiskers, which show an interval or ± sd. */
export function buildBarChart(
  chart: ChartHead & {
    readonly xTitle: string;
    readonly bars: readonly Bar[];
    /** Left end of the x axis; default: 0. */
    readonly xFrom?: number;
  },
): ChartDefinition {
  const { id, title, note } = chart;
  const points = chart.bars.map(({ name, mean, sd, range, runs, snapshot }, y): ChartPoint => {
    const text = formatMean(mean, sd);
    const interval = range ? `, ${range.map((end) => end.toFixed(4)).join(" to ")}` : "";
    return {
      ...{ x: mean, y, sd, runs, snapshot, name, label: text },
      text: [text, `${snapshot}${runs > 1 ? `, ${runs} seeds` : ""}${interval}`],
      ...(range && { low: range[0], high: range[1] }),
    };
  });
  const end = Math.max(...points.map((point) => computeWhisker(point)?.[1] ?? point.x));
  const from = chart.xFrom === undefined ? { beginAtZero: true } : { min: chart.xFrom };
  return {
    ...{ id, title, note },
    summary: `${title}: ` + points.map(({ name, label }) => `${name} ${label}`).join("; "),
    legend: [],
    columns: [
      ...[["series", "name"], ["snapshot", "snapshot"], ["mean", "x"], ["sd", "sd"]] as const,
      ...[["runs", "runs"], ["95 % from", "low"], ["to", "high"]] as const,
    ],
    config: {
      type: "bar",
      data: {
        labels: chart.bars.map(({ name }) => wrap(name)),
        datasets: [{
          ...{ borderWidth: 1, maxBarThickness: 26 },
          label: title,
          data: points,
          backgroundColor: chart.bars.map(({ colour }) => nameColour(colour, 0.4)),
          borderColor: chart.bars.map(({ colour }) => nameColour(colour)),
        }],
      },
      options: {
        indexAxis: "y",
        // The pointer selects the bar at its height, even beside the bar.
        interaction: { mode: "index", axis: "y", intersect: false },
        scales: {
          x: { ...buildAxis(chart.xTitle), ...from, suggestedMax: end },
          y: { grid: { display: false }, ticks: { autoSkip: false } },
        },
      },
    },
  };
}

/** Largest number of characters per line of a bar's name. */
const NAME_WIDTH = 20;

function wrap(name: string): string[] {
  const lines: string[] = [];
  for (const word of name.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < NAME_WIDTH) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word.length > NAME_WIDTH ? `${word.slice(0, NAME_WIDTH - 1)}\u2026` : word);
  }
  return lines;
}
