/** The exercises of the course, in its order; those here whose shipped kernel has a ladder. */

import {
  chunksOf,
  type Exercise,
  fours,
  type HardCase,
  type Letters,
  longPages,
  ordinary,
  pageLetters,
  pages,
} from "./exercise.ts";
import { adam, batchNorm } from "./problems/training.ts";
import { draw } from "./problems/draw.ts";
import { lastClicks } from "./problems/last_clicks.ts";
import { rank, tableGradient } from "./problems/batch.ts";
import { slateScore } from "./problems/slate_score.ts";
import { sparsemax } from "./problems/sparsemax.ts";
import inputStarter from "../../../kernels/exercises/input_gradient.wgsl" with { type: "text" };
import lstmStarter from "../../../kernels/exercises/lstm.wgsl" with { type: "text" };
import lstmBackwardStarter from "../../../kernels/exercises/lstm_backward.wgsl" with { type: "text" };
import matmulStarter from "../../../kernels/exercises/matmul.wgsl" with { type: "text" };
import panelStarter from "../../../kernels/exercises/panel.wgsl" with { type: "text" };
import registersStarter from "../../../kernels/exercises/registers.wgsl" with { type: "text" };
import softmaxStarter from "../../../kernels/exercises/softmax.wgsl" with { type: "text" };
import weightStarter from "../../../kernels/exercises/weight_gradient.wgsl" with { type: "text" };
import type { Problem, Size } from "../ladder/problem.ts";
import { choiceProblem } from "../ladder/choice.ts";
import { ladderNamed } from "../ladder/ladders.ts";
import { lstmBackwardProblem, lstmProblem } from "../ladder/lstm.ts";
import { matmulForwardProblem } from "../ladder/matmul_problems.ts";
import { PANEL, panelRefuses } from "../ladder/matmul_steps.ts";

const softmax: Exercise = {
  name: "softmax",
  what: "loss and gradient of a choice with a null option",
  chapter: "1-softmax.md",
  starter: softmaxStarter,
  ladder: ladderNamed("choice"),
  solution: "choice_nll",
  hard: [
    pages(choiceProblem, [7, 3], "all utilities about -200", (k) => -200 - k / 4),
    pages(
      choiceProblem,
      [8, 3],
      "one page of about -200 among others",
      (k, e) => e === 1 ? -200 - k / 4 : ordinary(k, e, 3),
    ),
    pages(
      choiceProblem,
      [8, 3],
      "the last row of each page far above the others",
      (k, e, length) => k === length - 1 ? 100 + e / 4 : ordinary(k, e, length),
    ),
    longPages(choiceProblem),
  ],
  letters: pageLetters,
};

function letters([M = 1, K, N]: Size): Letters {
  return { M, K4: fours(K), N4: fours(N), C: chunksOf(M) };
}

const largeSums: HardCase = {
  what: "sums of several hundred, whose exp is infinite",
  size: [37, 19, 21],
  problem: (size) => matmulForwardProblem(size, 200),
};

/** What the exercises of the dense layer share. */
const forward = { ladder: ladderNamed("forward"), hard: [largeSums], letters };

const matmul: Exercise = {
  name: "matmul",
  what: "a dense layer, ELU(X W + b)",
  ...forward,
  chapter: "2-matmul.md",
  starter: matmulStarter,
  solution: "matmul_forward_tiled",
};

const inputGradient: Exercise = {
  name: "input-gradient",
  what: "the gradient of a dense layer's input",
  chapter: "2-matmul.md",
  starter: inputStarter,
  ladder: ladderNamed("input"),
  solution: "matmul_input_gradient_tiled",
  hard: [],
  letters,
};

const weightGradient: Exercise = {
  name: "weight-gradient",
  what: "the gradient of a dense layer's weights, in chunks",
  chapter: "2-matmul.md",
  starter: weightStarter,
  ladder: ladderNamed("weight"),
  solution: "matmul_weight_gradient_tiled",
  hard: [],
  letters,
};

const panel: Exercise = {
  name: "panel",
  what: "a dense layer for a CPU driver, by panels of 16 columns",
  ...forward,
  chapter: "12-cpu-driver.md",
  refuses: panelRefuses(1, PANEL.study),
  starter: panelStarter,
  solution: "matmul_forward_panel",
};

const registers: Exercise = {
  name: "registers",
  what: "a dense layer by tiles, with half the registers",
  ...forward,
  chapter: "13-machine-code.md",
  starter: registersStarter,
  solution: "matmul_forward_tiled",
};

function lstmLetters([B = 1, , H]: Size): Letters {
  return { B, H4: fours(H) };
}

function gatesOf100(problem: (size: Size, hard: boolean) => Problem): HardCase {
  return {
    what: "gates of up to 100, and users without events",
    size: [11, 5, 6],
    problem: (size) => problem(size, true),
  };
}

const lstm: Exercise = {
  name: "lstm",
  what: "an LSTM over the history of every user",
  chapter: "3-lstm.md",
  starter: lstmStarter,
  ladder: ladderNamed("lstm"),
  solution: "lstm_forward_group",
  hard: [gatesOf100(lstmProblem)],
  letters: lstmLetters,
};

const lstmBackward: Exercise = {
  name: "lstm-backward",
  what: "back through time",
  chapter: "3-lstm.md",
  starter: lstmBackwardStarter,
  ladder: ladderNamed("lstm-backward"),
  solution: "lstm_backward_group",
  hard: [gatesOf100(lstmBackwardProblem)],
  letters: lstmLetters,
};

export const exercises: readonly Exercise[] = [
  softmax,
  matmul,
  inputGradient,
  weightGradient,
  lstm,
  lstmBackward,
  rank,
  tableGradient,
  batchNorm,
  adam,
  lastClicks,
  sparsemax,
  draw,
  slateScore,
  panel,
  registers,
];
