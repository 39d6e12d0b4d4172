/** A chart in its place in the page, with its legend and its buttons. */

import { Chart, type ChartConfiguration, type LegendItem } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { barConfiguration, stackConfiguration } from "./bar_chart.ts";
import { csvOf } from "./csv.ts";
import { drawLegend, legendOf } from "./legend.ts";
import { lineConfiguration } from "./line_chart.ts";
import { colourOf, dashOf, light, type Theme } from "./options.ts";
import { scatterConfiguration } from "./scatter_chart.ts";

export class Card {
  readonly #canvas: HTMLCanvasElement;
  readonly #legend: HTMLElement;
  /** Entries of the legend that are switched off. */
  readonly #off = new Set<number>();
  #chart: Chart;

  constructor(private readonly definition: ChartDefinition, theme: Theme) {
    const figure = document.getElementById(definition.id);
    const canvas = figure?.querySelector("canvas");
    const legend = figure?.querySelector<HTMLElement>(".legend");
    if (!figure || !canvas || !legend) {
      throw new Error(`The page has no place for the chart ${definition.id}.`);
    }
    this.#canvas = canvas;
    this.#legend = legend;
    this.#chart = this.#make(theme);
    figure.querySelector("[data-save=csv]")?.addEventListener(
      "click",
      () => save(new Blob([csvOf(definition)], { type: "text/csv" }), `${definition.id}.csv`),
    );
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
    const chart = new Chart(this.#canvas, configurationOf(this.definition, theme));
    drawLegend(this.#legend, this.definition, chart, theme, this.#off);
    return chart;
  }
}

const CONFIGURATIONS = {
  line: lineConfiguration,
  bar: barConfiguration,
  scatter: scatterConfiguration,
  stack: stackConfiguration,
};

/** From a definition to what the library draws. */
function configurationOf(definition: ChartDefinition, theme: Theme): ChartConfiguration {
  const configure: (chart: never, theme: Theme) => unknown = CONFIGURATIONS[definition.kind];
  return configure(definition as never, theme) as ChartConfiguration;
}

/** CSS pixels of a saved picture; it has twice as many of its own. */
const SIZE = { width: 960, height: 600 };
const PIXEL_RATIO = 2;

/** Draws the chart anew, for paper: light, of one size wherever the page is read, with title and legend. */
function savePng(definition: ChartDefinition, shown: Chart, off: ReadonlySet<number>): void {
  const canvas = document.createElement("canvas");
  const configuration = forPaper(definition, off);
  canvas.width = SIZE.width;
  canvas.height = SIZE.height;
  const copy = new Chart(canvas, configuration);
  for (const index of copy.data.datasets.keys()) {
    copy.setDatasetVisibility(index, shown.isDatasetVisible(index));
  }
  copy.update();
  canvas.toBlob((blob) => {
    copy.destroy();
    if (blob) save(blob, `${definition.id}.png`);
  }, "image/png");
}

function forPaper(definition: ChartDefinition, off: ReadonlySet<number>): ChartConfiguration {
  const configuration = configurationOf(definition, light);
  return {
    ...configuration,
    options: {
      ...configuration.options,
      responsive: false,
      devicePixelRatio: PIXEL_RATIO,
      layout: { padding: 16 },
      plugins: {
        ...configuration.options?.plugins,
        title: { display: true, text: definition.title, color: light.text, font: { size: 16 } },
        legend: {
          display: definition.kind !== "bar",
          position: "bottom",
          labels: {
            color: light.text,
            usePointStyle: true,
            pointStyleWidth: 40,
            generateLabels: () => legendItems(definition, off),
          },
        },
      },
    },
    plugins: [...configuration.plugins ?? [], {
      id: "paper",
      beforeDraw: ({ ctx, width, height }) => {
        ctx.save();
        ctx.fillStyle = light.background;
        ctx.fillRect(0, 0, width, height);
        ctx.restore();
      },
    }],
  };
}

/** The library's own items would have no dashes. */
function legendItems(definition: ChartDefinition, off: ReadonlySet<number>): LegendItem[] {
  return legendOf(definition).map(({ name, colour, dash }, k) => ({
    text: name,
    fontColor: light.text,
    strokeStyle: colour === undefined ? light.text : colourOf(light, colour),
    lineDash: dashOf(dash),
    lineWidth: 2,
    pointStyle: "line",
    hidden: off.has(k),
  }));
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: the download has only begun.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
