/** Charts as configurations of Chart.js without functions, embedded in the page as JSON and drawn by its script, client/. */

import type { Chart, ChartEvent, ChartOptions, InteractionItem } from "chart.js";
import type { AnnotationOptions } from "chartjs-plugin-annotation";
import { nameColour, NEUTRAL } from "./theme.ts";

declare module "chart.js" {
  interface InteractionModeMap {
    /** Selects the nearest point in x of each curve: see client/report_client.ts. */
    nearestX: (chart: Chart, event: ChartEvent) => InteractionItem[];
  }
}

/** A point of a chart, or the end of a horizontal bar. */
export interface ChartPoint {
  readonly x: number;
  /** Null is a gap. For a bar, its index from the top. */
  readonly y: number | null;
  /** Sample standard deviation over the runs; null for fewer than two. */
  readonly sd?: number | null;
  readonly runs?: number;
  /** Interval that a whisker shows: 95 % bootstrap interval, or quartiles. */
  readonly low?: number;
  readonly high?: number;
  readonly name?: string;
  /** Lines of its tooltip; by default the name of the dataset, y, sd and the remark. */
  readonly text?: readonly string[];
  readonly remark?: string;
  /** Text that is drawn next to it if there is room. */
  readonly label?: string;
  /** Snapshot of a bar; "baseline" for a baseline. */
  readonly snapshot?: string;
  /** Value of a bar's segment; its share is in x. */
  readonly value?: number;
}

/** A dataset of Chart.js: the options in use, and fields of our script and files. */
export interface ChartDataset {
  readonly label: string;
  readonly data: readonly ChartPoint[];
  /** Name of a colour: see {@link nameColour}. */
  readonly borderColor?: string | readonly string[];
  readonly backgroundColor?: string | readonly string[];
  readonly borderDash?: readonly number[];
  readonly borderWidth: number;
  readonly fill?: string | false;
  readonly showLine?: boolean;
  readonly pointRadius?: number | readonly number[];
  readonly pointHoverRadius?: number;
  readonly pointBorderWidth?: number;
  readonly pointBorderColor?: string;
  readonly pointBackgroundColor?: string;
  readonly maxBarThickness?: number;
  /** True for the edges of a band and marks on a curve, which are not in tooltips and files. */
  readonly isDecoration?: boolean;
  /** True for a curve that is not in the tooltips of a crowded chart. */
  readonly isQuiet?: boolean;
  /** x at which the stage of a curve begins, if it follows another stage. */
  readonly offset?: number;
}

/** A legend entry, which shows and hides its datasets together. */
export interface LegendEntry {
  readonly text: string;
  readonly colour: string;
  readonly dash: readonly number[];
  /** Indices of its datasets. A dataset is shown while all of its entries are on. */
  readonly datasets: readonly number[];
}

/** Id, title and note of a chart. */
export interface ChartHead {
  /** Unique in the page; letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

export interface ChartDefinition extends ChartHead {
  readonly summary: string;
  readonly legend: readonly LegendEntry[];
  /** Columns of the CSV: titles, and fields of a point or its dataset. */
  readonly columns: readonly (readonly [title: string, field: keyof ChartPoint | keyof ChartDataset])[];
  readonly config: {
    readonly type: "line" | "bar" | "scatter";
    readonly data: {
      readonly labels?: readonly (readonly string[])[];
      readonly datasets: readonly ChartDataset[];
    };
    readonly options: ChartOptions;
  };
}

/** A point of a curve over runs that differ in their seed. NaN is a gap too. */
export type CurvePoint = Pick<ChartPoint, "x" | "y" | "sd" | "runs">;

/** Strokes and gaps of lines in pixels. */
export const dashes = { solid: [], dashed: [9, 4], dotted: [2, 3], dashDotted: [9, 3, 2, 3] } as const;

/** A curve of a model; its name in the chart is made of `model` and `part`. */
export interface Series {
  /** Ascending by x: iterations, or the middles of windows of iterations. */
  readonly points: readonly CurvePoint[];
  /** Model, shown by the colour. */
  readonly model: string;
  readonly colour: number;
  /** Part of the model such as "train", shown by the dash. */
  readonly part: string;
  readonly dash?: readonly number[];
  /** True for a thin and pale curve in the background. */
  readonly faint?: boolean;
  /** x at which its stage begins, if it follows another stage. */
  readonly offset?: number;
  /** Best snapshots, one per run. */
  readonly marks?: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart extends ChartHead {
  readonly xTitle: string;
  readonly yTitle: string;
  /** True if y is logarithmic, which needs values above 0. */
  readonly logarithmic?: boolean;
  /** Starts of the adversarial stage: one for all models, or one per model in its colour. */
  readonly dividers?: readonly { readonly x: number; readonly colour: number; readonly name: string }[];
  /** Baselines, drawn as horizontal lines. */
  readonly levels?: readonly { readonly name: string; readonly y: number }[];
  readonly series: readonly Series[];
}

/** Number of curves above which tooltips omit the faint ones. */
const MANY = 8;

/** Builds a chart of curves; returns [] if no curve has a point. */
export function buildLineChart(chart: LineChart): ChartDefinition[] {
  const series = chart.series.map((one) => ({ ...one, points: one.points.map(withoutNaN) }))
    .filter(({ points }) => points.some(({ y }) => y !== null));
  if (series.length === 0) return [];
  const { xTitle, yTitle, logarithmic } = chart;
  const datasets = series.map((one) => buildCurve(one, nameSeries(series, one), series.length > MANY));
  const ends = series.map((one) => `${nameSeries(series, one)} ends at ${describeEnd(one)}`);
  return [{
    ...getChartHead(chart),
    summary: `${chart.title} over ${xTitle}: ${ends.join("; ")}`,
    legend: buildCurveLegend(series, datasets),
    columns: [
      ...[["series", "label"], [xTitle, "x"], ["mean", "y"], ["sd", "sd"], ["runs", "runs"]] as const,
      ["stage begins at", "offset"],
    ],
    config: {
      type: "line",
      data: { datasets: datasets.flat() },
      options: {
        interaction: { mode: "nearestX", axis: "x", intersect: false },
        scales: {
          x: { ...axis(xTitle), bounds: "data", beginAtZero: true },
          y: axis(yTitle, logarithmic),
        },
        plugins: {
          annotation: { annotations: buildReferenceLines(chart, series.flatMap(({ points }) => points)) },
        },
      },
    },
  }];
}

function getChartHead({ id, title, note }: ChartHead): ChartHead {
  return { id, title, note };
}

/** Names a curve by its part if there is one model, by its model if there is one part, else by both. */
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

/** Builds the datasets of a curve: the edges of its band if it has one, the curve, and its marks. */
function buildCurve(series: Series, label: string, crowded: boolean): ChartDataset[] {
  const { points, colour, dash = dashes.solid, faint = false, offset = 0, marks = [] } = series;
  const most = Math.max(...points.map(({ runs = 1 }) => runs));
  const decoration = { label, borderWidth: 0, pointRadius: 0, pointHoverRadius: 0, isDecoration: true };
  const edge = (sign: 1 | -1, look: Partial<ChartDataset>): ChartDataset => ({
    ...decoration,
    ...look,
    data: points.map(({ x, y, sd }) => ({ x, y: y === null || sd == null ? null : round(y + sign * sd) })),
  });
  // Bands of faint curves would hide the others.
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
    // A point without neighbours has no line and would be invisible.
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

/** Rounds to six digits, more than a pixel needs, to keep pages small. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}

/**
 * Lists the models with their colours and the parts with their dashes; only one of both if the other has a single member.
 * @param datasets of each series
 */
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

/** Builds a horizontal or vertical line under the curves. @param name label on the line */
function buildLine(
  scaleID: "x" | "y",
  value: number,
  look: Partial<AnnotationOptions<"line">>,
  name: { readonly content: string; readonly position: string; readonly xAdjust?: number } | undefined,
): AnnotationOptions<"line"> {
  const [text, backgroundColor] = [nameColour("text"), nameColour("background")];
  const font = { size: 11, weight: "normal" };
  const label = { ...name, display: true, color: text, backgroundColor, padding: 2, font };
  return {
    ...{ type: "line", scaleID, value, drawTime: "beforeDatasetsDraw", ...look },
    ...(name && { label: label as AnnotationOptions<"line">["label"] }),
  };
}

/** Half the width of a character in pixels. */
const HALF_CHARACTER = 2.8;
/** Height of a line of text as a share of the chart's height. */
const LINE = 0.07;

/** Builds dividers and levels, with names where these do not overlap. */
function buildReferenceLines(
  { dividers = [], levels = [], logarithmic = false }: LineChart,
  points: readonly CurvePoint[],
): AnnotationOptions<"line">[] {
  const computeHeight = (y: number) => logarithmic ? Math.log(y) : y;
  const heights = [...points.flatMap(({ y }) => y ?? []), ...levels.map(({ y }) => y)].map(computeHeight);
  const top = heights.reduce((a, b) => Math.max(a, b));
  const span = top - heights.reduce((a, b) => Math.min(a, b));
  const end = points.reduce((most, { x }) => Math.max(most, x), 0);
  const named: { height: number; position: string }[] = [];
  const upright = dividers.map(({ x, colour, name }, k) => {
    const look = { borderColor: nameColour(colour), borderWidth: 1.5 };
    if (k > 0) return buildLine("x", x, look, undefined); // one name is enough
    // At the top, on the side with more room.
    const isRight = x < 0.4 * end;
    for (const position of x > 0.7 * end ? ["center", "end"] : ["center"]) {
      named.push({ height: top, position });
    }
    const xAdjust = (isRight ? 1 : -1) * (HALF_CHARACTER * name.length + 6);
    return buildLine("x", x, look, { content: name, position: "start", xAdjust });
  });
  const across = levels.map(({ name, y }) => {
    const height = computeHeight(y);
    const position = ["end", "center", "start"].find((candidate) =>
      named.every((other) => other.position !== candidate || Math.abs(other.height - height) > LINE * span)
    );
    if (position) named.push({ height, position });
    const look = { borderColor: nameColour(NEUTRAL), borderWidth: 1, borderDash: [4, 4] };
    return buildLine("y", y, look, position === undefined ? undefined : { content: name, position });
  });
  return [...upright, ...across];
}

function axis(title: string, logarithmic = false) {
  return {
    type: logarithmic ? "logarithmic" as const : "linear" as const,
    title: { display: true, text: title },
    ticks: logarithmic ? { format: COMPACT } : {},
  };
}

/** Number format with at most four digits; thousands are K, millions M. */
const COMPACT = { notation: "compact", maximumSignificantDigits: 4 } as const;
const compact = new Intl.NumberFormat("en-US", COMPACT);

export interface Bar {
  readonly name: string;
  readonly colour: number;
  readonly mean: number;
  /** Null for fewer than two runs. */
  readonly sd: number | null;
  /** 95 % bootstrap interval over test users, of a single run. */
  readonly range?: readonly [low: number, high: number];
  readonly runs: number;
  /** Snapshot of the metric; "baseline" for a baseline. */
  readonly snapshot: string;
}

/** Builds horizontal bars, on which long names fit on a phone, with values and whiskers of the interval or sd. */
export function buildBarChart(
  chart: ChartHead & { readonly xTitle: string; readonly bars: readonly Bar[] },
): ChartDefinition {
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
  return {
    ...getChartHead(chart),
    summary: `${chart.title}: ` + points.map(({ name, label }) => `${name} ${label}`).join("; "),
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
          ...BAR,
          label: chart.title,
          data: points,
          backgroundColor: chart.bars.map(({ colour }) => nameColour(colour, 0.4)),
          borderColor: chart.bars.map(({ colour }) => nameColour(colour)),
        }],
      },
      options: barOptions({ ...axis(chart.xTitle), beginAtZero: true, suggestedMax: end }, false),
    },
  };
}

const BAR = { borderWidth: 1, maxBarThickness: 26 } as const;

/** Returns options of bars, which the pointer selects by y only. */
function barOptions(x: object, stacked: boolean): ChartOptions {
  return {
    indexAxis: "y",
    interaction: { mode: "index", axis: "y", intersect: false },
    scales: { x: { ...x, stacked }, y: { stacked, grid: { display: false }, ticks: { autoSkip: false } } },
  };
}

/** Characters per line of a bar's name. */
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

/** Formats a metric with its sd, e.g. "0.8737 \u00b1 0.0190". */
export function formatMean(mean: number, sd: number | null | undefined): string {
  return typeof sd === "number" ? `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}` : mean.toFixed(4);
}

/** Returns the ends of a point's whisker: its interval, or ± one standard deviation. */
export function computeWhisker({ x, sd, low, high }: ChartPoint): readonly [number, number] | undefined {
  if (low !== undefined && high !== undefined) return [low, high];
  return typeof sd === "number" ? [x - sd, x + sd] : undefined;
}

/** Horizontal bars of equal length with the same segments; their sums are written next to their names. */
export interface StackChart extends ChartHead {
  readonly unit: string;
  /** Names of the bars; not empty. */
  readonly bars: readonly string[];
  /** Segments with one value per bar, drawn as shares of the bar's sum, because sums may span decades. */
  readonly segments: readonly {
    readonly name: string;
    readonly colour: number;
    readonly values: readonly number[];
  }[];
}

export function buildStackChart(chart: StackChart): ChartDefinition {
  const { bars, segments, unit } = chart;
  const sums = bars.map((_, k) => segments.reduce((sum, { values }) => sum + (values[k] ?? 0), 0));
  return {
    ...getChartHead(chart),
    summary: `${chart.title}: ${bars.map((bar, k) => `${bar} ${sums[k]!.toFixed(2)} ${unit}`).join("; ")}`,
    legend: segments.map(({ name, colour }, k) => buildLegendEntry(name, colour, k)),
    columns: [["bar", "name"], ["segment", "label"], [unit, "value"]],
    config: {
      type: "bar",
      data: {
        labels: bars.map((bar, k) => [bar, `${compact.format(sums[k]!)} ${unit}`]),
        datasets: segments.map(({ name, colour, values }): ChartDataset => ({
          ...BAR,
          label: name,
          data: values.map((value, y): ChartPoint => {
            const x = 100 * value / sums[y]!;
            const text = [`${name}: ${compact.format(value)} ${unit}, ${x.toFixed(1)} %`];
            return { x, y, name: bars[y]!, text, value };
          }),
          backgroundColor: nameColour(colour, 0.7),
          borderColor: nameColour(colour),
        })),
      },
      options: barOptions({ ...axis(`% of the bar's ${unit}`), beginAtZero: true, max: 100 }, true),
    },
  };
}

function buildLegendEntry(text: string, colour: number, dataset: number): LegendEntry {
  return { text, colour: nameColour(colour), dash: dashes.solid, datasets: [dataset] };
}

export interface ScatterPoint extends Pick<ChartPoint, "low" | "high" | "label"> {
  readonly x: number;
  readonly y: number;
  readonly name: string;
}

/** A scatter chart, such as kernels under a roofline. */
export interface ScatterChart extends ChartHead {
  readonly xTitle: string;
  readonly yTitle: string;
  readonly logarithmic: readonly ("x" | "y")[];
  /** Not empty, each with a point. */
  readonly series: readonly {
    readonly name: string;
    readonly colour: number;
    /** True if a line joins the points, in their order. */
    readonly joined: boolean;
    readonly points: readonly ScatterPoint[];
  }[];
}

/** Builds a scatter chart with whiskers between quartiles. */
export function buildScatterChart(chart: ScatterChart): ChartDefinition {
  const { xTitle, yTitle, logarithmic, series } = chart;
  const ends = series.flatMap(({ points }) => points.flatMap(({ y, low = y, high = y }) => [low, high]));
  const scale = (name: "x" | "y", title: string) => ({
    ...axis(title, logarithmic.includes(name)),
    beginAtZero: !logarithmic.includes(name),
  });
  return {
    ...getChartHead(chart),
    summary: `${chart.title}: ${yTitle} over ${xTitle}; ` +
      series.map(({ name, points }) => `${name}, ${points.length} points`).join("; "),
    legend: series.map(({ name, colour }, k) => buildLegendEntry(name, colour, k)),
    columns: [
      ...[["series", "label"], ["point", "name"], [xTitle, "x"], [yTitle, "y"]] as const,
      ...[["lower quartile", "low"], ["upper quartile", "high"]] as const,
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
          x: scale("x", xTitle),
          y: { ...scale("y", yTitle), suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) },
        },
      },
    },
  };
}

/** Ratio of largest and smallest value from which an axis should be logarithmic. */
const DECADE = 10;

/** True if an axis of these values should be logarithmic. */
export function isLogarithmicRange(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}
