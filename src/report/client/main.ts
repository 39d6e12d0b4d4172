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
import annotation from "chartjs-plugin-annotation";
import type { ChartDefinition } from "../chart.ts";
import { dark, light } from "../theme.ts";
import { Card } from "./card.ts";
import { registerNearestX } from "./hover.ts";
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
  const cards = data.map((definition) => new Card(definition, themeNow()));
  const draw = (theme = themeNow(), width?: number) => cards.forEach((card) => card.draw(theme, width));
  for (const media of [night, paper]) media.addEventListener("change", () => draw());
  addEventListener("beforeprint", () => draw(light, PAPER_WIDTH));
  addEventListener("afterprint", () => draw());
}

function themeNow() {
  return night.matches && !paper.matches ? dark : light;
}

main();
