/** Draws the charts of a report: the page's own script, bundled by `deno task build report`. */

import annotation from "chartjs-plugin-annotation";
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  type ChartEvent,
  Filler,
  Interaction,
  type InteractionItem,
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

/** CSS pixels that a chart is given on paper. */
const PAPER_WIDTH = 660;

const night = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

function main(): void {
  Chart.register(BarController, BarElement, CategoryScale, Filler, Legend, LinearScale, LineController);
  Chart.register(LineElement, LogarithmicScale, PointElement, ScatterController, Title, Tooltip);
  Chart.register(annotation, marks);
  registerNearestX();
  setDefaults();
  Object.assign(globalThis, { Chart }); // for the browser's console
  const data: ChartDefinition[] = JSON.parse(document.getElementById("chart-data")?.textContent ?? "[]");
  const cards = data.map((definition) => new ChartCard(definition, themeNow()));
  const draw = (theme = themeNow(), width?: number) => cards.forEach((card) => card.draw(theme, width));
  for (const media of [night, paper]) media.addEventListener("change", () => draw());
  addEventListener("beforeprint", () => draw(light, PAPER_WIDTH));
  addEventListener("afterprint", () => draw());
}

function themeNow() {
  return night.matches && !paper.matches ? dark : light;
}

/** Pixels beside its ends at which a curve is still meant. */
const REACH = 24;

/** Adds the mode `nearestX` to those of the library: what a pointer over learning curves points at. */
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
