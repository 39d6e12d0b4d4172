/** What the figures of a run say, in words, and what to try. */

import { type BaselineName, baselineNames, baselineTitles } from "../baselines/baselines.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import type { Difference } from "../figures/tested.ts";
import type { StagesConfig } from "../train/stages_config.ts";
import type { Stage } from "./stages.ts";
import type { BaselineResults } from "./tested_users.ts";
import type { SnapshotResult } from "./snapshot_result.ts";
import { thousands } from "../thousands.ts";

interface Found {
  readonly test: readonly SnapshotResult[];
  readonly baselines: BaselineResults;
}

/** Of the iterations that were done, the share in which a best validation is early. */
const EARLY = 0.05;
/** And from which on it is late: validations jump about, so that the best is seldom the very last. */
const LATE = 0.9;

/** Sentences about a stage that is finished. @param items what is known of them. @param iterations that it has made. */
export function verdictOf(
  found: Found,
  stage: Stage,
  config: StagesConfig,
  items: ItemsShape,
  iterations: number,
): string[] {
  return [
    ...baselineWords(found.test, items),
    // A game's utilities are no log-odds, and a uniform guess knows that a page has one click, which the logistic loss does
    // not: their losses are shown, and say nothing against them.
    ...(stage.hasLikelihood && config.model.loss === "choice" ? lossWords(found) : []),
    ...(stage.hasLikelihood ? trainingWords(found.test, config, iterations) : []),
  ];
}

/** A baseline, and how far the model's prec@1 is above it. */
interface Rival {
  readonly name: BaselineName;
  readonly difference: Difference;
}

/** Which baselines the best ranking beats: its reward's, or where there is a generator the better of the two. */
export function baselineWords(test: readonly SnapshotResult[], items: ItemsShape): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-prec1") ?? test.at(-1);
  if (!best) return [];
  const { figures } = best.details;
  const byPi = (figures.piPrec1 ?? -1) > (figures.prec1 ?? 0);
  const rivals = baselineNames.flatMap((name): Rival[] => {
    const difference = best.against[name]?.[byPi ? "piPrec1" : "prec1"];
    return difference ? [{ name, difference }] : [];
  });
  const who = byPi ? `The generator of ${best.snapshot}` : best.snapshot;
  return compare(who, rivals, items);
}

function compare(who: string, rivals: readonly Rival[], items: ItemsShape): string[] {
  if (rivals.length === 0) return [];
  const low = ({ difference }: Rival) => difference.interval?.[0] ?? NaN;
  const high = ({ difference }: Rival) => difference.interval?.[1] ?? NaN;
  const unknown = rivals.every((rival) => Number.isNaN(low(rival)));
  if (unknown) return ["There are too few test users to say whether the model beats the baselines."];
  const beaten = rivals.filter((rival) => low(rival) > 0);
  const better = rivals.filter((rival) => high(rival) < 0);
  const near = rivals.filter((rival) => !beaten.includes(rival) && !better.includes(rival));
  const nearest = beaten.reduce<Rival | undefined>(
    (least, rival) => !least || rival.difference.value < least.difference.value ? rival : least,
    undefined,
  );
  if (beaten.length === rivals.length && nearest) {
    return [`${who} ranks better than every baseline. The nearest is ${named([nearest])}.`];
  }
  const more = items.kind === "one-hot" ? "features of the items" : "item ids beside the features";
  return [
    ...(better.length > 0 ? [`${who} ranks WORSE than ${named(better)}.`] : []),
    ...(near.length > 0 ? [`On these test users ${who} cannot be told apart from ${named(near)}.`] : []),
    `Try ${more}, other options by deno task tune, and look at what deno task data describe says of the log. Until the ` +
    "model beats a baseline, that is the simpler choice.",
  ];
}

/** "click rate (prec@1 -0.120, 95 %: -0.140 to -0.100), last click, random": the strongest first, and how far it is. */
function named(rivals: readonly Rival[]): string {
  const [first, ...others] = rivals.toSorted((a, b) => a.difference.value - b.difference.value);
  if (!first) return "";
  const { name, difference: { value, interval } } = first;
  const range = interval ? `, 95 %: ${signed(interval[0])} to ${signed(interval[1])}` : "";
  return [
    `${baselineTitles[name]} (prec@1 ${signed(value)}${range})`,
    ...others.map(({ name }) => baselineTitles[name]),
  ]
    .join(", ");
}

export function signed(value: number, digits = 3): string {
  return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** Whether the probabilities are worth anything: the loss of best-loss, or of one alone, beside those of the baselines. */
export function lossWords({ test, baselines }: Found): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss") ??
    (test.length === 1 ? test[0] : undefined);
  if (!best) return [];
  const unbeaten = baselineNames.flatMap((name) => {
    const interval = best.against[name]?.nll?.interval;
    const loss = baselines[name]?.nll;
    return interval && loss !== undefined && interval[1] >= 0 ? [{ name, loss }] : [];
  }).sort((a, b) => a.loss - b.loss);
  if (unbeaten.length === 0) return [];
  const list = unbeaten.map(({ name, loss }) => `${baselineTitles[name]} (${loss.toFixed(4)})`).join(", ");
  return [
    `The loss of ${best.snapshot} (${best.nll.toFixed(4)}) is not clearly lower than that of ${list}.`,
  ];
}

/** Where the best validation was: at the end, or at the beginning. */
function trainingWords(
  test: readonly SnapshotResult[],
  { training }: StagesConfig,
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
