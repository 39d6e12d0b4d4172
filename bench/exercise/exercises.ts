/** The exercises of the course: what is computed, the file to begin with, and the ladder that it is timed beside. */

import adamStarter from "../../kernels/exercises/adam.wgsl" with { type: "text" };
import batchNormStarter from "../../kernels/exercises/batch_norm.wgsl" with { type: "text" };
import inputStarter from "../../kernels/exercises/input_gradient.wgsl" with { type: "text" };
import lstmBackwardStarter from "../../kernels/exercises/lstm_backward.wgsl" with { type: "text" };
import lstmStarter from "../../kernels/exercises/lstm.wgsl" with { type: "text" };
import matmulStarter from "../../kernels/exercises/matmul.wgsl" with { type: "text" };
import softmaxStarter from "../../kernels/exercises/softmax.wgsl" with { type: "text" };
import sparsemaxStarter from "../../kernels/exercises/sparsemax.wgsl" with { type: "text" };
import weightStarter from "../../kernels/exercises/weight_gradient.wgsl" with { type: "text" };
import adamText from "../../kernels/adam.wgsl" with { type: "text" };
import batchNormText from "../../kernels/batch_norm_input_gradient.wgsl" with { type: "text" };
import sparsemaxText from "../../kernels/exact_minimax.wgsl" with { type: "text" };
import { kernel } from "../../src/gpu/kernel.ts";
import { clickDimensions } from "../../src/batch/click_sizes.ts";
import { padded } from "../../src/tape/tensor.ts";
import { type HardCase, hardCases } from "./hard_cases.ts";
import { adamProblem, batchNormProblem, sparsemaxProblem } from "./problems.ts";
import type { Ladder, Step } from "../../src/ladder/check.ts";
import type { Size } from "../../src/ladder/problems.ts";
import { ladders } from "../../src/ladder/ladders.ts";

/** Numbers of a size, by the letters that a file's grid is written in. */
export type Letters = Readonly<Record<string, number>>;

export interface Exercise {
  readonly name: string;
  readonly what: string;
  /** Of the course, in kernels/course. */
  readonly chapter: string;
  readonly starter: string;
  readonly ladder: Ladder;
  /** Checked besides the ladder's sizes. */
  readonly hard: readonly HardCase[];
  readonly letters: (size: Size) => Letters;
  /** Kernels of it may go by the length of a buffer, so nothing can stand behind it that shows a stray write. */
  readonly wholeBuffers?: boolean;
}

function ladderNamed(name: string): Ladder {
  const found = ladders.find((ladder) => ladder.name === name);
  if (!found) throw new Error(`there is no ladder ${name}`);
  return found;
}

/** A ladder of the shipped kernel alone. */
function shipped(step: Omit<Step, "idea">, ladder: Omit<Ladder, "name" | "steps">): Ladder {
  return { ...ladder, name: step.kernel.name, steps: [{ ...step, idea: "shipped" }] };
}

const fours = (columns = 1) => padded(columns) / 4;
const chunksOf = (rows = 1) => clickDimensions.chunks({ users: 1, events: 1, rows, items: 1 });
const matmulLetters = ([M = 1, K, N]: Size): Letters => ({ M, K4: fours(K), N4: fours(N), C: chunksOf(M) });
const lstmLetters = ([B = 1, , H]: Size): Letters => ({ B, H4: fours(H) });
/** Pages differ by a row; see {@link import("../../src/ladder/problems.ts").choicePages}. */
const pageLetters = ([E = 1, page = 1]: Size): Letters => ({ E, K: page + 1 });

const batchNormLadder = shipped({
  kernel: kernel("batch_norm_input_gradient", batchNormText),
  invocations: ([R = 1, N]) => [fours(N) * Math.ceil(R / 128)],
}, {
  title: "batch norm, gradient of the input, R rows x N columns",
  size: [12_800, 64],
  oddSizes: [[3, 5], [37, 19], [1301, 68]],
  problem: (size) => batchNormProblem(size),
});

const adamLadder = shipped({
  kernel: kernel("adam", adamText),
  invocations: ([P]) => [fours(P)],
}, {
  title: "Adam, one step of P parameters",
  size: [262_144],
  oddSizes: [[1], [37], [4099]],
  problem: (size) => adamProblem(size),
});

const sparsemaxLadder = shipped({
  kernel: kernel("exact_minimax", sparsemaxText),
  invocations: ([E = 1]) => [E],
}, {
  title: "sparsemax and the reward's gradient, E events x K rows",
  size: [2560, 10],
  oddSizes: [[1, 1], [13, 3], [67, 41]],
  problem: (size) => sparsemaxProblem(size),
});

export const exercises: readonly Exercise[] = [
  {
    name: "softmax",
    what: "loss and gradient of a choice with a null option",
    chapter: "1-softmax.md",
    starter: softmaxStarter,
    ladder: ladderNamed("choice"),
    hard: hardCases.softmax,
    letters: pageLetters,
  },
  {
    name: "matmul",
    what: "a dense layer, ELU(X W + b)",
    chapter: "2-matmul.md",
    starter: matmulStarter,
    ladder: ladderNamed("forward"),
    hard: hardCases.matmul,
    letters: matmulLetters,
  },
  {
    name: "input-gradient",
    what: "the gradient of a dense layer's input",
    chapter: "2-matmul.md",
    starter: inputStarter,
    ladder: ladderNamed("input"),
    hard: [],
    letters: matmulLetters,
  },
  {
    name: "weight-gradient",
    what: "the gradient of a dense layer's weights, in chunks",
    chapter: "2-matmul.md",
    starter: weightStarter,
    ladder: ladderNamed("weight"),
    hard: [],
    letters: matmulLetters,
  },
  {
    name: "lstm",
    what: "an LSTM over the history of every user",
    chapter: "3-lstm.md",
    starter: lstmStarter,
    ladder: ladderNamed("lstm"),
    hard: hardCases.lstm,
    letters: lstmLetters,
  },
  {
    name: "lstm-backward",
    what: "back through time",
    chapter: "3-lstm.md",
    starter: lstmBackwardStarter,
    ladder: ladderNamed("lstm-backward"),
    hard: hardCases.lstmBackward,
    letters: lstmLetters,
  },
  {
    name: "batch-norm",
    what: "the gradient of batch norm's input",
    chapter: "6-batch-norm.md",
    starter: batchNormStarter,
    ladder: batchNormLadder,
    hard: hardCases.batchNorm,
    letters: ([R = 1, N]) => ({ R, N4: fours(N), C: chunksOf(R) }),
  },
  {
    name: "adam",
    what: "a step of Adam, of a gradient in partial sums",
    chapter: "7-adam.md",
    starter: adamStarter,
    ladder: adamLadder,
    hard: hardCases.adam,
    letters: ([P]) => ({ P4: fours(P) }),
    wholeBuffers: true,
  },
  {
    name: "sparsemax",
    what: "the projection on the simplex: the exact generator",
    chapter: "9-minimax.md",
    starter: sparsemaxStarter,
    ladder: sparsemaxLadder,
    hard: hardCases.sparsemax,
    letters: pageLetters,
  },
];

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
