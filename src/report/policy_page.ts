/** The page about policies: a comparison of them, with verdicts, tables and charts, each figure with its environment's name. */

import { formatPercent } from "../number_text.ts";
import type { ChartDefinition } from "./chart_definition.ts";
import { type Html, markup } from "./html.ts";
import { type PageContent, renderCharts, renderPageHeader, renderSection } from "./page_shell.ts";
import {
  buildCalibrationCharts,
  buildConsistencyCharts,
  buildLearningCharts,
  buildPageCharts,
  buildUserCharts,
  describeEnvironment,
  type LearningCurve,
  returnCharts,
} from "./policy_charts.ts";
import {
  MISSING,
  type NamedFacts,
  renderDifference,
  renderFindings,
  renderMetric,
  renderTable,
  type ReportCell as TableCell,
  type ReportRow,
} from "./report_tables.ts";
import {
  type ComparisonCell,
  type ComparisonEnvironment,
  getRewardUnit,
  groupBySlateSize,
  listComparedPolicies,
  listDifferences,
  listTrainings,
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

/** What stands at the head of the page. */
export interface PolicyPageHead {
  readonly title: string;
  readonly facts: NamedFacts;
  /** What a reader must know before they believe a figure. */
  readonly notes: readonly string[];
  /** Of the trainings. */
  readonly curves?: readonly LearningCurve[];
}

/** @param comparisons of different tasks. */
export function buildPolicyPage(
  { title, facts, notes, curves }: PolicyPageHead,
  comparisons: readonly PolicyComparison[],
): PageContent {
  const once = uniqueIds();
  const names = nameTasks(comparisons);
  const sections = comparisons.map((comparison, k) => taskSections(comparison, names[k] ?? "", once));
  const [first] = comparisons;
  const learning = first && curves?.length
    ? buildLearningCharts(curves, first.environments[0]?.name ?? "", getRewardUnit(first))
    : [];
  const learned = learning.length > 0 && renderSection("learning-curves", "Learning", renderCharts(learning));
  const groups = groupBySlateSize(comparisons);
  const beside = groups &&
    renderSection("slates", "Slates of several sizes", slatesTable(comparisons, groups));
  return {
    kind: "policies",
    title: `${title} - clickgan report`,
    header: renderPageHeader(title, facts, notes),
    main: markup`${beside}${sections}${learned}`,
  };
}

/**
 * What is said of one task. @param task its name, "" for the only one.
 * @param once makes an id the only one on the page.
 */
function taskSections(comparison: PolicyComparison, task: string, once: (id: string) => string): Html {
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
${part("figures", "Figures", policiesTable(comparison), returnCharts(comparison), "charts bars")}
${part("differences", "Differences", differencesTable(comparison), buildUserCharts(comparison))}
${part("pages", "By page", markup``, buildPageCharts(comparison))}
${part("trust", "What to believe", trustTable(comparison), trust)}`;
}

/** Ids that stand once on a page: the second "pages-3" is "pages-3-2". */
function uniqueIds(): (id: string) => string {
  const given = new Set<string>();
  return (id) => {
    let own = id;
    for (let k = 2; given.has(own); k++) own = `${id}-${k}`;
    given.add(own);
    return own;
  };
}

function verdicts(comparison: PolicyComparison): Html {
  const found = judgePolicies(comparison);
  return found.length > 0 ? renderFindings(found) : markup`<p>No policy here has learned anything.</p>`;
}

/** A table with the rows of each environment that has some. */
function byEnvironment(
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

/** The published table, for each environment: reward and click rate of each size of a slate. */
function slatesTable(comparisons: readonly PolicyComparison[], groups: readonly SlateSizeGroup[]): Html {
  const kinds = comparisons.flatMap(({ slate }) => [
    `reward a page, k = ${slate}`,
    `click rate, k = ${slate}`,
  ]);
  const rows = groups.map(({ environment, rows }) =>
    [
      describeEnvironment(environment),
      rows.map(({ policy, cells }): ReportRow => [
        policy,
        ...cells.flatMap((own) => [
          estimate(own, (figures) => figures.rewardAPage, 3),
          estimate(own, (figures) => figures.clickRate, 3),
        ]),
      ]),
    ] as const
  );
  return markup`<p>k is the size of a slate. Means over trainings \u00b1 one standard deviation, or where there is one, the
range of 95 % of the resamples of users.</p>
${renderTable("Policies by the size of the slate", ["policy", ...kinds], rows)}`;
}

/** The figures of a size, for each environment. */
function policiesTable(comparison: PolicyComparison): Html {
  const head = ["policy", `${getRewardUnit(comparison)} a user`, "reward a page", "click rate", "coverage"];
  const table = byEnvironment(
    "Figures of policies",
    head,
    comparison,
    (environment) =>
      listComparedPolicies(comparison).flatMap(({ name }): ReportRow[] => {
        const cells = listTrainings(comparison, name, environment.name);
        if (cells.length === 0) return [];
        return [[
          cells.length > 1 ? `${name} (${cells.length} trainings)` : name,
          estimate(cells, (figures) => figures.return, 2),
          estimate(cells, (figures) => figures.rewardAPage, 3),
          estimate(cells, (figures) => figures.clickRate, 3),
          formatPercent(summarizeTrainings(cells, (figures) => figures.coverage).mean),
        ]];
      }),
  );
  return markup`<p>Means over trainings \u00b1 one standard deviation, or where there is one, the range of 95 % of the
resamples of users. Coverage is the share of the catalogue that was shown at all.</p>
${table ?? ""}`;
}

function estimate(
  cells: readonly ComparisonCell[],
  of: (figures: EpisodeMetrics) => MeanEstimate,
  digits: number,
): TableCell {
  const [first] = cells;
  if (!first) return MISSING;
  const { mean, sd } = summarizeTrainings(cells, (figures) => of(figures).mean);
  if (sd !== null) return `${mean.toFixed(digits)} \u00b1 ${sd.toFixed(digits)}`;
  return renderMetric(mean, digits, of(first.figures).interval);
}

function differencesTable(comparison: PolicyComparison): Html {
  const head = ["policy less rival", "difference", "wider interval over", "lose", "gain", "verdict"];
  const all = listDifferences(comparison);
  const table = byEnvironment(
    "Differences of policies",
    head,
    comparison,
    ({ name }) =>
      all.filter(({ environment }) => environment === name)
        .map(({ policy, rival, difference }) => differenceRow(`${policy} less ${rival}`, difference)),
  );
  return markup`<p>In ${
    getRewardUnit(comparison)
  } a user, on the same users with the same random numbers. Of the interval over users and the
one over trainings the wider one is printed. Users lose whose return, as a mean over trainings, is lower.</p>
${table ?? ""}`;
}

function differenceRow(
  name: string,
  { mean, interval, wider, trainings, lose, gain }: PolicyDifference,
): ReportRow {
  const over = wider === "users" ? "users" : wider ? `${trainings} trainings` : MISSING;
  return [
    name,
    renderDifference(mean, 2, interval),
    over,
    formatPercent(lose),
    formatPercent(gain),
    classifyDifference(interval),
  ];
}

/** Calibration and support. */
function trustTable(comparison: PolicyComparison): Html {
  const head = [
    "policy",
    "clicks predicted",
    "clicks made",
    "predicted less made",
    "states beyond the log",
    "items hardly logged",
  ];
  const table = byEnvironment(
    "What to believe",
    head,
    comparison,
    (environment) =>
      listComparedPolicies(comparison).flatMap(({ name }): ReportRow[] => {
        const cells = listTrainings(comparison, name, environment.name);
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
  return markup`<p>Clicks a user on the pages that the policy showed: those that the model predicts which it learned on, and
those that were made. A state is beyond the log where it is farther out than 99 % of the logged ones (Mahalanobis), an item
hardly logged with fewer than 20 displays: there the model has guessed. A second model is made of the same kind of log, and
often guesses alike: it may not reveal a policy that exploits the first.</p>
${table}`;
}
