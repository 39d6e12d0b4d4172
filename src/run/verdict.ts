/** What the figures of test users say, in words: of a model beside the baselines, of a training, and what to try. */

import { type BaselineName, baselineNames, baselineTitles } from "../figures/baselines/baselines.ts";
import type { Interval } from "../figures/bootstrap.ts";
import type { Difference } from "../figures/tested.ts";
import { signed, signedRange, type Told, toldBy } from "../figures/told.ts";
import { meanAndSd } from "../data/mean_sd.ts";
import type { StagesConfig } from "../train/config.ts";
import { type ItemData, unusedOf } from "../data/item_ids.ts";
import type { Stage } from "./stages.ts";
import type { SnapshotResult } from "./tested_users.ts";
import { thousands } from "../number_text.ts";

/** Of the iterations that were done, the share in which a best validation is early. */
const EARLY = 0.05;
/** And from which on it is late: validations jump about, so that the best is seldom the very last. */
const LATE = 0.9;

/** How far a model is from another, and where 95 % of the resamples of the users are; null where there are too few. */
export interface Beside {
  readonly difference: number;
  readonly interval: Interval | null;
  /** Of the model. */
  readonly is: Told;
}

/** A baseline beside a model. */
export interface Rival extends Beside {
  /** As tables call it. */
  readonly name: string;
}

/** What two models are compared by; of the loss less is better. */
export type ComparedBy = "nll" | "prec1" | "prec2" | "piPrec1";

/** How far a scoring is above each baseline, by figure: see {@link SnapshotResult}. */
export type Against = Readonly<
  Partial<Record<BaselineName, Readonly<Partial<Record<ComparedBy, Difference>>>>>
>;

/** A difference with what it says. */
export function besideBy(figure: ComparedBy, { value: difference, interval }: Difference): Beside {
  return { difference, interval, is: toldBy(interval, figure === "nll") };
}

/**
 * The baselines beside a model, the strongest first.
 * @param scorings of it on the same users: of several, as of seeds, it is by the means of the differences and of the ends of
 *   their intervals, which are no nearer to each other than those of the mean.
 */
export function rivalsOf(scorings: readonly Against[], figure: ComparedBy): Rival[] {
  const rivals = baselineNames.flatMap((name): Rival[] => {
    const found = scorings.flatMap((against) => against[name]?.[figure] ?? []);
    if (found.length === 0 || found.length < scorings.length) return [];
    const ends = found.flatMap(({ interval }) => interval ? [interval] : []);
    const end = (k: 0 | 1) => meanAndSd(ends.map((interval) => interval[k])).mean;
    const value = meanAndSd(found.map(({ value }) => value)).mean;
    const interval = ends.length < found.length ? null : [end(0), end(1)] as const;
    return [{ name: baselineTitles[name], ...besideBy(figure, { value, interval }) }];
  });
  return rivals.sort((a, b) => (figure === "nll" ? -1 : 1) * (a.difference - b.difference));
}

/** What a model is that has these rivals: better than all, worse than one, or not told apart from one. */
export function standingOf(rivals: readonly Rival[]): Told {
  if (rivals.every(({ is }) => is === "better")) return "better";
  return rivals.some(({ is }) => is === "worse") ? "worse" : "not told apart";
}

/** The same in sentences. @param what of the model is compared, with its verb. @param figure what it is called. */
export function standingWords(what: string, rivals: readonly Rival[], figure: string): string[] {
  if (rivals.length === 0) return [];
  if (rivals.every(({ interval }) => !interval)) {
    return ["There are too few users to say whether the model beats the baselines."];
  }
  if (standingOf(rivals) === "better") {
    return [`${what} better than every baseline. The nearest is ${named(rivals.slice(0, 1), figure)}.`];
  }
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
  return [
    `${first.name} (${figure} ${differenceWords(first, ", ")})`,
    ...others.map(({ name }) => name),
  ].join(", ");
}

/** "+0.012 (95 %: +0.001 to +0.023)" @param before the range, whose bracket is closed where it opens one. */
export function differenceWords({ difference, interval }: Beside, before = " ("): string {
  const range = interval ? `${before}95 %: ${signedRange(interval, 3)}${before === " (" ? ")" : ""}` : "";
  return signed(difference, 3) + range;
}

/** What a ranking is judged by. */
export interface Ranked {
  /** Whose it is: a snapshot's, or its generator's. */
  readonly who: string;
  readonly rivals: readonly Rival[];
}

/** A scoring of test users, of a run or of its result.json. */
interface Scored {
  readonly snapshot: string;
  readonly details?: { readonly figures: Readonly<Partial<Record<string, number | null>>> };
  readonly against?: Against;
}

/**
 * The ranking of a snapshot beside the baselines: its reward's, or where there is a generator the better of the two.
 * @param judged the last one where there is none of that name.
 */
export function rankedOf(test: readonly Scored[], judged: string | undefined): Ranked | undefined {
  const best = test.find(({ snapshot }) => snapshot === judged) ?? test.at(-1);
  if (!best) return undefined;
  const { figures = {} } = best.details ?? {};
  const byPi = (figures.piPrec1 ?? -1) > (figures.prec1 ?? 0);
  const rivals = rivalsOf([best.against ?? {}], byPi ? "piPrec1" : "prec1");
  return { who: byPi ? `The generator of ${best.snapshot}` : best.snapshot, rivals };
}

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

/** Which baselines a ranking beats, and what to try where it does not beat all. @param judged as for {@link rankedOf}. */
export function baselineWords(
  test: readonly SnapshotResult[],
  data: ItemData,
  judged?: SnapshotResult["snapshot"],
): string[] {
  const { who, rivals } = rankedOf(test, judged) ?? { who: "", rivals: [] };
  const words = standingWords(`${who} ranks`, rivals, "prec@1");
  if (standingOf(rivals) === "better" || rivals.every(({ interval }) => !interval)) return words;
  return [
    ...words,
    `Try ${unusedOf(data)}, other options by deno task tune, and look at what deno task data describe ` +
    "says of the log. Until the model beats a baseline, that is the simpler choice.",
  ];
}

/** Where the probabilities are not better than those of every baseline: the loss of best-loss, or of one alone. */
export function lossWords(test: readonly SnapshotResult[]): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss") ??
    (test.length === 1 ? test[0] : undefined);
  if (!best) return [];
  const rivals = rivalsOf([best.against], "nll").filter(({ interval }) => interval);
  if (standingOf(rivals) === "better") return [];
  return standingWords(`The loss of ${best.snapshot} (${best.nll.toFixed(4)}) is`, rivals, "loss");
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
    `The validation loss was best at ${of} and rose from then on: the model over-fits at once. Try ` +
    `${tries.join(", ")}${training.earlyStopping === null ? "; --early-stopping loss saves the time" : ""}.`,
  ];
}
