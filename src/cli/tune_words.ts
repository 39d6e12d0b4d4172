/** What `tune` says in words: whether the model is worth its use, and how far its figures may be trusted. */

import type { Criterion } from "../train/best_records.ts";
import { signed } from "../run/verdict.ts";
import type { Rival, SettingRow, Verdict } from "../tune/outcome.ts";
import { duration } from "./progress.ts";
import { quoted } from "./shell_word.ts";
import { CRITERION_NAMES } from "./tune_progress.ts";

const digits = (x: number) => x.toFixed(4).replace(/^0/, "");

/** Whether the model is worth its use. */
export function verdictText(verdict: Verdict | undefined): string[] {
  const strongest = verdict?.rivals[0];
  if (!verdict || !strongest) return [];
  const { figure, snapshot, value, rivals } = verdict;
  const own = `${CRITERION_NAMES[figure]} ${digits(value)} (${snapshot})`;
  const that = (is: Rival["is"]) => rivals.filter((rival) => rival.is === is).map(rivalText).join("; ");
  if (rivals.every(({ is }) => is === "beaten")) {
    return [
      `The best setting ranks better than every baseline: ${own}. The nearest: ${rivalText(strongest)}.`,
    ];
  }
  const [better, near] = [that("better"), that("near")];
  const simple = rivals.find(({ is }) => is !== "beaten") ?? strongest;
  return [
    `NO SETTING BEATS EVERY BASELINE on the test users. The best one has ${own}.`,
    ...(better === "" ? [] : [`It is WORSE than ${better}.`]),
    ...(near === "" ? [] : [`It cannot be told apart from ${near}.`]),
    `Until a model beats it, rank by the ${simple.name}: it is simpler. Try more features of the items, item ids, or more ` +
    "users; deno task data describe says what the log lacks.",
  ];
}

/** "click rate .3442 (+.0120, 95 %: +.0010 to +.0230)" */
function rivalText({ name, value, difference, interval }: Rival): string {
  const range = interval ? `, 95 %: ${signed(interval[0])} to ${signed(interval[1])}` : "";
  return `${name} ${digits(value)} (${signed(difference)}${range})`;
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
