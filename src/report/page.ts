/** The report as one HTML page that needs nothing beside it. */

import type { ChartDefinition } from "./chart_types.ts";
import { chartSummary } from "./chart_summary.ts";
import { figuresTable } from "./figures_table.ts";
import { Html, inlineScript, jsonScript, markup } from "./html.ts";
import { progressNotes } from "./progress_notes.ts";
import type { Model, ReportData } from "./report_data.ts";
import { settingsTables } from "./settings_table.ts";

/** What the page carries besides its data. */
export interface PageParts {
  readonly style: string;
  /** Draws the charts; see client/main.ts. */
  readonly script: string;
}

/** Id of the element that holds the charts as JSON. */
export const DATA_ID = "chart-data";

/** CSS pixels of a bar with its name in two lines, and of the axis below the bars. */
const BAR_HEIGHT = 36;
const AXIS_HEIGHT = 64;

/** Nothing is loaded from anywhere, whatever the data says. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

export function pageOf(
  data: ReportData,
  charts: readonly ChartDefinition[],
  { style, script }: PageParts,
): string {
  const { models } = data;
  const page = markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${data.title} - clickgan report</title>
<style>
${new Html(style)}</style>
</head>
<body>
<header>
<h1>${data.title}</h1>
${models.map((model) => modelLine(model, models.length > 1))}
${data.notes.map(note)}
</header>
<main>
${claimsSection(data)}
${section("charts", "Charts", chartFigures(charts))}
${section("test-figures", "Test figures", figuresTable(models) ?? markup`<p>No run is finished yet.</p>`)}
${
    section(
      "configuration",
      "Configuration",
      settingsTables(models, ({ settings }) => settings, "configuration"),
    )
  }
${section("machine", "Machine", settingsTables(models, ({ machine }) => machine, "machine"))}
</main>
${jsonScript(DATA_ID, charts)}
${inlineScript(script)}
</body>
</html>
`;
  return page.text;
}

function section(id: string, title: string, content: Html): Html {
  return markup`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}
</section>`;
}

function modelLine(model: Model, named: boolean): Html {
  const seeds = model.runs.map(({ seed }) => seed).join(", ");
  const name = named ? markup`<b>${model.name}</b>: ` : markup``;
  return markup`
<p>${name}<span class="path">${model.folder}, ${model.runs.length > 1 ? "seeds" : "seed"} ${seeds}</span></p>
${progressNotes(model).map((text) => note(named ? `${model.name}: ${text}` : text))}`;
}

function note(text: string): Html {
  return markup`<p class="note">${text}</p>`;
}

const VERDICTS: Readonly<Record<string, string>> = {
  yes: "\u2713 holds",
  no: "\u2717 does not hold",
  undecided: "? undecided",
};

function claimsSection({ claims }: ReportData): Html {
  if (claims.length === 0) return markup``;
  const items = claims.map(({ claim, holds, text }) =>
    markup`<li><b>${claim}</b> <span class="verdict">${VERDICTS[holds] ?? holds}</span><br>${text}</li>`
  );
  return section("claims", "Claims", markup`<ul class="claims">${items}</ul>`);
}

function chartFigures(charts: readonly ChartDefinition[]): Html {
  return markup`<noscript><p>The charts are drawn by a script, which is switched off here.</p></noscript>
<div class="charts bars">${charts.filter(({ kind }) => kind === "bar").map(figure)}
</div>
<div class="charts">${charts.filter(({ kind }) => kind === "line").map(figure)}
</div>`;
}

function figure(chart: ChartDefinition): Html {
  const bars = chart.kind === "bar" ? chart.bars.length : 0;
  return markup`
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
}

/** Bars lie one below the other and need their height; a chart of curves has its height by page.css. */
function plotStyle(bars: number): string {
  return bars === 0 ? "" : `height: ${AXIS_HEIGHT + BAR_HEIGHT * bars}px`;
}
