/** Saves a chart as a file. */

import { Chart, type ChartConfiguration, type LegendItem } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { configurationOf } from "./configuration.ts";
import { csvOf } from "./csv.ts";
import { legendOf } from "./legend.ts";
import { colourOf, dashOf, light } from "./theme.ts";

/** CSS pixels of a saved picture; it has twice as many of its own. */
const SIZE = { width: 960, height: 600 };
const PIXEL_RATIO = 2;

export function saveCsv(definition: ChartDefinition): void {
  save(new Blob([csvOf(definition)], { type: "text/csv" }), `${definition.id}.csv`);
}

/** Draws the chart anew, for paper: light, of one size wherever the page is read, with title and legend. */
export function savePng(definition: ChartDefinition, shown: Chart, off: ReadonlySet<number>): void {
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
