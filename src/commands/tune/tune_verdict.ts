/**
 * What `tune` says: while it searches, a line when there is a new best, and between them the time left; in the end, whether
 * the best model is worth its use, and how far its figures may be trusted.
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
import { quotePath } from "../../cli/arguments.ts";
import type { RunCallbacks } from "../../run/training_run.ts";
import { describeSetting } from "../../tune/space.ts";
import { findBestValidation, findWinner, type SearchCandidate, type SearchState } from "../../tune/search.ts";

/** By what two are compared; of the loss less is better. */
type ComparedBy = "nll" | "prec1" | "prec2";

/** A model compared with the baselines. */
interface Comparison {
  readonly figure: ComparedBy;
  readonly snapshot: SnapshotResult["snapshot"];
  readonly value: number;
  /** With their own values; the strongest first. */
  readonly rivals: readonly (BaselineComparison & { readonly value: number })[];
  readonly users?: number;
}

/** A model beside what it has to beat, by a precision on the test users. */
export interface TuneVerdict extends Comparison {
  /** By the loss, where its utilities are the log-odds of a choice, as those of baselines are. */
  readonly loss?: Comparison;
  /** Beside the default, by figures of the same two snapshots. */
  readonly usual?: Readonly<Partial<Record<ComparedBy, MetricDifference>>>;
}

type Tested = Pick<SnapshotResult, "snapshot" | "users" | "nll" | "prec1" | "prec2"> & {
  readonly against: BaselineDifferences;
  readonly paired?: StoredSums;
};

/** What a verdict is about, beside the snapshots of the best setting. */
export interface TuneVerdictOptions {
  readonly criterion: Criterion;
  /** Whether the utilities are the log-odds of a choice. */
  readonly isChoice: boolean;
  /** The snapshots of the default, where that is another setting. */
  readonly usual?: readonly Tested[];
}

/** @returns undefined on test users without a click. */
export function judgeBestSetting(
  test: readonly Tested[],
  { criterion, isChoice, usual }: TuneVerdictOptions,
): TuneVerdict | undefined {
  const figure = criterion === "prec2" ? "prec2" : "prec1";
  const ranking = compareCriterion(test, `best-${criterion}`, figure);
  if (!ranking) return undefined;
  const loss = isChoice ? compareCriterion(test, "best-loss", "nll") : undefined;
  return {
    ...ranking,
    ...(loss ? { loss } : {}),
    ...(usual
      ? {
        usual: {
          ...compareWithDefault(test, usual, `best-${criterion}`, figure),
          ...compareWithDefault(test, usual, "best-loss", "nll"),
        },
      }
      : {}),
  };
}

function compareCriterion(
  test: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  figure: ComparedBy,
): Comparison | undefined {
  const own = test.find((result) => result.snapshot === snapshot);
  if (!own || Number.isNaN(own[figure])) return undefined;
  const value = own[figure];
  const rivals = compareWithBaselines([own.against], figure);
  return {
    ...{ figure, snapshot, value, users: own.users },
    rivals: rivals.map((rival) => ({ ...rival, value: value - rival.difference })),
  };
}

/** Nothing where the two cannot be compared. */
function compareWithDefault(
  test: readonly Tested[],
  usual: readonly Tested[],
  snapshot: SnapshotResult["snapshot"],
  figure: ComparedBy,
): Partial<Record<ComparedBy, MetricDifference>> {
  const of = (all: readonly Tested[]) => all.find((result) => result.snapshot === snapshot)?.paired;
  const [best, other] = [of(test), of(usual)];
  const found = best && other && compareLoadedSums(loadSums([best]), figure, loadSums([other]));
  return found ? { [figure]: compareByMetric(figure, found) } : {};
}

/** What the words are about, beside the figures. */
export interface SearchSummary {
  /** Of all settings. */
  readonly rows: readonly SettingRow[];
  readonly winner: SettingRow;
  readonly criterion: Criterion;
  /** Of a setting that is trained to its end. */
  readonly iterations: number;
  /** What the data may lack. */
  readonly unused: string;
}

/** Whether the model is worth its use. */
export function describeTuneVerdict(verdict: TuneVerdict | undefined, finalists: SearchSummary): string[] {
  if (!verdict) return [];
  return [
    ...rankingText(verdict, finalists.unused),
    ...lossText(verdict),
    ...usualText(verdict, finalists),
  ];
}

function rankingText({ figure: metric, rivals: comparisons, users }: TuneVerdict, unused: string): string[] {
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
    `Until a model is better, rank by the ${simple.name}: it is simpler. Try ${unused}, or more ` +
    "users; deno task data describe says what the log lacks.",
  ];
}

const NONE_IS_BETTER = "NO SETTING IS BETTER THAN EVERY BASELINE on the test users.";

/** Whether its probabilities are worth anything. */
function lossText({ loss }: TuneVerdict): string[] {
  if (!loss) return [];
  const { rivals: comparisons, users } = loss;
  const subject = `the loss of the best setting (${loss.value.toFixed(4)})`;
  const words = describeVerdict({ subject, metric: "nll", comparisons, users: describeUsers(users) });
  if (classifyAgainstBaselines(comparisons) === "better") return words;
  return [`By its probabilities ${NONE_IS_BETTER}`, ...words];
}

/** What the search was worth. */
function usualText({ usual = {} }: TuneVerdict, finalists: SearchSummary): string[] {
  const parts = (["prec1", "prec2", "nll"] as const).flatMap((figure) => {
    const found = usual[figure];
    return found ? [`${getMetricTitle(figure)} ${describeDifference(found)}: ${found.is}`] : [];
  });
  if (parts.length === 0) return [];
  const short = cutShort(finalists).length > 0 ? ", each as far as it was trained" : "";
  const isBetter = Object.values(usual).some((found) => found?.is === "better");
  return [
    `The best setting minus the default${short}, on the same test users: ${parts.join("; ")}.`,
    ...(isBetter ? [] : [
      "So the search has found nothing better than the default, whose options follow from the log: it is the simpler choice. " +
      "What may help more is in the log: features of items, places, more users.",
    ]),
  ];
}

/** Of the best setting and the default, those that the budget has cut short, with how far they came. */
function cutShort({ rows, winner, iterations }: SearchSummary): string[] {
  return rows.filter((row) => row.number === 0 || row === winner)
    .filter((row) => row.end === "open" && row.iterations < iterations)
    .map((row) => `The ${row.number === 0 ? "default" : "best setting"} came to ${row.iterations}`);
}

/** A best figure so near to the end says that training was not at its end. */
const STILL_IMPROVING = 0.9;

/** How far the figures may be trusted, and what a longer search would do. */
export function listCautions(finalists: SearchSummary): string[] {
  const { rows, winner, criterion, iterations } = finalists;
  const lines: string[] = [];
  const usual = rows.find(({ number }) => number === 0);
  const figure = `validation ${CRITERION_NAMES[criterion]}`;
  if (rows.length > 1 && winner.number === 0) {
    lines.push(`None of ${rows.length - 1} other settings has a better ${figure} than the default.`);
  } else if (rows.length > 1) {
    lines.push(
      `The best of ${rows.length} settings was chosen by its ${figure}, which flatters it for that reason. The test ` +
        "figures do not.",
    );
  }
  for (const text of cutShort(finalists)) {
    lines.push(
      `${text} of ${iterations} iterations: the budget allows no more. With a larger one the figures can be better.`,
    );
  }
  if (usual?.end === "diverged") {
    lines.push("The default diverged: its learning rate is too large for this log.");
  }
  if (winner.bestIteration === 0) {
    lines.push(
      `Training made the ${figure} of the best setting no better than chance had it: nothing was learned.`,
    );
  } else if (winner.end === "open" && winner.bestIteration > STILL_IMPROVING * winner.iterations) {
    lines.push(
      `The best setting was still improving at its end. It goes on with: deno task train --resume ` +
        `${quotePath(winner.folder)} --iterations ${2 * winner.iterations}`,
    );
  }
  return lines;
}

/** Whether the budget was held. */
export function describeBudget(spentSeconds: number, budgetSeconds: number): string {
  const over = spentSeconds - budgetSeconds;
  const took = `The search took ${formatDuration(spentSeconds)} of ${formatDuration(budgetSeconds)}`;
  return over > 0 ? `${took}, ${over.toFixed(1)} s more than its budget.` : `${took}.`;
}

export interface SearchProgress extends Disposable {
  /** Tells that a setting is trained up to an iteration. @returns what its run tells. */
  begin(number: number, candidate: SearchCandidate, iterations: number): RunCallbacks;
  /** Tells that it is trained no further for now. */
  ended(number: number): void;
  /** Tells where the search stands. */
  done(standing: SearchState): void;
  note(text: string): void;
}

/** What a criterion is called. */
const CRITERION_NAMES: Readonly<Record<Criterion, string>> = {
  loss: "loss",
  prec1: "prec@1",
  prec2: "prec@2",
};

/** @param spent seconds of earlier sessions. */
export function searchProgress(
  standing: SearchState,
  budgetSeconds: number,
  spent: number,
  output: ProgressOutput = process.stderr,
): SearchProgress {
  const began = performance.now();
  const share = () => (spent + (performance.now() - began) / 1000) / budgetSeconds;
  const left = () => `${formatDuration(Math.max(0, (1 - share()) * budgetSeconds))} left`;
  let [current, tenth] = [standing, Math.floor(10 * share())];
  const running = new Map<number, string>();
  let winner = findWinner(standing);
  const line = () =>
    [left(), ...running.values(), bestText(current)].filter((text) => text !== "").join("  ");
  const { note, stop } = createLiveLine(output, (width) => line().slice(0, Math.max(0, width)));
  return {
    begin(number, { iterations: done }, iterations) {
      const told = (at: number, value: string) =>
        running.set(number, `setting ${number}: ${at}/${iterations}${value}`);
      let value = "";
      told(done, value);
      return {
        onStep: ({ iteration }) => void told(iteration, value),
        onValidation(figures) {
          const { criterion } = current;
          value = `  val ${figureText(criterion, figures[criterion === "loss" ? "nll" : criterion])}`;
          told(figures.iteration, value);
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

/** "38 settings, best val loss 1.3912: setting 7" */
function bestText(standing: SearchState): string {
  const { candidates, criterion } = standing;
  const number = findWinner(standing);
  const candidate = candidates[number ?? 0];
  if (number === undefined || !candidate) return "";
  const { value } = findBestValidation(candidate, criterion);
  const count = `${candidates.length} setting${candidates.length === 1 ? "" : "s"}`;
  return `${count}, best val ${figureText(criterion, value)}: setting ${number}`;
}

/** "loss 1.3912" */
function figureText(criterion: Criterion, value: number | null): string {
  return `${CRITERION_NAMES[criterion]} ${value === null || Number.isNaN(value) ? "-" : value.toFixed(4)}`;
}
