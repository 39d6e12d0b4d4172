/** The exercises of the course, in its order. */

import type { Exercise } from "./exercise.ts";
import { adam } from "./exercises/adam.ts";
import { batchNorm } from "./exercises/batch_norm.ts";
import { lstm, lstmBackward } from "./exercises/lstm.ts";
import { inputGradient, matmul, weightGradient } from "./exercises/matmul.ts";
import { softmax } from "./exercises/softmax.ts";
import { sparsemax } from "./exercises/sparsemax.ts";

export const exercises: readonly Exercise[] = [
  softmax,
  matmul,
  inputGradient,
  weightGradient,
  lstm,
  lstmBackward,
  batchNorm,
  adam,
  sparsemax,
];
