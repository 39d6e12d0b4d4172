/** Colours of charts in light and dark pages. No imports, because both pages and their script use it. */

/** A theme, whose palette colour-blind readers can distinguish. */
export interface Theme {
  readonly text: string;
  readonly grid: string;
  readonly background: string;
  /** Colour for baselines and other non-models. */
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

/** Palette index for baselines, ceilings and other non-models, which are grey. */
export const NEUTRAL = -1;

/** A colour of a theme: an index in the palette, or another colour by name. */
export type Colour = number | "text" | "background";

/** Names a colour in a configuration; {@link resolveColour} resolves it. @param opacity 0..1 */
export function nameColour(colour: Colour, opacity = 1): string {
  return `${colour === NEUTRAL ? "neutral" : colour}/${opacity}`;
}

/** Resolves a colour name to a CSS colour. */
export function resolveColour(theme: Theme, name: string): string {
  const [key = "", opacity = "1"] = name.split("/");
  const colour = key === "text" || key === "background" || key === "neutral"
    ? theme[key]
    : theme.palette[Number(key) % theme.palette.length] ?? theme.text;
  return opacity === "1" ? colour : colour + Math.round(255 * Number(opacity)).toString(16).padStart(2, "0");
}

/** Resolves a colour name to a CSS colour that follows the page's theme. */
export function getCssColour(name: string): string {
  return `light-dark(${resolveColour(light, name)}, ${resolveColour(dark, name)})`;
}
