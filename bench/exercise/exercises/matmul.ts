/** A dense layer and its two gradients, and the layer once more as a CPU driver wants it. */

import inputStarter from "../../../kernels/exercises/input_gradient.wgsl" with { type: "text" };
import panelStarter from "../../../kernels/exercises/panel.wgsl" with { type: "text" };
import matmulStarter from "../../../kernels/exercises/matmul.wgsl" with { type: "text" };
import weightStarter from "../../../kernels/exercises/weight_gradient.wgsl" with { type: "text" };
import { matmulForwardProblem } from "../../../src/selftest/ladder/problems/matmul.ts";
import type { Size } from "../../../src/selftest/ladder/problem.ts";
import { PANEL, panelRefuses } from "../../../src/selftest/ladder/steps/matmul.ts";
import { chunksOf, type Exercise, fours, type HardCase, ladderNamed, type Letters } from "../exercise.ts";

function letters([M = 1, K, N]: Size): Letters {
  return { M, K4: fours(K), N4: fours(N), C: chunksOf(M) };
}

const largeSums: HardCase = {
  what: "sums of several hundred, whose exp is infinite",
  size: [37, 19, 21],
  problem: (size) => matmulForwardProblem(size, 200),
};

export const matmul: Exercise = {
  name: "matmul",
  what: "a dense layer, ELU(X W + b)",
  chapter: "2-matmul.md",
  starter: matmulStarter,
  ladder: ladderNamed("forward"),
  hard: [largeSums],
  letters,
};

export const inputGradient: Exercise = {
  name: "input-gradient",
  what: "the gradient of a dense layer's input",
  chapter: "2-matmul.md",
  starter: inputStarter,
  ladder: ladderNamed("input"),
  hard: [],
  letters,
};

export const weightGradient: Exercise = {
  name: "weight-gradient",
  what: "the gradient of a dense layer's weights, in chunks",
  chapter: "2-matmul.md",
  starter: weightStarter,
  ladder: ladderNamed("weight"),
  hard: [],
  letters,
};

export const panel: Exercise = {
  name: "panel",
  what: "a dense layer for a CPU driver, by panels of 16 columns",
  chapter: "12-cpu-driver.md",
  refuses: panelRefuses(1, PANEL.study),
  starter: panelStarter,
  ladder: ladderNamed("forward"),
  hard: [largeSums],
  letters,
};
