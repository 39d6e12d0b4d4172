/** Sets the defaults of Chart.js, and creates charts in a theme. */

import { Chart, type ChartConfiguration, defaults, type TooltipItem } from "chart.js";
import { type ChartDefinition, type ChartPoint, formatMean } from "../chart_definition.ts";
import { resolveColour, type Theme } from "../theme.ts";

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Sets the Chart.js defaults that do not depend on the theme. */
export function setDefaults(): void {
  // Charts do not move, because moving charts are hard to read.
  defaults.set({ animation: false, maintainAspectRatio: false, layout: { padding: { top: 6, right: 8 } } });
  defaults.set("font", { family: FONT, size: 12 });
  defaults.set("scale", { ticks: { maxRotation: 0, includeBounds: false } });
  defaults.set("elements.line", { borderJoinStyle: "round" });
  // Chart.js draws the legend only in a saved picture. On the page, the legend is HTML.
  Object.assign(defaults.plugins.legend, { display: false });
  const box = { borderWidth: 1, boxWidth: 8, boxHeight: 8, boxPadding: 4, bodyFont: { size: 11 } };
  Object.assign(defaults.plugins.tooltip, box);
  Object.assign(defaults.plugins.tooltip.callbacks, {
    title: ([item]: TooltipItem<"line">[]) => item ? formatTitle(item) : "",
    label: formatLines,
  });
}

function formatTitle({ raw, chart }: TooltipItem<"line">): string {
  const { name, x } = raw as ChartPoint;
  const axis = chart.options.scales?.x as { title?: { text?: string } };
  return name ?? `${axis.title?.text} ${x}`;
}

function formatLines({ raw, dataset }: TooltipItem<"line">): string | string[] {
  const { text, y, sd, remark = "" } = raw as ChartPoint;
  return (text ?? [`${dataset.label}: ${formatMean(y ?? NaN, sd)}${remark}`]).map((line) => ` ${line}`);
}

export function makeChart(
  canvas: HTMLCanvasElement,
  { config }: ChartDefinition,
  theme: Theme,
  change: (configuration: ChartConfiguration) => ChartConfiguration = (same) => same,
): Chart {
  Object.assign(defaults, { color: theme.text, borderColor: theme.grid });
  Object.assign(defaults.plugins.tooltip, {
    ...{ backgroundColor: theme.background, borderColor: theme.text },
    ...{ titleColor: theme.text, bodyColor: theme.text },
  });
  return new Chart(canvas, change(inTheme(config, theme) as ChartConfiguration));
}

/** Returns a copy of a chart configuration, in which the theme's colours replace the colour names. */
function inTheme(value: unknown, theme: Theme, key = ""): unknown {
  if (typeof value === "string") return /color$/i.test(key) ? resolveColour(theme, value) : value;
  if (Array.isArray(value)) return value.map((one) => inTheme(one, theme, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inTheme(one, theme, name)]));
}
