/** Loss and gradient of a choice with a null option. */

import starter from "../../../kernels/exercises/softmax.wgsl" with { type: "text" };
import { choiceProblem } from "../../../src/selftest/ladder/problems/choice.ts";
import { type Exercise, ladderNamed } from "../exercise.ts";
import { longPages, ordinary, pageLetters, pages } from "../pages.ts";

export const softmax: Exercise = {
  name: "softmax",
  what: "loss and gradient of a choice with a null option",
  chapter: "1-softmax.md",
  starter,
  ladder: ladderNamed("choice"),
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
