/** Renders test metrics, comparisons with other models and with baselines, and reliability diagrams. */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import { compareLoadedSums, type LoadedSums, loadSums } from "../metrics/test_result.ts";
import type { ProbabilityCalibration } from "../metrics/probability_calibration.ts";
import { classifyDifference, findJudged } from "../metrics/baseline_verdict.ts";
import { type Html, markup } from "./html.ts";
import type { ReportPart, Scoring, SharedBaselines } from "./report_parts.ts";
import {
  computeMeanAndSd,
  describeIncomparable,
  getLossKind,
  getMetric,
  getMetricName,
  groupByBaselines,
  listLossParts,
  listRankingParts,
  listSnapshotNames,
  listSnapshotTests,
  listStageRuns,
  sortBaselines,
} from "./report_parts.ts";
import type { ReportModel, SnapshotMetrics, StageResult } from "./report_data.ts";
import { renderDifference, renderMetric, renderTable } from "./report_tables.ts";
import type { ReportCell, ReportRow, ReportRowGroup } from "./report_tables.ts";
import { shownBaselines } from "../run/tested_users.ts";
import type { ChartDefinition } from "./chart_definition.ts";
import { buildScatterChart, type ScatterPoint } from "./scatter_chart.ts";
import { NEUTRAL } from "./theme.ts";

/** Definitions of the metrics in plain words, for tooltips and for a glossary. */
const MEANINGS = {
  nll: "Mean of -log(predicted probability of the user's action on a page). Lower is better.",
  prec1: "Of the pages with a click, the share whose clicked item is ranked first. Higher is better.",
  prec2:
    "Of the pages with a click, the share whose clicked item is ranked first or second. Higher is better.",
  longerPrec1: "prec@1 on pages with more than one item.",
  longerPrec2: "prec@2 on pages with more than one item.",
  mrr: "Mean of 1 / rank of the clicked item (mean reciprocal rank). Higher is better.",
  ndcg:
    "Mean over pages: DCG / largest DCG. DCG: sum of 1 / log2(1 + rank) of clicked items. Higher is better.",
  auc: "Share of pairs (clicked, unclicked item of a page) whose clicked item ranks higher. Random: 0.5.",
  piPrec1: "prec@1 if the generator pi ranks the items.",
  piPrec2: "prec@2 if the generator pi ranks the items.",
} as const satisfies Partial<Record<MetricName, string>>;
type DefinedMetric = keyof typeof MEANINGS;

/** Renders the title of a metric, with its definition as a tooltip. */
export function renderMetricTitle(name: DefinedMetric): Html {
  return markup`<abbr title="${MEANINGS[name]}">${getMetricTitle(name)}</abbr>`;
}

function renderGlossary(names: readonly DefinedMetric[]): Html {
  const entries = names.map((name) => markup`<dt>${getMetricTitle(name)}</dt><dd>${MEANINGS[name]}</dd>`);
  return markup`<details class="glossary"><summary>Definitions of metrics</summary><dl>${entries}</dl></details>`;
}

const LONGER: readonly DefinedMetric[] = ["longerPrec1", "longerPrec2"];
const COLUMNS: readonly DefinedMetric[] = ["nll", "prec1", "prec2", ...LONGER, "mrr", "ndcg", "auc"];

export function renderMetricsTable(models: readonly ReportModel[]): Html | undefined {
  const parts = listRankingParts(models).filter((part) => listSnapshotNames(part).length > 0);
  if (parts.length === 0) return undefined;
  const groups = groupByBaselines(models);
  const several = models.some(({ runs }) => runs.length > 1);
  const longer = hasSingleItemPages(parts);
  const hasGenerator = parts.some(({ ranking }) => ranking === "generator");
  const names = COLUMNS.filter((name) => longer || !LONGER.includes(name));
  return markup`<p>${describeIncomparable(models)}
${several ? "Means over the seeds ± one standard deviation." : ""}
The small numbers are 95 % bootstrap intervals over test users.
${longer ? "The columns with * and AUC omit pages of one item, which any model ranks correctly." : ""}</p>
${
    renderTable("Table of test metrics", ["snapshot", "iteration", ...names.map(renderMetricTitle)], [
      ...parts.map((part) => listPartRows(part, names)),
      ...groups.map((group) => listBaselineRows(group, groups.length > 1, names)),
    ])
  }
${renderGlossary([...names, ...(hasGenerator ? PI : [])])}`;
}

/** Returns true if some test pages have a single item. */
function hasSingleItemPages(parts: readonly ReportPart[]): boolean {
  const tests = parts.flatMap((part) =>
    listSnapshotNames(part).flatMap((name) => listSnapshotTests(part, name))
  );
  return tests.some(({ details: { metrics: { prec1, longerPrec1 } } }) =>
    Math.abs((prec1 ?? NaN) - (longerPrec1 ?? NaN)) > 1e-6
  );
}

function listPartRows(part: ReportPart, names: readonly MetricName[]): ReportRowGroup {
  const snapshots = listSnapshotNames(part);
  const runs = Math.max(...snapshots.map((snapshot) => listSnapshotTests(part, snapshot).length));
  const rows = snapshots.map((snapshot): ReportRow => {
    const tests = listSnapshotTests(part, snapshot);
    const iterations = tests.map(({ iteration }) => iteration);
    const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
    return [
      snapshot,
      first === last ? String(first) : `${first}–${last}`,
      ...renderCells(tests, names.map((name) => getMetricName(part.ranking, name))),
    ];
  });
  return [runs > 1 ? `${part.name} (${runs} seeds)` : part.name, rows];
}

/** Renders a row of metrics. @param scorings - one per run @param names - undefined for an empty cell */
function renderCells(scorings: readonly Scoring[], names: readonly (string | undefined)[]): ReportCell[] {
  // For several runs, a cell shows the standard deviation over seeds, not an interval over users.
  const intervals = scorings.length === 1 ? scorings[0]?.details.intervals : undefined;
  return names.map((name) => {
    const found = computeMeanAndSd(scorings.map((scoring) => getMetric(scoring, name)));
    return renderMetric(found?.mean, 4, intervals?.[name ?? ""], found?.sd);
  });
}

function listBaselineRows(
  { models, baselines }: SharedBaselines,
  named: boolean,
  names: readonly MetricName[],
): ReportRowGroup {
  const rows = sortBaselines(baselines, "prec1").map((baseline): ReportRow => {
    const { name, setting } = baseline;
    const title = setting === undefined ? name : markup`${name}<br><small>${setting}</small>`;
    return [title, "", ...renderCells([baseline], names)];
  });
  return [named ? `baselines of ${models.map(({ name }) => name).join(", ")}` : "baselines", rows];
}

/** A part of a model (stage, generator or reward) with test metrics of the snapshot that represents it. */
interface ComparedPart {
  readonly part: ReportPart;
  /** Sums of metrics over groups of test users; undefined if runs lack sums or have different test users. */
  readonly judged: LoadedSums | undefined;
  readonly prec1: number;
}

/**
 * Compares all models' parts (stage, generator, reward) with the part that has the highest prec@1.
 * Parts that cannot be compared are listed with the reason. Returns undefined for a single part.
 */
export function renderComparisonTable(models: readonly ReportModel[]): Html | undefined {
  const known = listRankingParts(models).flatMap((part) => selectComparedSnapshot(part) ?? []);
  const [best, ...others] = known.toSorted((a, b) => b.prec1 - a.prec1);
  if (!best || others.length === 0) return undefined;
  const { name } = best.part;
  const rows = others.flatMap((other) => renderComparisonRow(best, other) ?? []);
  const missing = others.flatMap((other) => explainMissingRow(best, other) ?? []);
  return markup`${
    rows.length > 0 && markup`<h3>${name} minus the other models</h3>
<p>${name} has the highest prec@1 of the models that were tested on the same users. If the interval of a
difference excludes 0, the difference is significant.</p>
${renderTable("Differences of models", ["minus", "prec@1", "verdict", "loss", "verdict"], [["", rows]])}`
  }${missing.length > 0 && markup`<p class="note">Not compared with ${name}: ${missing.join("; ")}.</p>`}`;
}

/** Returns the reason why two parts cannot be compared; undefined if they can. */
function explainMissingRow({ part, judged }: ComparedPart, other: ComparedPart): string | undefined {
  const unknown = [other, { part, judged }].find((one) => !one.judged);
  if (unknown) return `${other.part.name} (${unknown.part.name} has no metric sums for the same test users)`;
  return judged?.users === other.judged?.users ? undefined : `${other.part.name} (other test users)`;
}

function selectComparedSnapshot(part: ReportPart): ComparedPart | undefined {
  const tests = listSnapshotTests(part, part.judged);
  const name = getMetricName(part.ranking, "prec1");
  const prec1 = computeMeanAndSd(tests.map((test) => getMetric(test, name)))?.mean;
  if (prec1 === undefined) return undefined;
  const kept = tests.map(({ paired }) => paired);
  return { part, prec1, judged: loadSums(kept.every((one) => one !== undefined) ? kept : []) };
}

function renderComparisonRow(best: ComparedPart, other: ComparedPart): [ReportRow] | undefined {
  const ranking = ({ part }: ComparedPart): MetricName => part.ranking === "generator" ? "piPrec1" : "prec1";
  const prec1 = compareLoadedSums(best.judged, ranking(best), other.judged, ranking(other));
  if (!prec1) return undefined;
  const [scale, otherScale] = [getLossScale(best.part), getLossScale(other.part)];
  const loss = scale !== undefined && scale === otherScale
    ? compareLoadedSums(best.judged, "nll", other.judged)
    : undefined;
  const reason = scale === undefined || otherScale === undefined
    ? "not compared: utilities of the adversarial stage are not log-odds"
    : `not compared: ${scale} and ${otherScale} loss`;
  return [[
    other.part.name,
    ...[renderDifference(prec1.value, 4, prec1.interval), classifyDifference(prec1.interval)],
    renderDifference(loss?.value, 4, loss?.interval),
    loss ? classifyDifference(loss.interval, { lowerIsBetter: true }) : reason,
  ]];
}

/** Returns the kind of loss; undefined in the adversarial stage, in which utilities are not log-odds. */
export function getLossScale({ model, stage }: ReportPart): string | undefined {
  return stage === "shannon" ? getLossKind(model) : undefined;
}

const METRICS = COLUMNS.filter((name) => !LONGER.includes(name));
const PI: readonly DefinedMetric[] = ["piPrec1", "piPrec2"];

/** Renders a collapsible table of differences from baselines (first seed) per training stage of a model. */
export function renderMetricDetails(models: readonly ReportModel[]): Html {
  return markup`${listLossParts(models).flatMap((part) => renderDifferences(part) ?? [])}`;
}

/** Returns a stage's result in the first run that has finished the stage; undefined if there is none. */
export function findFirstResult(part: ReportPart): StageResult | undefined {
  return listStageRuns(part).find(({ result }) => result)?.result;
}

/** Renders the differences between the model and each baseline, beginning with the best baseline. */
function renderDifferences(part: ReportPart): Html | undefined {
  const { test = [] } = findFirstResult(part) ?? {};
  const judged = findJudged(test, part.judged);
  const compared = Object.entries(judged?.against ?? {}).toSorted(([, a], [, b]) =>
    (a.prec1?.value ?? 0) - (b.prec1?.value ?? 0)
  );
  if (compared.length === 0) return undefined;
  const columns = [
    ...METRICS,
    ...(test.some(({ details: { metrics } }) => metrics.piPrec1 !== undefined) ? PI : []),
  ];
  const titles = new Map<string, string>(shownBaselines);
  const rows = compared.map(([name, found]): ReportRow => [
    `${judged?.snapshot} minus ${titles.get(name) ?? name}`,
    ...columns.map((key) => renderDifference(found[key]?.value, 4, found[key]?.interval)),
  ]);
  const several = listStageRuns(part).length > 1 ? " (first seed)" : "";
  return markup`<details><summary>${part.name}${several}: differences from the baselines</summary>
<p>The snapshot and the baselines are compared on the same users. If the interval of a difference excludes 0,
the difference is significant.</p>
${
    renderTable(`Differences of ${part.name}`, ["difference", ...columns.map(renderMetricTitle)], [[
      "",
      rows,
    ]])
  }</details>`;
}

/** Renders a table per part of the models, collapsible if there are several; undefined if there is none. */
export function renderByPart(
  parts: readonly ReportPart[],
  render: (part: ReportPart) => Html | undefined,
): Html | undefined {
  const tables = parts.flatMap((part) => {
    const table = render(part);
    return table ? [{ part, table }] : [];
  });
  if (tables.length === 0) return undefined;
  return markup`${
    tables.map(({ part, table }) =>
      tables.length > 1 ? markup`<details><summary>${part.name}</summary>${table}</details>` : table
    )
  }`;
}

/** Renders a table per model, from the Shannon stage (maximum likelihood) of its first finished run. */
export function renderByTest(
  models: readonly ReportModel[],
  render: (test: SnapshotMetrics) => Html | undefined,
): Html | undefined {
  const parts = listLossParts(models).filter(({ stage }) => stage === "shannon");
  return renderByPart(parts, (part) => {
    const test = findJudged(findFirstResult(part)?.test ?? [], part.judged);
    return test && render(test);
  });
}

const SNAPSHOT = "best-loss";
const DIAGONAL = { name: "perfect calibration", colour: NEUTRAL };

/** Builds reliability diagrams of the Shannon stage (maximum likelihood), whose utilities are log-odds. */
export function buildReliabilityCharts(models: readonly ReportModel[]): ChartDefinition[] {
  const parts = listLossParts(models).filter(({ stage }) => stage === "shannon");
  const chart = (key: "click" | "noClick", id: string, title: string) => {
    const shares: number[] = [];
    const errors: string[] = [];
    const drawn = parts.flatMap((part) => {
      const test = findFirstResult(part)?.test;
      const found = test?.find(({ snapshot }) => snapshot === SNAPSHOT)?.details.calibration?.[key];
      const bins = found?.bins ?? [];
      if (found) errors.push(describeError(part.name, found));
      const all = bins.reduce((sum, { cases }) => sum + cases, 0);
      shares.push(...bins.map(({ cases }) => Math.round(100 * cases / all)));
      const points = bins.map(({ predicted, observed, cases, interval }): ScatterPoint => ({
        x: predicted,
        y: observed,
        name: `${cases} cases`,
        ...(interval ? { low: interval[0], high: interval[1] } : {}),
      }));
      const { name, colour } = part;
      return points.length === 0 ? [] : [{ name, colour, joined: true, points }];
    });
    if (drawn.length === 0) return [];
    const end = Math.max(...drawn.flatMap(({ points }) => points.flatMap(({ x, y }) => [x, y])));
    const diagonal = [0, end].map((x) => ({ x, y: x, name: DIAGONAL.name }));
    return [buildScatterChart({
      id,
      title,
      note: `Snapshot ${SNAPSHOT}. Each point is a bin with ${sharesText(shares)} % of the probabilities. ` +
        `Whiskers: 95 % bootstrap interval over users. Mean distance from the diagonal (ECE): ${
          errors.join(", ")
        }.`,
      xTitle: "predicted probability",
      yTitle: "observed share",
      series: [{ ...DIAGONAL, joined: true, points: diagonal }, ...drawn],
    })];
  };
  return [
    ...chart("click", "reliability-click", "Reliability of P(click)"),
    ...chart("noClick", "reliability-no-click", "Reliability of P(no click)"),
  ];
}

function describeError(
  name: string,
  { ece, eceByChance }: Pick<ProbabilityCalibration, "ece" | "eceByChance">,
): string {
  const chance = eceByChance === null ? "" : ` (if perfectly calibrated: ${eceByChance.toFixed(4)})`;
  return `${name} ${ece.toFixed(4)}${chance}`;
}

function sharesText(shares: readonly number[]): string {
  return [...new Set([Math.min(...shares), Math.max(...shares)])].join(" to ");
}
