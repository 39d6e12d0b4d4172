/** What is drawn: charts as plain data, which the page carries as JSON and the script in it reads. No imports. */

/** A learning curve over runs that differ in their seed; all arrays are of one length, the points'. */
export interface Curve {
  /** Iteration, or the middle one of a window of iterations; rising. */
  readonly x: readonly number[];
  /** Mean over the runs; null is a gap. */
  readonly mean: readonly (number | null)[];
  /** Sample standard deviation over the runs; null for fewer than two. */
  readonly sd: readonly (number | null)[];
  /** Runs that have a value here. */
  readonly runs: readonly number[];
  /** Rows of a log that a point is the mean of; 1 when nothing is smoothed. */
  readonly window: number;
}

/** Colours and dashes are numbers that the page's theme knows what to make of. */
export interface Look {
  readonly name: string;
  readonly colour: number;
  readonly dash: number;
}

export interface LineChart {
  readonly kind: "line";
  /** Unique in the page; letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Never empty, and no curve is all gaps. */
  readonly series: readonly (Look & Curve)[];
}

export interface Bar extends Look {
  /** Mean over runs. */
  readonly mean: number;
  /** Null for fewer than two runs. */
  readonly sd: number | null;
  readonly runs: number;
  /** Snapshot that the figure is of. */
  readonly snapshot: string;
}

export interface BarChart {
  readonly kind: "bar";
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly xTitle: string;
  /** Never empty. */
  readonly bars: readonly Bar[];
  /** Baselines that all bars are compared with. */
  readonly lines: readonly { readonly name: string; readonly value: number }[];
}

/** Points in a plane, such as kernels under a roofline; either axis may be logarithmic. */
export interface ScatterChart {
  readonly kind: "scatter";
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly logarithmic: readonly ("x" | "y")[];
  /** Never empty, each with a point. */
  readonly series: readonly (Look & {
    /** Whether a line joins the points, in their order. */
    readonly joined: boolean;
    readonly points: readonly { readonly x: number; readonly y: number; readonly name: string }[];
  })[];
}

/** Horizontal bars, each cut into the same segments. */
export interface StackChart {
  readonly kind: "stack";
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly xTitle: string;
  /** Names of the bars; never empty. */
  readonly bars: readonly string[];
  /** Their lengths, one for each bar. */
  readonly segments: readonly (Look & { readonly values: readonly number[] })[];
}

/** What a report on runs draws. */
export type ReportChart = LineChart | BarChart;
export type ChartDefinition = ReportChart | ScatterChart | StackChart;
