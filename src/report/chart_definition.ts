/** Types of charts. A chart is a Chart.js configuration without functions, stored in a page as JSON. The script is in client/. */

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
  /** Lower end of a whisker: of a 95 % bootstrap interval, or of an interquartile range. */
  readonly low?: number;
  readonly high?: number;
  readonly name?: string;
  /** Lines of the point's tooltip. Without `text`, the tooltip shows the dataset's name, y, sd and the remark. */
  readonly text?: readonly string[];
  readonly remark?: string;
  /** Text that is drawn next to the point if it fits. */
  readonly label?: string;
  /** Name of the snapshot that a bar shows; "baseline" for a baseline. */
  readonly snapshot?: string;
  /** Value of a bar's segment. For a segment, x is the segment's share of the bar in percent. */
  readonly value?: number;
}

/** A Chart.js dataset: Chart.js options, and fields that only the page's own script and the CSV export read. */
export interface ChartDataset {
  readonly label: string;
  readonly data: readonly ChartPoint[];
  /** Name of the line's colour (see {@link nameColour}). */
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
  /** True for band edges, and for marks on a curve. Tooltips and CSV files do not include decorations. */
  readonly isDecoration?: boolean;
  /** True for a curve that has no tooltip, because the chart has many curves. */
  readonly isQuiet?: boolean;
  /** x at which the curve's training stage begins; 0 for the first stage. */
  readonly offset?: number;
}

/** A legend entry: a button that shows or hides datasets. */
export interface LegendEntry {
  readonly text: string;
  readonly colour: string;
  readonly dash: readonly number[];
  /** Indices of the datasets that the button shows or hides. A dataset is visible if all of its legend entries are switched on. */
  readonly datasets: readonly number[];
}

/** Id, title and note of a chart. */
export interface ChartHead {
  /** HTML id of the chart, unique on the page. An id consists of letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

export interface ChartDefinition extends ChartHead {
  readonly summary: string;
  readonly legend: readonly LegendEntry[];
  /** Columns of the chart's CSV file: a title, and the field of points or datasets from which the values are read. */
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

/** Formats a metric and, if known, the standard deviation, for example "0.8737 \u00b1 0.0190". */
export function formatMean(mean: number, sd: number | null | undefined): string {
  return typeof sd === "number" ? `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}` : mean.toFixed(4);
}

/** Returns the ends of a point's whisker: the interval's ends or, without an interval, x ± one standard deviation. */
export function computeWhisker({ x, sd, low, high }: ChartPoint): readonly [number, number] | undefined {
  if (low !== undefined && high !== undefined) return [low, high];
  return typeof sd === "number" ? [x - sd, x + sd] : undefined;
}

export function buildLegendEntry(text: string, colour: number, dataset: number): LegendEntry {
  return { text, colour: nameColour(colour), dash: dashes.solid, datasets: [dataset] };
}

/** An axis is logarithmic from this ratio (largest value / smallest value) on. */
const DECADE = 10;

/** Returns true if an axis with these values should be logarithmic. */
export function isLogarithmicRange(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}
