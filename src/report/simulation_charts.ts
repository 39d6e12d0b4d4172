/** What is drawn of simulated users: what each policy brought, page by page and user by user, and how much of the catalogue. */

import type { Interval } from "../figures/bootstrap.ts";
import type { CurvePage, MeanFigure, PolicyFigures } from "../policy/comparison/figures.ts";
import type { Bar, BarChart, LineChart, Series } from "./chart_types.ts";
import { finite, windowFor } from "./curve.ts";

/** Simulated users under one of the policies. */
export interface SimulatedPolicy {
  readonly name: string;
  readonly figures: PolicyFigures;
  /** [U] */
  readonly returns: Float64Array;
}

/** What figures of simulated users are of, and which of them mean something. */
export interface SimulationScope {
  /** T */
  readonly pages: number;
  readonly reward: "click" | "utility";
  /** Whether clicks can be counted; where not, rewards by clicks mean nothing either. */
  readonly clickRates: boolean;
  /** Whether users may leave before the last page. */
  readonly leaves: boolean;
}

/** Standard deviations of the normal in the range of 95 %. */
const WIDTH = 2 * 1.96;
const DEVIATION = "one standard deviation over the resamples of the users, to each side";
/** Points of the curve of all users. */
const PLACES = 101;

/** Whether rewards mean something. */
export function hasReturns({ clickRates, reward }: SimulationScope): boolean {
  return clickRates || reward === "utility";
}

/** "clicks a user" */
export function returnUnit({ reward }: SimulationScope): string {
  return reward === "click" ? "clicks a user" : "utility of what a user clicked";
}

/** Returns and coverage. */
export function returnBars(scope: SimulationScope, policies: readonly SimulatedPolicy[]): BarChart[] {
  const bars = (of: (figures: PolicyFigures) => { mean: number; sd: number | null }): Bar[] =>
    policies.map(({ name, figures }, colour) => ({ name, colour, ...of(figures), runs: 1, snapshot: name }));
  const returns: BarChart = {
    kind: "bar",
    id: "return",
    title: "Return",
    note: `Whiskers are ${DEVIATION}.`,
    xTitle: returnUnit(scope),
    bars: bars(({ return: { mean, interval } }) => ({ mean, sd: deviation(interval) })),
  };
  const coverage: BarChart = {
    kind: "bar",
    id: "coverage",
    title: "Coverage",
    note: "Items that were shown to anybody.",
    xTitle: "% of the catalogue",
    bars: bars(({ coverage }) => ({ mean: 100 * coverage, sd: null })),
  };
  return [...(hasReturns(scope) ? [returns] : []), coverage];
}

/** Curves by page: click rates, rewards where they are no clicks, and how many users are still there. */
export function pageLines(scope: SimulationScope, policies: readonly SimulatedPolicy[]): LineChart[] {
  const window = windowFor(scope.pages);
  const wide = window > 1 ? ` A point is the mean of ${window} pages.` : "";
  const chart = (id: string, title: string, note: string, of: (page: CurvePage) => MeanFigure) =>
    lineChart({
      ...{ id, title, note: `${note}${wide}`.trim(), xTitle: "page", yTitle: title.toLowerCase() },
      series: policies.map(({ name, figures: { byPage } }, colour) => ({
        ...look(name, colour, title),
        ...curveOf(byPage, window, of),
      })),
    });
  const bands = scope.pages > 1 && policies.some(({ figures }) => figures.byPage[0]?.reward.interval)
    ? `Bands are ${DEVIATION}.`
    : "";
  const there = ({ users }: CurvePage) => ({ mean: users, interval: null });
  return [
    ...(scope.clickRates ? chart("click-rate", "Click rate", bands, ({ clickRate }) => clickRate) : []),
    ...(scope.reward === "utility" ? chart("reward", "Reward of a page", bands, ({ reward }) => reward) : []),
    ...(scope.leaves ? chart("users", "Users who are there", "", there) : []),
  ];
}

/** The returns of all users of each policy, ascending. */
export function userLines(scope: SimulationScope, policies: readonly SimulatedPolicy[]): LineChart[] {
  if (!hasReturns(scope)) return [];
  return lineChart({
    ...{ id: "returns", title: "Returns of users, ascending", note: "" },
    ...{ xTitle: "% of the users", yTitle: returnUnit(scope) },
    series: policies.map(({ name, returns }, colour) => {
      const sorted = returns.toSorted();
      const last = Math.min(PLACES, sorted.length) - 1;
      const x = Array.from({ length: last + 1 }, (_, k) => 100 * k / Math.max(1, last));
      return {
        ...look(name, colour, "return"),
        ...{ x, mean: x.map((at) => sorted[Math.round(at / 100 * (sorted.length - 1))] ?? null) },
        ...{ sd: x.map(() => null), runs: x.map(() => 1) },
      };
    }),
  });
}

/** What one standard deviation is where so wide a range has 95 %. */
function deviation(interval: Interval | null): number | null {
  return interval && finite((interval[1] - interval[0]) / WIDTH);
}

/** Pages from 1; those of a window are one point, in which each user who saw a page counts once. */
function curveOf(byPage: readonly CurvePage[], window: number, of: (page: CurvePage) => MeanFigure) {
  const points = Array.from({ length: Math.ceil(byPage.length / window) }, (_, k) => {
    const pages = byPage.slice(k * window, (k + 1) * window);
    const [only] = pages;
    if (only && pages.length === 1) {
      const { mean, interval } = of(only);
      return { x: k * window + 1, mean: finite(mean), sd: deviation(interval) };
    }
    const seen = pages.filter(({ users }) => users > 0);
    const users = seen.reduce((sum, page) => sum + page.users, 0);
    const sum = seen.reduce((sum, page) => sum + of(page).mean * page.users, 0);
    return { x: k * window + (pages.length + 1) / 2, mean: finite(sum / users), sd: null };
  });
  return {
    x: points.map(({ x }) => x),
    mean: points.map(({ mean }) => mean),
    sd: points.map(({ sd }) => sd),
    runs: points.map(() => 1),
  };
}

function look(model: string, colour: number, part: string) {
  return { model, colour, part, dash: 0, faint: false, offset: 0, marks: [] } as const;
}

function lineChart(
  { series, ...words }: Pick<LineChart, "id" | "title" | "note" | "xTitle" | "yTitle"> & {
    series: readonly Series[];
  },
): LineChart[] {
  const drawn = series.filter(({ mean }) => mean.some((value) => value !== null));
  if (drawn.length === 0) return [];
  return [{ kind: "line", ...words, logarithmic: false, dividers: [], levels: [], series: drawn }];
}
