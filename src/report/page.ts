/** The report on runs: from their folders to one HTML page that needs nothing beside it. */

import type { ChartDefinition } from "./chart.ts";
import { chartsOf } from "./charts.ts";
import { collect } from "./collect.ts";
import { figureDetails, reliabilityCharts } from "./figure_details.ts";
import { comparisonTable, figuresTable } from "./figures_table.ts";
import { headerOf } from "./header.ts";
import { type Html, markup } from "./html.ts";
import { chartsHtml, noScript, type PageContent, section, writePage } from "./page_shell.ts";
import type { Model, ReportData, Settings } from "./report_data.ts";
import { claimsList, MISSING, type Row, tableOf } from "./tables.ts";

/**
 * Writes one HTML page about runs; it can be read without the network.
 *
 * @param folders runs, seeds folders, or experiments; finished or not
 * @param out the page, which is replaced if it is there
 * @throws UserError for folders without a run and for damaged ones, and when the page cannot be written
 */
export async function writeReport(folders: readonly string[], out: string): Promise<void> {
  const data = await collect(folders);
  await writePage(out, pageOf(data, chartsOf(data)));
}

export function pageOf(data: ReportData, charts: readonly ChartDefinition[]): PageContent {
  const { models, claims, title } = data;
  const configuration = settingsTables(models, ({ settings }) => settings, "configuration");
  const main = markup`${claims.length > 0 && section("claims", "Claims", claimsList(claims))}
${section("charts", "Charts", chartFigures(charts))}
${section("test-figures", "Test figures", testFigures(models))}
${section("configuration", "Configuration", configuration)}
${section("machine", "Machine", settingsTables(models, ({ machine }) => machine, "machine"))}`;
  return { title: `${title} - clickgan report`, header: headerOf(data), main };
}

function testFigures(models: readonly Model[]): Html {
  const table = figuresTable(models);
  if (!table) return markup`<p>No run is finished yet.</p>`;
  return markup`${table}${comparisonTable(models) ?? ""}
${chartsHtml(reliabilityCharts(models))}
${figureDetails(models)}`;
}

function chartFigures(charts: readonly ChartDefinition[]): Html {
  return markup`${noScript}
${chartsHtml(charts.filter(({ config }) => config.type === "bar"), "charts bars")}
${chartsHtml(charts.filter(({ config }) => config.type === "line"))}`;
}

/** What the models were made with, and on: first what they share, then what they differ in. @param what names the tables. */
function settingsTables(
  models: readonly Model[],
  settings: (model: Model) => Settings,
  what: string,
): Html {
  const keys = [...new Set(models.flatMap((model) => [...settings(model).keys()]))];
  const values = (key: string) => models.map((model) => settings(model).get(key) ?? MISSING);
  const same = keys.filter((key) => new Set(values(key)).size === 1);
  const different = keys.filter((key) => !same.includes(key));
  return markup`${same.length > 0 ? sameTable(same, (key) => values(key)[0] ?? MISSING) : markup``}
${different.length > 0 ? differentTable(models, different, values, what) : markup``}`;
}

function sameTable(keys: readonly string[], value: (key: string) => string): Html {
  const rows = keys.map((key) =>
    markup`
<tr><th scope="row">${key}</th><td>${value(key)}</td></tr>`
  );
  return markup`<table class="settings">${rows}</table>`;
}

function differentTable(
  models: readonly Model[],
  keys: readonly string[],
  values: (key: string) => string[],
  what: string,
): Html {
  const rows = keys.map((key): Row => [key, ...values(key)]);
  const label = `Differences between the models: ${what}`;
  return markup`<p>Differences:</p>
${tableOf(label, ["setting", ...models.map(({ name }) => name)], [["", rows]], "differences")}`;
}
