/** The test figures of all models beside each other, and the baselines. */

import { type Bar, type BarChart, NEUTRAL } from "./chart_types.ts";
import { lossParts, type Part, rankingParts } from "./parts.ts";
import type { BaselineFigures, Model } from "./report_data.ts";
import {
  baselineGroups,
  type FigureName,
  figureOf,
  PI,
  snapshotsOf,
  spread,
  testsWith,
} from "./test_figures.ts";

export function barCharts(models: readonly Model[]): BarChart[] {
  return [
    barChart(models, lossParts(models), "nll", "loss"),
    barChart(models, rankingParts(models), "prec1", "prec@1"),
    barChart(models, rankingParts(models), "prec2", "prec@2"),
  ].flatMap((chart) => chart ?? []);
}

function barChart(
  models: readonly Model[],
  parts: readonly Part[],
  figure: FigureName,
  label: string,
): BarChart | undefined {
  const bars = parts.flatMap((part) => barOf(part, figure) ?? []);
  if (bars.length === 0) return undefined;
  const groups = baselineGroups(models);
  const snapshots = [...new Set(bars.map(({ snapshot }) => snapshot))];
  const note = [
    `Of each model's ${snapshots.join(" or ")}.`,
    bars.some(({ sd }) => sd !== null)
      ? "Whiskers are one standard deviation over seeds to each side."
      : "Whiskers are where 95 % of the resamples of the test users are.",
    groups.length > 1
      ? "The models were tested on different users: compare with the baselines in the table."
      : "",
  ].filter((sentence) => sentence !== "").join(" ");
  const baselines = groups.length === 1 ? baselineBars(groups[0]?.baselines ?? [], figure) : [];
  const title = `Test ${label}`;
  return { kind: "bar", id: `test-${figure}`, title, note, xTitle: label, bars: [...bars, ...baselines] };
}

function baselineBars(baselines: readonly BaselineFigures[], figure: FigureName): Bar[] {
  return baselines.flatMap(({ name, figures, details }): Bar[] => {
    const mean = figures[figure];
    const range = details?.intervals[figure];
    const known = { name, colour: NEUTRAL, sd: null, runs: 1, snapshot: "baseline", ...(range && { range }) };
    return mean === null ? [] : [{ ...known, mean }];
  });
}

/** The bar of the snapshot that is judged by this figure, or of the next best one that there is. */
function barOf(part: Part, figure: FigureName): Bar | undefined {
  const present = snapshotsOf(part);
  const judged = figure === "nll" ? "best-loss" : part.judged;
  for (const snapshot of [judged, "best-prec1", "last", ...present]) {
    const tests = testsWith(part, snapshot);
    const found = spread(tests.map((test) => figureOf(test, part.ranking, figure)));
    if (!found) continue;
    const { name, colour } = part;
    // Of several runs the spread over seeds stands in the place of the interval.
    const own = part.ranking === "generator" ? PI[figure] : figure;
    const range = tests.length === 1 && own !== undefined ? tests[0]?.details?.intervals[own] : undefined;
    return { name, colour, snapshot, ...found, ...(range && { range }) };
  }
  return undefined;
}
