/** The exercises of the course, in its order; here those whose shipped kernel has a ladder, and that of the projection. */

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
  shipped,
} from "./exercise.ts";
import { adam, batchNorm } from "./problems/training.ts";
import { draw, slateScore } from "./problems/simulated_users.ts";
import { lastClicks } from "./problems/last_clicks.ts";
import { rank, tableGradient } from "./problems/batch.ts";
import inputStarter from "../../../kernels/exercises/input_gradient.wgsl" with { type: "text" };
import lstmStarter from "../../../kernels/exercises/lstm.wgsl" with { type: "text" };
import lstmBackwardStarter from "../../../kernels/exercises/lstm_backward.wgsl" with { type: "text" };
import matmulStarter from "../../../kernels/exercises/matmul.wgsl" with { type: "text" };
import panelStarter from "../../../kernels/exercises/panel.wgsl" with { type: "text" };
import registersStarter from "../../../kernels/exercises/registers.wgsl" with { type: "text" };
import softmaxStarter from "../../../kernels/exercises/softmax.wgsl" with { type: "text" };
import weightStarter from "../../../kernels/exercises/weight_gradient.wgsl" with { type: "text" };
import { output, type Problem, type Size, uploadEvents } from "../ladder/problem.ts";
import { choicePages, choiceProblem, pageText, rowOutput, type Utility } from "../ladder/choice.ts";
import { ladderNamed } from "../ladder/ladders.ts";
import { lstmBackwardProblem, lstmProblem } from "../ladder/lstm.ts";
import { matmulForwardProblem } from "../ladder/matmul_problems.ts";
import { PANEL, panelRefuses } from "../ladder/matmul_steps.ts";
import sparsemaxStarter from "../../../kernels/exercises/sparsemax.wgsl" with { type: "text" };
import sparsemaxText from "../../../kernels/minimax/exact_minimax.wgsl" with { type: "text" };
import { NONE } from "../../data/click_log.ts";
import { kernel } from "../../gpu/kernel.ts";
import { choiceOutcome, topShares } from "../../ops/choice_nll.ts";
import { sparsemax as projection } from "../../ops/minimax.ts";
import { matrix } from "../../tape/reference.ts";

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

/** The projection on the simplex: the exact generator of the game, and the reward's gradient against it. */
const sparsemax: Exercise = {
  name: "sparsemax",
  what: "the projection on the simplex: the exact generator",
  chapter: "9-minimax.md",
  starter: sparsemaxStarter,
  ladder: shipped({
    kernel: kernel("exact_minimax", sparsemaxText),
    invocations: ([E = 1]) => [E],
  }, {
    title: "sparsemax and the reward's gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    problem: (size) => sparsemaxProblem(size),
  }),
  solution: "exact_minimax",
  hard: [
    pages(sparsemaxProblem, [7, 3], "all rows of a page equal", (_, e) => e - 3),
    pages(
      sparsemaxProblem,
      [8, 3],
      "utilities about 10,000 and -10,000",
      (k, e) => (e % 2 === 0 ? 10_000 : -10_000) + (37 * k * k + e) % 64 / 64,
    ),
    longPages(sparsemaxProblem),
  ],
  letters: pageLetters,
};

const GENERATOR_ETA = 0.5;

/** @param size [events, rows of a page] */
function sparsemaxProblem(size: Size, utility?: Utility): Problem {
  const [E = 1, page = 1] = size;
  const pages = choicePages(size, utility);
  const { events, u } = pages;
  const R = u.rows;
  const [policy, gradient, outcome] = [matrix(R, 1), matrix(R, 1), matrix(E, 8)];
  events.forEach(({ first, end, click }, e) => {
    const own = Array.from(u.data.subarray(first, end));
    const pi = projection(own.map((x) => GENERATOR_ETA * x));
    policy.data.set(pi, first);
    const clicked = click === NONE ? undefined : click - first;
    const value = own.reduce((sum, x, k) => {
      const p = pi[k] ?? NaN;
      return sum + p * (x - p / (2 * GENERATOR_ETA));
    }, 0);
    const losses = clicked === undefined ? [0, 0] : [value, value - (own[clicked] ?? NaN)];
    const [lossMax = 0, lossMin = 0] = losses;
    const clicks = clicked === undefined ? [] : [clicked];
    outcome.data.set([...choiceOutcome(own, clicks, 1), lossMin, ...topShares(pi, clicks), lossMax], 8 * e);
    if (clicked === undefined) return;
    pi.forEach((p, k) => gradient.data[first + k] = (p - (k === clicked ? 1 : 0)) / E);
  });
  return {
    inputs: { u: new Float32Array(u.data), event: uploadEvents(events) },
    outputs: {
      policy: rowOutput(pages, policy, page + 16),
      gradient: rowOutput(pages, gradient, page + 16),
      outcome: { ...output(outcome, page + 16), optional: true, named: (e) => pageText(pages, e) },
    },
    constants: { ETA: 1, GENERATOR_ETA },
    sizes: { users: 1, events: E, rows: R, items: 1 },
    cost: { flops: (4 * page + 40) * R, bytes: 12 * R + 48 * E },
  };
}

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
