/** Builds the page about policies: verdicts of a comparison, and tables and charts per environment. */

import { formatPercent } from "../number_text.ts";
import type { ChartDefinition } from "./chart_definition.ts";
import { type Html, markup } from "./html.ts";
import { type PageContent, renderAbout, renderCharts, renderHeader, renderSection } from "./page_shell.ts";
import {
  buildCalibrationCharts,
  buildConsistencyCharts,
  buildLearningCharts,
  buildPageCharts,
  buildReturnCharts,
  buildUserCharts,
  describeEnvironment,
  type LearningCurve,
} from "./policy_charts.ts";
import { MISSING, renderDifference, renderFindings, renderMetric, renderTable } from "./report_tables.ts";
import type { NamedFacts, ReportCell as TableCell, ReportRow } from "./report_tables.ts";
import {
  type ComparisonCell,
  type ComparisonEnvironment,
  getRewardUnit,
  groupBySlateSize,
  listDifferences,
  listPoliciesIn,
  nameTasks,
  type PolicyComparison,
  type PolicyDifference,
  type SlateSizeGroup,
  summarizeTrainings,
} from "../policy/comparison/comparison.ts";
import type { EpisodeMetrics, MeanEstimate } from "../policy/comparison/episode_metrics.ts";
import { classifyDifference } from "../metrics/baseline_verdict.ts";
import { judgePolicies } from "../policy/comparison/policy_verdict.ts";
import { meanAndSd } from "../data/mean_sd.ts";

export interface PolicyPageHead {
  readonly title: string;
  readonly facts: NamedFacts;
  readonly notes: readonly string[];
  /** Paragraphs of the page's last section, which describes the simulation. */
  readonly about: readonly string[];
  readonly curves?: readonly LearningCurve[];
}

export function buildPolicyPage(
  { title, facts, notes, about, curves }: PolicyPageHead,
  comparisons: readonly PolicyComparison[],
): PageContent {
  const once = createUniqueIds();
  const names = nameTasks(comparisons);
  const sections = comparisons.map((comparison, k) => renderTask(comparison, names[k] ?? "", once));
  const [first] = comparisons;
  const learning = first && curves?.length
    ? buildLearningCharts(curves, first.environments[0]?.name ?? "", getRewardUnit(first))
    : [];
  const learned = learning.length > 0 &&
    renderSection("learning-curves", "Learning curves", renderCharts(learning));
  const groups = groupBySlateSize(comparisons);
  const sizes = groups &&
    renderSection("slates", "Slate sizes", slatesTable(comparisons, groups));
  return {
    kind: "policies",
    title: `${title} - clickgan report`,
    header: renderHeader(title, notes),
    main: markup`${sizes}${sections}${learned}${renderAbout(facts, about)}`,
  };
}

/** Renders a comparison. @param task - suffix of titles; may be "" @param once - makes HTML ids unique */
function renderTask(comparison: PolicyComparison, task: string, once: (id: string) => string): Html {
  const several = task === "" ? "" : ` of ${task}`;
  const part = (
    id: string,
    title: string,
    content: Html,
    charts: readonly ChartDefinition[],
    look?: string,
  ) => {
    const own = charts.map((chart) => ({ ...chart, id: once(chart.id) }));
    const all = markup`${content}
${renderCharts(own, look)}`;
    return renderSection(once(`${id}-${comparison.slate}`), title + several, all);
  };
  const trust = [...buildCalibrationCharts(comparison), ...buildConsistencyCharts(comparison)];
  return markup`${part("verdict", "Verdict", verdicts(comparison), [])}
${part("metrics", "Metrics", policiesTable(comparison), buildReturnCharts(comparison), "charts bars")}
${part("differences", "Differences", differencesTable(comparison), buildUserCharts(comparison))}
${part("pages", "By page", markup``, buildPageCharts(comparison))}
${part("trust", "Reliability", trustTable(comparison), trust)}`;
}

/** Returns a function that makes HTML ids unique: the second "pages-3" becomes "pages-3-2". */
function createUniqueIds(): (id: string) => string {
  const used = new Set<string>();
  return (id) => {
    let own = id;
    for (let k = 2; used.has(own); k++) own = `${id}-${k}`;
    used.add(own);
    return own;
  };
}

function verdicts(comparison: PolicyComparison): Html {
  const found = judgePolicies(comparison);
  return found.length > 0 ? renderFindings(found) : markup`<p>There is no learned policy to judge.</p>`;
}

/** Renders a table with rows grouped by environment; undefined if there are no rows. */
function renderByEnvironment(
  label: string,
  head: readonly string[],
  { environments }: PolicyComparison,
  rowsIn: (environment: ComparisonEnvironment) => readonly ReportRow[],
): Html | undefined {
  const groups = environments.map((environment) =>
    [describeEnvironment(environment), rowsIn(environment)] as const
  ).filter(([, rows]) => rows.length > 0);
  return groups.length > 0 ? renderTable(label, head, groups) : undefined;
}

/** Renders a table of rewards and click rates, with a row per policy and two columns per slate size. */
function slatesTable(comparisons: readonly PolicyComparison[], groups: readonly SlateSizeGroup[]): Html {
  const kinds = comparisons.flatMap(({ slate: k }) => [`reward per page, k = ${k}`, `click rate, k = ${k}`]);
  const rows = groups.map(({ environment, rows }) =>
    [
      describeEnvironment(environment),
      rows.map(({ policy, cells }): ReportRow => [
        policy,
        ...cells.flatMap((own) => [
          renderEstimate(own, (metrics) => metrics.rewardPerPage, 3),
          renderEstimate(own, (metrics) => metrics.clickRate, 3),
        ]),
      ]),
    ] as const
  );
  return markup`<p>k is the slate size. Values: mean over trainings \u00b1 one standard deviation;
for a single training, 95 % bootstrap interval over users.</p>
${renderTable("Policies by slate size", ["policy", ...kinds], rows)}`;
}

function policiesTable(comparison: PolicyComparison): Html {
  const unit = `${getRewardUnit(comparison)} per user`;
  const head = ["policy", unit, "reward per page", "click rate", "coverage"];
  const table = renderByEnvironment(
    "Metrics of policies",
    head,
    comparison,
    (environment) =>
      listPoliciesIn(comparison, environment.name).map(({ name, cells }): ReportRow => [
        cells.length > 1 ? `${name} (${cells.length} trainings)` : name,
        renderEstimate(cells, (metrics) => metrics.return, 2),
        renderEstimate(cells, (metrics) => metrics.rewardPerPage, 3),
        renderEstimate(cells, (metrics) => metrics.clickRate, 3),
        formatPercent(summarizeTrainings(cells, (metrics) => metrics.coverage).mean),
      ]),
  );
  return markup`<p>Values: mean over trainings \u00b1 one standard deviation; for a single training,
95 % bootstrap interval over users. Coverage: share of the catalogue that was shown at least once.</p>
${table ?? ""}`;
}

function renderEstimate(
  cells: readonly ComparisonCell[],
  of: (metrics: EpisodeMetrics) => MeanEstimate,
  digits: number,
): TableCell {
  const [first] = cells;
  if (!first) return MISSING;
  const { mean, sd } = summarizeTrainings(cells, (metrics) => of(metrics).mean);
  if (sd !== null) return `${mean.toFixed(digits)} \u00b1 ${sd.toFixed(digits)}`;
  return renderMetric(mean, digits, of(first.metrics).interval);
}

function differencesTable(comparison: PolicyComparison): Html {
  const shares = ["users who lose", "users who gain"];
  const head = ["policy minus rival", "difference", "interval over", ...shares, "verdict"];
  const all = listDifferences(comparison);
  const table = renderByEnvironment(
    "Differences of policies",
    head,
    comparison,
    ({ name }) =>
      all.filter(({ environment }) => environment === name)
        .map(({ policy, rival, difference }) => renderDifferenceRow(`${policy} minus ${rival}`, difference)),
  );
  return markup`<p>Differences in ${
    getRewardUnit(comparison)
  } per user. All policies have the same users and random numbers. The interval is
over users or over trainings, whichever is wider. A user loses if the policy gives the user a lower mean
return than the rival.</p>
${table ?? ""}`;
}

function renderDifferenceRow(
  name: string,
  { mean, interval, wider, trainings, lose, gain }: PolicyDifference,
): ReportRow {
  const over = wider === "users" ? "users" : wider ? `${trainings} trainings` : MISSING;
  const difference = renderDifference(mean, 2, interval);
  return [name, difference, over, formatPercent(lose), formatPercent(gain), classifyDifference(interval)];
}

function trustTable(comparison: PolicyComparison): Html {
  const head = [
    "policy",
    ...["clicks predicted", "clicks realised", "predicted minus realised"],
    ...["states outside the log", "rarely logged items"],
  ];
  const table = renderByEnvironment(
    "Reliability",
    head,
    comparison,
    (environment) =>
      listPoliciesIn(comparison, environment.name).flatMap(({ name, cells }): ReportRow[] => {
        const calibrations = cells.flatMap(({ calibration }) => calibration ?? []);
        const supports = cells.flatMap(({ support }) => support ?? []);
        if (calibrations.length + supports.length === 0) return [];
        const mean = <T>(of: readonly T[], value: (one: T) => number) => meanAndSd(of.map(value)).mean;
        const [only] = calibrations;
        const range = calibrations.length === 1 ? only?.gap.interval : undefined;
        return [[
          name,
          renderMetric(mean(calibrations, (one) => one.predicted), 2),
          renderMetric(mean(calibrations, (one) => one.realised), 2),
          renderMetric(mean(calibrations, (one) => one.gap.mean), 2, range),
          formatPercent(mean(supports, (one) => one.statesBeyond)),
          formatPercent(mean(supports, (one) => one.rareSlots)),
        ]];
      }),
  );
  if (!table) return markup``;
  return markup`<p>Predicted: clicks per user on the policy's pages, by the model on which the policy was
trained. A state is outside the log if its Mahalanobis distance exceeds that of 99 % of the logged states.
Rarely logged items have fewer than 20 impressions. For these states and items, the model extrapolates. A
model that was trained on a similar log often has equal errors, and may not show that a policy exploits
them.</p>
${table}`;
}
