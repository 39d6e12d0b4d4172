/** What an exercise of the course is, what an answer to it is checked on, and numbers that are hard to get right. */

import { clickDimensions } from "../../batch/click_sizes.ts";
import { bitsOf, CANARY } from "../harness.ts";
import type { Ladder, Step } from "../ladder/check.ts";
import type { Output, Problem, Size } from "../ladder/problem.ts";
import { padded } from "../../tape/layout.ts";
import { matrix } from "../../tape/reference.ts";
import type { Utility } from "../ladder/choice.ts";

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

type PageProblem = (size: Size, utility: Utility) => Problem;

/** Pages differ by a row; see {@link import("../ladder/choice.ts").choicePages}. */
export function pageLetters([E = 1, page = 1]: Size): Letters {
  return { E, K: page + 1 };
}

export function pages(of: PageProblem, size: Size, what: string, utility: Utility): HardCase {
  return { what, size, problem: (size) => of(size, utility) };
}

export const ordinary: Utility = (k, e) => ((3 * k + 5 * e) % 7 - 3) / 2;

/** With a workgroup an event, an invocation has several of these rows. */
export function longPages(of: PageProblem): HardCase {
  return pages(of, [3, 300], "long pages", ordinary);
}

/** Floats, and ones behind them: what a kernel reads past their end is then no zero, which would be right by chance. */
export function withOnesBehind(floats: Float32Array, count: number): Float32Array<ArrayBuffer> {
  const all = new Float32Array(floats.length + count).fill(1);
  all.set(floats);
  return all;
}

/** The same bits as a kernel's buffer is given them. */
export function floatsOf(words: Uint32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}

/** Words as they were found; NaN where nothing was written. */
export function foundWords(found: Float32Array<ArrayBuffer>): number[] {
  return Array.from(bitsOf(found), (word) => word === CANARY ? NaN : word);
}

/** @param words [rows, columns], row by row. */
export function wordsOutput(words: Uint32Array<ArrayBuffer>, columns: number): Output {
  return {
    length: words.length,
    expected: matrix(words.length / columns, columns, (i, j) => words[i * columns + j] ?? NaN),
    dense: foundWords,
    tolerance: 0,
  };
}
