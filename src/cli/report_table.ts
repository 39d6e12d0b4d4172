/** The table of test figures that a command ends with. */

import type { ChoiceFigures, RankingFigures } from "../data/ranking.ts";
import type { Baselines, SnapshotResult } from "../run/training_run.ts";
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
  const rows: string[][] = results.map((r) => [
    r.snapshot,
    String(r.iteration),
    digits(r.nll),
    digits(r.prec1),
    digits(r.prec2),
    digits(r.longerPages.prec1),
    digits(r.longerPages.prec2),
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
  return `Of the best that any model could do: ${
    share(prec1.prec1 / attainable.prec1)
  } of its prec@1 (best-prec1); ` +
    `log-likelihood ${share(Math.abs(above))} ${above >= 0 ? "below" : "above"} the truth's own (best-loss).`;
}

/** Mean and sample standard deviation of each figure over runs. */
export function seedsTable(runs: readonly (readonly SnapshotResult[])[]): string {
  const rows = (runs[0] ?? []).map(({ snapshot }) => {
    const of = (figure: (r: SnapshotResult) => number) => {
      const values = runs.flatMap((run) => run.filter((r) => r.snapshot === snapshot).map(figure));
      const { mean, sd } = meanAndSd(values);
      return `${mean.toFixed(4)} +- ${Number.isNaN(sd) ? "-" : sd.toFixed(4)}`;
    };
    const iterations = runs.flatMap((run) =>
      run.filter((r) => r.snapshot === snapshot).map((r) => r.iteration)
    );
    const range = `${Math.min(...iterations)}..${Math.max(...iterations)}`;
    return [snapshot, range, of((r) => r.nll), of((r) => r.prec1), of((r) => r.prec2)];
  });
  return table(["", "iteration", "loss", "prec@1", "prec@2"], rows);
}

function meanAndSd(values: readonly number[]): { mean: number; sd: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : NaN };
}
