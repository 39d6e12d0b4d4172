/** A ladder on this adapter beside the same on the repository's machine: which ideas win on one and lose on the other. */

import type { LadderFigures, LadderStepFigure } from "../selftest/profile/bench_report.ts";
import type { ShippedLadder, ShippedStep } from "../selftest/ladder/shipped.ts";
import { sureness, type Timing } from "../selftest/profile/timing.ts";

export type Outcome = "wins" | "loses" | "alike";

export interface ComparedStep extends LadderStepFigure {
  readonly there?: ShippedStep;
  /** What its idea does here and there, compared with the step that it changes; undefined for the first, and untimed ones. */
  readonly outcome?: Outcome;
  readonly outcomeThere?: Outcome;
  /** It wins on one and loses on the other. */
  readonly turned?: "loses here" | "wins here";
}

/** Gains within this share of 1 are no matter, however sure they are. */
const ALIKE = 0.05;

/** @param shipped of the same ladder; undefined where the repository has none */
export function compareLadder(own: LadderFigures, shipped: ShippedLadder | undefined): ComparedStep[] {
  return own.steps.map((step): ComparedStep => {
    const there = shipped?.steps.find(({ kernel, number }) =>
      kernel === step.kernel && number === step.number
    );
    const base = own.steps.find(({ number }) => number === step.changes);
    const outcome = step.number === 1 ? undefined : outcomeOf(step.gain, noiseOf(step.time, base?.time));
    const outcomeThere = step.number === 1 ? undefined : outcomeOf(there?.gain, ALIKE);
    const turned = outcome === "loses" && outcomeThere === "wins"
      ? "loses here" as const
      : outcome === "wins" && outcomeThere === "loses"
      ? "wins here" as const
      : undefined;
    return { ...step, there, outcome, outcomeThere, turned };
  });
}

/** By which share of itself a gain may be off: how sure the two times are, taken together. */
export function noiseOf(step: Timing | undefined, base: Timing | undefined): number {
  const share = (timing: Timing | undefined) => timing ? sureness(timing) / timing.median : 0;
  return Math.max(ALIKE, share(step) + share(base));
}

function outcomeOf(gain: number | undefined, noise: number): Outcome | undefined {
  if (gain === undefined) return undefined;
  return gain > 1 + noise ? "wins" : gain < 1 - noise ? "loses" : "alike";
}

/** The fastest steps: that with the least time, and those that are not slower by more than their noise. None where none was timed. */
export function fastest<S extends { readonly time?: Timing }>(steps: readonly S[]): S[] {
  const timed = steps.flatMap((step) => step.time ? [{ step, time: step.time }] : []);
  const best = timed.reduce<Timing | undefined>(
    (least, { time }) => time.median < (least?.median ?? Infinity) ? time : least,
    undefined,
  );
  if (!best) return [];
  const isBehind = (time: Timing) => outcomeOf(time.median / best.median, noiseOf(time, best)) === "wins";
  return timed.filter(({ time }) => !isBehind(time)).map(({ step }) => step);
}

/** What a comparison comes to, in sentences. */
export function comparisonText(steps: readonly ComparedStep[], shipped: ShippedLadder | undefined): string[] {
  const best = fastest(steps);
  const [first] = best;
  if (!first) return ["No step was timed."];
  const stepsText = best.map(({ number, idea }) => `${number}, ${idea}`).join("; ");
  const said = [
    best.length === 1
      ? `The fastest step here is ${stepsText}.`
      : `The fastest steps here, alike within their noise: ${stepsText}.`,
  ];
  if (!shipped) return said;
  const there = shipped.steps.reduce((a, b) =>
    (b.microseconds ?? Infinity) < (a.microseconds ?? Infinity) ? b : a
  );
  said.push(
    best.every(({ number }) => number === there.number)
      ? `It is the fastest on ${shipped.adapter}, too.`
      : `On ${shipped.adapter} it is step ${there.number}, ${there.idea}.`,
  );
  const named = (turned: ComparedStep["turned"]) =>
    steps.filter((step) => step.turned === turned).map(({ number, idea }) => `${number} (${idea})`).join(
      ", ",
    );
  const [lost, won] = [named("loses here"), named("wins here")];
  if (lost !== "") said.push(`Won there and loses here: step ${lost}.`);
  if (won !== "") said.push(`Lost there and wins here: step ${won}.`);
  if (lost + won === "") said.push("No idea that wins on one of the two loses on the other.");
  return said;
}
