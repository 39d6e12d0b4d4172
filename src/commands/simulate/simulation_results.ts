/** Results of `simulate`: tables of policies and of click rates by page, conclusions, and result.json. */

import { comparePolicies } from "../../policy/comparison/comparison.ts";
import type { MeanEstimate, PageMetrics } from "../../policy/comparison/episode_metrics.ts";
import {
  classifyDifference,
  describeInterval,
  describeSignificance,
  formatSigned,
} from "../../metrics/baseline_verdict.ts";
import type { SimulateOptions } from "./simulate_options.ts";
import { RIVALS } from "./simulate_policies.ts";
import { fitsWidth, formatTable, getOutputWidth, WIDEST } from "../../cli/table.ts";
import { formatPercent as percentText, formatThousands } from "../../number_text.ts";
import type { SimulatedPolicy } from "../../report/simulation_page.ts";

export interface SimulationSummary {
  readonly options: Pick<SimulateOptions, "users" | "pages" | "slate" | "reward" | "leave" | "patience">;
  readonly description: string;
  readonly items: number;
  /** Reason why clicks are not reported; undefined if clicks are reported. */
  readonly noClickRateReason: string | undefined;
  /** Caution {@link MODEL_USERS} if a model simulates users and clicks are reported; else undefined. */
  readonly caution?: string | undefined;
  readonly notes: readonly string[];
  /** Paragraphs about the click model and the pages. */
  readonly about: readonly string[];
}

/** Warning that a learned model usually overestimates clicks, and a policy's gain in clicks. */
export const MODEL_USERS = "These are the model's users, not real ones. Models are usually too optimistic " +
  "about slates that they prefer, and the intervals do not include the errors of the model. " +
  "Test the policy on real users before you rely on the gain.";

const RANGE = "95 % CI";
const percent = (share: number) => percentText(share, 1);
/** Formats a share in percent, with one significant digit if it is below 0.1 %. */
const small = (share: number) =>
  share > 0 && share < 0.001 ? `${(100 * share).toPrecision(1)} %` : percent(share);
const some = (count: number, what: string) => `${formatThousands(count)} ${what}${count === 1 ? "" : "s"}`;
const number = (value: number) => Number.isNaN(value) ? "-" : value.toFixed(2).replace(/^-0\.00$/, "0.00");
const range = ({ interval }: MeanEstimate, text: (value: number) => string) =>
  interval ? `${text(interval[0])} to ${text(interval[1])}` : "-";

function formatPolicies(
  { options, noClickRateReason }: SimulationSummary,
  runs: readonly SimulatedPolicy[],
  width: number,
): string {
  const counts = noClickRateReason === undefined;
  const leaves = options.leave > 0 || options.patience > 0;
  const head = [
    "policy",
    ...(counts ? ["return", RANGE, "click rate", RANGE] : []),
    ...(leaves ? ["pages"] : []),
    "coverage",
  ];
  const rows = runs.map(({ name, metrics }) => [
    name,
    ...(counts ? [number(metrics.return.mean), range(metrics.return, number)] : []),
    ...(counts
      ? [percent(metrics.clickRate.mean), range(metrics.clickRate, (x) => (100 * x).toFixed(1))]
      : []),
    ...(leaves ? [number(metrics.pages.mean)] : []),
    small(metrics.coverage),
  ]);
  return formatTable(head, rows, { width, drop: [RANGE, "pages", "coverage", RANGE] });
}

/** Formats all results. @param width - maximum characters per line; columns that do not fit are omitted */
export function formatResults(
  summary: SimulationSummary,
  runs: readonly SimulatedPolicy[],
  width: number = getOutputWidth(),
): string {
  const { options, description, items } = summary;
  const { users, pages, slate } = options;
  const most = Math.min(width, WIDEST);
  const metrics = formatPolicies(summary, runs, most);
  const [lead, ...others] = describeDifferences(summary, runs);
  return [
    ...lead === undefined ? [] : [[lead, ...summary.caution ? [summary.caution] : []].join("\n") + "\n"],
    `${some(users, "user")}, ${some(pages, "page")} of ${slate} of ${some(items, "item")}; click model: ` +
    `${description}`,
    metrics,
    ...curveText(summary, runs, most),
    ...sentences(summary, runs, metrics.includes(RANGE), others),
  ].join("\n");
}

/** Maximum number of pages in the printed table of click rates by page. */
const POINTS = 6;

function curveText(summary: SimulationSummary, runs: readonly SimulatedPolicy[], width: number): string[] {
  const { options: { pages, reward }, noClickRateReason } = summary;
  if (pages < 2) return [];
  const tables: string[] = [];
  const add = (title: string, cell: (page: PageMetrics) => string) => {
    let count = Math.min(POINTS, pages);
    const lines = () => {
      const at = Array.from(
        { length: count },
        (_, k) => Math.round(k * (pages - 1) / Math.max(1, count - 1)),
      );
      return formatTable(
        ["page", ...at.map((page) => String(page + 1))],
        runs.map(({ name, metrics: { byPage } }) => [
          name,
          ...at.map((page) => {
            const own = byPage[page];
            return own ? cell(own) : "-";
          }),
        ]),
      );
    };
    while (count > 2 && !fitsWidth(lines(), width)) count--;
    tables.push(`\n${title}:\n${lines()}`);
  };
  if (noClickRateReason === undefined) add("Click rate by page", ({ clickRate }) => percent(clickRate.mean));
  if (reward === "utility") add("Reward by page", ({ reward }) => number(reward.mean));
  return tables.length > 0 ? [...tables, ""] : [""];
}

/** Lists the sentences below the table. @param ranges - true if the table has intervals */
function sentences(
  { options: { reward, pages }, noClickRateReason, notes, about }: SimulationSummary,
  runs: readonly SimulatedPolicy[],
  ranges: boolean,
  others: readonly string[],
): string[] {
  const texts: string[] = [];
  const of = reward === "click" ? "clicks per user" : "utility of the clicked items per user";
  if (noClickRateReason === undefined) {
    texts.push(
      `return: ${of} over ${some(pages, "page")}${ranges ? `; ${RANGE}: bootstrap over users` : ""}`,
    );
  }
  texts.push(...others);
  if (reward === "utility") {
    const negative = runs.filter(({ metrics }) => metrics.negativeClicks > 0);
    const shares = negative.map(({ name, metrics: metrics }) =>
      `${percent(metrics.negativeClicks)} under ${name}`
    );
    if (negative.length > 0) {
      texts.push(
        `Clicks with a utility below 0: ${shares.join(", ")}. They reduce the return, so the best policy ` +
          "avoids them.",
      );
    }
  }
  return [...texts, ...notes, ...about];
}

/** Compares the first policy with every other policy (highest return first), on the same users. */
export function describeDifferences(summary: SimulationSummary, runs: readonly SimulatedPolicy[]): string[] {
  if (summary.noClickRateReason !== undefined) return [summary.noClickRateReason];
  const [first, ...all] = runs;
  if (!first) return [];
  const rivals = all.sort((a, b) => b.metrics.return.mean - a.metrics.return.mean);
  const unit = summary.options.reward === "click" ? "clicks" : "utility";
  if (rivals.length === 0) {
    const others = RIVALS.filter((name) => name !== first.name).join(" and ");
    return [
      `${first.name} earns ${
        number(first.metrics.return.mean)
      } ${unit} per user. For a comparison with ${others} slates, omit --no-rivals.`,
    ];
  }
  return rivals.map((rival) => {
    const difference = comparePolicies([first.metrics.returns], [rival.metrics.returns]);
    const { mean, interval } = difference;
    if (!interval) return `${first.name} minus ${rival.name}: ${formatSigned(mean)} (one user: no interval).`;
    const finding = describeSignificance(classifyDifference(interval), first.name, rival.name);
    return `${finding}: ${formatSigned(mean)} ${unit} per user (${
      describeInterval(interval, 2)
    }, paired by user).`;
  });
}

/** Builds the policies' part of result.json. Clicks and rewards are null if `noClickRateReason` is set. */
export function buildResults(summary: SimulationSummary, runs: readonly SimulatedPolicy[]) {
  const counts = summary.noClickRateReason === undefined;
  const [first] = runs;
  return {
    noClickRateReason: summary.noClickRateReason ?? null,
    notes: [...summary.notes, ...summary.about],
    policies: runs.map(({ name, metrics: metrics }) => ({
      policy: name,
      return: counts ? metrics.return : null,
      rewardPerPage: counts ? metrics.rewardPerPage : null,
      clickRate: counts ? metrics.clickRate : null,
      pages: metrics.pages,
      coverage: metrics.coverage,
      negativeClicks: summary.options.reward === "utility" ? metrics.negativeClicks : null,
      byPage: metrics.byPage.map(({ users, clickRate, reward }) => ({
        users,
        clickRate: counts ? clickRate : null,
        reward: counts ? reward : null,
      })),
    })),
    differences: !first || !counts ? [] : runs.slice(1).map((rival) => {
      const [own, others] = [first.metrics.returns, rival.metrics.returns] as const;
      const { mean, interval, gain, lose } = comparePolicies([own], [others]);
      return { policy: first.name, minus: rival.name, mean, interval, gain, lose };
    }),
  };
}
