/** Draws a chart in its figure on the page, and handles the buttons for the legend and for downloads. */

import type { Chart, ChartConfiguration } from "chart.js";
import { buildCsv, type ChartDefinition } from "../chart_definition.ts";
import { light, resolveColour, type Theme } from "../theme.ts";
import { makeChart } from "./defaults.ts";
import { saveFile } from "./save_file.ts";

export class ChartCard {
  readonly #definition: ChartDefinition;
  readonly #figure: HTMLElement;
  /** Indices of the legend entries that the reader has switched off. */
  readonly #hidden = new Set<number>();
  #chart: Chart | undefined;

  constructor(definition: ChartDefinition, theme: Theme) {
    const { id } = definition;
    const figure = document.getElementById(id);
    if (!figure) throw new Error(`Expected a figure for the chart ${id} in the page.`);
    this.#definition = definition;
    this.#figure = figure;
    this.draw(theme);
    figure.querySelectorAll(".legend button").forEach((button, k) => {
      button.addEventListener("click", () => {
        if (!this.#hidden.delete(k)) this.#hidden.add(k);
        button.setAttribute("aria-pressed", String(!this.#hidden.has(k)));
        this.#hide(this.#chart);
      });
    });
    const onSave = (kind: string, act: () => void) =>
      figure.querySelector(`[data-save=${kind}]`)?.addEventListener("click", act);
    onSave("csv", () => saveFile(`${id}.csv`, buildCsv(definition), "text/csv"));
    onSave("png", () => this.#savePng());
  }

  /** Draws the chart's visible datasets. @param width - in CSS pixels; default: the figure's width */
  draw(theme: Theme, width?: number): void {
    const canvas = this.#figure.querySelector("canvas");
    if (!canvas) throw new Error(`Expected a canvas for the chart ${this.#definition.id}.`);
    this.#chart?.destroy();
    this.#chart = makeChart(canvas, this.#definition, theme);
    this.#hide(this.#chart);
    if (width !== undefined) this.#chart.resize(width, this.#chart.height);
  }

  #hide(chart: Chart | undefined): void {
    const { legend, config } = this.#definition;
    const hidden = new Set([...this.#hidden].flatMap((k) => legend[k]?.datasets ?? []));
    for (const k of config.data.datasets.keys()) chart?.setDatasetVisibility(k, !hidden.has(k));
    chart?.update();
  }

  /** Saves the chart, its title and its legend as a picture of fixed size in light colours. */
  #savePng(): void {
    const canvas = Object.assign(document.createElement("canvas"), SIZE);
    const copy = makeChart(canvas, this.#definition, light, (same) => this.#forPaper(same));
    this.#hide(copy);
    canvas.toBlob((blob) => {
      copy.destroy();
      if (blob) saveFile(`${this.#definition.id}.png`, blob, blob.type);
    }, "image/png");
  }

  #forPaper(configuration: ChartConfiguration): ChartConfiguration {
    const { title, legend } = this.#definition;
    const labels = legend.map(({ text, colour, dash }, k) => ({
      ...{ text, fontColor: light.text, strokeStyle: resolveColour(light, colour) },
      ...{ lineDash: [...dash], lineWidth: 2, pointStyle: "line" as const, hidden: this.#hidden.has(k) },
    }));
    return {
      ...configuration,
      options: {
        ...configuration.options,
        ...{ responsive: false, devicePixelRatio: PIXEL_RATIO, layout: { padding: 16 } },
        plugins: {
          ...configuration.options?.plugins,
          title: { display: true, text: title, font: { size: 16 } },
          legend: {
            display: legend.length > 0,
            position: "bottom",
            labels: { usePointStyle: true, pointStyleWidth: 40, generateLabels: () => labels },
          },
        },
      },
      plugins: [{ id: "paper", beforeDraw: fillBackground }],
    };
  }
}

/** Size of a saved picture in CSS pixels. */
const SIZE = { width: 960, height: 600 };
/** Pixels of a saved picture per CSS pixel, in each direction. */
const PIXEL_RATIO = 2;

function fillBackground({ ctx, width, height }: Chart): void {
  ctx.save();
  ctx.fillStyle = light.background;
  ctx.fillRect(0, 0, width, height);
  ctx.restore();
}
