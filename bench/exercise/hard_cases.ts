/** What a kernel that is nearly right gets wrong: numbers and sizes that drawn ones do not have. */

import { adamProblem, batchNormProblem, sparsemaxProblem } from "./problems.ts";
import {
  choiceProblem,
  lstmBackwardProblem,
  lstmProblem,
  matmulProblem,
  type Problem,
  type Size,
  type Utility,
} from "../../src/ladder/problems.ts";

export interface HardCase {
  readonly what: string;
  readonly size: Size;
  readonly problem: (size: Size) => Problem;
}

type PageProblem = (size: Size, utility: Utility) => Problem;

function pages(of: PageProblem, size: Size, what: string, utility: Utility): HardCase {
  return { what, size, problem: (size) => of(size, utility) };
}

const ordinary: Utility = (k, e) => ((3 * k + 5 * e) % 7 - 3) / 2;

/** With a workgroup an event, an invocation has several of these rows. */
function longPages(of: PageProblem): HardCase {
  return pages(of, [3, 300], "long pages", ordinary);
}

const gatesOf100 = "gates of up to 100, and users without events";

export const hardCases = {
  softmax: [
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
  matmul: [{
    what: "sums of several hundred, whose exp is infinite",
    size: [37, 19, 21],
    problem: (size: Size) => matmulProblem("forward", size, 200),
  }],
  lstm: [{ what: gatesOf100, size: [11, 5, 6], problem: (size: Size) => lstmProblem(size, true) }],
  lstmBackward: [
    { what: gatesOf100, size: [11, 5, 6], problem: (size: Size) => lstmBackwardProblem(size, true) },
  ],
  batchNorm: [{
    what: "constant columns, and columns of 1,000 that vary little",
    size: [39, 19],
    problem: (size: Size) => batchNormProblem(size, true),
  }],
  adam: [{
    what: "gradients of 0 and of about epsilon",
    size: [37],
    problem: (size: Size) => adamProblem(size, true),
  }],
  sparsemax: [
    pages(sparsemaxProblem, [7, 3], "all rows of a page equal", (_, e) => e - 3),
    pages(
      sparsemaxProblem,
      [8, 3],
      "utilities about 10,000 and -10,000",
      (k, e) => (e % 2 === 0 ? 10_000 : -10_000) + (37 * k * k + e) % 64 / 64,
    ),
    longPages(sparsemaxProblem),
  ],
} as const satisfies Readonly<Record<string, readonly HardCase[]>>;
