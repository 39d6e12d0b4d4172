/**
 * The tables of test figures: every snapshot of every model and the baselines, how far the best model is above the others,
 * and what the figures are made of: differences, calibration, and figures by page length, history, position and item.
 */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import { compareLoadedSums, type LoadedSums, loadSums } from "../metrics/test_result.ts";
import { classifyDifference } from "../metrics/baseline_verdict.ts";
import { type Html, markup } from "./html.ts";
import {
  computeMeanAndSd,
  getMetric,
  groupByBaselines,
  listLossParts,
  listRankingParts,
  listSnapshotNames,
  listSnapshotTests,
  listStageRuns,
  nameIn,
  type ReportPart,
  type Scoring,
  type SharedBaselines,
} from "./report_parts.ts";
import type {
  ReportModel,
  SnapshotMetrics,
  StageResult,
  StoredDetails,
  StoredDifferences,
} from "./report_data.ts";
import {
  MISSING,
  renderDifference,
  renderMetric,
  renderTable,
  type ReportCell,
  type ReportRow,
  type ReportRowGroup,
} from "./report_tables.ts";
import { shownBaselines } from "../run/tested_users.ts";
import { buildScatterChart, type ChartDefinition, type ScatterPoint } from "./chart_definition.ts";
import { NEUTRAL } from "./theme.ts";

const LONGER: readonly MetricName[] = ["longerPrec1", "longerPrec2"];
const COLUMNS: readonly MetricName[] = ["nll", "prec1", "prec2", ...LONGER, "mrr", "ndcg", "auc"];

/** Undefined while no run is finished. */
export function renderMetricsTable(models: readonly ReportModel[]): Html | undefined {
  const parts = listRankingParts(models).filter((part) => listSnapshotNames(part).length > 0);
  if (parts.length === 0) return undefined;
  const groups = groupByBaselines(models);
  const several = models.some(({ runs }) => runs.length > 1);
  const longer = hasPagesOfOne(parts);
  const names = COLUMNS.filter((name) => longer || !LONGER.includes(name));
  return markup`<p>${several ? "Means over the seeds ± one standard deviation." : ""}
Small figures are the range in which 95 % of the resamples of the test users are.
${longer ? "* and AUC are without pages of one item, which are always ranked right." : ""}</p>
${
    renderTable("Table of test figures", ["snapshot", "iteration", ...names.map(getMetricTitle)], [
      ...parts.map((part) => microBatchRows(part, names)),
      ...groups.map((group) => baselineRows(group, groups.length > 1, names)),
    ])
  }`;
}

/** Whether figures without pages of one item are others than those of all pages. */
function hasPagesOfOne(parts: readonly ReportPart[]): boolean {
  const tests = parts.flatMap((part) =>
    listSnapshotNames(part).flatMap((name) => listSnapshotTests(part, name))
  );
  return tests.some(({ prec1, longerPages: { prec1: longer } }) =>
    prec1 !== null && typeof longer === "number" && Math.abs(prec1 - longer) > 1e-6
  );
}

function microBatchRows(part: ReportPart, names: readonly MetricName[]): ReportRowGroup {
  const snapshots = listSnapshotNames(part);
  const runs = Math.max(...snapshots.map((snapshot) => listSnapshotTests(part, snapshot).length));
  const rows = snapshots.map((snapshot): ReportRow => {
    const tests = listSnapshotTests(part, snapshot);
    const iterations = tests.map(({ iteration }) => iteration);
    const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
    return [
      snapshot,
      first === last ? String(first) : `${first}–${last}`,
      ...renderCells(tests, names.map((name) => nameIn(part.ranking, name))),
    ];
  });
  return [runs > 1 ? `${part.name} (${runs} seeds)` : part.name, rows];
}

/** @param scorings of a snapshot, one of each run. @param names undefined for what it does not have. */
function renderCells(scorings: readonly Scoring[], names: readonly (string | undefined)[]): ReportCell[] {
  // Of several runs the spread over seeds stands in the place of the interval.
  const intervals = scorings.length === 1 ? scorings[0]?.details?.intervals : undefined;
  return names.map((name) => {
    const found = computeMeanAndSd(scorings.map((scoring) => getMetric(scoring, name)));
    return renderMetric(found?.mean, 4, intervals?.[name ?? ""], found?.sd);
  });
}

function baselineRows(
  { models, baselines }: SharedBaselines,
  named: boolean,
  names: readonly MetricName[],
): ReportRowGroup {
  const rows = baselines.map((baseline): ReportRow => {
    const { name, setting } = baseline;
    return [
      setting === undefined ? name : markup`${name}<br><small>${setting}</small>`,
      "",
      ...renderCells([baseline], names),
    ];
  });
  return [named ? `baselines of ${models.map(({ name }) => name).join(", ")}` : "baselines", rows];
}

/** A part of a model with what was kept of its snapshots. */
interface Compared {
  readonly part: ReportPart;
  /** Of the snapshot that it is judged by. */
  readonly judged: LoadedSums | undefined;
  readonly prec1: number;
}

/** Undefined where there are no two that were tested on the same users. */
export function renderComparisonTable(models: readonly ReportModel[]): Html | undefined {
  const known = listRankingParts(models).flatMap((part) => selectComparedSnapshot(part) ?? []);
  const [best, ...others] = known.toSorted((a, b) => b.prec1 - a.prec1);
  if (!best) return undefined;
  const rows = others.map((other) => renderComparisonRow(best, other)).filter((row) => row !== undefined);
  if (rows.length === 0) return undefined;
  return markup`<h3>${best.part.name} minus the others</h3>
<p>It has the highest prec@1. Differences are on the same test users, of the snapshots that the models are judged by.
A range that does not hold 0 tells the two apart.</p>
${renderTable("Differences of models", ["minus", "prec@1", "verdict", "loss", "verdict"], [["", rows]])}`;
}

function selectComparedSnapshot(part: ReportPart): Compared | undefined {
  const tests = listSnapshotTests(part, part.judged);
  const name = nameIn(part.ranking, "prec1");
  const prec1 = computeMeanAndSd(tests.map((test) => getMetric(test, name)))?.mean;
  if (prec1 === undefined) return undefined;
  const kept = tests.map(({ paired }) => paired);
  return { part, prec1, judged: loadSums(kept.every((one) => one !== undefined) ? kept : []) };
}

function renderComparisonRow(best: Compared, other: Compared): ReportRow | undefined {
  const ranking = ({ part }: Compared): MetricName => part.ranking === "generator" ? "piPrec1" : "prec1";
  const prec1 = compareLoadedSums(best.judged, ranking(best), other.judged, ranking(other));
  if (!prec1) return undefined;
  const scale = getLossScale(best);
  const loss = scale !== undefined && scale === getLossScale(other)
    ? compareLoadedSums(best.judged, "nll", other.judged)
    : undefined;
  return [
    other.part.name,
    ...[renderDifference(prec1.value, 4, prec1.interval), classifyDifference(prec1.interval)],
    ...(loss
      ? [
        renderDifference(loss.value, 4, loss.interval),
        classifyDifference(loss.interval, { lowerIsBetter: true }),
      ]
      : [MISSING, ""]),
  ];
}

/** Losses of different kinds are not of one scale, and a game's are of none. */
function getLossScale({ part: { model, stage } }: Compared): string | undefined {
  return stage === "shannon" ? model.settings.get("model.loss") ?? "choice" : undefined;
}

const FIGURES: readonly MetricName[] = ["nll", "prec1", "prec2", "mrr", "ndcg", "auc"];
const PI: readonly MetricName[] = ["piPrec1", "piPrec2"];
const PROBABILITIES: readonly MetricName[] = ["pClick", "clicked", "pNoClick", "noClick"];

/** A fold for each part that has such figures; of several seeds, those of the first. */
export function renderMetricDetails(models: readonly ReportModel[]): Html {
  return markup`${listLossParts(models).flatMap((part) => partDetails(part) ?? [])}`;
}

/** The first finished run of a part whose result has details. */
function detailedResult(part: ReportPart): StageResult | undefined {
  return listStageRuns(part).flatMap(({ result }) => result ?? [])
    .find(({ test }) => test.some(({ details }) => details));
}

function partDetails(part: ReportPart): Html | undefined {
  const result = detailedResult(part);
  if (!result) return undefined;
  const several = listStageRuns(part).length > 1 ? " (first seed)" : "";
  return markup`<details><summary>${part.name}${several}: differences, calibration, parts of the pages</summary>
${differenceTables(part, result)}
${comparedSlices(part, result)}
${result.test.map((test) => scoringDetails(part, test.snapshot, test.details))}
${result.shown.map(({ name, details }) => scoringDetails(part, name, details))}
</details>`;
}

function differenceTables(part: ReportPart, { test, snapshots }: StageResult): Html {
  const columns = [...FIGURES, ...(test.some(({ piPrec1 }) => piPrec1 !== undefined) ? PI : [])];
  const titles = new Map<string, string>(shownBaselines);
  const rows = [
    ...test.flatMap(({ snapshot, against }) =>
      Object.entries(against).map(([name, found]) =>
        differenceRow(`${snapshot} minus ${titles.get(name) ?? name}`, found, columns)
      )
    ),
    ...snapshots.map(({ snapshot, minus, differences }) =>
      differenceRow(`${snapshot} minus ${minus}`, differences, columns)
    ),
  ];
  const head = ["difference", ...columns.map(getMetricTitle)];
  return markup`<p>Differences on the same users. A range that does not hold 0 tells the two apart.</p>
${renderTable(`Differences of ${part.name}`, head, [["", rows]])}`;
}

function differenceRow(
  name: string,
  differences: StoredDifferences,
  columns: readonly MetricName[],
): ReportRow {
  return [
    name,
    ...columns.map((figure) =>
      renderDifference(differences[figure]?.value, 4, differences[figure]?.interval)
    ),
  ];
}

/** prec@1 of the model and of the baselines, side by side for each part of the pages. */
function comparedSlices(part: ReportPart, { test, shown }: StageResult): Html {
  const model = test.find(({ snapshot }) => snapshot === part.judged) ?? test.at(-1);
  if (!model?.details) return markup``;
  const others = shown.flatMap(({ name, details }) => details ? [{ name, details }] : []);
  const all = [{ name: model.snapshot, details: model.details }, ...others];
  const rows = Object.entries(model.details.slices).flatMap(([by, slices]) =>
    slices.map(({ name, events }): ReportRow => [
      `${by} ${name}`,
      String(events),
      ...all.map(({ details }) =>
        measured(details.slices[by]?.find((other) => other.name === name), "prec1")
      ),
    ])
  );
  return markup`<p>prec@1 by parts of the pages. A page counts for the position and the item that was clicked on it;
history is the number of clicks before it.</p>
${
    renderTable(`prec@1 of ${part.name} by parts`, ["part", "pages", ...all.map(({ name }) => name)], [[
      "",
      rows,
    ]])
  }`;
}

type Measured = Pick<StoredDetails, "figures" | "intervals">;

function measured(found: Measured | undefined, name: string): ReportCell {
  return renderMetric(found?.figures[name], 4, found?.intervals[name]);
}

function scoringDetails(part: ReportPart, name: string, details: SnapshotMetrics["details"]): Html {
  if (!details) return markup``;
  return markup`<details><summary>${name}: all figures</summary>
${slicesTable(part, name, details)}
${calibrationTable(part, name, "P(click) of displayed items", details.calibration?.click)}
${calibrationTable(part, name, "P(no click) of pages", details.calibration?.noClick)}
</details>`;
}

function slicesTable(part: ReportPart, name: string, details: StoredDetails): Html {
  const hasProbabilities = details.calibration !== undefined;
  const columns = [
    ...FIGURES.filter((figure) => hasProbabilities || figure !== "nll"),
    ...(details.figures.piPrec1 === undefined ? [] : PI),
    ...(hasProbabilities ? PROBABILITIES : []),
  ];
  const row = (
    title: string,
    events: number | undefined,
    own: Measured,
    ece: number | undefined,
  ): ReportRow => [
    title,
    String(events ?? ""),
    ...columns.map((figure) => measured(own, figure)),
    renderMetric(ece, 4),
  ];
  const rows = [
    row("all", undefined, details, details.calibration?.click?.ece),
    ...Object.entries(details.slices).flatMap(([by, slices]) =>
      slices.map((slice) => row(`${by} ${slice.name}`, slice.events, slice, slice.ece))
    ),
  ];
  const head = ["part", "pages", ...columns.map(getMetricTitle), "ECE of P(click)"];
  return renderTable(`All figures of ${part.name}, ${name}`, head, [["", rows]]);
}

type CalibrationFigures = NonNullable<NonNullable<StoredDetails["calibration"]>["click"]>;

function calibrationTable(
  part: ReportPart,
  name: string,
  what: string,
  found: CalibrationFigures | undefined,
): Html {
  if (!found) return markup``;
  const { ece, eceByChance, bins } = found;
  const chance = eceByChance === null ? "" : `, ${eceByChance.toFixed(4)} by chance alone`;
  const rows = bins.map(({ cases, predicted, observed, interval }): ReportRow => [
    String(cases),
    renderMetric(predicted, 4),
    renderMetric(observed, 4, interval),
  ]);
  return markup`<p>${what}: expected calibration error ${ece.toFixed(4)}${chance}.</p>
${renderTable(`${what}, ${part.name}, ${name}`, ["cases", "predicted", "observed"], [["", rows]])}`;
}

/** The snapshot that is to be used for its probabilities. */
const SNAPSHOT = "best-loss";
const DIAGONAL = { name: "as often as predicted", colour: NEUTRAL };

/** Of the Shannon stage: the utilities of the other are no log-odds. */
export function buildReliabilityCharts(models: readonly ReportModel[]): ChartDefinition[] {
  const parts = listLossParts(models).filter(({ stage }) => stage === "shannon");
  const chart = (key: "click" | "noClick", id: string, title: string) => {
    const shares: number[] = [];
    const drawn = parts.flatMap((part) => {
      const test = detailedResult(part)?.test;
      const bins = test?.find(({ snapshot }) => snapshot === SNAPSHOT)?.details?.calibration?.[key]?.bins ??
        [];
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
      note: `Of the ${SNAPSHOT} snapshot; each point is a bin with ${sharesText(shares)} % of the cases, ` +
        "whiskers the range of 95 % of the resamples of users.",
      xTitle: "predicted probability",
      yTitle: "share that came about",
      logarithmic: [],
      series: [{ ...DIAGONAL, joined: true, points: diagonal }, ...drawn],
    })];
  };
  return [
    ...chart("click", "reliability-click", "Reliability of P(click)"),
    ...chart("noClick", "reliability-no-click", "Reliability of P(no click)"),
  ];
}

/** "9 to 11" */
function sharesText(shares: readonly number[]): string {
  return [...new Set([Math.min(...shares), Math.max(...shares)])].join(" to ");
}
