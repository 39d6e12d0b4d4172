/** The gradient of a table, gathered by item. */

import starter from "../../../kernels/exercises/table_gradient.wgsl" with { type: "text" };
import shippedText from "../../../kernels/scatter/embedding_gradient.wgsl" with { type: "text" };
import { randomStream } from "../../../src/data/random.ts";
import { kernel } from "../../../src/gpu/kernel.ts";
import { drawing, output, type Problem, type Size, upload } from "../../../src/selftest/ladder/problem.ts";
import { add, at, matrix } from "../../../src/tape/reference.ts";
import { type Exercise, fours, type HardCase, shipped } from "../exercise.ts";
import { withOnesBehind } from "../words.ts";

export const tableGradient: Exercise = {
  name: "table-gradient",
  what: "the gradient of a table, gathered by item",
  chapter: "5-scatter.md",
  starter,
  ladder: shipped({
    kernel: kernel("embedding_gradient", shippedText),
    invocations: ([, D = 1, N]) => [D * Math.ceil(fours(N) / 4)],
  }, {
    title: "gradient of a table, E events, D items x N columns",
    size: [2560, 500, 64],
    oddSizes: [[1, 1, 5], [37, 11, 19], [301, 67, 12]],
    problem: (size) => problem(size),
  }),
  hard: [
    hard("nearly all rows of one item", [600, 5, 9], { itemOf: () => 2 }),
    hard("no click fed anything", [37, 11, 5], { feeds: () => false }),
  ],
  letters: ([E = 1, D = 1, N]) => ({ E, D, N4: fours(N) }),
};

interface Rule {
  /** The item of a row, where it is not one of the first, which show each item once. @param u in [0, 1) */
  readonly itemOf?: (u: number, items: number) => number;
  /** Whether an event's click is fed to the encoder. */
  readonly feeds?: (event: number) => boolean;
}

function hard(what: string, size: Size, rule: Rule): HardCase {
  return { what, size, problem: (size) => problem(size, rule) };
}

/** What rows carry that fed nothing. Behind the source stand other numbers, so who reads there adds them up. */
function noneOf(E: number): number {
  return E + 1;
}

/** A few items are popular. */
const popular = (u: number, items: number) => Math.floor(items * u ** 3);
const SHOWN = 3;

/** @param size [events, distinct items, columns]; an event shows three rows, and clicks one of them. */
function problem(size: Size, { itemOf = popular, feeds = (e) => e % 7 !== 3 }: Rule = {}): Problem {
  const [E = 1, D = 1, N = 1] = size;
  const NONE = noneOf(E);
  const random = randomStream(3, "table gradient", ...size);
  const rows = Array.from({ length: Math.max(SHOWN * E, D) }, (_, r) => {
    const event = Math.min(Math.floor(r / SHOWN), E - 1);
    const item = r < D ? r : itemOf(random.uniform(), D);
    return { event, item, fed: r === SHOWN * event + event % SHOWN && feeds(event) ? event : NONE };
  });
  const ofSlot = Array.from({ length: D }, (): number[] => []);
  rows.forEach(({ item }, r) => ofSlot[item]?.push(r));
  const slotFirst = [0];
  for (const own of ofSlot) slotFirst.push((slotFirst.at(-1) ?? NaN) + own.length);
  const source = drawing(size)(E, N);
  const expected = matrix(D, N);
  for (const { item, fed } of rows) {
    for (let j = 0; fed !== NONE && j < N; j++) add(expected, item, j, at(source, fed, j));
  }
  return {
    inputs: {
      source: withOnesBehind(upload(source), 16 * fours(N)),
      // Of the distinct items of a batch; nothing is looked up in it.
      ranked: new Uint32Array(2),
      slot_first: Uint32Array.from(slotFirst),
      sorted: Uint32Array.from(ofSlot.flat()),
      row: Uint32Array.from(rows.flatMap(({ event, item, fed }) => [event, item, 0, fed])),
    },
    outputs: { output: output(expected, E + 8) },
    constants: { N4: fours(N), ITEMS: 0, NONE },
    sizes: { users: 1, events: E, rows: rows.length, items: D },
    cost: { flops: E * N, bytes: 4 * N * (E + D) },
  };
}
