/** Whether the best setting of a search beats the baselines, and the default, on the test users. */

import { baselineNames, baselineTitles } from "../figures/baselines/baselines.ts";
import { keptDifference, keptOf, type Paired } from "../figures/paired.ts";
import type { Difference } from "../figures/tested.ts";
import { type Told, toldBy } from "../figures/told.ts";
import type { SnapshotResult } from "../run/snapshot_result.ts";
import type { Criterion } from "../train/best_records.ts";

/** By what two are compared; of the loss less is better. */
export type ComparedBy = "nll" | "prec1" | "prec2";

/** How far the model is from another, and where 95 % of the resamples of the users are; null where there are too few. */
export interface Beside {
  readonly difference: number;
  readonly interval: readonly [number, number] | null;
  /** Of the model. */
  readonly is: Told;
}

/** A baseline beside a model. */
export interface Rival extends Beside {
  /** As tables call it. */
  readonly name: string;
  readonly value: number;
}

/** A model beside the baselines. */
export interface Comparison {
  readonly figure: ComparedBy;
  readonly snapshot: SnapshotResult["snapshot"];
  readonly value: number;
  /** The strongest first. */
  readonly rivals: readonly Rival[];
}

/** A model beside what it has to beat, by a precision on the test users. */
export interface Verdict extends Comparison {
  readonly figure: "prec1" | "prec2";
  /** By the loss, where its utilities are the log-odds of a choice, as those of baselines are. */
  readonly loss?: Comparison;
  /** Beside the default, by figures of the same two snapshots. */
  readonly usual?: Readonly<Partial<Record<ComparedBy, Beside>>>;
}

type Tested = Pick<SnapshotResult, "snapshot" | "nll" | "prec1" | "prec2" | "against"> & {
  readonly paired?: Paired;
};

/** What a verdict is about, beside the snapshots of the best setting. */
export interface VerdictOptions {
  readonly criterion: Criterion;
  /** Whether the utilities are the log-odds of a choice. */
  readonly isChoice: boolean;
  /** The snapshots of the default, where that is another setting. */
  readonly usual?: readonly Tested[];
}

/** @returns undefined on test users without a click. */
export function verdictOn(
  test: readonly Tested[],
  { criterion, isChoice, usual }: VerdictOptions,
): Verdict | undefined {
  const figure = criterion === "prec2" ? "prec2" : "prec1";
  const ranking = comparisonOf(test, `best-${criterion}`, figure);
  if (!ranking) return undefined;
  const loss = isChoice ? comparisonOf(test, "best-loss", "nll") : undefined;
  return {
    ...ranking,
    figure,
    ...(loss ? { loss } : {}),
    ...(usual
      ? {
        usual: {
          ...besideOf(test, usual, `best-${criterion}`, figure),
          ...besideOf(test, usual, "best-loss", "nll"),
        },
      }
      : {}),
  };
}

function comparisonOf(
  test: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  figure: ComparedBy,
): Comparison | undefined {
  const own = test.find((result) => result.snapshot === snapshot);
  if (!own || Number.isNaN(own[figure])) return undefined;
  const value = own[figure];
  const rivals = baselineNames.flatMap((name): Rival[] => {
    const found = own.against[name]?.[figure];
    if (!found) return [];
    return [{ name: baselineTitles[name], value: value - found.value, ...besideBy(figure, found) }];
  });
  const isLess = figure === "nll";
  return {
    figure,
    snapshot,
    value,
    rivals: rivals.sort((a, b) => isLess ? a.value - b.value : b.value - a.value),
  };
}

function besideBy(figure: ComparedBy, { value: difference, interval }: Difference): Beside {
  return { difference, interval, is: toldBy(interval, figure === "nll") };
}

/** Nothing where the two cannot be compared. */
function besideOf(
  test: readonly Tested[],
  usual: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  figure: ComparedBy,
): Partial<Record<ComparedBy, Beside>> {
  const of = (all: readonly Tested[]) => all.find((result) => result.snapshot === snapshot)?.paired;
  const [best, other] = [of(test), of(usual)];
  const found = best && other && keptDifference(keptOf([best]), figure, keptOf([other]));
  return found ? { [figure]: besideBy(figure, found) } : {};
}
