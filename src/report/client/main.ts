/** Draws the charts of a report: the page's own script, bundled by `deno task build report`. */

import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Filler,
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
import type { ChartDefinition } from "../chart_types.ts";
import { Card } from "./card.ts";
import { registerNearestX } from "./line_chart.ts";
import { dark, light, type Theme } from "./options.ts";

/** CSS pixels that a chart is given on paper. */
const PAPER_WIDTH = 660;

const night = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

function main(): void {
  Chart.register(BarController, BarElement, CategoryScale, Filler, Legend, LinearScale, LineController);
  Chart.register(LineElement, LogarithmicScale, PointElement, ScatterController, Title, Tooltip);
  registerNearestX();
  // A chart draws its legend only when it is saved: in the page it is HTML.
  Object.assign(Chart.defaults.plugins.legend, { display: false });
  const data: ChartDefinition[] = JSON.parse(document.getElementById("chart-data")?.textContent ?? "[]");
  Object.assign(globalThis, { Chart }); // for the browser's console
  const cards = data.map((definition) => new Card(definition, themeNow()));
  const dress = (theme: Theme) => cards.forEach((card) => card.redraw(theme));
  for (const media of [night, paper]) media.addEventListener("change", () => dress(themeNow()));
  addEventListener("beforeprint", () => {
    dress(light);
    cards.forEach((card) => card.resize(PAPER_WIDTH));
  });
  addEventListener("afterprint", () => {
    dress(themeNow());
    cards.forEach((card) => card.resize());
  });
}

function themeNow(): Theme {
  return night.matches && !paper.matches ? dark : light;
}

main();
