/** What all charts have in common. */

import type { Theme } from "./theme.ts";

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function axis(title: string, theme: Theme) {
  return {
    title: { display: true, text: title, color: theme.text },
    ticks: { color: theme.text, maxRotation: 0, includeBounds: false },
    grid: { color: theme.grid },
    border: { color: theme.grid },
  };
}

/** Drawn at once: a page that moves is no help in reading numbers. */
export function commonOptions(theme: Theme) {
  return {
    animation: false as const,
    responsive: true,
    maintainAspectRatio: false,
    font: { family: FONT, size: 12 },
    color: theme.text,
    layout: { padding: { top: 6, right: 8 } },
  };
}

/** For horizontal bars: the pointer chooses a bar by its height alone. */
export function horizontalBarOptions(theme: Theme) {
  return {
    ...commonOptions(theme),
    indexAxis: "y" as const,
    interaction: { mode: "index" as const, axis: "y" as const, intersect: false },
  };
}

/** The names beside horizontal bars, all of them. */
export function nameAxis(theme: Theme) {
  return {
    grid: { display: false },
    border: { color: theme.grid },
    ticks: { color: theme.text, autoSkip: false },
  };
}

export function tooltip(theme: Theme) {
  return {
    backgroundColor: theme.background,
    borderColor: theme.text,
    borderWidth: 1,
    titleColor: theme.text,
    bodyColor: theme.text,
    bodyFont: { family: FONT, size: 11 },
    boxWidth: 8,
    boxHeight: 8,
    boxPadding: 4,
  };
}

/** A figure with its spread, e.g. "0.8737 \u00b1 0.0190". */
export function figure(mean: number, sd: number | null): string {
  return sd === null ? mean.toFixed(4) : `${mean.toFixed(4)} \u00b1 ${sd.toFixed(4)}`;
}
