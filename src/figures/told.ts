/** What the interval of a difference says, and how differences are written: the one rule of all tables, verdicts and pages. */

import type { Interval } from "./bootstrap.ts";

/** Of the first of the two. */
export type Told = "better" | "worse" | "not told apart";

/** What sums in another order, or in f32, make of the same figures. */
const ROUNDING = 1e-6;

/** @param interval null where there are too few to say. @param lessIsBetter as of a loss. */
export function toldBy(interval: Interval | null | undefined, lessIsBetter = false): Told {
  const [low, high] = interval ?? [0, 0];
  if (low > ROUNDING) return lessIsBetter ? "worse" : "better";
  if (high < -ROUNDING) return lessIsBetter ? "better" : "worse";
  return "not told apart";
}

/** A claim, what became of it, and why. */
export interface Claim {
  readonly claim: string;
  /** undecided: the interval holds both signs. */
  readonly holds: "yes" | "no" | "undecided";
  readonly text: string;
}

/** Whether the claim that the first is better holds. */
export const HELD = { better: "yes", worse: "no", "not told apart": "undecided" } as const;
/** What became of a claim, in words. */
export const HOLDS = { yes: "holds", no: "the opposite holds", undecided: "not decided" } as const;

/** "+4.21" */
export function signed(value: number, digits = 2): string {
  return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** "-0.02 to +4.21" */
export function signedRange([low, high]: Interval, digits?: number): string {
  return `${signed(low, digits)} to ${signed(high, digits)}`;
}
