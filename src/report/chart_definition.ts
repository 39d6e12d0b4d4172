/** Types of charts: configurations of Chart.js without functions, stored in a page as JSON. The page's script is in client/. */

import type { Chart, ChartEvent, ChartOptions, InteractionItem } from "chart.js";
import { nameColour } from "./theme.ts";

declare module "chart.js" {
  interface InteractionModeMap {
    /** Selects, on each curve, the point whose x is nearest to the pointer. See client/report_client.ts. */
    nearestX: (chart: Chart, event: ChartEvent) => InteractionItem[];
  }
}

/** A point of a chart, or the end of a horizontal bar. */
export interface ChartPoint {
  readonly x: number;
  /** y coordinate; null for a gap in a curve. For a bar, y is the bar's index from the top. */
  readonly y: number | null;
  /** Sample standard deviation over the runs; null for fewer than two runs. */
  readonly sd?: number | null;
  readonly runs?: number;
  /** Lower end of the interval that a whisker shows: a 95 % bootstrap interval, or the range between two quartiles. */
  readonly low?: number;
  readonly high?: number;
  readonly name?: string;
  /** Lines of the point's tooltip. By default, the tooltip has the dataset's name, y, sd and the remark. */
  readonly text?: readonly string[];
  readonly remark?: string;
  /** Text that is drawn next to the point if it fits. */
  readonly label?: string;
  /** Name of the snapshot that a bar shows; "baseline" for a baseline. */
  readonly snapshot?: string;
  /** Value of a bar's segment. x is the segment's share of the bar, in percent. */
  readonly value?: number;
}

/** A dataset of Chart.js: the options that our charts use, and fields that only our script and our CSV files read. */
export interface ChartDataset {
  readonly label: string;
  readonly data: readonly ChartPoint[];
  /** Name of a colour, made by {@link nameColour}. */
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
  /** True for the edges of a band and for marks on a curve. Tooltips and CSV files leave out decorations. */
  readonly isDecoration?: boolean;
  /** True for a curve that tooltips leave out, because its chart has many curves. */
  readonly isQuiet?: boolean;
  /** x at which the curve's training stage begins; 0 for the first stage. */
  readonly offset?: number;
}

/** An entry of the legend: a button that shows or hides some datasets. */
export interface LegendEntry {
  readonly text: string;
  readonly colour: string;
  readonly dash: readonly number[];
  /** Indices of the entry's datasets. A dataset is shown if all of its legend entries are switched on. */
  readonly datasets: readonly number[];
}

/** Id, title and note of a chart. */
export interface ChartHead {
  /** HTML id of the chart, unique on the page. The id only has letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

export interface ChartDefinition extends ChartHead {
  readonly summary: string;
  readonly legend: readonly LegendEntry[];
  /** Columns of the chart's CSV file: title, and field of points or datasets that has the column's values. */
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

/** Dash patterns of lines: lengths of strokes and gaps, in pixels. */
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

/** Number format with at most four digits and suffixes: K for thousands, M for millions. */
const COMPACT = { notation: "compact", maximumSignificantDigits: 4 } as const;
export const compact = new Intl.NumberFormat("en-US", COMPACT);

/** Formats a metric, with its standard deviation if known, such as "0.8737 \u00b1 0.0190". */
export function formatMean(mean: number, sd: number | null | undefined): string {
  return typeof sd === "number" ? `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}` : mean.toFixed(4);
}

/** Returns the ends of a point's whisker: the ends of its interval; without an interval, x ± one standard deviation. */
export function computeWhisker({ x, sd, low, high }: ChartPoint): readonly [number, number] | undefined {
  if (low !== undefined && high !== undefined) return [low, high];
  return typeof sd === "number" ? [x - sd, x + sd] : undefined;
}

export function buildLegendEntry(text: string, colour: number, dataset: number): LegendEntry {
  return { text, colour: nameColour(colour), dash: dashes.solid, datasets: [dataset] };
}

/** Smallest ratio of the largest to the smallest value for which an axis is logarithmic. */
const DECADE = 10;

/** Returns true if an axis with these values should be logarithmic. */
export function isLogarithmicRange(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}
