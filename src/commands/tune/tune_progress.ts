/** How a search goes: a line when there is a new best, and between them the time left. */

import process from "node:process";
import type { RunEvents } from "../../run/training_run.ts";
import type { Criterion } from "../../train/best_records.ts";
import { textOf } from "../../tune/space.ts";
import { bestOf, type Candidate, type Standing, winnerOf } from "../../tune/search.ts";
import { duration, liveLine, type Output } from "../../cli/progress.ts";

export interface SearchProgress extends Disposable {
  /** Tells that a setting is trained up to an iteration. @returns what its run tells. */
  begin(number: number, candidate: Candidate, iterations: number): RunEvents;
  /** Tells that it is trained no further for now. */
  ended(number: number): void;
  /** Tells where the search stands. */
  done(standing: Standing): void;
  note(text: string): void;
}

/** What a criterion is called. */
export const CRITERION_NAMES: Readonly<Record<Criterion, string>> = {
  loss: "loss",
  prec1: "prec@1",
  prec2: "prec@2",
};

/** @param spent seconds of earlier sessions. */
export function searchProgress(
  standing: Standing,
  budgetSeconds: number,
  spent: number,
  output: Output = process.stderr,
): SearchProgress {
  const began = performance.now();
  const share = () => (spent + (performance.now() - began) / 1000) / budgetSeconds;
  const left = () => `${duration(Math.max(0, (1 - share()) * budgetSeconds))} left`;
  let [current, tenth] = [standing, Math.floor(10 * share())];
  const running = new Map<number, string>();
  let winner = winnerOf(standing);
  const line = () =>
    [left(), ...running.values(), bestText(current)].filter((text) => text !== "").join("  ");
  const { note, stop } = liveLine(output, (width) => line().slice(0, Math.max(0, width)));
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
      const next = winnerOf(now);
      const isNew = next !== undefined && next !== winner;
      winner = next;
      if (isNew) note(`${bestText(now)}  (${textOf(now.candidates[next]?.setting ?? {})})  ${left()}`);
      const passed = Math.floor(10 * share());
      if (!output.isTTY && !isNew && passed > tenth) output.write(`${line()}\n`);
      tenth = passed;
    },
    note,
    [Symbol.dispose]: stop,
  };
}

/** "38 settings, best val loss 1.3912: setting 7" */
function bestText(standing: Standing): string {
  const { candidates, criterion } = standing;
  const number = winnerOf(standing);
  const candidate = candidates[number ?? 0];
  if (number === undefined || !candidate) return "";
  const { value } = bestOf(candidate, criterion);
  const count = `${candidates.length} setting${candidates.length === 1 ? "" : "s"}`;
  return `${count}, best val ${figureText(criterion, value)}: setting ${number}`;
}

/** "loss 1.3912" */
function figureText(criterion: Criterion, value: number | null): string {
  return `${CRITERION_NAMES[criterion]} ${value === null || Number.isNaN(value) ? "-" : value.toFixed(4)}`;
}
