/** The report as one HTML page that needs nothing beside it. */

import type { ChartDefinition } from "./chart_types.ts";
import { figuresTable } from "./figures_table.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, note, type PageParts, pageShell, section } from "./page_shell.ts";
import { progressNotes } from "./progress_notes.ts";
import type { Model, ReportData } from "./report_data.ts";
import { settingsTables } from "./settings_table.ts";

export function pageOf(data: ReportData, charts: readonly ChartDefinition[], parts: PageParts): string {
  const { models } = data;
  const header = markup`<h1>${data.title}</h1>
${models.map((model) => modelLine(model, models.length > 1))}
${data.notes.map(note)}`;
  const main = markup`${claimsSection(data)}
${section("charts", "Charts", chartFigures(charts))}
${section("test-figures", "Test figures", figuresTable(models) ?? markup`<p>No run is finished yet.</p>`)}
${
    section(
      "configuration",
      "Configuration",
      settingsTables(models, ({ settings }) => settings, "configuration"),
    )
  }
${section("machine", "Machine", settingsTables(models, ({ machine }) => machine, "machine"))}`;
  return pageShell({ title: `${data.title} - clickgan report`, header, main, charts }, parts);
}

function modelLine(model: Model, named: boolean): Html {
  const seeds = model.runs.map(({ seed }) => seed).join(", ");
  const name = named ? markup`<b>${model.name}</b>: ` : markup``;
  return markup`
<p>${name}<span class="path">${model.folder}, ${model.runs.length > 1 ? "seeds" : "seed"} ${seeds}</span></p>
${progressNotes(model).map((text) => note(named ? `${model.name}: ${text}` : text))}`;
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
  return markup`${noScript}
<div class="charts bars">${charts.filter(({ kind }) => kind === "bar").map(chartFigure)}
</div>
<div class="charts">${charts.filter(({ kind }) => kind === "line").map(chartFigure)}
</div>`;
}
