/** Writes a page with charts as one HTML file, with its style, script and data. */

import { dirname } from "node:path";
import { expectReplaceable, makeFolder, writeFileAtomically } from "../files/atomic_write.ts";
import type { ChartDefinition, LegendEntry } from "./chart_definition.ts";
import { Html, htmlPage, inlineScript, jsonScript, markup } from "./html.ts";
import { type NamedFacts, renderFacts } from "./report_tables.ts";
import { getCssColour } from "./theme.ts";

export interface PageParts {
  readonly style: string;
  /** Bundled script that draws the charts (client/report_client.ts). */
  readonly script: string;
}

/** Kind of a page. A new page may replace only an old page of the same kind. */
export type PageKind = "report" | "simulation" | "policies" | "bench" | "compiled";

function renderGenerator(kind: PageKind): string {
  return `<meta name="generator" content="clickgan ${kind}">`;
}

/** @throws UserError if `file` exists, and is not a page of the given kind */
export function expectPage(file: string, kind: PageKind): void {
  expectReplaceable(file, renderGenerator(kind));
}

/** Writes a page. @throws UserError if writing fails, or if `file` exists and is no page of the same kind */
export async function writePage(file: string, content: PageContent): Promise<void> {
  const page = renderPage(content, await readPageParts());
  await makeFolder(dirname(file));
  await writeFileAtomically(file, page, renderGenerator(content.kind));
}

export async function readPageParts(): Promise<PageParts> {
  const [style = "", script = ""] = await Promise.all(
    ["page.css", "client_bundle.js"].map((name) => Deno.readTextFile(new URL(name, import.meta.url))),
  );
  return { style, script };
}

const DATA_ID = "chart-data";

/** Heights, in CSS pixels, of a bar with a two-line name, and of the x axis. */
const BAR_HEIGHT = 36;
const AXIS_HEIGHT = 64;

/** Content security policy that forbids all network access. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

export interface PageContent {
  readonly kind: PageKind;
  readonly title: string;
  readonly header: Html;
  readonly main: Html;
  readonly rules?: string;
}

/** Renders a page with the contents `main` and the data of all its charts. */
export function renderPage(
  { kind, title, header, main, rules = "" }: PageContent,
  { style, script }: PageParts,
): string {
  const head = markup`${new Html(renderGenerator(kind))}
<title>${title}</title>
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

/** Renders the top of a page. @param notes - warnings @param verdict - sentences with conclusions */
export function renderHeader(title: string, notes: readonly string[], verdict: readonly string[] = []): Html {
  return markup`<h1>${title}</h1>
${verdict.map((text) => markup`<p class="outcome">${text}</p>`)}
${notes.map(renderNote)}${noScript}`;
}

/** Renders the section "About the simulation" of a page: facts, then paragraphs. */
export function renderAbout(facts: NamedFacts, about: readonly string[]): Html {
  const content = markup`${renderFacts(facts)}
${about.map((text) => markup`<p>${text}</p>`)}`;
  return renderSection("about", "About the simulation", content);
}

export function renderSection(id: string, title: string, content: Html): Html {
  return markup`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}
</section>`;
}

export function renderNote(text: string): Html {
  return text.includes("\n") ? markup`<pre class="note">${text}</pre>` : markup`<p class="note">${text}</p>`;
}

export const noScript: Html =
  markup`<noscript><p>The charts need JavaScript, which is switched off.</p></noscript>`;

export function renderCharts(charts: readonly ChartDefinition[], look = "charts"): Html {
  if (charts.length === 0) return markup``;
  return markup`<div class="${look}">${charts.map(renderFigure)}
</div>`;
}

/** Renders the empty figure of a chart. The page's script finds the figure by id, and draws the chart. */
function renderFigure(chart: ChartDefinition): Html {
  const { id, title, note, summary, legend, config } = chart;
  const bars = config.data.labels?.length;
  // The height of a bar chart depends on its bars. page.css sets the height of any other chart.
  const style = bars === undefined ? "" : `height: ${AXIS_HEIGHT + BAR_HEIGHT * bars}px`;
  const figure = markup`
<figure id="${id}">
<h3>${title}</h3>
${note !== "" && markup`<figcaption>${note}</figcaption>`}
<div class="plot" style="${style}"><canvas role="img" aria-label="${summary}"></canvas></div>
<div class="legend">${legend.map(renderLegendButton)}</div>
<div class="downloads">
<button type="button" data-save="csv" aria-label="Save ${title} as CSV">CSV</button>
<button type="button" data-save="png" aria-label="Save ${title} as PNG">PNG</button>
</div>
</figure>`;
  return new Html(figure.text, [chart]);
}

/** Renders a legend button that shows or hides curves. The button has a sample of the curves' line. */
function renderLegendButton({ text, colour, dash }: LegendEntry): Html {
  return markup`<button type="button" aria-pressed="true"><svg width="34" height="10" aria-hidden="true"><line
 x1="1" x2="33" y1="5" y2="5" style="stroke: ${getCssColour(colour)}" stroke-width="2.5" stroke-dasharray="${
    dash.join(" ")
  }"/></svg>${text}</button>`;
}
