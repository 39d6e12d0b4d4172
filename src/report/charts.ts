/** Builds the charts of runs: bar charts of test metrics, and learning curves. Skips charts without data. */

import type { MetricName } from "../metrics/metric_columns.ts";
import { type Bar, buildBarChart } from "./bar_chart.ts";
import { type ChartDefinition, dashes, isLogarithmicRange } from "./chart_definition.ts";
import { buildLineChart, chooseWindow, computeCurve, type LineChart, type Series } from "./line_chart.ts";
import {
  computeMeanAndSd,
  describeIncomparable,
  getLossKind,
  getMetric,
  getMetricName,
  groupByBaselines,
  groupByTestUsers,
  haveSameTestUsers,
  listDistinctBaselines,
  listLossParts,
  listRankingParts,
  listSnapshotNames,
  listSnapshotTests,
  listStageRuns,
  type ReportPart,
  sortBaselines,
} from "./report_parts.ts";
import type { Criterion } from "../train/best_records.ts";
import type { BaselineMetrics, ReportData, ReportModel } from "./report_data.ts";
import { NEUTRAL } from "./theme.ts";

export function buildCharts({ models }: ReportData): ChartDefinition[] {
  const window = chooseWindow(Math.max(...models.map(countIterations)));
  const [losses, rankings] = [listLossParts(models), listRankingParts(models)];
  const lossCurves = losses.flatMap((part) => curves(part, "loss", window));
  const precision = (k: 1 | 2) => {
    const drawn = rankings.flatMap((part) =>
      curves(part, part.ranking === "generator" ? `pi_prec${k}` : `prec${k}`, window)
    );
    return lineChart(`prec${k}`, `prec@${k}`, `prec@${k}`, window, drawn);
  };
  const adversarial = losses.filter(({ stage }) => stage === "adversarial").flatMap((part) => [
    ...curves(part, "loss_min", window, 0),
    ...curves({ ...part, ranking: "generator" }, "loss_max", window, 0),
  ]);
  const [title, names] = ["Losses of the adversarial stage", "loss_min of u, loss_max of \u03c0"];
  return [
    ...barChart(models, losses, "nll", "loss"),
    ...barChart(models, rankings, "prec1", "prec@1"),
    ...barChart(models, rankings, "prec2", "prec@2"),
    ...lineChart("loss", "Loss", "loss", window, lossCurves, describeIncomparable(models)),
    ...precision(1),
    ...precision(2),
    ...lineChart("adversarial-losses", title, names, window, adversarial),
  ];
}

/** Dash patterns of curves. A dash pattern has the same meaning in all charts. */
const DASHES = {
  reward: { validation: dashes.solid, train: dashes.dotted },
  generator: { validation: dashes.dashed, train: dashes.dashDotted },
} as const;

/** Builds two curves of a metric: on the validation users, and on the training batches. */
function curves(part: ReportPart, column: string, window: number, offset = computeOffset(part)): Series[] {
  const { model, colour, ranking } = part;
  return (["validation", "train"] as const).flatMap((log) => {
    const points = computeCurve(listStageRuns(part).map((run) => run[log]), column, window, offset);
    if (points.length === 0) return [];
    const faint = log === "train";
    const dash = DASHES[ranking][log];
    const marks = faint ? [] : listSnapshotMarks(part, column).map(({ x, y }) => ({ x: x + offset, y }));
    return [{ points, model: model.name, colour, part: log, dash, faint, offset, marks }];
  });
}

/** Returns where a stage begins on the x axis: at 0, or after the iterations of the Shannon stage. */
function computeOffset({ model, stage }: Pick<ReportPart, "model" | "stage">): number {
  if (stage === "shannon") return 0;
  return Math.max(0, ...model.runs.map(({ stages }) => stages.shannon?.iteration ?? 0));
}

function countIterations(model: ReportModel): number {
  const adversarial = Math.max(0, ...model.runs.map(({ stages }) => stages.adversarial?.iteration ?? 0));
  return computeOffset({ model, stage: "adversarial" }) + adversarial;
}

function lineChart(
  id: string,
  title: string,
  yTitle: string,
  window: number,
  drawn: readonly Series[],
  remark = "",
): ChartDefinition[] {
  // Names of curves begin with "generator" or "reward" if a model has a generator.
  const isGenerator = ({ dash }: Series) => dash === dashes.dashed || dash === dashes.dashDotted;
  const series = !drawn.some(isGenerator) ? drawn : drawn.map((one): Series => ({
    ...one,
    part: `${isGenerator(one) ? "generator \u03c0" : "reward u"}, ${one.part}`,
  }));
  return buildLineChart({
    ...{ id, title, note: `${describeCurves(drawn, window)} ${remark}`.trim(), xTitle: "iteration", yTitle },
    logarithmic: isLogarithmicRange(drawn.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []))),
    ...{ dividers: listDividers(drawn), series },
  });
}

function listDividers(drawn: readonly Series[]): LineChart["dividers"] {
  const behind = drawn.flatMap(({ offset = 0, colour }) => offset > 0 ? [{ offset, colour }] : []);
  const name = "adversarial stage";
  const offsets = new Set(behind.map(({ offset }) => offset));
  if (offsets.size <= 1) return [...offsets].map((x) => ({ x, colour: NEUTRAL, name }));
  const byColour = new Map(behind.map(({ offset, colour }) => [colour, offset]));
  return [...byColour].map(([colour, x]) => ({ x, colour, name }));
}

function describeCurves(drawn: readonly Series[], window: number): string {
  const several = drawn.some(({ points }) => points.some(({ runs = 1 }) => runs > 1));
  return [
    several ? "Lines: means over seeds; bands: ± one standard deviation." : "",
    drawn.some(({ marks = [] }) => marks.length > 0) ? "Circles: best snapshots." : "",
    window > 1 ? `Points of training curves are means over ${window} iterations.` : "",
    drawn.some(({ offset = 0 }) => offset > 0) ? "The adversarial stage begins at the vertical line." : "",
  ].filter((sentence) => sentence !== "").join(" ");
}

/** Builds a bar chart per group of comparable models: equal test users and, for losses, equal `--loss`. */
function barChart(
  all: readonly ReportModel[],
  parts: readonly ReportPart[],
  metric: MetricName,
  label: string,
): ChartDefinition[] {
  const groups = groupByTestUsers(all).flatMap((group) => {
    const own = parts.filter(({ model }) => group.includes(model));
    const comparable = Map.groupBy(own, ({ model }) => metric === "nll" ? getLossKind(model) : "choice");
    return [...comparable].map(([kind, members]) => ({
      models: group.filter((model) => members.some((part) => part.model === model)),
      bars: members.flatMap((part) => buildBar(part, metric) ?? []),
      hasBaselines: kind === "choice" && haveSameTestUsers(group), // baselines have the loss of choices
    }));
  }).filter(({ bars }) => bars.length > 0);
  return groups.map(({ models, bars, hasBaselines }, k) => {
    const snapshots = [...new Set(bars.map(({ snapshot }) => snapshot))];
    const note = [
      `Snapshot: ${snapshots.join(" or ")}.`,
      bars.some(({ sd }) => sd !== null)
        ? "Whiskers: ± one standard deviation over seeds."
        : "Whiskers: 95 % bootstrap interval over test users.",
      describeIncomparable(all),
    ].filter((sentence) => sentence !== "").join(" ");
    const baselines = hasBaselines
      ? baselineBars(listDistinctBaselines(groupByBaselines(models)), metric)
      : [];
    const names = groups.length === 1 ? "" : `: ${models.map(({ name }) => name).join(", ")}`;
    const head = { id: `test-${metric}${k > 0 ? `-${k + 1}` : ""}`, title: `Test ${label}${names}`, note };
    const chart = { ...head, xTitle: label, bars: [...bars, ...baselines] };
    return buildBarChart(metric === "nll" ? cutAxis(chart) : chart);
  });
}

/** Starts the axis near the lowest loss, so that small differences are visible; the note says so. */
function cutAxis<C extends { readonly note: string; readonly bars: readonly Bar[] }>(chart: C) {
  const ends = chart.bars.flatMap(({ mean, sd, range }) => range ?? [mean - (sd ?? 0), mean + (sd ?? 0)]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const xFrom = Math.floor(10 * (low - 0.2 * (high - low))) / 10;
  if (!(xFrom > 0)) return chart;
  return { ...chart, xFrom, note: `${chart.note} Lower is better; the axis begins at ${xFrom}.` };
}

function baselineBars(baselines: readonly BaselineMetrics[], metric: MetricName): Bar[] {
  return sortBaselines(baselines, metric).flatMap((baseline): Bar[] => {
    const { name, details } = baseline;
    const mean = getMetric(baseline, metric);
    const range = details.intervals[metric];
    const known = { name, colour: NEUTRAL, sd: null, runs: 1, snapshot: "baseline", ...(range && { range }) };
    return typeof mean === "number" ? [{ ...known, mean }] : [];
  });
}

function buildBar(part: ReportPart, metric: MetricName): Bar | undefined {
  const present = listSnapshotNames(part);
  const own = getMetricName(part.ranking, metric);
  const judged = metric === "nll" ? "best-loss" : part.judged;
  for (const snapshot of [judged, "best-prec1", "last", ...present]) {
    const tests = listSnapshotTests(part, snapshot);
    const found = computeMeanAndSd(tests.map((test) => getMetric(test, own)));
    if (!found) continue;
    const { name, colour } = part;
    // For several runs, the whisker shows the standard deviation over seeds, not an interval over users.
    const range = tests.length === 1 && own !== undefined ? tests[0]?.details.intervals[own] : undefined;
    return { name, colour, snapshot, ...found, ...(range && { range }) };
  }
  return undefined;
}

/** Criterion (loss, ...) whose best snapshots a curve marks, by stage and column of validation.csv. */
const SNAPSHOTS: Readonly<Record<ReportPart["stage"], Readonly<Record<string, Criterion>>>> = {
  shannon: { loss: "loss", prec1: "prec1", prec2: "prec2" },
  adversarial: { loss_min: "loss", pi_prec1: "prec1", pi_prec2: "prec2" },
};

function listSnapshotMarks(part: ReportPart, column: string): { x: number; y: number }[] {
  const criterion = SNAPSHOTS[part.stage][column];
  if (criterion === undefined) return [];
  return listStageRuns(part).flatMap((stage) => {
    const { iteration, columns } = stage.validation;
    const values = columns.get(column) ?? [];
    const tested = stage.result?.test.find(({ snapshot }) => snapshot === `best-${criterion}`);
    const x = tested?.iteration ?? stage.kept?.[criterion] ?? NaN;
    const y = values[iteration.indexOf(x)] ?? undefined;
    return y === undefined ? [] : [{ x, y }];
  });
}
