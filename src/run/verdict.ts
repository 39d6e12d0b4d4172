/** What the figures of a run say, in words, and what to try. */

import { type BaselineName, baselineNames, baselineTitles } from "../figures/baselines/baselines.ts";
import type { Difference } from "../figures/tested.ts";
import { signed, signedRange, type Told, toldBy } from "../figures/told.ts";
import type { StagesConfig } from "../train/stages_config.ts";
import { type ItemData, unusedOf } from "../data/item_ids.ts";
import type { Stage } from "./stages.ts";
import type { SnapshotResult } from "./snapshot_result.ts";
import { thousands } from "../thousands.ts";

/** Of the iterations that were done, the share in which a best validation is early. */
const EARLY = 0.05;
/** And from which on it is late: validations jump about, so that the best is seldom the very last. */
const LATE = 0.9;

/** Sentences about a stage that is finished. @param data what is known of its items. @param iterations that it has made. */
export function verdictOf(
  test: readonly SnapshotResult[],
  stage: Stage,
  config: StagesConfig,
  data: ItemData,
  iterations: number,
): string[] {
  return [
    ...baselineWords(test, data, stage.judged),
    // A game's utilities are no log-odds, and a uniform guess knows that a page has one click, which the logistic loss does
    // not: their losses are shown, and say nothing against them.
    ...(stage.hasLikelihood && config.model.loss === "choice" ? lossWords(test) : []),
    ...(stage.hasLikelihood ? trainingWords(test, config, iterations) : []),
  ];
}

/** A baseline, and how far the model is above it. */
interface Rival {
  readonly name: BaselineName;
  readonly difference: Difference;
  /** Of the model. */
  readonly is: Told;
}

/** The strongest first. */
function rivalsOf({ against }: SnapshotResult, figure: "prec1" | "piPrec1" | "nll"): Rival[] {
  const isLoss = figure === "nll";
  const rivals = baselineNames.flatMap((name): Rival[] => {
    const difference = against[name]?.[figure];
    return difference ? [{ name, difference, is: toldBy(difference.interval, isLoss) }] : [];
  });
  return rivals.sort((a, b) => (isLoss ? -1 : 1) * (a.difference.value - b.difference.value));
}

/**
 * Which baselines the ranking of a snapshot beats: its reward's, or where there is a generator the better of the two.
 * @param judged the last one where there is none of that name.
 */
export function baselineWords(
  test: readonly SnapshotResult[],
  data: ItemData,
  judged?: SnapshotResult["snapshot"],
): string[] {
  const best = test.find(({ snapshot }) => snapshot === judged) ?? test.at(-1);
  if (!best) return [];
  const { figures } = best.details;
  const byPi = (figures.piPrec1 ?? -1) > (figures.prec1 ?? 0);
  const rivals = rivalsOf(best, byPi ? "piPrec1" : "prec1");
  if (rivals.length === 0) return [];
  if (rivals.every(({ difference: { interval } }) => !interval)) {
    return ["There are too few users to say whether the model beats the baselines."];
  }
  const who = byPi ? `The generator of ${best.snapshot}` : best.snapshot;
  if (rivals.every(({ is }) => is === "better")) {
    return [
      `${who} ranks better than every baseline. The nearest is ${named(rivals.slice(0, 1), "prec@1")}.`,
    ];
  }
  return [
    ...unbeatenWords(`${who} ranks`, rivals, "prec@1"),
    `Try ${
      unusedOf(data)
    }, other options by deno task tune, and look at what deno task data describe says of the log. ` +
    "Until the model beats a baseline, that is the simpler choice.",
  ];
}

/** @param what of the model is compared, with its verb. */
function unbeatenWords(what: string, rivals: readonly Rival[], figure: string): string[] {
  const those = (told: Told) => named(rivals.filter(({ is }) => is === told), figure);
  const [worse, near] = [those("worse"), those("not told apart")];
  return [
    ...(worse === "" ? [] : [`${what} WORSE than ${worse}.`]),
    ...(near === "" ? [] : [`${what} neither better nor worse than ${near}, as far as these users tell.`]),
  ];
}

/** "click rate (prec@1 -0.120, 95 %: -0.140 to -0.100), last click, random": how far the strongest is. */
function named([first, ...others]: readonly Rival[], figure: string): string {
  if (!first) return "";
  const { name, difference: { value, interval } } = first;
  const range = interval ? `, 95 %: ${signedRange(interval, 3)}` : "";
  return [
    `${baselineTitles[name]} (${figure} ${signed(value, 3)}${range})`,
    ...others.map(({ name }) => baselineTitles[name]),
  ].join(", ");
}

/** Whether the probabilities are worth anything: the loss of best-loss, or of one alone, beside those of the baselines. */
export function lossWords(test: readonly SnapshotResult[]): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss") ??
    (test.length === 1 ? test[0] : undefined);
  if (!best) return [];
  const rivals = rivalsOf(best, "nll").filter(({ difference: { interval } }) => interval);
  return unbeatenWords(`The loss of ${best.snapshot} (${best.nll.toFixed(4)}) is`, rivals, "loss");
}

/** Where the best validation was: at the end, or at the beginning. */
function trainingWords(
  test: readonly SnapshotResult[],
  { model, training }: StagesConfig,
  iterations: number,
): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss");
  if (!best || iterations < 2 * training.validateEvery) return [];
  const of = `iteration ${thousands(best.iteration)} of ${thousands(iterations)}`;
  if (best.iteration >= LATE * iterations) {
    return [
      `The validation loss was best near the end (best-loss is of ${of}). Training longer may help: ` +
      `--resume with --iterations ${2 * iterations}, or a larger --learning-rate.`,
    ];
  }
  if (best.iteration === 0 && model.counts) {
    return [
      "best-loss is the logit on counts that the training started from: on the validation users no later weights were " +
      "better than it by more than chance. The log may hold no more than counts tell; more users would show more.",
    ];
  }
  if (best.iteration > EARLY * iterations) return [];
  const tries = [
    ...(training.weightDecay === 0 ? ["--weight-decay 10"] : ["a larger --weight-decay"]),
    ...(training.itemDropout === 0 ? ["--item-dropout 0.2"] : []),
    "a smaller --learning-rate",
    "smaller --dims",
  ];
  return [
    `The validation loss was best at ${of} and rose from then on: the model over-fits at once. ` +
    `Try ${tries.join(", ")}${
      training.earlyStopping === null ? "; --early-stopping loss saves the time" : ""
    }.`,
  ];
}
