/** Pages that a kernel which is nearly right gets wrong, for exercises that compute something of every page. */

import type { Problem, Size } from "../../src/selftest/ladder/problem.ts";
import type { Utility } from "../../src/selftest/ladder/problems/choice.ts";
import type { HardCase, Letters } from "./exercise.ts";

type PageProblem = (size: Size, utility: Utility) => Problem;

/** Pages differ by a row; see {@link import("../../src/selftest/ladder/problems/choice.ts").choicePages}. */
export function pageLetters([E = 1, page = 1]: Size): Letters {
  return { E, K: page + 1 };
}

export function pages(of: PageProblem, size: Size, what: string, utility: Utility): HardCase {
  return { what, size, problem: (size) => of(size, utility) };
}

export const ordinary: Utility = (k, e) => ((3 * k + 5 * e) % 7 - 3) / 2;

/** With a workgroup an event, an invocation has several of these rows. */
export function longPages(of: PageProblem): HardCase {
  return pages(of, [3, 300], "long pages", ordinary);
}
