/**
 * The ladders: from the kernel as one would write it down to the shipped one, one idea a step. Steps that are a file of
 * their own have its number; the others are shipped kernels, or the same file with an input that stands elsewhere.
 */

import type { Ladder, Size } from "./check.ts";
import { choiceSteps, choiceTrial } from "./choice.ts";
import { lstmSteps, lstmTrial } from "./lstm.ts";
import { forwardSteps, forwardTrial, inputSteps, inputTrial, weightSteps, weightTrial } from "./matmul.ts";

const lstmForGpus = [1, 2, 8, 9, 10, 11];

/** The first two differ in rows and padding alone: one compilation serves both. */
const oddMatmuls: readonly Size[] = [[1, 17, 22], [37, 20, 21], [301, 64, 68]];

export const ladders: readonly Ladder[] = [
  {
    name: "forward",
    title: "matmul forward, ELU(X W + b), [M, K] x [K, N]",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls,
    open: (gpu, size) => forwardTrial(gpu, size),
    dispatch: "matmul_forward",
    steps: forwardSteps(),
    forGpus: [1, 2, 3, 4],
  },
  {
    name: "input",
    title: "matmul, gradient of the input, [M, N] x [K, N]^T",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls.map(([M = 1, K = 1, N = 1]) => [M, N, K]),
    open: inputTrial,
    dispatch: "matmul_input_gradient",
    steps: inputSteps(),
    forGpus: [1, 2, 3],
  },
  {
    name: "weight",
    title: "matmul, gradient of the weights, [M, K]^T x [M, N]",
    size: [12_800, 64, 64],
    oddSizes: [...oddMatmuls, [1027, 12, 9]],
    open: weightTrial,
    dispatch: "matmul_weight_gradient",
    steps: weightSteps(),
    forGpus: [1, 2, 3, 4],
  },
  {
    name: "lstm",
    title: "LSTM forward, B users x T events, H units",
    size: [128, 20, 20],
    oddSizes: [[1, 1, 7], [11, 5, 6], [3, 9, 21]],
    open: (gpu, size) => lstmTrial(gpu, size),
    dispatch: "lstm_forward",
    steps: lstmSteps("forward"),
    forGpus: lstmForGpus,
  },
  {
    name: "lstm-backward",
    title: "LSTM backward, B users x T events, H units",
    size: [128, 20, 20],
    oddSizes: [[1, 1, 7], [11, 5, 6], [3, 9, 21]],
    open: (gpu, size) => lstmTrial(gpu, size),
    dispatch: "lstm_backward",
    steps: lstmSteps("backward"),
    forGpus: lstmForGpus,
  },
  {
    name: "choice",
    title: "choice softmax, loss and gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    open: (gpu, size) => choiceTrial(gpu, size),
    dispatch: "choice_nll",
    given: ["u"],
    steps: choiceSteps(),
  },
];

/** @throws Error where there is none of that name */
export function ladderNamed(name: string): Ladder {
  const found = ladders.find((ladder) => ladder.name === name);
  if (!found) throw new Error(`there is no ladder ${name}`);
  return found;
}
