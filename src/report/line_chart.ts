/** Computes learning curves and builds their charts, in which vertical lines separate training stages. */

import type { AnnotationOptions } from "chartjs-plugin-annotation";
import { meanAndSd } from "../data/mean_sd.ts";
import { buildAxis, dashes } from "./chart_definition.ts";
import type {
  ChartDataset,
  ChartDefinition,
  ChartHead,
  ChartPoint,
  LegendEntry,
} from "./chart_definition.ts";
import type { RunLog } from "./report_data.ts";
import { nameColour } from "./theme.ts";

/** A point of a curve: mean (y) and standard deviation over seeds. At a gap in a curve, y is null or NaN. */
export type CurvePoint = Pick<ChartPoint, "x" | "y" | "sd" | "runs">;

/** Largest number of points per curve. More points would be less than two pixels apart on a phone. */
const MAX_POINTS = 150;

/**
 * Chooses the number of iterations (the window) that a point of a curve averages: 1, 2, 5, 10, 20, ... All
 * curves of a page have the same window, so that their smoothness can be compared.
 * @param iterations - number of iterations of the longest run
 */
export function chooseWindow(iterations: number): number {
  for (let decade = 1;; decade *= 10) {
    const found = [1, 2, 5].find((digit) => digit * decade * MAX_POINTS >= iterations);
    if (found !== undefined) return found * decade;
  }
}

/**
 * Computes the curve of a log column: averages it over windows of iterations in each run, then computes mean
 * and sd over the runs, which may end at different iterations. Ignores non-finite values.
 * @param window - iterations per window, counted from iteration 1; iteration 0 is a separate point
 * @param offset - number that is added to all iterations @returns [] for a column without values
 */
export function computeCurve(
  logs: readonly RunLog[],
  column: string,
  window: number,
  offset = 0,
): CurvePoint[] {
  const runs = logs.map((log) => readColumn(log, column));
  const iterations = [...new Set(runs.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const parts = Map.groupBy(iterations, (iteration) => Math.ceil(iteration / window));
  const points = [...parts.values()].map((part): CurvePoint => {
    const means = runs.flatMap((values) => {
      const present = part.flatMap((iteration) => values.get(iteration) ?? []);
      return present.length > 0 ? [meanAndSd(present).mean] : [];
    });
    const { mean, sd } = meanAndSd(means);
    const x = offset + ((part[0] ?? 0) + (part.at(-1) ?? 0)) / 2;
    return { x, y: toFiniteOrNull(mean), sd: toFiniteOrNull(sd), runs: means.length };
  });
  return points.every(({ y }) => y === null) ? [] : points;
}

function readColumn({ iteration, columns }: RunLog, column: string): ReadonlyMap<number, number | null> {
  const values = columns.get(column);
  return new Map(values ? iteration.map((at, row) => [at, values[row] ?? null]) : []);
}

/** A curve of a model. Its name consists of `model` and `part`, such as "LSTM: train". */
export interface Series {
  /** Points with ascending x, which is an iteration or the middle of a window of iterations. */
  readonly points: readonly CurvePoint[];
  /** Name of the model. All curves of a model have the same colour. */
  readonly model: string;
  readonly colour: number;
  /** Kind of curve, such as "train". Curves of the same kind have the same dash pattern. */
  readonly part: string;
  readonly dash?: readonly number[];
  /** True for a thin and pale curve. */
  readonly faint?: boolean;
  /** x at which the training stage of the curve begins; default: 0. */
  readonly offset?: number;
  /** Points that mark the best snapshot of each run. */
  readonly marks?: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart extends ChartHead {
  readonly xTitle: string;
  readonly yTitle: string;
  /** True for a logarithmic y axis, which needs values above 0. */
  readonly logarithmic?: boolean;
  /** Title of the CSV column for half the height of the curve's band; default: "sd". */
  readonly spread?: string;
  /** Vertical lines at the start of each model's adversarial stage; one line if all starts are equal. */
  readonly dividers?: readonly { readonly x: number; readonly colour: number; readonly name: string }[];
  readonly series: readonly Series[];
}

/** If a chart has more curves than this, its tooltips leave out faint curves. */
const MANY = 8;

/** Builds a chart of curves. Returns [] if no curve has a point. */
export function buildLineChart(chart: LineChart): ChartDefinition[] {
  const series = chart.series.map((one) => ({ ...one, points: one.points.map(withoutNaN) }))
    .filter(({ points }) => points.some(({ y }) => y !== null));
  if (series.length === 0) return [];
  const { id, title, note, xTitle, yTitle, logarithmic } = chart;
  const datasets = series.map((one) => buildCurve(one, nameSeries(series, one), series.length > MANY));
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  const ends = series.map((one) => `${nameSeries(series, one)} ends at ${describeEnd(one)}`);
  return [{
    ...{ id, title, note },
    summary: `${title} over ${xTitle}: ${ends.join("; ")}`,
    legend: buildCurveLegend(series, datasets),
    columns: [
      ...[["series", "label"], [xTitle, "x"], ["mean", "y"], [chart.spread ?? "sd", "sd"]] as const,
      ["runs", "runs"],
      ["stage begins at", "offset"],
    ],
    config: {
      type: "line",
      data: { datasets: datasets.flat() },
      options: {
        interaction: { mode: "nearestX", axis: "x", intersect: false },
        scales: {
          // x counts iterations, positions or pages, so ticks are whole numbers. `max` ends the axis
          // without a tick at its end: the tick's number could overlap the number before it.
          x: {
            ...{ ...buildAxis(xTitle), type: "linear", ticks: { precision: 0 } },
            ...{ max: Math.max(...xs), beginAtZero: true },
          },
          y: buildAxis(yTitle, logarithmic),
        },
        plugins: {
          annotation: { annotations: buildDividers(chart, series.flatMap(({ points }) => points)) },
        },
      },
    },
  }];
}

/** Names a curve by model and part; leaves out the model or part that all curves of the chart share. */
function nameSeries(series: readonly Series[], { model, part }: Series): string {
  if (series.every((one) => one.model === model)) return part;
  return series.every((one) => one.part === part) ? model : `${model}: ${part}`;
}

function describeEnd({ points }: Series): string {
  const last = points.findLast(({ y }) => y !== null);
  return `${last?.y?.toFixed(4)} at ${last?.x}`;
}

function withoutNaN({ x, y, sd = null, runs = 1 }: CurvePoint): Required<CurvePoint> {
  return { x, y: toFiniteOrNull(y), sd: toFiniteOrNull(sd), runs };
}

export function toFiniteOrNull(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Builds the Chart.js datasets of a curve: the line and, if there are any, a band (mean ± sd) and marks. */
function buildCurve(series: Series, label: string, crowded: boolean): ChartDataset[] {
  const { points, colour, dash = dashes.solid, faint = false, offset = 0, marks = [] } = series;
  const most = Math.max(...points.map(({ runs = 1 }) => runs));
  const decoration = { label, borderWidth: 0, pointRadius: 0, pointHoverRadius: 0, isDecoration: true };
  const edge = (sign: 1 | -1, look: Partial<ChartDataset>): ChartDataset => ({
    ...decoration,
    ...look,
    data: points.map(({ x, y, sd }) => ({ x, y: y === null || sd == null ? null : round(y + sign * sd) })),
  });
  // A faint curve has no band, because the band would cover other curves.
  const hasBand = !faint && points.some(({ sd }) => typeof sd === "number");
  const band = hasBand
    ? [edge(1, { fill: "+1", backgroundColor: nameColour(colour, 0.18) }), edge(-1, { fill: false })]
    : [];
  const isAlone = points.map((_, k) => isGap(points[k - 1]) && isGap(points[k + 1]));
  const curve: ChartDataset = {
    label,
    data: points.map((point): ChartPoint => {
      const { x, runs = 1 } = point;
      const fewer = runs < most ? ` (${runs} of ${most} seeds)` : "";
      const behind = offset > 0 ? `, ${x - offset} of its stage` : "";
      return { ...point, ...(fewer + behind !== "" && { remark: fewer + behind }) };
    }),
    borderColor: nameColour(colour, faint ? 0.7 : 1),
    backgroundColor: nameColour(colour),
    borderDash: dash,
    borderWidth: faint ? 1.25 : 2,
    // A point between two gaps is drawn as a circle, because no line shows it.
    pointRadius: isAlone.includes(true) ? isAlone.map((alone) => alone ? 3 : 0) : 0,
    pointHoverRadius: 4,
    fill: false,
    offset,
    ...(crowded && faint && { isQuiet: true }),
  };
  const circles: ChartDataset = {
    ...decoration,
    data: marks,
    showLine: false,
    fill: false,
    clip: false, // whole circles also at the edge of the plot
    pointRadius: 5,
    pointHoverRadius: 5,
    pointBorderWidth: 2,
    pointBorderColor: nameColour(colour),
    pointBackgroundColor: nameColour("background"),
  };
  return [...band, curve, ...(marks.length > 0 ? [circles] : [])];
}

function isGap(point: CurvePoint | undefined): boolean {
  return (point?.y ?? null) === null;
}

/** Rounds to six digits, so that pages are smaller. The rounding error is less than a pixel. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}

/** Builds the legend of a chart: entries with the colour of a model, or the dash pattern of a `part`. */
function buildCurveLegend(series: readonly Series[], datasets: readonly ChartDataset[][]): LegendEntry[] {
  const owners = datasets.flatMap((own, k) => own.map(() => k));
  const entries = (key: "model" | "part", look: (first: Series) => Pick<LegendEntry, "colour" | "dash">) =>
    [...Map.groupBy(series.keys(), (k) => series[k]![key])].map(([text, members]): LegendEntry => ({
      text,
      ...look(series[members[0]!]!),
      datasets: owners.flatMap((owner, k) => members.includes(owner) ? [k] : []),
    }));
  const models = entries("model", ({ colour }) => ({ colour: nameColour(colour), dash: dashes.solid }));
  const colour = models.length === 1 ? models[0]!.colour : nameColour("text");
  const parts = entries("part", ({ dash = dashes.solid }) => ({ colour, dash }));
  if (models.length === 1) return parts;
  return parts.length === 1 ? models : [...models, ...parts];
}

/** Half the average width of a character in pixels. */
const HALF_CHARACTER = 2.8;

/** Builds the vertical lines of a chart, behind the curves. Only the first line has a label. */
function buildDividers(
  { dividers = [] }: LineChart,
  points: readonly CurvePoint[],
): AnnotationOptions<"line">[] {
  const end = points.reduce((most, { x }) => Math.max(most, x), 0);
  return dividers.map(({ x, colour, name }, k) => {
    const look = { borderColor: nameColour(colour), borderWidth: 1.5 };
    const line = { type: "line", scaleID: "x", value: x, drawTime: "beforeDatasetsDraw", ...look } as const;
    if (k > 0) return line;
    // The label is at the top of the line, on the side with more space.
    const xAdjust = (x < 0.4 * end ? 1 : -1) * (HALF_CHARACTER * name.length + 6);
    const [color, backgroundColor] = [nameColour("text"), nameColour("background")];
    const font = { size: 11, weight: "normal" } as const;
    const label = {
      content: name,
      position: "start",
      xAdjust,
      display: true,
      color,
      padding: 2,
      font,
    } as const;
    return { ...line, label: { ...label, backgroundColor } };
  });
}
