import assert from "node:assert/strict";
import type { ChartDefinition } from "../src/report/chart_definition.ts";

/** Returns the charts of a report page. Asserts that every chart has a unique id and a figure. */
export function readCharts(page: string): ChartDefinition[] {
  const json = page.match(/<script type="application\/json" id="chart-data">(.*?)<\/script>/)?.[1] ?? "";
  const charts: ChartDefinition[] = JSON.parse(json);
  assert.equal(new Set(charts.map(({ id }) => id)).size, charts.length);
  for (const { id } of charts) assert.ok(page.includes(`<figure id="${id}">`), id);
  return charts;
}
