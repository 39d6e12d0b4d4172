/** The table of test figures that a command ends with. */

import { meanAndSd } from "../data/mean_sd.ts";
import type { RankingFigures } from "../data/ranking.ts";
import type { Interval } from "../figures/bootstrap.ts";
import type { FigureName } from "../figures/columns.ts";
import type { Details, Differences } from "../figures/tested.ts";
import { signed, signedRange, toldBy } from "../figures/told.ts";
import type { SnapshotResult } from "../run/snapshot_result.ts";
import type { StageFigures } from "../run/stages.ts";
import { type BaselineResults, shownBaselines } from "../run/tested_users.ts";
import { outputWidth, table } from "../cli/table.ts";

/** Characters of the widest line. */
const WIDEST = 100;

const digits = (value: number | null | undefined) =>
  value === null || value === undefined || Number.isNaN(value) ? "-" : value.toFixed(4);

/** ".554-.596" */
const range = (interval: Interval | null | undefined) =>
  interval ? interval.map((x) => x.toFixed(3).replace(/^0/, "")).join("-") : "-";

/** A column of the table, and how soon it goes when a line is too narrow: 0 never. */
interface ShownColumn {
  readonly head: string;
  readonly goes: number;
  cell(player: Player): string;
}

const COLUMNS: readonly ShownColumn[] = [
  { head: "", goes: 0, cell: ({ name }) => name },
  { head: "iteration", goes: 0, cell: ({ iteration }) => iteration === undefined ? "" : String(iteration) },
  { head: "loss", goes: 0, cell: ({ nll }) => digits(nll) },
  { head: "prec@1", goes: 0, cell: ({ prec1 }) => digits(prec1) },
  { head: "95 %", goes: 1, cell: ({ interval1 }) => range(interval1) },
  { head: "prec@2", goes: 0, cell: ({ prec2 }) => digits(prec2) },
  { head: "95 %", goes: 4, cell: ({ interval2 }) => range(interval2) },
  { head: "prec@1*", goes: 3, cell: ({ longer }) => digits(longer.prec1) },
  { head: "NDCG", goes: 5, cell: ({ ndcg }) => digits(ndcg) },
  { head: "AUC", goes: 2, cell: ({ auc }) => digits(auc) },
];
const LONGER = "prec@1*";

/**
 * Figures of snapshots beside those of the baselines.
 * @param width characters of a line; columns go where they do not fit.
 */
export function resultTable(
  results: readonly SnapshotResult[],
  baselines: BaselineResults,
  width: number = outputWidth(),
): string {
  const players = [...results.flatMap(playersOf), ...baselinePlayers(baselines)];
  // Sums of another order differ in the last digits.
  const differs = (a: number, b = NaN) => Math.abs(a - b) > 1e-6;
  const hasPagesOfOne = players.some(({ prec1, longer }) => differs(prec1, longer.prec1));
  let shown = COLUMNS.filter(({ head }) => head !== LONGER || hasPagesOfOne);
  const lines = () =>
    table(shown.map(({ head }) => head), players.map((p) => shown.map(({ cell }) => cell(p))));
  while (lines().split("\n").some((line) => line.length > Math.min(width, WIDEST))) {
    const next = shown.reduce((least, { goes }) => goes > 0 ? Math.min(least, goes) : least, Infinity);
    if (next === Infinity) break;
    shown = shown.filter(({ goes }) => goes !== next);
  }
  const heads = shown.map(({ head }) => head);
  return [
    lines(),
    ...(heads.includes("95 %") ? ["95 %: bootstrap interval over test users"] : []),
    ...(heads.includes(LONGER) ? ["* without pages of one item, which are always ranked right"] : []),
  ].join("\n");
}

/** Figures that are compared, by what they are called. */
const COMPARED: readonly (readonly [FigureName, string])[] = [
  ["nll", "loss"],
  ["prec1", "prec@1"],
  ["prec2", "prec@2"],
  ["longerPrec1", "prec@1*"],
  ["mrr", "MRR"],
  ["ndcg", "NDCG"],
  ["auc", "AUC"],
  ["piPrec1", "prec@1 of pi"],
  ["piPrec2", "prec@2 of pi"],
];

/** How far one model is above another, on the same users. */
export function differencesTable(differences: Differences): string {
  const rows = COMPARED.flatMap(([name, title]) => {
    const found = differences[name];
    if (!found) return [];
    const { value, interval } = found;
    const range = interval ? signedRange(interval, 4) : "-";
    return [[title, signed(value, 4), range, toldBy(interval, name === "nll")]];
  });
  return table(["", "difference", "95 %", ""], rows);
}

/** How near a model comes to the truth, on data whose truth is known. */
export function attainedText(
  results: readonly SnapshotResult[],
  { attainable }: BaselineResults,
): string | undefined {
  const best = results.find(({ snapshot }) => snapshot === "best-loss");
  if (attainable?.nll === undefined || !best) return undefined;
  const share = (x: number) => `${(100 * x).toFixed(1)} %`;
  const above = best.nll / attainable.nll - 1;
  return `best-loss beside the best possible model: ${share(best.prec1 / attainable.prec1)} of its prec@1, ` +
    `a loss that is ${share(Math.abs(above))} ${above >= 0 ? "higher" : "lower"}.`;
}

/** Whether the reward ranks as the truth does, on data whose truth is known. */
export function spearmanText(results: readonly SnapshotResult[]): string | undefined {
  const known = results.flatMap(({ snapshot, spearman }) =>
    spearman === undefined ? [] : [{ snapshot, spearman }]
  );
  if (known.length === 0) return undefined;
  const list = known.map(({ snapshot, spearman }) => `${spearman.toFixed(3)} (${snapshot})`).join(", ");
  return `Rank correlation of reward and truth within a page (mean Spearman): ${list}.`;
}

/** Mean and sample standard deviation of each figure over runs, beside the baselines. */
export function seedsTable(
  runs: readonly (readonly SnapshotResult[])[],
  baselines: BaselineResults | undefined,
): string {
  const players = runs.map((run) => run.flatMap(playersOf));
  const rows = (players[0] ?? []).map(({ name }) => {
    const own = players.flatMap((run) => run.filter((r) => r.name === name));
    const of = (figure: (r: Player) => number | undefined) => {
      const { mean, sd } = meanAndSd(own.flatMap((r) => figure(r) ?? []));
      return Number.isNaN(mean) ? "-" : `${mean.toFixed(4)} +- ${Number.isNaN(sd) ? "-" : sd.toFixed(4)}`;
    };
    const iterations = own.flatMap((r) => r.iteration ?? []);
    const range = `${Math.min(...iterations)}..${Math.max(...iterations)}`;
    return [name, range, of((r) => r.nll), of((r) => r.prec1), of((r) => r.prec2)];
  });
  const beside = baselines
    ? baselinePlayers(baselines).map((b) => [b.name, "", digits(b.nll), digits(b.prec1), digits(b.prec2)])
    : [];
  return table(["", "iteration", "loss", "prec@1", "prec@2"], [...rows, ...beside]);
}

/** A ranking: the reward's, in a game the generator's, or a baseline's; some have no likelihood. */
interface Player extends RankingFigures {
  readonly name: string;
  /** None of a baseline. */
  readonly iteration: number | undefined;
  readonly nll: number | undefined;
  readonly longer: Partial<RankingFigures>;
  readonly interval1: Interval | null | undefined;
  readonly interval2: Interval | null | undefined;
  readonly ndcg: number | undefined;
  readonly auc: number | undefined;
}

function playersOf(result: SnapshotResult): Player[] {
  const { snapshot, iteration, nll, prec1, prec2, longerPages, piPrec1, piPrec2, details } = result;
  const reward = {
    ...{ name: snapshot, iteration, nll, prec1, prec2, longer: longerPages },
    ...shownDetails(details, "prec1", "prec2"),
  };
  if (piPrec1 === undefined || piPrec2 === undefined) return [reward];
  const longer: RankingFigures & Partial<StageFigures> = longerPages;
  return [reward, {
    ...{ name: `${snapshot}, pi`, iteration, nll: undefined, prec1: piPrec1, prec2: piPrec2 },
    longer: { prec1: longer.piPrec1, prec2: longer.piPrec2 },
    ...shownDetails(details, "piPrec1", "piPrec2"),
    // Of the generator the device sums nothing else.
    ndcg: undefined,
    auc: undefined,
  }];
}

function shownDetails({ figures, intervals }: Details, first: FigureName, second: FigureName) {
  return {
    interval1: intervals[first],
    interval2: intervals[second],
    ndcg: figures.ndcg,
    auc: figures.auc,
  };
}

function baselinePlayers(baselines: BaselineResults): Player[] {
  return shownBaselines.flatMap(([key, name]): Player[] => {
    const found = baselines[key];
    if (!found) {
      // A dash says that the data do not give it; where nothing could be counted, all of them would be dashes.
      return key === "categoryRate" && baselines.clickRate ? [withoutFigures(name)] : [];
    }
    const { nll, prec1, prec2, longerPages: longer, details } = found;
    return [{
      ...{ name, iteration: undefined, nll, prec1, prec2, longer },
      ...shownDetails(details, "prec1", "prec2"),
    }];
  });
}

function withoutFigures(name: string): Player {
  return {
    ...{ name, iteration: undefined, nll: undefined, prec1: NaN, prec2: NaN, longer: {} },
    ...{ interval1: null, interval2: null, ndcg: undefined, auc: undefined },
  };
}

/** Which setting each baseline has. */
export function settingsText(baselines: BaselineResults): string | undefined {
  const set = shownBaselines.flatMap(([key, name]) => {
    const setting = baselines[key]?.setting;
    return setting ? [`${name}: ${setting}`] : [];
  });
  return set.length > 0
    ? `Settings of the baselines, chosen on validation users: ${set.join("; ")}.`
    : undefined;
}
