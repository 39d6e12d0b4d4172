/** Where a search stands: the settings that were tried, how far each was trained, and how good it was on the way. */

import type { Criterion } from "../train/best_records.ts";
import type { Setting } from "./space.ts";

/** The validation figure of a setting, validation by validation. */
export interface Curve {
  readonly iteration: readonly number[];
  /** Null where there is none: precision without a click. */
  readonly value: readonly (number | null)[];
}

/** A setting that was tried. */
export interface Candidate {
  readonly setting: Setting;
  /** Iterations that are done. */
  readonly iterations: number;
  /** What they took, and what it takes to begin or go on. */
  readonly seconds: number;
  readonly setUpSeconds: number;
  readonly curve: Curve;
  /** It will not be trained further: it stopped early, or diverged. */
  readonly end: "open" | "stopped" | "diverged";
}

export interface Standing {
  readonly criterion: Criterion;
  /** Iterations after which settings are compared, ascending; empty until the default has shown how many fit. */
  readonly rungs: readonly number[];
  /** By their numbers; 0 is the default. */
  readonly candidates: readonly Candidate[];
}

/** One in so many settings of a rung goes on to the next one, which is so many times as long. */
export const HALVING = 3;
/** More would compare the settings earlier, when those that learn, and over-fit, fast are ahead of all others. */
const RUNGS = 2;

/** @param top iterations of the last rung. @param step iterations between validations, of which each is a multiple. */
export function rungsUpTo(top: number, step: number): number[] {
  const rungs = Array.from({ length: RUNGS }, (_, k) => {
    const wanted = top / HALVING ** (RUNGS - 1 - k);
    return k === RUNGS - 1 ? top : Math.ceil(wanted / step) * step;
  });
  return [...new Set(rungs)].filter((rung) => rung <= top);
}

/** The best validation so far of a setting. */
export interface Best {
  /** Infinity where there is none; less is better, so it is minus the precision. */
  readonly rank: number;
  readonly value: number | null;
  readonly iteration: number;
}

/** Up to an iteration. A setting that has diverged has no best. */
export function bestOf({ curve, end }: Candidate, criterion: Criterion, upTo = Infinity): Best {
  let best: Best = { rank: Infinity, value: null, iteration: 0 };
  if (end === "diverged") return best;
  curve.value.forEach((value, k) => {
    const iteration = curve.iteration[k] ?? 0;
    if (value === null || iteration > upTo) return;
    const rank = criterion === "loss" ? value : -value;
    if (rank < best.rank) best = { rank, value, iteration };
  });
  return best;
}

/** Numbers of the settings, the best first; of equals the earlier. Those without a figure come last. */
export function ranked({ candidates, criterion }: Standing, upTo = Infinity): number[] {
  const ranks = candidates.map((candidate) => bestOf(candidate, criterion, upTo).rank);
  // Infinity less Infinity is no number.
  const compare = (
    a: number,
    b: number,
  ) => (ranks[a] === ranks[b] ? a - b : (ranks[a] ?? 0) - (ranks[b] ?? 0));
  return candidates.map((_, number) => number).sort(compare);
}

/** The setting that is best on validation; undefined when none has a figure. */
export function winnerOf(standing: Standing): number | undefined {
  const [first] = ranked(standing);
  const candidate = standing.candidates[first ?? 0];
  return candidate && bestOf(candidate, standing.criterion).value !== null ? first : undefined;
}

/** Whether a setting has come to a rung, or ended before it. */
export function hasReached({ iterations, end }: Candidate, rung: number): boolean {
  return iterations >= rung || end !== "open";
}
