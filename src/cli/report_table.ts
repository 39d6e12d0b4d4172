/** The table of test figures that a command ends with. */

import { meanAndSd } from "../data/mean_sd.ts";
import type { ChoiceFigures, RankingFigures } from "../data/ranking.ts";
import type { Baselines, SnapshotResult } from "../run/training_run.ts";
import type { GameFigures } from "../train/sums.ts";
import { outputWidth, table } from "./table.ts";

const digits = (value: number | null | undefined) =>
  value === null || value === undefined || Number.isNaN(value) ? "-" : value.toFixed(4);

const HEAD = ["", "iteration", "loss", "prec@1", "prec@2", "prec@1*", "prec@2*"];
const FOOT = "* without pages of one item, which are always ranked right";

/**
 * Figures of snapshots beside those of the baselines.
 * @param width characters of a line; the figures without pages of one item go when they do not fit.
 */
export function resultTable(
  results: readonly SnapshotResult[],
  baselines: Baselines,
  width: number = outputWidth(),
): string {
  const row = (name: string, f: RankingFigures & Partial<ChoiceFigures>) =>
    [name, "", digits(f.nll), digits(f.prec1), digits(f.prec2), "", ""] as string[];
  const rows: string[][] = results.flatMap(playersOf).map((r) => [
    r.name,
    String(r.iteration),
    digits(r.nll),
    digits(r.prec1),
    digits(r.prec2),
    digits(r.longer.prec1),
    digits(r.longer.prec2),
  ]);
  rows.push(row("random", baselines.random));
  if (baselines.clickRate) rows.push(row("click rate", baselines.clickRate));
  if (baselines.attainable) rows.push(row("best attainable", baselines.attainable));
  const wide = table(HEAD, rows);
  if (wide.split("\n").every((line) => line.length <= width)) return `${wide}\n${FOOT}`;
  return table(HEAD.slice(0, 5), rows.map((row) => row.slice(0, 5)));
}

/** How near a model comes to the truth, on data whose truth is known. */
export function attainedText(
  results: readonly SnapshotResult[],
  { attainable }: Baselines,
): string | undefined {
  const best = (of: string) => results.find((r) => r.snapshot === of);
  const [loss, prec1] = [best("best-loss"), best("best-prec1")];
  if (!attainable || !loss || !prec1) return undefined;
  const share = (x: number) => `${(100 * x).toFixed(1)} %`;
  const above = loss.nll / attainable.nll - 1;
  return "Of the best that any model could do: " +
    `${share(prec1.prec1 / attainable.prec1)} of its prec@1 (best-prec1); ` +
    `log-likelihood ${share(Math.abs(above))} ${above >= 0 ? "below" : "above"} the truth's own (best-loss).`;
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

/** Mean and sample standard deviation of each figure over runs. */
export function seedsTable(runs: readonly (readonly SnapshotResult[])[]): string {
  const players = runs.map((run) => run.flatMap(playersOf));
  const rows = (players[0] ?? []).map(({ name }) => {
    const own = players.flatMap((run) => run.filter((r) => r.name === name));
    const of = (figure: (r: Player) => number | undefined) => {
      const { mean, sd } = meanAndSd(own.flatMap((r) => figure(r) ?? []));
      return Number.isNaN(mean) ? "-" : `${mean.toFixed(4)} +- ${Number.isNaN(sd) ? "-" : sd.toFixed(4)}`;
    };
    const iterations = own.map((r) => r.iteration);
    const range = `${Math.min(...iterations)}..${Math.max(...iterations)}`;
    return [name, range, of((r) => r.nll), of((r) => r.prec1), of((r) => r.prec2)];
  });
  return table(["", "iteration", "loss", "prec@1", "prec@2"], rows);
}

/** A ranking that a snapshot gives: the reward's, and in a game the generator's, which has no likelihood. */
interface Player extends RankingFigures {
  readonly name: string;
  readonly iteration: number;
  readonly nll: number | undefined;
  readonly longer: RankingFigures;
}

function playersOf(result: SnapshotResult): Player[] {
  const { snapshot, iteration, nll, prec1, prec2, longerPages, piPrec1, piPrec2 } = result;
  const reward = { name: snapshot, iteration, nll, prec1, prec2, longer: longerPages };
  if (piPrec1 === undefined || piPrec2 === undefined) return [reward];
  const longer: RankingFigures & Partial<GameFigures> = longerPages;
  return [reward, {
    name: `${snapshot}, pi`,
    iteration,
    nll: undefined,
    prec1: piPrec1,
    prec2: piPrec2,
    longer: { prec1: longer.piPrec1 ?? NaN, prec2: longer.piPrec2 ?? NaN },
  }];
}
