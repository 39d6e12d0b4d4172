/** What `tune` says in words: whether the model is worth its use, and how far its figures may be trusted. */

import type { Criterion } from "../train/best_records.ts";
import type { SettingRow, Verdict } from "../tune/outcome.ts";
import { duration } from "./progress.ts";
import { quoted } from "./shell_word.ts";
import { CRITERION_NAMES } from "./tune_progress.ts";

const digits = (x: number) => x.toFixed(4).replace(/^0/, "");

/** Whether the model is worth its use. */
export function verdictText(verdict: Verdict | undefined): string[] {
  if (!verdict) return [];
  const { figure, snapshot, value, baselines: [strongest], unbeaten } = verdict;
  if (!strongest) return [];
  const own = `${CRITERION_NAMES[figure]} ${digits(value)} (${snapshot})`;
  const rival = `${digits(strongest.value)} of the ${strongest.name}`;
  if (unbeaten.length === 0) {
    return [`The best setting beats every baseline on the test users: ${own}, against ${rival}.`];
  }
  return [
    `NO SETTING BEATS THE BASELINES on the test users: the best one has ${own}, against ${rival}. ` +
    `Not beaten: ${
      unbeaten.join(", ")
    }. Rank by the ${strongest.name} instead, or give the model more: features of the ` +
    "items, item ids, more users (deno task data describe says what the log lacks).",
  ];
}

/** A best figure so near to the end says that training was not at its end. */
const STILL_IMPROVING = 0.9;

/**
 * How far the figures may be trusted, and what a longer search would do.
 * @param rows of all settings. @param iterations of a setting that is trained to its end.
 */
export function cautions(
  rows: readonly SettingRow[],
  winner: SettingRow,
  { criterion, iterations }: { criterion: Criterion; iterations: number },
): string[] {
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
  if (usual && usual.end === "open" && usual.iterations < iterations) {
    lines.push(
      `The default came to ${usual.iterations} of ${iterations} iterations: the budget allows no more. With a larger one ` +
        "the figures can be better.",
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
        `${quoted(winner.folder)} --iterations ${2 * winner.iterations}`,
    );
  }
  return lines;
}

/** Whether the budget was held. */
export function budgetText(spentSeconds: number, budgetSeconds: number): string {
  const over = spentSeconds - budgetSeconds;
  const took = `The search took ${duration(spentSeconds)} of ${duration(budgetSeconds)}`;
  return over > 0 ? `${took}, ${over.toFixed(1)} s more than its budget.` : `${took}.`;
}
