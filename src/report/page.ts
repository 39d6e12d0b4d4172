/** The report as one HTML page that needs nothing beside it. */

import type { ChartDefinition } from "./chart_types.ts";
import { comparisonTable } from "./comparison.ts";
import { figureDetails } from "./figure_details.ts";
import { figuresTable } from "./figures_table.ts";
import { headerOf } from "./header.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, type PageParts, pageShell, section } from "./page_shell.ts";
import { reliabilityCharts } from "./reliability.ts";
import type { Model, ReportData } from "./report_data.ts";
import { settingsTables } from "./settings_table.ts";

export function pageOf(data: ReportData, charts: readonly ChartDefinition[], parts: PageParts): string {
  const { models } = data;
  const reliability = reliabilityCharts(models);
  const main = markup`${claimsSection(data)}
${section("charts", "Charts", chartFigures(charts))}
${section("test-figures", "Test figures", testFigures(models, reliability))}
${
    section(
      "configuration",
      "Configuration",
      settingsTables(models, ({ settings }) => settings, "configuration"),
    )
  }
${section("machine", "Machine", settingsTables(models, ({ machine }) => machine, "machine"))}`;
  const all = [...charts, ...reliability];
  const title = `${data.title} - clickgan report`;
  return pageShell({ title, header: headerOf(data), main, charts: all }, parts);
}

function testFigures(models: readonly Model[], reliability: readonly ChartDefinition[]): Html {
  const table = figuresTable(models);
  if (!table) return markup`<p>No run is finished yet.</p>`;
  const charts = reliability.length === 0 ? markup`` : markup`
<div class="charts">${reliability.map(chartFigure)}
</div>`;
  return markup`${table}${comparisonTable(models) ?? ""}${charts}
${figureDetails(models)}`;
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
