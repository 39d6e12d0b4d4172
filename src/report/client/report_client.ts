/** Script of report pages, which draws the charts. `deno task build report` bundles it. */

import annotation from "chartjs-plugin-annotation";
import type { ChartEvent, InteractionItem } from "chart.js";
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Filler,
  Interaction,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  ScatterController,
  Title,
  Tooltip,
} from "chart.js";
import type { ChartDataset, ChartDefinition } from "../chart_definition.ts";
import { dark, light } from "../theme.ts";
import { ChartCard } from "./card.ts";
import { marks } from "./marks.ts";
import { setDefaults } from "./defaults.ts";

/** Width of a chart on paper, in CSS pixels. */
const PAPER_WIDTH = 660;

const darkMode = matchMedia("(prefers-color-scheme: dark)");
const print = matchMedia("print");

function main(): void {
  Chart.register(BarController, BarElement, CategoryScale, Filler, Legend, LinearScale, LineController);
  Chart.register(LineElement, LogarithmicScale, PointElement, ScatterController, Title, Tooltip);
  Chart.register(annotation, marks);
  registerNearestX();
  setDefaults();
  Object.assign(globalThis, { Chart }); // for use in the browser's console
  const data: ChartDefinition[] = JSON.parse(document.getElementById("chart-data")?.textContent ?? "[]");
  const cards = data.map((definition) => new ChartCard(definition, getTheme()));
  const draw = (theme = getTheme(), width?: number) => cards.forEach((card) => card.draw(theme, width));
  for (const media of [darkMode, print]) media.addEventListener("change", () => draw());
  addEventListener("beforeprint", () => draw(light, PAPER_WIDTH));
  addEventListener("afterprint", () => draw());
}

function getTheme() {
  return darkMode.matches && !print.matches ? dark : light;
}

/** The pointer selects a point up to this horizontal distance, in pixels. */
const REACH = 24;

/** Registers the interaction mode `nearestX`: from each curve, it selects the point with the nearest x. */
function registerNearestX(): void {
  Interaction.modes.nearestX = (chart, event) =>
    chart.getSortedVisibleDatasetMetas().flatMap((meta): InteractionItem[] => {
      const { isDecoration, isQuiet } = chart.data.datasets[meta.index] as unknown as ChartDataset;
      if (isDecoration || isQuiet) return [];
      let best: InteractionItem | undefined;
      meta.data.forEach((element, index) => {
        const isGap = Number.isNaN(element.y) || ("skip" in element && element.skip === true);
        if (isGap || (best && distance(best.element, event) <= distance(element, event))) return;
        best = { element, datasetIndex: meta.index, index };
      });
      return best && distance(best.element, event) <= REACH ? [best] : [];
    }).sort((a, b) => a.datasetIndex - b.datasetIndex);
}

function distance({ x }: { x: number }, event: ChartEvent): number {
  return Math.abs(x - (event.x ?? NaN));
}

main();
