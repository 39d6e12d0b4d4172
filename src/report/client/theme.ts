/** Colours of the charts, by day and by night; both palettes are told apart by colour-blind readers. */

import { NEUTRAL } from "../chart_types.ts";

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
