/** Types of charts. A chart is a Chart.js configuration without functions, stored in a page as JSON. */

import type { Chart, ChartEvent, ChartOptions, InteractionItem } from "chart.js";
import { type Cell, formatCsvRow } from "../csv.ts";

declare module "chart.js" {
  interface InteractionModeMap {
    /** Selects in each curve the point whose x is nearest to the pointer (client/report_client.ts). */
    nearestX: (chart: Chart, event: ChartEvent) => InteractionItem[];
  }
}

/** A point of a chart, or the end of a horizontal bar. */
export interface ChartPoint {
  readonly x: number;
  /** y coordinate; null for a gap in a curve. In a bar chart: number of the bar, from 0 at the top. */
  readonly y: number | null;
  /** Sample standard deviation over the runs; null for a single run. */
  readonly sd?: number | null;
  readonly runs?: number;
  /** Lower end of a 95 % bootstrap interval, which a whisker shows. `high` is the upper end. */
  readonly low?: number;
  readonly high?: number;
  readonly name?: string;
  /** Lines of the tooltip. The default tooltip has the name of the dataset, y, sd and `remark`. */
  readonly text?: readonly string[];
  readonly remark?: string;
  /** Text that is drawn on a bar, or next to the bar. */
  readonly label?: string;
  /** Snapshot whose metric the bar shows; "baseline" for a baseline. */
  readonly snapshot?: string;
}

/** Options of a Chart.js dataset, and fields that only the page's script and the CSV export read. */
export interface ChartDataset {
  readonly label: string;
  readonly data: readonly ChartPoint[];
  /** Name of the line's colour, made by {@link nameColour}. */
  readonly borderColor?: string | readonly string[];
  readonly backgroundColor?: string | readonly string[];
  readonly borderDash?: readonly number[];
  readonly borderWidth: number;
  readonly fill?: string | false;
  readonly showLine?: boolean;
  readonly clip?: false;
  readonly pointRadius?: number | readonly number[];
  readonly pointHoverRadius?: number;
  readonly pointBorderWidth?: number;
  readonly pointBorderColor?: string;
  readonly pointBackgroundColor?: string;
  readonly maxBarThickness?: number;
  /** True for edges of a band and marks on a curve, which tooltips and CSV files leave out. */
  readonly isDecoration?: boolean;
  /** True for a curve that tooltips leave out, because the chart has many curves. */
  readonly isQuiet?: boolean;
  /** x coordinate at which the curve's training stage begins; 0 for the first stage. */
  readonly offset?: number;
}

/** A button of the legend that shows or hides datasets. */
export interface LegendEntry {
  readonly text: string;
  readonly colour: string;
  readonly dash: readonly number[];
  /** Indices of the datasets that the button hides when it is switched off. */
  readonly datasets: readonly number[];
}

export interface ChartHead {
  /** HTML id of the chart (letters, digits and hyphens), unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

export interface ChartDefinition extends ChartHead {
  readonly summary: string;
  readonly legend: readonly LegendEntry[];
  /** Columns of the CSV file. Values are read from `field` of each point or of its dataset. */
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

export function buildAxis(title: string, logarithmic = false) {
  return {
    type: logarithmic ? "logarithmic" as const : "linear" as const,
    title: { display: true, text: title },
    ticks: logarithmic ? { format: COMPACT } : {},
  };
}

/** Number format with at most four digits and the suffixes K (thousands) and M (millions), such as 1.5K. */
const COMPACT = { notation: "compact", maximumSignificantDigits: 4 } as const;
export const compact = new Intl.NumberFormat("en-US", COMPACT);

/** Formats a metric and its standard deviation (if known), for example "0.8737 \u00b1 0.0190". */
export function formatMean(mean: number, sd: number | null | undefined): string {
  return typeof sd === "number" ? `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}` : mean.toFixed(4);
}

/** Returns the ends of a point's whisker: its interval or, if undefined, x ± one standard deviation. */
export function computeWhisker({ x, sd, low, high }: ChartPoint): readonly [number, number] | undefined {
  if (low !== undefined && high !== undefined) return [low, high];
  return typeof sd === "number" ? [x - sd, x + sd] : undefined;
}

/** An axis is logarithmic if its largest value is at least this multiple of its smallest value. */
const DECADE = 10;

export function isLogarithmicRange(values: readonly number[]): boolean {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length > 1 && least > 0 && most >= DECADE * least;
}

/** Formats the data of a chart as CSV with one row per point or bar. */
export function buildCsv({ columns, config: { data: { datasets } } }: ChartDefinition): string {
  const rows = datasets.filter(({ isDecoration }) => !isDecoration).flatMap((dataset) =>
    dataset.data.map((point) => {
      const fields: Readonly<Record<string, unknown>> = { ...dataset, ...point };
      return columns.map(([, name]) => formatCell(fields[name]));
    })
  );
  return [columns.map(([title]) => title), ...rows].map(formatCsvRow).join("");
}

function formatCell(value: unknown): Cell {
  return typeof value === "number" ? value : String(value ?? "");
}
