/** A chart in its place in the page, with its legend and its buttons. */

import { Chart } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { configurationOf } from "./configuration.ts";
import { saveCsv, savePng } from "./download.ts";
import { drawLegend } from "./legend.ts";
import type { Theme } from "./theme.ts";

export class Card {
  readonly #definition: ChartDefinition;
  readonly #canvas: HTMLCanvasElement;
  readonly #legend: HTMLElement;
  /** Entries of the legend that are switched off. */
  readonly #off = new Set<number>();
  #chart: Chart;

  constructor(definition: ChartDefinition, theme: Theme) {
    const figure = document.getElementById(definition.id);
    const canvas = figure?.querySelector("canvas");
    const legend = figure?.querySelector<HTMLElement>(".legend");
    if (!figure || !canvas || !legend) {
      throw new Error(`The page has no place for the chart ${definition.id}.`);
    }
    this.#definition = definition;
    this.#canvas = canvas;
    this.#legend = legend;
    this.#chart = this.#make(theme);
    figure.querySelector("[data-save=csv]")?.addEventListener("click", () => saveCsv(definition));
    figure.querySelector("[data-save=png]")?.addEventListener(
      "click",
      () => savePng(definition, this.#chart, this.#off),
    );
  }

  /** Draws anew in other colours; what is switched off stays so. */
  redraw(theme: Theme): void {
    this.#chart.destroy();
    this.#chart = this.#make(theme);
  }

  /** Gives the chart a width in CSS pixels, or without one again that of its box. */
  resize(width?: number): void {
    if (width === undefined) this.#chart.resize();
    else this.#chart.resize(width, this.#chart.height);
  }

  #make(theme: Theme): Chart {
    const chart = new Chart(this.#canvas, configurationOf(this.#definition, theme));
    drawLegend(this.#legend, this.#definition, chart, theme, this.#off);
    return chart;
  }
}
