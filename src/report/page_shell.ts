/** What every page of charts is made of: one HTML file that needs nothing beside it. */

import { dirname } from "node:path";
import { atomicWriteFile, makeFolder } from "../files/atomic_write.ts";
import { type ChartDefinition, type Curve, seriesName, sumOf } from "./chart_types.ts";
import { Html, htmlPage, inlineScript, jsonScript, markup } from "./html.ts";
import { type Facts, factsList } from "./tables.ts";

/** What a page carries besides its data. */
export interface PageParts {
  readonly style: string;
  /** Draws the charts; see client/main.ts. */
  readonly script: string;
}

/** Writes a page; its folder is made. @throws UserError when it cannot be written. */
export async function writePage(file: string, content: PageContent): Promise<void> {
  const page = pageShell(content, await readPageParts());
  await makeFolder(dirname(file));
  await atomicWriteFile(file, page);
}

/** The parts as they stand beside this file. */
export async function readPageParts(): Promise<PageParts> {
  const [style = "", script = ""] = await Promise.all(
    ["page.css", "client_bundle.js"].map((name) => Deno.readTextFile(new URL(name, import.meta.url))),
  );
  return { style, script };
}

/** Id of the element that holds the charts as JSON. */
const DATA_ID = "chart-data";

/** CSS pixels of a bar with its name in two lines, and of the axis below the bars. */
const BAR_HEIGHT = 36;
const AXIS_HEIGHT = 64;

/** Nothing is loaded from anywhere, whatever the data says. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

export interface PageContent {
  readonly title: string;
  readonly header: Html;
  readonly main: Html;
  /** Rules beside those of all pages. */
  readonly rules?: string;
}

/** With the data of all charts that stand in `main`. */
export function pageShell(
  { title, header, main, rules = "" }: PageContent,
  { style, script }: PageParts,
): string {
  const head = markup`<title>${title}</title>
<style>
${new Html(style + rules)}</style>`;
  const body = markup`<header>
${header}
</header>
<main>
${main}
</main>
${jsonScript(DATA_ID, main.charts)}
${inlineScript(script)}`;
  return htmlPage(POLICY, head, body);
}

/** Its title, what it is about, and what a reader must know before they believe a figure. */
export function pageHeader(title: string, facts: Facts, notes: readonly string[] = []): Html {
  return markup`<h1>${title}</h1>
${factsList(facts)}
${notes.map(note)}${noScript}`;
}

export function section(id: string, title: string, content: Html): Html {
  return markup`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}
</section>`;
}

export function note(text: string): Html {
  return text.includes("\n") ? markup`<pre class="note">${text}</pre>` : markup`<p class="note">${text}</p>`;
}

/** Stands where charts are not drawn. */
export const noScript: Html =
  markup`<noscript><p>The charts are drawn by a script, which is switched off here.</p></noscript>`;

/** Charts beside each other; nothing for none. */
export function chartsHtml(charts: readonly ChartDefinition[], look = "charts"): Html {
  if (charts.length === 0) return markup``;
  return markup`<div class="${look}">${charts.map(chartFigure)}
</div>`;
}

/** The place of a chart, which the script finds by its id. */
function chartFigure(chart: ChartDefinition): Html {
  const bars = chart.kind === "bar" || chart.kind === "stack" ? chart.bars.length : 0;
  const figure = markup`
<figure id="${chart.id}">
<h3>${chart.title}</h3>
${chart.note === "" ? markup`` : markup`<figcaption>${chart.note}</figcaption>`}
<div class="plot" style="${plotStyle(bars)}"><canvas role="img" aria-label="${
    chartSummary(chart)
  }"></canvas></div>
<div class="legend"></div>
<div class="downloads">
<button type="button" data-save="csv" aria-label="Save ${chart.title} as CSV">CSV</button>
<button type="button" data-save="png" aria-label="Save ${chart.title} as PNG">PNG</button>
</div>
</figure>`;
  return new Html(figure.text, [chart]);
}

/** Bars lie one below the other and need their height; other charts have theirs by page.css. */
function plotStyle(bars: number): string {
  return bars === 0 ? "" : `height: ${AXIS_HEIGHT + BAR_HEIGHT * bars}px`;
}

function chartSummary(chart: ChartDefinition): string {
  switch (chart.kind) {
    case "line":
      return `${chart.title} over ${chart.xTitle}: ` +
        chart.series.map((series) => `${seriesName(chart, series)} ends at ${endOf(series)}`).join("; ");
    case "bar":
      return `${chart.title}: ` +
        chart.bars.map(({ name, mean, sd }) =>
          `${name} ${mean.toFixed(4)}${sd === null ? "" : ` plus or minus ${sd.toFixed(4)}`}`
        ).join("; ");
    case "scatter":
      return `${chart.title}: ${chart.yTitle} over ${chart.xTitle}; ` +
        chart.series.map(({ name, points }) => `${name}, ${points.length} points`).join("; ");
    case "stack":
      return `${chart.title}: ` +
        `${chart.bars.map((bar, k) => `${bar} ${sumOf(chart, k).toFixed(2)} ${chart.unit}`).join("; ")}`;
  }
}

function endOf({ x, mean }: Curve): string {
  const last = mean.findLastIndex((value) => value !== null);
  return `${mean[last]?.toFixed(4)} at ${x[last]}`;
}
