/** Colours of the charts, by day and by night; both palettes are told apart by colour-blind readers. */

export interface Theme {
  readonly text: string;
  readonly grid: string;
  readonly background: string;
  /** Colours of curves and bars, used in turn. */
  readonly palette: readonly string[];
}

/** After Okabe and Ito, darker where a thin line on white would be too pale. */
export const light: Theme = {
  text: "#333a44",
  grid: "#dfe3e8",
  background: "#ffffff",
  palette: ["#0072b2", "#c84e00", "#008f68", "#b0558a", "#8a6d00", "#2a9fd8", "#555c66"],
};

export const dark: Theme = {
  text: "#c9d1da",
  grid: "#343c47",
  background: "#1a1f26",
  palette: ["#56b4e9", "#ff8a3d", "#2fd0a0", "#e592c0", "#f0d24a", "#9ab8ff", "#b6bec8"],
};

/** Lengths of strokes and gaps; curves of one colour differ in these. */
const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [
  6,
  3,
  2,
  3,
  2,
  3,
]];

export function colourOf(theme: Theme, index: number): string {
  return theme.palette[index % theme.palette.length] ?? theme.text;
}

export function dashOf(index: number): number[] {
  return [...DASHES[index % DASHES.length] ?? []];
}

/** @param opacity 0..1 of a colour such as "#0072b2" */
export function faded(colour: string, opacity: number): string {
  return colour + Math.round(255 * opacity).toString(16).padStart(2, "0");
}
