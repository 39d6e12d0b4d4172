/** Builds the page of simulated users: metrics per policy, curves by page, differences between policies. */

import { formatPercent } from "../number_text.ts";
import type { Interval } from "../metrics/bootstrap.ts";
import { classifyDifference } from "../metrics/baseline_verdict.ts";
import { comparePolicies } from "../policy/comparison/comparison.ts";
import type { EpisodeMetrics, MeanEstimate, PageMetrics } from "../policy/comparison/episode_metrics.ts";
import { type Bar, buildBarChart } from "./bar_chart.ts";
import type { ChartDefinition } from "./chart_definition.ts";
import { buildLineChart, chooseWindow, type CurvePoint, toFiniteOrNull } from "./line_chart.ts";
import { type Html, markup } from "./html.ts";
import { type PageContent, renderAbout, renderCharts, renderHeader, renderSection } from "./page_shell.ts";
import { renderDifference, renderMetric, renderTable } from "./report_tables.ts";
import type { NamedFacts, ReportCell, ReportRow } from "./report_tables.ts";

export interface SimulationPageData {
  /** Largest number of pages per user. */
  readonly pages: number;
  readonly reward: "click" | "utility";
  /** True to show click rates; false if they are unknown, because the log has only pages with a click. */
  readonly clickRates: boolean;
  /** True if users may leave before the last page. */
  readonly leaves: boolean;
  /** Facts about the simulation, such as the click model. */
  readonly facts: NamedFacts;
  readonly notes: readonly string[];
  /** Paragraphs about the click model and the pages. */
  readonly about: readonly string[];
  /** Sentences that compare the first policy with its rivals. */
  readonly verdict: readonly string[];
  /** The requested policy, followed by the policies with which it is compared. */
  readonly policies: readonly SimulatedPolicy[];
}

export function buildSimulationPage(simulation: SimulationPageData): PageContent {
  const { facts, notes, about, verdict } = simulation;
  const lines = pageLines(simulation);
  const users = userLines(simulation);
  const title = "Simulated users";
  const metrics = markup`${usersTable(simulation)}
${renderCharts(returnBars(simulation), "charts bars")}`;
  const byUser = markup`${differencesTable(simulation)}${renderCharts(users)}`;
  const main = markup`${renderSection("metrics", "Metrics", metrics)}
${lines.length > 0 && renderSection("by-page", "By page", renderCharts(lines))}
${users.length > 0 && renderSection("by-user", "By user", byUser)}
${renderAbout(facts, about)}`;
  const header = renderHeader(title, notes, verdict);
  return { kind: "simulation", title: `${title} - clickgan report`, header, main };
}

function usersTable(simulation: SimulationPageData): Html {
  const { clickRates, leaves, reward, policies } = simulation;
  const utility = reward === "utility";
  const of = ({ mean, interval }: MeanEstimate, digits: number) => renderMetric(mean, digits, interval);
  const columns: readonly (readonly [boolean, string, (metrics: EpisodeMetrics) => ReportCell])[] = [
    [hasReturns(simulation), returnUnit(simulation), (metrics) => of(metrics.return, 2)],
    [utility, "reward per page", ({ rewardPerPage }) => of(rewardPerPage, 3)],
    [clickRates, "click rate", ({ clickRate }) => of(clickRate, 3)],
    [leaves, "pages per user", ({ pages }) => of(pages, 2)],
    [true, "coverage", ({ coverage }) => formatPercent(coverage)],
    [utility, "clicks with utility < 0", ({ negativeClicks }) => formatPercent(negativeClicks)],
  ];
  const shown = columns.filter(([isShown]) => isShown);
  const head = ["policy", ...shown.map(([, name]) => name)];
  const rows = policies.map((
    { name, metrics },
  ): ReportRow => [name, ...shown.map(([, , cell]) => cell(metrics))]);
  return markup`<p>The small numbers are 95 % bootstrap intervals over simulated users. Coverage: share of the
catalogue that was shown at least once.</p>
${renderTable("Metrics of simulated users", head, [["", rows]])}`;
}

/** Renders differences in return between the first policy and each other policy, paired by user. */
function differencesTable(simulation: SimulationPageData): Html {
  const [first, ...rivals] = simulation.policies;
  if (!first) return markup``;
  if (rivals.length === 0) return markup`<p>${first.name} was compared with no other policy.</p>`;
  const rows = rivals.map((rival): ReportRow => {
    const { mean, interval, lose, gain } = comparePolicies([first.metrics.returns], [rival.metrics.returns]);
    const [name, difference] = [`${first.name} minus ${rival.name}`, renderDifference(mean, 2, interval)];
    return [name, difference, formatPercent(lose), formatPercent(gain), classifyDifference(interval)];
  });
  const head = ["policy minus rival", "difference", "users who lose", "users who gain", "verdict"];
  return markup`<p>Differences in ${
    returnUnit(simulation)
  }, paired by user: all policies have the same users and random
numbers. A user "loses" if the first policy gives this user a lower return than the rival.</p>
${renderTable("Differences of policies", head, [["", rows]])}`;
}

export interface SimulatedPolicy {
  readonly name: string;
  readonly metrics: EpisodeMetrics;
}

const INTERVAL = "95 % bootstrap interval over simulated users";
/** Maximum number of points of a curve that shows the users' returns in ascending order. */
const CURVE_POINTS = 101;

function hasReturns({ clickRates, reward }: SimulationPageData): boolean {
  return clickRates || reward === "utility";
}

function returnUnit({ reward }: SimulationPageData): string {
  return reward === "click" ? "clicks per user" : "utility of the clicked items per user";
}

function returnBars(simulation: SimulationPageData): ChartDefinition[] {
  const bars = (of: (metrics: EpisodeMetrics) => MeanEstimate): Bar[] =>
    simulation.policies.map(({ name, metrics }, colour): Bar => {
      const { mean, interval } = of(metrics);
      return { name, colour, mean, sd: null, ...(interval && { range: interval }), runs: 1, snapshot: name };
    });
  const returns = buildBarChart({
    id: "return",
    title: "Return",
    note: `Whiskers: ${INTERVAL}.`,
    xTitle: returnUnit(simulation),
    bars: bars(({ return: { mean, interval } }) => ({ mean, interval })),
  });
  const coverage = buildBarChart({
    id: "coverage",
    title: "Coverage",
    note: "Share of the items that were shown at least once.",
    xTitle: "% of the catalogue",
    bars: bars(({ coverage }) => ({ mean: 100 * coverage, interval: null })),
  });
  return [...(hasReturns(simulation) ? [returns] : []), coverage];
}

function pageLines({ pages, reward, clickRates, leaves, policies }: SimulationPageData): ChartDefinition[] {
  const window = chooseWindow(pages);
  const wide = window > 1 ? ` Each point is the mean of ${window} pages.` : "";
  const chart = (id: string, title: string, note: string, of: (page: PageMetrics) => MeanEstimate) =>
    buildLineChart({
      ...{ id, title, note: `${note}${wide}`.trim(), xTitle: "page", yTitle: title.toLowerCase() },
      spread: "half of the 95 % interval",
      series: policies.map(({ name, metrics: { byPage } }, colour) => ({
        ...{ model: name, colour, part: title, points: computePoints(byPage, window, of) },
      })),
    });
  const bands = pages > 1 && policies.some(({ metrics }) => metrics.byPage[0]?.reward.interval)
    ? `Bands: ${INTERVAL}.`
    : "";
  const there = ({ users }: PageMetrics) => ({ mean: users, interval: null });
  return [
    ...(clickRates ? chart("click-rate", "Click rate", bands, ({ clickRate }) => clickRate) : []),
    ...(reward === "utility" ? chart("reward", "Reward per page", bands, (page) => page.reward) : []),
    ...(leaves ? chart("users", "Remaining users", "", there) : []),
  ];
}

/** Builds a chart with one curve per policy: the returns of all users in ascending order. */
function userLines(simulation: SimulationPageData): ChartDefinition[] {
  if (!hasReturns(simulation)) return [];
  return buildLineChart({
    ...{ id: "returns", title: "Returns of users, ascending", note: "" },
    ...{ xTitle: "% of the users", yTitle: returnUnit(simulation) },
    series: simulation.policies.map(({ name, metrics: { returns } }, colour) => {
      const sorted = returns.toSorted();
      const last = Math.min(CURVE_POINTS, sorted.length) - 1;
      const points = Array.from({ length: last + 1 }, (_, k) => {
        const x = 100 * k / Math.max(1, last);
        return { x, y: sorted[Math.round(x / 100 * (sorted.length - 1))] ?? NaN };
      });
      return { model: name, colour, part: "return", points };
    }),
  });
}

function computeHalfWidth(interval: Interval | null): number | null {
  return interval && toFiniteOrNull((interval[1] - interval[0]) / 2);
}

/** Computes a curve over page numbers: means over windows of pages, weighted by the users per page. */
function computePoints(
  byPage: readonly PageMetrics[],
  window: number,
  of: (page: PageMetrics) => MeanEstimate,
): CurvePoint[] {
  return Array.from({ length: Math.ceil(byPage.length / window) }, (_, k) => {
    const pages = byPage.slice(k * window, (k + 1) * window);
    const [only] = pages;
    if (only && pages.length === 1) {
      const { mean, interval } = of(only);
      return { x: k * window + 1, y: mean, sd: computeHalfWidth(interval) };
    }
    const seen = pages.filter(({ users }) => users > 0);
    const users = seen.reduce((sum, page) => sum + page.users, 0);
    const sum = seen.reduce((sum, page) => sum + of(page).mean * page.users, 0);
    return { x: k * window + (pages.length + 1) / 2, y: sum / users };
  });
}
