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

export type ChartDefinition = LineChart | BarChart;
