/** The exercises of the course, in its order. */

import type { Exercise } from "./exercise.ts";
import { adam } from "./exercises/adam.ts";
import { batchNorm } from "./exercises/batch_norm.ts";
import { draw } from "./exercises/draw.ts";
import { lastClicks } from "./exercises/last_clicks.ts";
import { lstm, lstmBackward } from "./exercises/lstm.ts";
import { inputGradient, matmul, panel, weightGradient } from "./exercises/matmul.ts";
import { rank } from "./exercises/rank.ts";
import { slateScore } from "./exercises/slate_score.ts";
import { softmax } from "./exercises/softmax.ts";
import { sparsemax } from "./exercises/sparsemax.ts";
import { tableGradient } from "./exercises/table_gradient.ts";

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
];
