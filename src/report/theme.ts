/** Colours of charts in light and dark mode. This file imports nothing, to keep the pages' script small. */

/** Colours of a light or dark page. The palette suits colour-blind readers. */
export interface Theme {
  readonly text: string;
  readonly grid: string;
  readonly background: string;
  /** Colour of baselines and reference lines. */
  readonly neutral: string;
  /** Colours of curves and bars. Curve k has the colour with index k modulo the number of colours. */
  readonly palette: readonly string[];
}

/** Light theme with the palette of Okabe and Ito. Some colours are darker, to suit thin lines on white. */
export const light: Theme = {
  text: "#333a44",
  grid: "#dfe3e8",
  background: "#ffffff",
  neutral: "#555c66",
  palette: "#0072b2 #c84e00 #008f68 #b0558a #8a6d00 #2a9fd8 #6a4cc0 #a3123a #5c7a00 #3a3f47".split(" "),
};

export const dark: Theme = {
  text: "#c9d1da",
  grid: "#343c47",
  background: "#1a1f26",
  neutral: "#b6bec8",
  palette: "#56b4e9 #ff8a3d #2fd0a0 #e592c0 #f0d24a #9ab8ff #b79cff #ff7a8a #b5d35a #e8edf2".split(" "),
};

/** Index of the neutral colour, for baselines and reference lines. */
export const NEUTRAL = -1;

/** Index of a colour in the theme's palette, or name of the theme's text or background colour. */
export type Colour = number | "text" | "background";

/** Formats colour and opacity (0..1) as a name for {@link resolveColour}: "3/0.5" is colour 3, half opaque. */
export function nameColour(colour: Colour, opacity = 1): string {
  return `${colour === NEUTRAL ? "neutral" : colour}/${opacity}`;
}

/** Converts the name of a colour to a CSS colour of the theme. */
export function resolveColour(theme: Theme, name: string): string {
  const [key = "", opacity = "1"] = name.split("/");
  const colour = key === "text" || key === "background" || key === "neutral"
    ? theme[key]
    : theme.palette[Number(key) % theme.palette.length] ?? theme.text;
  return opacity === "1" ? colour : colour + Math.round(255 * Number(opacity)).toString(16).padStart(2, "0");
}

/** Converts a colour name to CSS that selects the light or the dark theme's colour by the browser's mode. */
export function getCssColour(name: string): string {
  return `light-dark(${resolveColour(light, name)}, ${resolveColour(dark, name)})`;
}
