/** The exercises of the course, in its order. */

import type { Exercise } from "./exercise.ts";
import { adam, batchNorm } from "./problems/training.ts";
import { draw } from "./problems/draw.ts";
import { lastClicks } from "./problems/last_clicks.ts";
import {
  inputGradient,
  lstm,
  lstmBackward,
  matmul,
  panel,
  softmax,
  weightGradient,
} from "./problems/with_ladder.ts";
import { rank, tableGradient } from "./problems/batch.ts";
import { slateScore } from "./problems/slate_score.ts";
import { sparsemax } from "./problems/sparsemax.ts";

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
