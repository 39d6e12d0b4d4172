/** What an exercise of the course is, what an answer to it is checked on, and numbers that are hard to get right. */

import type { Gpu } from "../../gpu/device.ts";
import { clickDimensions } from "../../batch/click_sizes.ts";
import { padded } from "../../tape/tensor.ts";
import type { Ladder, Size, Step } from "../ladder/check.ts";
import type { Utility } from "../ladder/choice.ts";

/** Numbers of a size, by the letters that a file's grid is written in. */
export type Letters = Readonly<Record<string, number>>;

/** Numbers or a size that a kernel which is nearly right gets wrong, and that drawn ones do not have. */
export interface HardCase {
  readonly what: string;
  readonly size: Size;
  readonly open: Ladder["open"];
}

export const hardCase = (what: string, size: Size, open: Ladder["open"]): HardCase => ({ what, size, open });

export interface Exercise {
  readonly name: string;
  readonly what: string;
  /** Of the course, in kernels/course. */
  readonly chapter: string;
  /** The file to begin with. */
  readonly starter: string;
  /** What it is timed beside. */
  readonly ladder: Ladder;
  /** The kernel of its ladder that solves it. */
  readonly solution: string;
  /** Checked besides the ladder's sizes. */
  readonly hard: readonly HardCase[];
  readonly letters: (size: Size) => Letters;
  /** Why the starter's way cannot do a size; undefined where it can. */
  readonly refuses?: (size: Size) => string | undefined;
}

/** The shipped kernel, as the last step of the ladder has it that is it. */
export function solutionOf({ ladder, solution }: Exercise): Step {
  const step = ladder.steps.findLast(({ kernel, idea }) =>
    kernel.name === solution && idea.includes("shipped")
  );
  if (!step) throw new Error(`ladder ${ladder.name} ships no ${solution}`);
  // Words stand behind each output here.
  const source = step.kernel.source.replace("arrayLength(&weights)", "P4");
  return { ...step, kernel: { ...step.kernel, source } };
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
  readonly open: Ladder["open"];
  /** Such as "7 x 3, all utilities about -200". */
  readonly name: string;
}

/** All that the answer to an exercise must get right: odd sizes, hard cases, and at last the size that is timed. */
export function casesOf({ ladder, hard }: Exercise, size: Size = ladder.size): Case[] {
  const ordinary = (one: Size): Case => ({ size: one, open: ladder.open, name: one.join(" x ") });
  const special = hard.map(({ what, ...rest }): Case => ({
    ...rest,
    name: `${rest.size.join(" x ")}, ${what}`,
  }));
  return [...ladder.oddSizes.map(ordinary), ...special, ordinary(size)];
}

/** What records an op on pages of utilities. */
type OpenPages = (gpu: Gpu, size: Size, utility: Utility) => ReturnType<Ladder["open"]>;

/** Pages differ by a row; see {@link import("../ladder/choice.ts").choicePages}. */
export function pageLetters([E = 1, page = 1]: Size): Letters {
  return { E, K: page + 1 };
}

export function pages(open: OpenPages, size: Size, what: string, utility: Utility): HardCase {
  return { what, size, open: (gpu, size) => open(gpu, size, utility) };
}

export const ordinary: Utility = (k, e) => ((3 * k + 5 * e) % 7 - 3) / 2;

/** With a workgroup an event, an invocation has several of these rows. */
export function longPages(open: OpenPages): HardCase {
  return pages(open, [3, 300], "long pages", ordinary);
}
