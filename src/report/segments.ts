/** Renders metrics of a model on segments (parts of the test pages), and the learned position effect. */

import { findJudged } from "../metrics/baseline_verdict.ts";
import { type SliceKey, slicings } from "../metrics/metric_columns.ts";
import { formatPercent, formatThousands } from "../number_text.ts";
import { shownBaselines } from "../run/tested_users.ts";
import type { ChartDefinition } from "./chart_definition.ts";
import { type Html, markup } from "./html.ts";
import { buildLineChart } from "./line_chart.ts";
import { findFirstResult, renderByPart, renderMetricTitle } from "./metrics_table.ts";
import { renderCharts } from "./page_shell.ts";
import type { ReportModel, StageResult } from "./report_data.ts";
import { listLossParts, listStageRuns, type ReportPart, sortBaselines } from "./report_parts.ts";
import { MISSING, renderMetric, renderTable, type ReportRow, type ReportRowGroup } from "./report_tables.ts";

/** Renders tables of metrics by segment and charts of position effects; undefined if there are neither. */
export function renderSegments(models: readonly ReportModel[]): Html | undefined {
  const parts = listLossParts(models);
  const tables = renderByPart(parts, (part) => {
    const result = findFirstResult(part);
    return result && renderSegmentTable(part, result);
  });
  const charts = buildPositionCharts(parts);
  if (!tables && charts.length === 0) return undefined;
  return markup`${renderCharts(charts)}
${tables}`;
}

/** Smallest number of users for a bootstrap interval. With fewer users, the interval is unreliable. */
const LEAST_USERS = 10;

const ATTAINABLE = shownBaselines.find(([key]) => key === "attainable")?.[1];

const TITLES: Readonly<Record<Exclude<SliceKey, "category">, string>> = {
  "page length": "by the number of items on the page",
  history: "by the number of the user's earlier clicks (0: no click before)",
  position: "by the position of the clicked item",
  item: "by the clicked item",
};

/** Renders prec@1 by segment: for the model, the best baseline and, if known, the best possible ranking. */
function renderSegmentTable(part: ReportPart, { test, shown }: StageResult): Html | undefined {
  const model = findJudged(test, part.judged);
  if (!model) return undefined;
  const { slices, categoryField = "category" } = model.details;
  const detailed = sortBaselines(shown, "prec1");
  const best = detailed.find(({ name }) => name !== ATTAINABLE);
  const compared = [best, detailed.find(({ name }) => name === ATTAINABLE)].filter((one) =>
    one !== undefined
  );
  const columns = [{ name: model.snapshot, details: model.details }, ...compared];
  const groups = slicings.flatMap(({ by }): ReportRowGroup[] => {
    const own = slices[by] ?? [];
    if (own.length < 2) return []; // a single segment has all pages
    // An item may have several categories, so the number of pages is the sum over positions instead.
    const once = by === "category" ? slices.position ?? own : own;
    const all = once.reduce((sum, { events }) => sum + events, 0);
    const rows = own.map(({ name, events, users }): ReportRow => [
      name,
      users === undefined ? MISSING : formatThousands(users),
      formatThousands(events),
      formatPercent(events / all, 1),
      ...columns.map(({ details }) => {
        const found = details.slices[by]?.find((other) => other.name === name);
        const interval = (users ?? events) < LEAST_USERS ? MISSING : found?.intervals.prec1;
        return renderMetric(found?.metrics.prec1, 4, interval);
      }),
    ]);
    const category = `by the clicked item's ${categoryField} (an item may have several)`;
    return [[by === "category" ? category : TITLES[by], rows]];
  });
  if (groups.length === 0) return undefined;
  const head = ["segment", "users", "pages", "share", ...columns.map(({ name }) => name)];
  return markup`<p>${renderMetricTitle("prec1")} of the model (${model.snapshot}) and of the best simple
method on segments of the test pages. Only pages with a click have a position or category. Small numbers: 95 %
bootstrap interval over test users; a dash (-) for segments of fewer than ${LEAST_USERS} users.</p>
${renderTable(`Segments of ${part.name}`, head, groups)}`;
}

/** Builds a chart of learned position effects with one curve per run. */
function buildPositionCharts(parts: readonly ReportPart[]): ChartDefinition[] {
  return buildLineChart({
    id: "position-effect",
    title: "Position effect",
    note: "Learned odds of a click at a position, divided by the odds of the same item at position 1.",
    ...{ xTitle: "position on the page", yTitle: "odds of a click, position 1 = 1" },
    series: parts.flatMap((part) =>
      listStageRuns(part).flatMap(({ result }, k, runs) => {
        const effects = result && findJudged(result.test, part.judged)?.positionEffects;
        if (!effects || effects.length < 2) return [];
        const eta = Number(part.model.settings.get("model.eta") ?? 1);
        const points = effects.map((effect, position) => ({ x: position + 1, y: Math.exp(eta * effect) }));
        const seed = runs.length > 1 ? `run ${k + 1}` : "learned";
        return [{ model: part.name, colour: part.colour, part: seed, points }];
      })
    ),
  });
}
