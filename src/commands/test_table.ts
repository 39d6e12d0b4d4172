/** Formats test metrics as tables for the terminal. */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import type { Split } from "../data/click_log.ts";
import type { MetricDifferences } from "../metrics/test_result.ts";
import { classifyDifference, formatSigned, formatSignedRange } from "../metrics/baseline_verdict.ts";
import { type BaselineResults, shownBaselines, type SnapshotResult } from "../run/tested_users.ts";
import { formatTable, getOutputWidth, WIDEST } from "../cli/table.ts";
import { computeMeanAndSd, getMetric, getMetricName } from "../report/report_parts.ts";
import type { ReportPart, Scoring } from "../report/report_parts.ts";

/** A row of the table: a baseline or a snapshot. */
interface Player {
  readonly name: string;
  readonly ranking: ReportPart["ranking"];
  /** Metrics; undefined for a baseline that cannot be computed from the data. */
  readonly scoring: Scoring | undefined;
}

function getValue({ scoring, ranking }: Player, name: MetricName): number | undefined {
  return (scoring && getMetric(scoring, getMetricName(ranking, name))) ?? undefined;
}

const digits = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? "-" : value.toFixed(4);

interface Column {
  readonly head: string;
  cell(player: Player): string;
}

function column(name: MetricName): Column {
  return { head: getMetricTitle(name), cell: (player) => digits(getValue(player, name)) };
}

/** Creates a column of confidence intervals, such as ".554-.596". */
function rangeColumn(of: MetricName): Column {
  const cell = ({ scoring, ranking }: Player) => {
    const interval = scoring?.details.intervals[getMetricName(ranking, of) ?? ""];
    return interval ? interval.map((x) => x.toFixed(3).replace(/^0/, "")).join("-") : "-";
  };
  return { head: RANGE, cell };
}

const RANGE = "95 %";
const LONGER = getMetricTitle("longerPrec1");
const STAR = "*: single-item pages excluded";
const COLUMNS: readonly Column[] = [
  { head: "", cell: ({ name }) => name },
  { head: "iteration", cell: ({ scoring }) => String(scoring?.iteration ?? "") },
  column("nll"),
  column("prec1"),
  rangeColumn("prec1"),
  column("prec2"),
  rangeColumn("prec2"),
  column("longerPrec1"),
  column("ndcg"),
  column("auc"),
];
/** Headings of the columns to drop, in this order, if the table is too wide. */
const DROPPED = [
  RANGE,
  ...(["ndcg", "auc", "longerPrec1"] as const).map(getMetricTitle),
  "iteration",
  getMetricTitle("prec2"),
  RANGE,
];

const isDifferent = (a = NaN, b = NaN) => Math.abs(a - b) > 1e-6;

/** Formats a table of the metrics of snapshots and baselines. @param width - maximum characters per line */
export function formatResultTable(
  results: readonly SnapshotResult[],
  baselines: BaselineResults,
  split: Split | "all" = "test",
  width: number = getOutputWidth(),
): string {
  const players = [...results.flatMap(listPlayers), ...baselinePlayers(baselines)];
  // The sums of both metrics have different orders, so equal metrics may differ in the last digits.
  const hasPagesOfOne = players.some((player) =>
    isDifferent(getValue(player, "prec1"), getValue(player, "longerPrec1"))
  );
  const columns = COLUMNS.filter(({ head }) => head !== LONGER || hasPagesOfOne);
  const text = formatTable(
    columns.map(({ head }) => head),
    players.map((player) => columns.map(({ cell }) => cell(player))),
    { width: Math.min(width, WIDEST), drop: DROPPED },
  );
  const [heads = ""] = text.split("\n");
  return [
    text,
    ...(heads.includes(RANGE) ? [`${RANGE}: bootstrap interval over ${split} users`] : []),
    ...(heads.includes(LONGER) ? [STAR] : []),
  ].join("\n");
}

const COMPARED: readonly MetricName[] = [
  ...["nll", "prec1", "prec2", "longerPrec1", "mrr", "ndcg", "auc", "piPrec1", "piPrec2"] as const,
];

/** Formats a table of the metric differences between two models on the same users. */
export function formatDifferencesTable(differences: MetricDifferences): string {
  // Without pages of a single item, both differences are equal.
  const hasPagesOfOne = isDifferent(differences.prec1?.value, differences.longerPrec1?.value);
  const rows = COMPARED.flatMap((name) => {
    const found = differences[name];
    if (!found || (name === "longerPrec1" && !hasPagesOfOne)) return [];
    const { value, interval } = found;
    const range = interval ? formatSignedRange(interval, 4) : "-";
    return [[
      getMetricTitle(name),
      formatSigned(value, 4),
      range,
      classifyDifference(interval, { lowerIsBetter: name === "nll" }),
    ]];
  });
  return formatTable(["", "difference", RANGE, ""], rows) + (hasPagesOfOne ? `\n${STAR}` : "");
}

/** Compares prec@1 and loss of `best-loss` with those of the true utilities, if these are known. */
export function describeAttainedShare(
  results: readonly SnapshotResult[],
  { attainable }: BaselineResults,
): string | undefined {
  const best = results.find(({ snapshot }) => snapshot === "best-loss");
  if (attainable?.nll === undefined || !best) return undefined;
  const share = (x: number) => `${(100 * x).toFixed(1)} %`;
  const above = best.nll / attainable.nll - 1;
  return `best-loss compared with the ground truth: ${share(best.prec1 / attainable.prec1)} of its prec@1, ` +
    `loss ${share(Math.abs(above))} ${above >= 0 ? "higher" : "lower"}.`;
}

/** Describes how each snapshot's rewards correlate in rank with the true utilities; undefined if unknown. */
export function describeRankCorrelation(results: readonly SnapshotResult[]): string | undefined {
  const known = results.flatMap(({ snapshot, spearman }) =>
    spearman === undefined ? [] : [{ snapshot, spearman }]
  );
  if (known.length === 0) return undefined;
  const list = known.map(({ snapshot, spearman }) => `${spearman.toFixed(3)} (${snapshot})`).join(", ");
  return `Rank correlation of reward and ground truth within pages (mean Spearman): ${list}.`;
}

/** Formats a table: means and sample standard deviations of metrics over runs, and metrics of baselines. */
export function formatSeedsTable(
  runs: readonly (readonly SnapshotResult[])[],
  baselines: BaselineResults | undefined,
): string {
  const players = runs.map((run) => run.flatMap(listPlayers));
  const names = ["nll", "prec1", "prec2"] as const;
  const rows = (players[0] ?? []).map(({ name }) => {
    const own = players.flatMap((run) => run.filter((player) => player.name === name));
    const iterations = own.flatMap(({ scoring }) => scoring?.iteration ?? []);
    const cells = names.map((metric) => {
      const found = computeMeanAndSd(own.map((player) => getValue(player, metric)));
      return found ? `${digits(found.mean)} +- ${digits(found.sd ?? NaN)}` : "-";
    });
    return [name, `${Math.min(...iterations)}..${Math.max(...iterations)}`, ...cells];
  });
  const baselineRows = baselines
    ? baselinePlayers(baselines).map((player) => [
      player.name,
      "",
      ...names.map((name) => digits(getValue(player, name))),
    ])
    : [];
  const head = ["", "iteration", "loss", "prec@1", "prec@2"];
  return formatTable(head, [...rows, ...baselineRows], { drop: ["iteration", "prec@2"] });
}

function listPlayers(scoring: SnapshotResult): Player[] {
  const { snapshot, piPrec1 } = scoring;
  return [
    { name: snapshot, ranking: "reward", scoring },
    ...(piPrec1 === undefined ? [] : [{ name: `${snapshot}, pi`, ranking: "generator", scoring } as const]),
  ];
}

function baselinePlayers(baselines: BaselineResults): Player[] {
  return shownBaselines.flatMap(([key, name]): Player[] => {
    const found = baselines[key];
    // A baseline that the data do not support has a row of dashes, but only if the data support click counts.
    if (!found && !(key === "categoryRate" && baselines.clickRate)) return [];
    return [{ name, ranking: "reward", scoring: found ?? undefined }];
  });
}

/** Describes the settings of the baselines, which were chosen on validation users. */
export function describeBaselineSettings(baselines: BaselineResults): string | undefined {
  const set = shownBaselines.flatMap(([key, name]) => {
    const setting = baselines[key]?.setting;
    return setting ? [`${name}: ${setting}`] : [];
  });
  return set.length > 0
    ? `Settings of the baselines, chosen on validation users: ${set.join("; ")}.`
    : undefined;
}
