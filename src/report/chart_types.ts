/** What is drawn: charts as plain data, which the page carries as JSON and the script in it reads. No imports. */

/** A learning curve over runs that differ in their seed; all arrays are of one length, the points'. */
export interface Curve {
  /** Iteration, or the middle of those in a window of iterations; rising. */
  readonly x: readonly number[];
  /** Mean over the runs; null is a gap. */
  readonly mean: readonly (number | null)[];
  /** Sample standard deviation over the runs; null for fewer than two. */
  readonly sd: readonly (number | null)[];
  /** Runs that have a value here. */
  readonly runs: readonly number[];
}

/** Colours are places in the page's palette. This one is grey, for what is no model: baselines, ceilings, the rest. */
export const NEUTRAL = -1;

/** Dashes of curves. Each means the same in every chart. */
export const dashes = {
  reward: 0,
  generator: 1,
  rewardTrain: 2,
  generatorTrain: 3,
} as const;

/** Colours and dashes are numbers that the page's theme knows what to make of. */
export interface Look {
  readonly name: string;
  readonly colour: number;
  readonly dash: number;
}

/** A curve of a model. Its name in the chart is made of both. */
export interface Series extends Curve {
  /** The model, which has the colour. */
  readonly model: string;
  readonly colour: number;
  /** What of the model it is, such as "train"; it has the dash. */
  readonly part: string;
  readonly dash: number;
  /** A curve that stays in the background: thin and pale. */
  readonly faint: boolean;
  /** x at which its stage begins, where it stands behind another one. */
  readonly offset: number;
  /** Best snapshots, one for each run. */
  readonly marks: readonly { readonly x: number; readonly y: number }[];
}

/** What all charts have. */
interface Described<Kind extends string> {
  readonly kind: Kind;
  /** Unique in the page; letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

export interface LineChart extends Described<"line"> {
  readonly xTitle: string;
  readonly yTitle: string;
  /** Whether y is logarithmic: all values are above 0 and span a decade or more. */
  readonly logarithmic: boolean;
  /** Where the adversarial stage begins: one for all models, or one each, in its colour. */
  readonly dividers: readonly { readonly x: number; readonly colour: number; readonly name: string }[];
  /** Heights of what does not learn, each a line across. */
  readonly levels: readonly { readonly name: string; readonly y: number }[];
  /** Never empty, and no curve is all gaps. */
  readonly series: readonly Series[];
}

export interface Bar {
  readonly name: string;
  readonly colour: number;
  /** Mean over runs. */
  readonly mean: number;
  /** Null for fewer than two runs. */
  readonly sd: number | null;
  /** Where 95 % of the resamples of the test users are, of a single run. */
  readonly range?: readonly [low: number, high: number];
  readonly runs: number;
  /** Snapshot that the figure is of; "baseline" for what is no model. */
  readonly snapshot: string;
}

export interface BarChart extends Described<"bar"> {
  readonly xTitle: string;
  /** Never empty. Models first, then the baselines that they are compared with. */
  readonly bars: readonly Bar[];
}

/** What a bar's whisker reaches from and to. */
export function whiskerOf({ mean, sd, range }: Bar): readonly [number, number] | undefined {
  return range ?? (sd === null ? undefined : [mean - sd, mean + sd]);
}

export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  readonly name: string;
  /** Quartiles of y, where it was measured several times. */
  readonly low?: number;
  readonly high?: number;
  /** Written beside the point where there is room. */
  readonly label?: string;
}

/** Points in a plane, such as kernels under a roofline; either axis may be logarithmic. */
export interface ScatterChart extends Described<"scatter"> {
  readonly xTitle: string;
  readonly yTitle: string;
  readonly logarithmic: readonly ("x" | "y")[];
  /** Never empty, each with a point. */
  readonly series: readonly (Look & {
    /** Whether a line joins the points, in their order. */
    readonly joined: boolean;
    readonly points: readonly ScatterPoint[];
  })[];
}

/** Horizontal bars, each cut into the same segments; all are of one length, and their sizes stand beside them. */
export interface StackChart extends Described<"stack"> {
  /** What the values are. */
  readonly unit: string;
  /** Names of the bars; never empty. */
  readonly bars: readonly string[];
  /** Their values, one for each bar; drawn as shares of the bar's sum. */
  readonly segments: readonly (Look & { readonly values: readonly number[] })[];
}

/** Sum of a bar's segments. */
export function sumOf({ segments }: StackChart, bar: number): number {
  return segments.reduce((sum, { values }) => sum + (values[bar] ?? 0), 0);
}

/** What a report on runs draws. */
export type ReportChart = LineChart | BarChart;
export type ChartDefinition = ReportChart | ScatterChart | StackChart;

/** A curve's name: its part alone where the chart has one model, its model alone where all are the same part. */
export function seriesName({ series }: LineChart, { model, part }: Series): string {
  if (new Set(series.map((one) => one.model)).size === 1) return part;
  return new Set(series.map((one) => one.part)).size === 1 ? model : `${model}: ${part}`;
}

/** Values that differ by a decade are hard to see beside each other on a linear axis. */
const DECADE = 10;

/** Whether an axis of these values should be logarithmic. */
export function spansDecade(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}

/** Values in a range at steps of 1, 2 or 5, some `count` of them. */
export function evenTicks([min, max]: readonly [number, number], count: number): number[] {
  const least = (max - min) / count;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
  const first = Math.ceil(min / step);
  const ticks = Math.floor(max / step) - first + 1;
  return Array.from({ length: ticks }, (_, k) => Number(((first + k) * step).toPrecision(6)));
}
