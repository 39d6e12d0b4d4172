/** Charts as configurations of Chart.js without functions, embedded in the page as JSON and drawn by its script, client/. */

import type { Chart, ChartEvent, ChartOptions, InteractionItem } from "chart.js";
import { nameColour } from "./theme.ts";

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

/** Strokes and gaps of lines in pixels. */
export const dashes = { solid: [], dashed: [9, 4], dotted: [2, 3], dashDotted: [9, 3, 2, 3] } as const;

export function getChartHead({ id, title, note }: ChartHead): ChartHead {
  return { id, title, note };
}

export function buildAxis(title: string, logarithmic = false) {
  return {
    type: logarithmic ? "logarithmic" as const : "linear" as const,
    title: { display: true, text: title },
    ticks: logarithmic ? { format: COMPACT } : {},
  };
}

/** Number format with at most four digits; thousands are K, millions M. */
const COMPACT = { notation: "compact", maximumSignificantDigits: 4 } as const;
export const compact = new Intl.NumberFormat("en-US", COMPACT);

/** Formats a metric with its sd, e.g. "0.8737 \u00b1 0.0190". */
export function formatMean(mean: number, sd: number | null | undefined): string {
  return typeof sd === "number" ? `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}` : mean.toFixed(4);
}

/** Returns the ends of a point's whisker: its interval, or ± one standard deviation. */
export function computeWhisker({ x, sd, low, high }: ChartPoint): readonly [number, number] | undefined {
  if (low !== undefined && high !== undefined) return [low, high];
  return typeof sd === "number" ? [x - sd, x + sd] : undefined;
}

export function buildLegendEntry(text: string, colour: number, dataset: number): LegendEntry {
  return { text, colour: nameColour(colour), dash: dashes.solid, datasets: [dataset] };
}

/** Ratio of largest and smallest value from which an axis should be logarithmic. */
const DECADE = 10;

/** True if an axis of these values should be logarithmic. */
export function isLogarithmicRange(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}
