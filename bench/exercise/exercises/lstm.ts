/** An LSTM over the history of every user, and the way back through time. */

import backwardStarter from "../../../kernels/exercises/lstm_backward.wgsl" with { type: "text" };
import starter from "../../../kernels/exercises/lstm.wgsl" with { type: "text" };
import { lstmBackwardProblem, lstmProblem } from "../../../src/selftest/ladder/problems/lstm.ts";
import type { Problem, Size } from "../../../src/selftest/ladder/problem.ts";
import { type Exercise, fours, type HardCase, ladderNamed, type Letters } from "../exercise.ts";

function letters([B = 1, , H]: Size): Letters {
  return { B, H4: fours(H) };
}

function gatesOf100(problem: (size: Size, hard: boolean) => Problem): HardCase {
  return {
    what: "gates of up to 100, and users without events",
    size: [11, 5, 6],
    problem: (size) => problem(size, true),
  };
}

export const lstm: Exercise = {
  name: "lstm",
  what: "an LSTM over the history of every user",
  chapter: "3-lstm.md",
  starter,
  ladder: ladderNamed("lstm"),
  hard: [gatesOf100(lstmProblem)],
  letters,
};

export const lstmBackward: Exercise = {
  name: "lstm-backward",
  what: "back through time",
  chapter: "3-lstm.md",
  starter: backwardStarter,
  ladder: ladderNamed("lstm-backward"),
  hard: [gatesOf100(lstmBackwardProblem)],
  letters,
};
