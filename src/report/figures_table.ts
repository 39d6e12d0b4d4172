/** The tables of test figures: every snapshot of every model and the baselines, and how far the best model is above the others. */

import { type FigureName, titleOf } from "../figures/columns.ts";
import { type Kept, keptDifference, keptOf } from "../figures/paired.ts";
import { classifyDifference } from "../figures/verdict.ts";
import { type Html, markup } from "./html.ts";
import {
  baselineGroups,
  figureOf,
  nameIn,
  type Part,
  rankingParts,
  type Scoring,
  type SharedBaselines,
  snapshotsOf,
  spread,
  testsWith,
} from "./parts.ts";
import type { Model } from "./report_data.ts";
import { type Cell, difference, figure, MISSING, type Row, type RowGroup, tableOf } from "./tables.ts";

const LONGER: readonly FigureName[] = ["longerPrec1", "longerPrec2"];
const COLUMNS: readonly FigureName[] = ["nll", "prec1", "prec2", ...LONGER, "mrr", "ndcg", "auc"];

/** Undefined while no run is finished. */
export function figuresTable(models: readonly Model[]): Html | undefined {
  const parts = rankingParts(models).filter((part) => snapshotsOf(part).length > 0);
  if (parts.length === 0) return undefined;
  const groups = baselineGroups(models);
  const several = models.some(({ runs }) => runs.length > 1);
  const longer = hasPagesOfOne(parts);
  const names = COLUMNS.filter((name) => longer || !LONGER.includes(name));
  return markup`<p>${several ? "Means over the seeds ± one standard deviation." : ""}
Small figures are the range in which 95 % of the resamples of the test users are.
${longer ? "* and AUC are without pages of one item, which are always ranked right." : ""}</p>
${
    tableOf("Table of test figures", ["snapshot", "iteration", ...names.map(titleOf)], [
      ...parts.map((part) => partRows(part, names)),
      ...groups.map((group) => baselineRows(group, groups.length > 1, names)),
    ])
  }`;
}

/** Whether figures without pages of one item are others than those of all pages. */
function hasPagesOfOne(parts: readonly Part[]): boolean {
  const tests = parts.flatMap((part) => snapshotsOf(part).flatMap((name) => testsWith(part, name)));
  return tests.some(({ prec1, longerPages: { prec1: longer } }) =>
    prec1 !== null && typeof longer === "number" && Math.abs(prec1 - longer) > 1e-6
  );
}

function partRows(part: Part, names: readonly FigureName[]): RowGroup {
  const snapshots = snapshotsOf(part);
  const runs = Math.max(...snapshots.map((snapshot) => testsWith(part, snapshot).length));
  const rows = snapshots.map((snapshot): Row => {
    const tests = testsWith(part, snapshot);
    const iterations = tests.map(({ iteration }) => iteration);
    const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
    return [
      snapshot,
      first === last ? String(first) : `${first}–${last}`,
      ...cellsOf(tests, names.map((name) => nameIn(part.ranking, name))),
    ];
  });
  return [runs > 1 ? `${part.name} (${runs} seeds)` : part.name, rows];
}

/** @param scorings of a snapshot, one of each run. @param names undefined for what it does not have. */
function cellsOf(scorings: readonly Scoring[], names: readonly (string | undefined)[]): Cell[] {
  // Of several runs the spread over seeds stands in the place of the interval.
  const intervals = scorings.length === 1 ? scorings[0]?.details?.intervals : undefined;
  return names.map((name) => {
    const found = spread(scorings.map((scoring) => figureOf(scoring, name)));
    return figure(found?.mean, 4, intervals?.[name ?? ""], found?.sd);
  });
}

function baselineRows(
  { models, baselines }: SharedBaselines,
  named: boolean,
  names: readonly FigureName[],
): RowGroup {
  const rows = baselines.map((baseline): Row => {
    const { name, setting } = baseline;
    return [
      setting === undefined ? name : markup`${name}<br><small>${setting}</small>`,
      "",
      ...cellsOf([baseline], names),
    ];
  });
  return [named ? `baselines of ${models.map(({ name }) => name).join(", ")}` : "baselines", rows];
}

/** A part of a model with what was kept of its snapshots. */
interface Compared {
  readonly part: Part;
  /** Of the snapshot that it is judged by. */
  readonly judged: Kept | undefined;
  readonly prec1: number;
}

/** Undefined where there are no two that were tested on the same users. */
export function comparisonTable(models: readonly Model[]): Html | undefined {
  const known = rankingParts(models).flatMap((part) => comparedOf(part) ?? []);
  const [best, ...others] = known.toSorted((a, b) => b.prec1 - a.prec1);
  if (!best) return undefined;
  const rows = others.map((other) => rowOf(best, other)).filter((row) => row !== undefined);
  if (rows.length === 0) return undefined;
  return markup`<h3>${best.part.name} minus the others</h3>
<p>It has the highest prec@1. Differences are on the same test users, of the snapshots that the models are judged by.
A range that does not hold 0 tells the two apart.</p>
${tableOf("Differences of models", ["minus", "prec@1", "verdict", "loss", "verdict"], [["", rows]])}`;
}

function comparedOf(part: Part): Compared | undefined {
  const tests = testsWith(part, part.judged);
  const name = nameIn(part.ranking, "prec1");
  const prec1 = spread(tests.map((test) => figureOf(test, name)))?.mean;
  if (prec1 === undefined) return undefined;
  const kept = tests.map(({ paired }) => paired);
  return { part, prec1, judged: keptOf(kept.every((one) => one !== undefined) ? kept : []) };
}

function rowOf(best: Compared, other: Compared): Row | undefined {
  const ranking = ({ part }: Compared): FigureName => part.ranking === "generator" ? "piPrec1" : "prec1";
  const prec1 = keptDifference(best.judged, ranking(best), other.judged, ranking(other));
  if (!prec1) return undefined;
  const scale = scaleOf(best);
  const loss = scale !== undefined && scale === scaleOf(other)
    ? keptDifference(best.judged, "nll", other.judged)
    : undefined;
  return [
    other.part.name,
    ...[difference(prec1.value, 4, prec1.interval), classifyDifference(prec1.interval)],
    ...(loss
      ? [difference(loss.value, 4, loss.interval), classifyDifference(loss.interval, { lowerIsBetter: true })]
      : [MISSING, ""]),
  ];
}

/** Losses of different kinds are not of one scale, and a game's are of none. */
function scaleOf({ part: { model, stage } }: Compared): string | undefined {
  return stage === "shannon" ? model.settings.get("model.loss") ?? "choice" : undefined;
}
