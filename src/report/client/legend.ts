/** A legend in HTML: it wraps, and curves are switched off and on with the keyboard too. */

import type { Chart } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { colourOf, dashOf, DATASETS_A_SERIES, type Theme } from "./options.ts";

/** What is switched off and on together. */
export interface LegendEntry {
  readonly name: string;
  /** Undefined for a dash that curves of several colours have. */
  readonly colour: number | undefined;
  readonly dash: number;
  /** Places of its series in the chart. */
  readonly series: readonly number[];
}

/**
 * Of learning curves the models, by their colours, and then the parts, by their dashes; one of them where the other has
 * one member only. Of other charts the series.
 */
export function legendOf(definition: ChartDefinition): LegendEntry[] {
  switch (definition.kind) {
    case "bar":
      return [];
    case "scatter":
      return definition.series.map(({ name, colour, dash }, k) => ({ name, colour, dash, series: [k] }));
    case "stack":
      return definition.segments.map(({ name, colour, dash }, k) => ({ name, colour, dash, series: [k] }));
    case "line": {
      const { series } = definition;
      const models = grouped(series.map(({ model, colour }) => ({ name: model, colour, dash: 0 })));
      const one = models.length === 1 ? models[0]?.colour : undefined;
      const parts = grouped(series.map(({ part, dash }) => ({ name: part, colour: one, dash })));
      if (models.length === 1) return parts;
      return parts.length === 1 ? models : [...models, ...parts];
    }
  }
}

function grouped(series: readonly Omit<LegendEntry, "series">[]): LegendEntry[] {
  const names = [...new Set(series.map(({ name }) => name))];
  return names.flatMap((name) => {
    const members = series.flatMap((one, k) => one.name === name ? [k] : []);
    const first = series[members[0] ?? -1];
    return first ? [{ ...first, series: members }] : [];
  });
}

/** Fills `into`, for a theme; what is switched off stays so. @param off places of the entries that are switched off */
export function drawLegend(
  into: HTMLElement,
  definition: ChartDefinition,
  chart: Chart,
  theme: Theme,
  off: Set<number>,
): void {
  const entries = legendOf(definition);
  const show = () => {
    const count = definition.kind === "line" ? definition.series.length : entries.length;
    for (let series = 0; series < count; series++) {
      const hidden = entries.some((entry, k) => entry.series.includes(series) && off.has(k));
      for (const dataset of datasetsOf(definition, series)) chart.setDatasetVisibility(dataset, !hidden);
    }
    chart.update();
  };
  into.replaceChildren(...entries.map((entry, k) => {
    const button = document.createElement("button");
    const tell = () => button.setAttribute("aria-pressed", String(!off.has(k)));
    button.type = "button";
    button.innerHTML = sampleOf(entry, theme);
    button.append(entry.name);
    button.addEventListener("click", () => {
      if (!off.delete(k)) off.add(k);
      tell();
      show();
    });
    tell();
    return button;
  }));
  if (off.size > 0) show();
}

/** The datasets of a series: a learning curve has several. */
function datasetsOf({ kind }: ChartDefinition, series: number): number[] {
  if (kind !== "line") return [series];
  return Array.from({ length: DATASETS_A_SERIES }, (_, k) => DATASETS_A_SERIES * series + k);
}

/** A stroke as the series is drawn. */
function sampleOf({ colour, dash }: LegendEntry, theme: Theme): string {
  const stroke = colour === undefined ? theme.text : colourOf(theme, colour);
  return `<svg width="34" height="10" aria-hidden="true"><line x1="1" x2="33" y1="5" y2="5" stroke="${stroke}" ` +
    `stroke-width="2.5" stroke-dasharray="${dashOf(dash).join(" ")}"/></svg>`;
}
