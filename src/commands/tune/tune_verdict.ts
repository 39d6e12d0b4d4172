/**
 * Messages of `tune`: progress and new best settings during the search; at the end, comparisons of the best
 * setting with the baselines and the default setting, and cautions.
 */

import process from "node:process";
import { getMetricTitle } from "../../metrics/metric_columns.ts";
import type { Criterion } from "../../train/best_records.ts";
import { compareLoadedSums, loadSums, type StoredSums } from "../../metrics/test_result.ts";
import type { SnapshotResult } from "../../run/tested_users.ts";
import {
  type BaselineComparison,
  type BaselineDifferences,
  classifyAgainstBaselines,
  compareByMetric,
  compareWithBaselines,
  describeDifference,
  describeUsers,
  describeVerdict,
  type MetricDifference,
} from "../../metrics/baseline_verdict.ts";
import type { SettingRow } from "../../tune/tune_folder.ts";
import { createLiveLine, formatDuration, type ProgressOutput } from "../../cli/progress.ts";
import { quotePath } from "../../shell_word.ts";
import type { RunCallbacks } from "../../run/training_run.ts";
import { describeSetting } from "../../tune/space.ts";
import { findBestValidation, findWinner, type SearchCandidate, type SearchState } from "../../tune/search.ts";

/** Metrics by which models are compared. A lower loss (nll) and a higher precision are better. */
type ComparedBy = "nll" | "prec1" | "prec2";

/** Comparison of a model with the baselines by one metric. */
interface Comparison {
  readonly metric: ComparedBy;
  readonly snapshot: SnapshotResult["snapshot"];
  readonly value: number;
  /** Baselines with their values of the metric, best baseline first. */
  readonly baselines: readonly (BaselineComparison & { readonly value: number })[];
  readonly users?: number;
}

/** Comparison of the best setting with the baselines and the default on the test users. */
export interface TuneVerdict extends Comparison {
  /** Comparison by the loss. Absent if the utilities are not the log-odds of a choice. */
  readonly loss?: Comparison;
  /** Metrics of the best setting minus those of the default setting. */
  readonly versusDefault?: Readonly<Partial<Record<ComparedBy, MetricDifference>>>;
}

type Tested = Pick<SnapshotResult, "snapshot" | "users" | "nll" | "prec1" | "prec2"> & {
  readonly against: BaselineDifferences;
  readonly paired?: StoredSums;
};

/** Inputs of a search's verdict, in addition to the tested snapshots. */
export interface TuneVerdictOptions {
  readonly criterion: Criterion;
  /** True if the model's utilities are the log-odds of a choice. */
  readonly isChoice: boolean;
  /** Tested snapshots of the default setting; absent if the default is the best setting. */
  readonly usual?: readonly Tested[];
}

/** Compares the best setting with the baselines and the default; undefined if no test user has clicked. */
export function judgeBestSetting(
  test: readonly Tested[],
  { criterion, isChoice, usual }: TuneVerdictOptions,
): TuneVerdict | undefined {
  const metric = criterion === "prec2" ? "prec2" : "prec1";
  const ranking = compareCriterion(test, `best-${criterion}`, metric);
  if (!ranking) return undefined;
  const loss = isChoice ? compareCriterion(test, "best-loss", "nll") : undefined;
  return {
    ...ranking,
    ...(loss ? { loss } : {}),
    ...(usual
      ? {
        versusDefault: {
          ...compareWithDefault(test, usual, `best-${criterion}`, metric),
          ...compareWithDefault(test, usual, "best-loss", "nll"),
        },
      }
      : {}),
  };
}

function compareCriterion(
  test: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  metric: ComparedBy,
): Comparison | undefined {
  const own = test.find((result) => result.snapshot === snapshot);
  if (!own || Number.isNaN(own[metric])) return undefined;
  const value = own[metric];
  const baselines = compareWithBaselines([own.against], metric);
  return {
    ...{ metric, snapshot, value, users: own.users },
    baselines: baselines.map((baseline) => ({ ...baseline, value: value - baseline.difference })),
  };
}

/** Compares the best setting with the default setting; {} if a snapshot was not tested. */
function compareWithDefault(
  test: readonly Tested[],
  usual: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  metric: ComparedBy,
): Partial<Record<ComparedBy, MetricDifference>> {
  const of = (all: readonly Tested[]) => all.find((result) => result.snapshot === snapshot)?.paired;
  const [best, other] = [of(test), of(usual)];
  const found = best && other && compareLoadedSums(loadSums([best]), metric, loadSums([other]));
  return found ? { [metric]: compareByMetric(metric, found) } : {};
}

export interface SearchSummary {
  readonly rows: readonly SettingRow[];
  readonly winner: SettingRow;
  readonly criterion: Criterion;
  /** Number of iterations of a complete training. */
  readonly iterations: number;
}

/** Describes whether the best setting is better than the baselines and the default setting. */
export function describeTuneVerdict(verdict: TuneVerdict | undefined, finalists: SearchSummary): string[] {
  if (!verdict) return [];
  return [
    ...rankingText(verdict),
    ...lossText(verdict),
    ...usualText(verdict, finalists),
  ];
}

function rankingText({ metric, baselines: comparisons, users }: TuneVerdict): string[] {
  const words = describeVerdict({
    subject: "the best setting",
    metric,
    comparisons,
    users: describeUsers(users),
  });
  const simple = comparisons.find(({ is }) => is !== "better");
  if (!simple) return words;
  return [
    NONE_IS_BETTER,
    ...words,
    `Until a model ranks better, rank by ${simple.name}. What the log lacks: deno task data describe.`,
  ];
}

const NONE_IS_BETTER = "No setting is better than every baseline on the test users.";

/** Describes the loss of the best setting, compared with the baselines. */
function lossText({ loss }: TuneVerdict): string[] {
  if (!loss) return [];
  const { baselines: comparisons, users } = loss;
  const subject = `the loss of the best setting (${loss.value.toFixed(4)})`;
  const words = describeVerdict({ subject, metric: "nll", comparisons, users: describeUsers(users) });
  if (classifyAgainstBaselines(comparisons) === "better") return words;
  return ["By the loss, no setting is better than every baseline on the test users.", ...words];
}

/** Describes the differences between the best and the default setting. */
function usualText({ versusDefault = {} }: TuneVerdict, finalists: SearchSummary): string[] {
  const parts = (["prec1", "prec2", "nll"] as const).flatMap((metric) => {
    const found = versusDefault[metric];
    return found ? [`${getMetricTitle(metric)} ${describeDifference(found)}: ${found.is}`] : [];
  });
  if (parts.length === 0) return [];
  const short = cutShort(finalists).length > 0 ? ", with the iterations that the time allowed" : "";
  const isBetter = Object.values(versusDefault).some((found) => found?.is === "better");
  return [
    `The best setting minus the default${short}, on the same test users: ${parts.join("; ")}.`,
    ...(isBetter ? [] : [
      "No setting is significantly better than the default, which is simpler. " +
      "Better data may help more: item features, positions, more users.",
    ]),
  ];
}

/** Describes a best or default setting that has too few iterations, because the time ran out. */
function cutShort({ rows, winner, iterations }: SearchSummary): string[] {
  return rows.filter((row) => row.number === 0 || row === winner)
    .filter((row) => row.end === "open" && row.iterations < iterations)
    .map((row) => `The ${row.number === 0 ? "default" : "best setting"} was trained for ${row.iterations}`);
}

/** If the best validation is after this share of the iterations, training was still improving. */
const STILL_IMPROVING = 0.9;

/** Lists cautions about the metrics, and says what a longer search may change. */
export function listCautions(finalists: SearchSummary): string[] {
  const { rows, winner, criterion, iterations } = finalists;
  const lines: string[] = [];
  const usual = rows.find(({ number }) => number === 0);
  const metric = `validation ${CRITERION_NAMES[criterion]}`;
  if (rows.length > 1 && winner.number === 0) {
    lines.push(`The default has the best ${metric} of ${rows.length} settings.`);
  } else if (rows.length > 1) {
    lines.push(
      `The best of ${rows.length} settings was chosen by its ${metric}, so it is optimistic. The test ` +
        "metrics are not optimistic.",
    );
  }
  for (const text of cutShort(finalists)) {
    lines.push(
      `${text} of ${iterations} iterations, because the budget was spent. A larger --budget may improve it.`,
    );
  }
  if (usual?.end === "diverged") {
    lines.push("The default diverged: use a smaller --learning-rate for this log.");
  }
  if (winner.bestIteration === 0) {
    lines.push(`Training did not improve the ${metric} of the best setting: it has learned nothing.`);
  } else if (winner.end === "open" && winner.bestIteration > STILL_IMPROVING * winner.iterations) {
    lines.push(
      `The best setting was still improving at its end. Continue it with: deno task -q train --resume ` +
        `${quotePath(winner.folder)} --iterations ${2 * winner.iterations}`,
    );
  }
  return lines;
}

/** Describes the seconds that the search took, compared with its budget. */
export function describeBudget(spentSeconds: number, budgetSeconds: number): string {
  const over = spentSeconds - budgetSeconds;
  const took = `The search took ${formatDuration(spentSeconds)} of ${formatDuration(budgetSeconds)}`;
  return over > 0 ? `${took}, ${over.toFixed(1)} s more than its budget.` : `${took}.`;
}

export interface SearchProgress extends Disposable {
  /** Reports that a setting's training begins. @param iterations - last iteration @returns run callbacks */
  begin(number: number, candidate: SearchCandidate, iterations: number): RunCallbacks;
  /** Reports that a setting's training has paused or ended. */
  ended(number: number): void;
  /** Updates the display after the state of the search has changed. */
  done(state: SearchState): void;
  note(text: string): void;
}

const CRITERION_NAMES: Readonly<Record<Criterion, string>> = {
  loss: "loss",
  prec1: "prec@1",
  prec2: "prec@2",
};

/** Creates the progress display of a search. @param spent - seconds of earlier sessions */
export function searchProgress(
  state: SearchState,
  budgetSeconds: number,
  spent: number,
  output: ProgressOutput = process.stderr,
): SearchProgress {
  const began = performance.now();
  const share = () => (spent + (performance.now() - began) / 1000) / budgetSeconds;
  const left = () => `${formatDuration(Math.max(0, (1 - share()) * budgetSeconds))} left`;
  let [current, tenth] = [state, Math.floor(10 * share())];
  const running = new Map<number, string>();
  let winner = findWinner(state);
  const line = () =>
    [left(), ...running.values(), bestText(current)].filter((text) => text !== "").join("  ");
  const { note, stop } = createLiveLine(output, (width) => line().slice(0, Math.max(0, width)));
  return {
    begin(number, { iterations: done }, iterations) {
      const show = (at: number, value: string) =>
        running.set(number, `setting ${number}: ${at}/${iterations}${value}`);
      let value = "";
      show(done, value);
      return {
        onStep: ({ iteration }) => void show(iteration, value),
        onValidation(result) {
          const { criterion } = current;
          value = `  val ${formatMetric(criterion, result[criterion === "loss" ? "nll" : criterion])}`;
          show(result.iteration, value);
        },
      };
    },
    ended: (number) => void running.delete(number),
    done(now) {
      current = now;
      const next = findWinner(now);
      const isNew = next !== undefined && next !== winner;
      winner = next;
      if (isNew) {
        note(`${bestText(now)}  (${describeSetting(now.candidates[next]?.setting ?? {})})  ${left()}`);
      }
      const passed = Math.floor(10 * share());
      if (!output.isTTY && !isNew && passed > tenth) output.write(`${line()}\n`);
      tenth = passed;
    },
    note,
    [Symbol.dispose]: stop,
  };
}

/** Formats the best setting so far, such as "38 settings, best val loss 1.3912: setting 7". */
function bestText(state: SearchState): string {
  const { candidates, criterion } = state;
  const number = findWinner(state);
  const candidate = candidates[number ?? 0];
  if (number === undefined || !candidate) return "";
  const { value } = findBestValidation(candidate, criterion);
  const count = `${candidates.length} setting${candidates.length === 1 ? "" : "s"}`;
  return `${count}, best val ${formatMetric(criterion, value)}: setting ${number}`;
}

/** Formats a validation metric, such as "loss 1.3912". */
function formatMetric(criterion: Criterion, value: number | null): string {
  return `${CRITERION_NAMES[criterion]} ${value === null || Number.isNaN(value) ? "-" : value.toFixed(4)}`;
}
