/** A legend in HTML: it wraps, and curves are switched off and on with the keyboard too. */

import type { Chart } from "chart.js";
import type { ChartDefinition, Look } from "../chart_types.ts";
import { DATASETS_A_SERIES } from "./line_chart.ts";
import { baselineDash } from "./marks.ts";
import { colourOf, dashOf, type Theme } from "./theme.ts";

const SVG = "http://www.w3.org/2000/svg";

/** Fills `into`, for a theme; what is switched off stays so. */
export function drawLegend(into: HTMLElement, definition: ChartDefinition, chart: Chart, theme: Theme): void {
  into.replaceChildren(
    ...(definition.kind === "bar"
      ? definition.lines.map(({ name, value }, index) => {
        const item = document.createElement("span");
        item.append(...entry(`${name} ${value.toFixed(4)}`, theme.text, baselineDash(index)));
        return item;
      })
      : seriesOf(definition).map(({ name, colour, dash }, index) =>
        toggle(chart, datasetsOf(definition, index), entry(name, colourOf(theme, colour), dashOf(dash)))
      )),
  );
}

/** What is switched off and on, in the order of its datasets. */
export function seriesOf(definition: ChartDefinition): readonly Look[] {
  switch (definition.kind) {
    case "line":
    case "scatter":
      return definition.series;
    case "stack":
      return definition.segments;
    case "bar":
      return [];
  }
}

/** The datasets of a series: a learning curve has a band too. */
export function datasetsOf({ kind }: ChartDefinition, series: number): number[] {
  if (kind !== "line") return [series];
  return Array.from({ length: DATASETS_A_SERIES }, (_, k) => DATASETS_A_SERIES * series + k);
}

function toggle(chart: Chart, datasets: readonly number[], content: readonly Element[]): HTMLButtonElement {
  const button = document.createElement("button");
  const isVisible = () => datasets.every((dataset) => chart.isDatasetVisible(dataset));
  const show = () => button.setAttribute("aria-pressed", String(isVisible()));
  button.type = "button";
  button.append(...content);
  button.addEventListener("click", () => {
    const visible = !isVisible();
    for (const dataset of datasets) chart.setDatasetVisibility(dataset, visible);
    chart.update();
    show();
  });
  show();
  return button;
}

function entry(name: string, colour: string, dash: readonly number[]): Element[] {
  const sample = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "line");
  const set = (element: Element, attributes: Record<string, string | number>) => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  };
  set(sample, { width: 34, height: 10, "aria-hidden": "true" });
  set(line, { x1: 1, x2: 33, y1: 5, y2: 5, stroke: colour, "stroke-width": 2.5 });
  set(line, { "stroke-dasharray": dash.join(" ") });
  sample.append(line);
  const text = document.createElement("span");
  text.textContent = name;
  return [sample, text];
}
