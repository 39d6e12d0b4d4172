/** Colours of charts in light and dark mode. The file has no imports, because it is also bundled into the script of pages. */

/** Colours of a light or dark page. Colour-blind readers can distinguish the colours of the palette. */
export interface Theme {
  readonly text: string;
  readonly grid: string;
  readonly background: string;
  /** Colour of baselines and of all other elements that belong to no model. */
  readonly neutral: string;
  /** Colours of curves and bars: curve k has colour k modulo the number of colours. */
  readonly palette: readonly string[];
}

/** Light theme with the palette of Okabe and Ito. Colours that are too pale for a thin line on white are darkened. */
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

/** Index of the neutral colour, for baselines, ceilings, and all other elements that belong to no model. */
export const NEUTRAL = -1;

/** A colour of a theme: an index in the palette, or the name of another colour. */
export type Colour = number | "text" | "background";

/** Returns a colour's name for a chart's configuration; {@link resolveColour} resolves the name. @param opacity: 0 to 1 */
export function nameColour(colour: Colour, opacity = 1): string {
  return `${colour === NEUTRAL ? "neutral" : colour}/${opacity}`;
}

/** Converts a colour's name to the theme's CSS colour. */
export function resolveColour(theme: Theme, name: string): string {
  const [key = "", opacity = "1"] = name.split("/");
  const colour = key === "text" || key === "background" || key === "neutral"
    ? theme[key]
    : theme.palette[Number(key) % theme.palette.length] ?? theme.text;
  return opacity === "1" ? colour : colour + Math.round(255 * Number(opacity)).toString(16).padStart(2, "0");
}

/** Converts a colour's name to a CSS expression. The expression depends on the page's current theme. */
export function getCssColour(name: string): string {
  return `light-dark(${resolveColour(light, name)}, ${resolveColour(dark, name)})`;
}
