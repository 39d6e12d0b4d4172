/** What an exercise of the course is, and what an answer to it is checked on. */

import { clickDimensions } from "../../src/batch/click_sizes.ts";
import type { Ladder, Step } from "../../src/selftest/ladder/check.ts";
import { ladders } from "../../src/selftest/ladder/ladders.ts";
import type { Problem, Size } from "../../src/selftest/ladder/problem.ts";
import { padded } from "../../src/tape/layout.ts";

/** Numbers of a size, by the letters that a file's grid is written in. */
export type Letters = Readonly<Record<string, number>>;

/** Numbers or a size that a kernel which is nearly right gets wrong, and that drawn ones do not have. */
export interface HardCase {
  readonly what: string;
  readonly size: Size;
  readonly problem: (size: Size) => Problem;
}

export interface Exercise {
  readonly name: string;
  readonly what: string;
  /** Of the course, in kernels/course. */
  readonly chapter: string;
  /** The file to begin with. */
  readonly starter: string;
  /** What it is timed beside. */
  readonly ladder: Ladder;
  /** Checked besides the ladder's sizes. */
  readonly hard: readonly HardCase[];
  readonly letters: (size: Size) => Letters;
  /** Why the starter's way cannot do a size; undefined where it can. */
  readonly refuses?: (size: Size) => string | undefined;
}

export function ladderNamed(name: string): Ladder {
  const found = ladders.find((ladder) => ladder.name === name);
  if (!found) throw new Error(`there is no ladder ${name}`);
  return found;
}

/** A ladder of the shipped kernel alone. */
export function shipped(step: Omit<Step, "idea">, ladder: Omit<Ladder, "name" | "steps">): Ladder {
  return { ...ladder, name: step.kernel.name, steps: [{ ...step, idea: "shipped" }] };
}

/** Vectors of four that so many columns take. */
export function fours(columns = 1): number {
  return padded(columns) / 4;
}

export function chunksOf(rows = 1): number {
  return clickDimensions.chunks({ users: 1, events: 1, rows, items: 1 });
}

/** What a kernel is checked on. */
export interface Case {
  readonly size: Size;
  readonly problem: Ladder["problem"];
  /** Such as "7 x 3, all utilities about -200". */
  readonly name: string;
}

/** All that the answer to an exercise must get right: odd sizes, hard cases, and at last the size that is timed. */
export function casesOf({ ladder, hard }: Exercise, size: Size = ladder.size): Case[] {
  const ordinary = (one: Size): Case => ({ size: one, problem: ladder.problem, name: one.join(" x ") });
  const special = hard.map(({ what, ...rest }): Case => ({
    ...rest,
    name: `${rest.size.join(" x ")}, ${what}`,
  }));
  return [...ladder.oddSizes.map(ordinary), ...special, ordinary(size)];
}
