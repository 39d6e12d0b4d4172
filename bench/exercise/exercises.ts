/** The exercises of the course, in its order. */

import type { Exercise } from "./exercise.ts";
import { adam, batchNorm } from "./exercises/training.ts";
import { draw } from "./exercises/draw.ts";
import { lastClicks } from "./exercises/last_clicks.ts";
import {
  inputGradient,
  lstm,
  lstmBackward,
  matmul,
  panel,
  softmax,
  weightGradient,
} from "./exercises/with_ladder.ts";
import { rank, tableGradient } from "./exercises/batch.ts";
import { slateScore } from "./exercises/slate_score.ts";
import { sparsemax } from "./exercises/sparsemax.ts";

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
