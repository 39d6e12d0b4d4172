/** What `tune` says in words: whether the model is worth its use, and how far its figures may be trusted. */

import type { Criterion } from "../../train/best_records.ts";
import { signed, signedRange, type Told } from "../../figures/told.ts";
import type { SettingRow } from "../tune_folder.ts";
import type { Beside, ComparedBy, Comparison, Rival, Verdict } from "../verdict.ts";
import { duration } from "../../cli/progress.ts";
import { quoted } from "../../cli/arguments.ts";
import { CRITERION_NAMES } from "./tune_progress.ts";

const digits = (x: number) => x.toFixed(4).replace(/^0/, "");

const NAMES: Readonly<Record<ComparedBy, string>> = {
  nll: CRITERION_NAMES.loss,
  prec1: CRITERION_NAMES.prec1,
  prec2: CRITERION_NAMES.prec2,
};

/** What the words are about, beside the figures. */
export interface Finalists {
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
export function verdictText(verdict: Verdict | undefined, finalists: Finalists): string[] {
  if (!verdict) return [];
  return [
    ...rankingText(verdict, finalists.unused),
    ...lossText(verdict),
    ...usualText(verdict, finalists),
  ];
}

function rankingText(verdict: Verdict, unused: string): string[] {
  const strongest = verdict.rivals[0];
  if (!strongest) return [];
  if (verdict.rivals.every(({ is }) => is === "better")) {
    return [
      `The best setting ranks better than every baseline: ${ownText(verdict)}. The nearest: ${
        rivalText(strongest)
      }.`,
    ];
  }
  const simple = verdict.rivals.find(({ is }) => is !== "better") ?? strongest;
  return [
    `NO SETTING BEATS EVERY BASELINE on the test users. The best one has ${ownText(verdict)}.`,
    ...unbeatenText(verdict),
    `Until a model beats it, rank by the ${simple.name}: it is simpler. Try ${unused}, or more ` +
    "users; deno task data describe says what the log lacks.",
  ];
}

/** Whether its probabilities are worth anything. */
function lossText({ loss }: Verdict): string[] {
  const nearest = loss?.rivals[0];
  if (!loss || !nearest) return [];
  if (loss.rivals.every(({ is }) => is === "better")) {
    return [
      `Its probabilities are better than those of every baseline: ${ownText(loss)}. The nearest: ${
        rivalText(nearest)
      }.`,
    ];
  }
  return [`By its probabilities NO SETTING BEATS EVERY BASELINE: ${ownText(loss)}.`, ...unbeatenText(loss)];
}

/** "prec@1 .5712 (best-loss)" */
function ownText({ figure, value, snapshot }: Comparison): string {
  return `${NAMES[figure]} ${digits(value)} (${snapshot})`;
}

function unbeatenText({ rivals }: Comparison): string[] {
  const those = (told: Told) => rivals.filter(({ is }) => is === told).map(rivalText).join("; ");
  const [worse, near] = [those("worse"), those("not told apart")];
  return [
    ...(worse === "" ? [] : [`It is WORSE than ${worse}.`]),
    ...(near === "" ? [] : [`It cannot be told apart from ${near}.`]),
  ];
}

/** What the search was worth. */
function usualText({ usual = {} }: Verdict, finalists: Finalists): string[] {
  const parts = (["prec1", "prec2", "nll"] as const).flatMap((figure) => {
    const found = usual[figure];
    return found ? [`${NAMES[figure]} ${differenceText(found)}: ${found.is}`] : [];
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

/** "click rate .3442 (+.0120, 95 %: +.0010 to +.0230)" */
function rivalText(rival: Rival): string {
  return `${rival.name} ${digits(rival.value)} (${differenceText(rival, "")})`;
}

/** "+.0120 (95 %: +.0010 to +.0230)" */
function differenceText({ difference, interval }: Beside, bracket = "("): string {
  if (!interval) return signed(difference, 3);
  const range = `95 %: ${signedRange(interval, 3)}`;
  return signed(difference, 3) + (bracket === "" ? `, ${range}` : ` (${range})`);
}

/** Of the best setting and the default, those that the budget has cut short, with how far they came. */
function cutShort({ rows, winner, iterations }: Finalists): string[] {
  return rows.filter((row) => row.number === 0 || row === winner)
    .filter((row) => row.end === "open" && row.iterations < iterations)
    .map((row) => `The ${row.number === 0 ? "default" : "best setting"} came to ${row.iterations}`);
}

/** A best figure so near to the end says that training was not at its end. */
const STILL_IMPROVING = 0.9;

/** How far the figures may be trusted, and what a longer search would do. */
export function cautions(finalists: Finalists): string[] {
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
