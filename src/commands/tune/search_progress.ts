/** Progress display of `tune`: remaining time, settings that are being trained, and each new best setting. */

import process from "node:process";
import { getMetricTitle } from "../../metrics/metric_columns.ts";
import type { Criterion } from "../../train/best_records.ts";
import { createLiveLine } from "../../cli/progress.ts";
import { formatDuration } from "../../number_text.ts";
import type { RunCallbacks } from "../../run/training_run.ts";
import { describeSetting } from "../../tune/space.ts";
import { findBestValidation, findWinner, type SearchCandidate, type SearchState } from "../../tune/search.ts";

/** Returns the name of the metric by which a criterion selects snapshots. */
function getCriterionMetric(criterion: Criterion): "nll" | "prec1" | "prec2" {
  return criterion === "loss" ? "nll" : criterion;
}

export function getCriterionTitle(criterion: Criterion): string {
  return getMetricTitle(getCriterionMetric(criterion));
}

/** Creates the progress display of a search. @param spent - duration of all earlier sessions in seconds */
export function searchProgress(state: SearchState, budgetSeconds: number, spent: number) {
  const output = process.stderr;
  const began = performance.now();
  const share = () => (spent + (performance.now() - began) / 1000) / budgetSeconds;
  const left = () => `${formatDuration(Math.max(0, (1 - share()) * budgetSeconds))} left`;
  let [current, tenth] = [state, Math.floor(10 * share())];
  const running = new Map<number, string>();
  let winner = findWinner(state)?.number;
  const line = () =>
    [left(), ...running.values(), bestText(current)].filter((text) => text !== "").join("  ");
  const { note, stop } = createLiveLine(output, (width) => line().slice(0, Math.max(0, width)));
  return {
    /** Displays a new training. @param iterations - planned total. @returns callbacks for the run */
    begin({ number, iterations: done }: SearchCandidate, iterations: number): RunCallbacks {
      const show = (at: number, value: string) =>
        running.set(number, `setting ${number}: ${at}/${iterations}${value}`);
      let value = "";
      show(done, value);
      return {
        onStep: ({ iteration }) => void show(iteration, value),
        onValidation(result) {
          const { criterion } = current;
          value = `  val ${formatMetric(criterion, result[getCriterionMetric(criterion)])}`;
          show(result.iteration, value);
        },
      };
    },
    /** Reports that a setting's training has paused or ended. */
    ended: (number: number) => void running.delete(number),
    /** Updates the display after the state of the search has changed. */
    done(now: SearchState) {
      current = now;
      const next = findWinner(now);
      const isNew = next !== undefined && next.number !== winner;
      winner = next?.number;
      if (isNew) note(`${bestText(now)}  (${describeSetting(next.setting)})  ${left()}`);
      const passed = Math.floor(10 * share());
      if (!output.isTTY && !isNew && passed > tenth) output.write(`${line()}\n`);
      tenth = passed;
    },
    note,
    [Symbol.dispose]: stop,
  };
}

function bestText(state: SearchState): string {
  const { candidates, criterion } = state;
  const winner = findWinner(state);
  if (!winner) return "";
  const { value } = findBestValidation(winner, criterion);
  const count = `${candidates.length} setting${candidates.length === 1 ? "" : "s"}`;
  return `${count}, best val ${formatMetric(criterion, value)}: setting ${winner.number}`;
}

/** Formats a validation metric, such as "loss 1.3912". */
function formatMetric(criterion: Criterion, value: number | null): string {
  return `${getCriterionTitle(criterion)} ${value === null || Number.isNaN(value) ? "-" : value.toFixed(4)}`;
}
