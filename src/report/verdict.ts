/** Whether a model is worth more than the simple things that it is compared with, in words. */

import { toldBy } from "../figures/told.ts";
import { type Part, rankingParts } from "./parts.ts";
import { shownBaselines } from "../run/tested_users.ts";
import type { BaselineFigures, Model, SnapshotFigures, StageName } from "./report_data.ts";
import { baselineGroups, figureOf, spread, testsWith } from "./test_figures.ts";

export interface Verdict {
  readonly stage: StageName;
  /** The part of the model that it is about; undefined where there is one alone. */
  readonly part: string | undefined;
  readonly outcome: "better" | "alike" | "worse";
  /** The two figures, e.g. "prec@1 0.5717 against 0.3234 (click rate)". */
  readonly figures: string;
  /** A sentence with them. */
  readonly text: string;
}

/** What a model cannot beat is no rival. */
const NO_RIVAL = "best attainable";
/** Standard errors by which two figures must differ to be told apart. */
const ERRORS = 2;

/** Of each part that is finished. */
export function verdictsOn(model: Model): Verdict[] {
  const parts = rankingParts([model]);
  const [group] = baselineGroups([model]);
  const rivals = (group?.baselines ?? []).filter(({ name }) => name !== NO_RIVAL);
  return parts.flatMap((part) => {
    const found = verdictOn(part, rivals);
    const name = parts.length > 1 ? part.name.slice(model.name.length + 2) : undefined;
    return found ? [{ ...found, stage: part.stage, part: name }] : [];
  });
}

function verdictOn(
  part: Part,
  rivals: readonly BaselineFigures[],
): Omit<Verdict, "stage" | "part"> | undefined {
  const tests = testsWith(part, part.judged);
  const model = spread(tests.map((test) => figureOf(test, part.ranking, "prec1")));
  const known = rivals.flatMap(({ name, figures: { prec1 } }) => prec1 === null ? [] : [{ name, prec1 }]);
  const [rival] = known.sort((a, b) => b.prec1 - a.prec1);
  if (!model || !rival) return undefined;
  const difference = model.mean - rival.prec1;
  const [only] = tests;
  const paired = only && tests.length === 1 ? pairedInterval(only, part.ranking, rival.name) : undefined;
  const error = sampledError(model.mean, only?.events) + sampledError(rival.prec1, only?.events);
  const [low, high] = paired ?? [difference - Math.sqrt(error), difference + Math.sqrt(error)];
  const figures = `prec@1 ${model.mean.toFixed(4)} against ${rival.prec1.toFixed(4)} (${rival.name})`;
  const told = toldBy([low, high]);
  const outcome = told === "not told apart" ? "alike" : told;
  const text = {
    better: `Better than every baseline: ${figures}.`,
    worse: `Worse than a baseline: ${figures}.`,
    alike: `Not told apart from the best baseline: ${figures}. ` +
      `The difference is between ${low.toFixed(4)} and ${high.toFixed(4)}, by the sampling error.`,
  }[outcome];
  return { outcome, figures, text };
}

/** Of the difference on the same users; not in results of earlier versions. */
function pairedInterval(
  { against }: SnapshotFigures,
  ranking: Part["ranking"],
  rival: string,
): readonly [number, number] | undefined {
  const [key = ""] = shownBaselines.find(([, title]) => title === rival) ?? [];
  return against?.[key]?.[ranking === "generator" ? "piPrec1" : "prec1"]?.interval ?? undefined;
}

/** The square of two standard errors of a share of so many events. */
function sampledError(share: number, events = Infinity): number {
  return ERRORS ** 2 * share * (1 - share) / events;
}
