/** The projection on the simplex: the exact generator of the game, and the reward's gradient against it. */

import starter from "../../../../kernels/exercises/sparsemax.wgsl" with { type: "text" };
import shippedText from "../../../../kernels/minimax/exact_minimax.wgsl" with { type: "text" };
import { NONE } from "../../../data/click_log.ts";
import { kernel } from "../../../gpu/kernel.ts";
import { output, type Problem, type Size, uploadEvents } from "../../ladder/problem.ts";
import { choicePages, pageText, rowOutput, type Utility } from "../../ladder/choice.ts";
import { choiceOutcome, topShares } from "../../../ops/choice_nll.ts";
import { sparsemax as projection } from "../../../ops/minimax.ts";
import { matrix } from "../../../tape/reference.ts";
import { type Exercise, longPages, pageLetters, pages, shipped } from "../exercise.ts";

export const sparsemax: Exercise = {
  name: "sparsemax",
  what: "the projection on the simplex: the exact generator",
  chapter: "9-minimax.md",
  starter,
  ladder: shipped({
    kernel: kernel("exact_minimax", shippedText),
    invocations: ([E = 1]) => [E],
  }, {
    title: "sparsemax and the reward's gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    problem: (size) => problem(size),
  }),
  solution: "exact_minimax",
  hard: [
    pages(problem, [7, 3], "all rows of a page equal", (_, e) => e - 3),
    pages(
      problem,
      [8, 3],
      "utilities about 10,000 and -10,000",
      (k, e) => (e % 2 === 0 ? 10_000 : -10_000) + (37 * k * k + e) % 64 / 64,
    ),
    longPages(problem),
  ],
  letters: pageLetters,
};

const GENERATOR_ETA = 0.5;

/** @param size [events, rows of a page] */
function problem(size: Size, utility?: Utility): Problem {
  const [E = 1, page = 1] = size;
  const pages = choicePages(size, utility);
  const { events, u } = pages;
  const R = u.rows;
  const [policy, gradient, outcome] = [matrix(R, 1), matrix(R, 1), matrix(E, 8)];
  events.forEach(({ first, end, click }, e) => {
    const own = Array.from(u.data.subarray(first, end));
    const pi = projection(own.map((x) => GENERATOR_ETA * x));
    policy.data.set(pi, first);
    const clicked = click === NONE ? undefined : click - first;
    const value = own.reduce((sum, x, k) => {
      const p = pi[k] ?? NaN;
      return sum + p * (x - p / (2 * GENERATOR_ETA));
    }, 0);
    const losses = clicked === undefined ? [0, 0] : [value, value - (own[clicked] ?? NaN)];
    const [lossMax = 0, lossMin = 0] = losses;
    const clicks = clicked === undefined ? [] : [clicked];
    outcome.data.set([...choiceOutcome(own, clicks, 1), lossMin, ...topShares(pi, clicks), lossMax], 8 * e);
    if (clicked === undefined) return;
    pi.forEach((p, k) => gradient.data[first + k] = (p - (k === clicked ? 1 : 0)) / E);
  });
  return {
    inputs: { u: new Float32Array(u.data), event: uploadEvents(events) },
    outputs: {
      policy: rowOutput(pages, policy, page + 16),
      gradient: rowOutput(pages, gradient, page + 16),
      outcome: { ...output(outcome, page + 16), optional: true, named: (e) => pageText(pages, e) },
    },
    constants: { ETA: 1, GENERATOR_ETA },
    sizes: { users: 1, events: E, rows: R, items: 1 },
    cost: { flops: (4 * page + 40) * R, bytes: 12 * R + 48 * E },
  };
}
