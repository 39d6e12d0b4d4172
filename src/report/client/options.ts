/** What all charts have in common: their colours, axes, numbers and dashes. */

import type { ChartType, Scale, TooltipCallbacks, TooltipOptions } from "chart.js";
import { evenTicks, NEUTRAL } from "../chart_types.ts";

/** Datasets of a learning curve: the band's upper and lower edge, the curve over them, and the circles. */
export const DATASETS_A_SERIES = 4;
/** Which of them is the curve. */
export const CURVE = 2;

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Colours of the charts, by day and by night; both palettes are told apart by colour-blind readers. */
export interface Theme {
  readonly text: string;
  readonly grid: string;
  readonly background: string;
  /** For what is no model. */
  readonly neutral: string;
  /** Colours of curves and bars, used in turn. */
  readonly palette: readonly string[];
}

/** After Okabe and Ito, darker where a thin line on white would be too pale. */
export const light: Theme = {
  text: "#333a44",
  grid: "#dfe3e8",
  background: "#ffffff",
  neutral: "#555c66",
  palette: [
    "#0072b2",
    "#c84e00",
    "#008f68",
    "#b0558a",
    "#8a6d00",
    "#2a9fd8",
    "#6a4cc0",
    "#a3123a",
    "#5c7a00",
    "#3a3f47",
  ],
};

export const dark: Theme = {
  text: "#c9d1da",
  grid: "#343c47",
  background: "#1a1f26",
  neutral: "#b6bec8",
  palette: [
    "#56b4e9",
    "#ff8a3d",
    "#2fd0a0",
    "#e592c0",
    "#f0d24a",
    "#9ab8ff",
    "#b79cff",
    "#ff7a8a",
    "#b5d35a",
    "#e8edf2",
  ],
};

/** Lengths of strokes and gaps, by the dashes of chart_types.ts. */
const DASHES: readonly (readonly number[])[] = [[], [9, 4], [2, 3], [9, 3, 2, 3]];

export function colourOf(theme: Theme, index: number): string {
  if (index === NEUTRAL) return theme.neutral;
  return theme.palette[index % theme.palette.length] ?? theme.text;
}

export function dashOf(index: number): number[] {
  return [...DASHES[index % DASHES.length] ?? []];
}

/** @param opacity 0..1 of a colour such as "#0072b2" */
export function faded(colour: string, opacity: number): string {
  return colour + Math.round(255 * opacity).toString(16).padStart(2, "0");
}

export function axis(title: string, theme: Theme) {
  return {
    title: { display: true, text: title, color: theme.text },
    ticks: { color: theme.text, maxRotation: 0, includeBounds: false },
    grid: { color: theme.grid },
    border: { color: theme.grid },
  };
}

/** What is told on hover. */
interface Told<T extends ChartType> {
  /** Of which points nothing is. */
  readonly filter?: TooltipOptions<T>["filter"];
  readonly callbacks: Partial<TooltipCallbacks<T>>;
}

/** Drawn at once: a page that moves is no help in reading numbers. */
export function commonOptions<T extends ChartType>(theme: Theme, told: Told<T>) {
  const tooltip = {
    backgroundColor: theme.background,
    borderColor: theme.text,
    borderWidth: 1,
    titleColor: theme.text,
    bodyColor: theme.text,
    bodyFont: { family: FONT, size: 11 },
    ...{ boxWidth: 8, boxHeight: 8, boxPadding: 4 },
    ...told,
  };
  return {
    plugins: { tooltip },
    animation: false as const,
    responsive: true,
    maintainAspectRatio: false,
    font: { family: FONT, size: 12 },
    color: theme.text,
    layout: { padding: { top: 6, right: 8 } },
  };
}

/** A figure with its spread, e.g. "0.8737 \u00b1 0.0190". */
export function figure(mean: number, sd: number | null): string {
  return sd === null ? mean.toFixed(4) : `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}`;
}

/** First digits of the ticks of a decade, from few to many. */
const DIGITS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]];
/** Ticks that an axis has at least. */
const FEW = 4;

/** A logarithmic axis whose ticks all have a label, however little or much it spans. */
export function logarithmicAxis<T extends ReturnType<typeof axis>>(common: T) {
  return {
    type: "logarithmic" as const,
    ...common,
    ticks: { ...common.ticks, callback: (tick: number | string) => shortNumber(Number(tick)) },
    afterBuildTicks: (scale: Scale) => {
      scale.ticks = ticksBetween(scale.min, scale.max).map((value) => ({ value }));
    },
  };
}

/** @param min above 0 */
export function ticksBetween(min: number, max: number): number[] {
  const decades = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++) decades.push(10 ** power);
  let ticks: number[] = [];
  for (const digits of DIGITS) {
    ticks = decades.flatMap((decade) => digits.map((digit) => Number((digit * decade).toPrecision(2))))
      .filter((tick) => tick >= min && tick <= max);
    if (ticks.length >= FEW) return ticks;
  }
  return ticks.length > 2 ? ticks : evenTicks([min, max], FEW); // it spans less than a factor of two
}

/** At most four figures, and thousands as k, millions as M. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  const [scale, unit] = size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return Number((value / scale).toPrecision(4)).toLocaleString("en-US", { maximumSignificantDigits: 4 }) +
    unit;
}
