/** Sorting by counting bits, and the gradient of a table, gathered by item. */

import rankText from "../../../../kernels/batch/batch_rank.wgsl" with { type: "text" };
import rankStarter from "../../../../kernels/exercises/rank.wgsl" with { type: "text" };
import tableStarter from "../../../../kernels/exercises/table_gradient.wgsl" with { type: "text" };
import tableText from "../../../../kernels/scatter/embedding_gradient.wgsl" with { type: "text" };
import { randomStream } from "../../../data/random.ts";
import { constantOf, kernel } from "../../../gpu/kernel.ts";
import { drawing, type Output, output, type Problem, type Size, upload } from "../../ladder/problem.ts";
import { sumsBefore } from "../../harness.ts";
import { add, at, matrix } from "../../../tape/reference.ts";
import {
  type Exercise,
  floatsOf,
  foundWords,
  fours,
  type HardCase,
  shipped,
  withOnesBehind,
  wordsOutput,
} from "../exercise.ts";

const shippedKernel = kernel("batch_rank", rankText);

export const rank: Exercise = {
  name: "rank",
  what: "how many bits are set before each word: places in sorted order",
  chapter: "4-batch.md",
  starter: rankStarter,
  ladder: shipped({
    kernel: shippedKernel,
    invocations: () => [constantOf(shippedKernel, "WORKGROUP")],
  }, {
    title: "the bits before each of W words",
    size: [8192],
    oddSizes: [[1], [37], [1029]],
    problem: (size) => rankProblem(size),
  }),
  solution: "batch_rank",
  hard: [
    hardBits("every bit set", () => 0xffffffff),
    hardBits("the first or the last bit of some words alone", (w) => [1, 0, 0, 2 ** 31][w % 4] ?? NaN),
  ],
  letters: ([W = 1]) => ({ W }),
};

type Word = (w: number) => number;

function hardBits(what: string, word: Word): HardCase {
  return { what, size: [130], problem: (size) => rankProblem(size, word) };
}

/** @param size [words]; a quarter of the bits are set, where it is not said which. */
function rankProblem([W = 1]: Size, word?: Word): Problem {
  const random = randomStream(3, "rank", W);
  const drawn = () => Math.floor(random.uniform() * 2 ** 32);
  const bits = Uint32Array.from({ length: W }, (_, w) => word?.(w) ?? (drawn() & drawn()));
  const ranked = new Uint32Array(2 * W);
  let before = 0;
  bits.forEach((word, w) => {
    ranked.set([word, before], 2 * w);
    before += bitCount(word);
  });
  return {
    inputs: {},
    outputs: { ranked: wordsOutput(ranked, 2), bits: leftOrCleared(bits) },
    constants: { WORDS: W },
    sizes: { users: 1, events: 1, rows: 1, items: 1 },
    cost: { flops: 0, bytes: 20 * W },
  };
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}

/** The bits may be left as they are, or cleared for the next step as the shipped kernel does it. */
function leftOrCleared(bits: Uint32Array<ArrayBuffer>): Output {
  return {
    length: bits.length,
    expected: matrix(bits.length, 1),
    dense(found) {
      const words = foundWords(found);
      return bits.every((word, w) => word === words[w]) ? new Float64Array(bits.length) : words;
    },
    tolerance: 0,
    initial: floatsOf(bits),
    optional: true,
  };
}

export const tableGradient: Exercise = {
  name: "table-gradient",
  what: "the gradient of a table, gathered by item",
  chapter: "5-scatter.md",
  starter: tableStarter,
  ladder: shipped({
    kernel: kernel("embedding_gradient", tableText),
    invocations: ([, D = 1, N]) => [D * Math.ceil(fours(N) / 4)],
  }, {
    title: "gradient of a table, E events, D items x N columns",
    size: [2560, 500, 64],
    oddSizes: [[1, 1, 5], [37, 11, 19], [301, 67, 12]],
    problem: (size) => tableProblem(size),
  }),
  solution: "embedding_gradient",
  hard: [
    hardRows("nearly all rows of one item", [600, 5, 9], { itemOf: () => 2 }),
    hardRows("no click fed anything", [37, 11, 5], { feeds: () => false }),
  ],
  letters: ([E = 1, D = 1, N]) => ({ E, D, N4: fours(N) }),
};

interface Rule {
  /** The item of a row, where it is not one of the first, which show each item once. @param u in [0, 1) */
  readonly itemOf?: (u: number, items: number) => number;
  /** Whether an event's click is fed to the encoder. */
  readonly feeds?: (event: number) => boolean;
}

function hardRows(what: string, size: Size, rule: Rule): HardCase {
  return { what, size, problem: (size) => tableProblem(size, rule) };
}

/** A few items are popular. */
const popular = (u: number, items: number) => Math.floor(items * u ** 3);
const SHOWN = 3;

/** @param size [events, distinct items, columns]; an event shows three rows, and clicks one of them. */
function tableProblem(size: Size, { itemOf = popular, feeds = (e) => e % 7 !== 3 }: Rule = {}): Problem {
  const [E = 1, D = 1, N = 1] = size;
  // What rows carry that fed nothing. Behind the source stand other numbers, so who reads there adds them up.
  const NONE = E + 1;
  const random = randomStream(3, "table gradient", ...size);
  const rows = Array.from({ length: Math.max(SHOWN * E, D) }, (_, r) => {
    const event = Math.min(Math.floor(r / SHOWN), E - 1);
    const item = r < D ? r : itemOf(random.uniform(), D);
    return { event, item, fed: r === SHOWN * event + event % SHOWN && feeds(event) ? event : NONE };
  });
  const ofSlot = Array.from({ length: D }, (): number[] => []);
  rows.forEach(({ item }, r) => ofSlot[item]?.push(r));
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
      slot_first: Uint32Array.from(sumsBefore(ofSlot.map(({ length }) => length))),
      sorted: Uint32Array.from(ofSlot.flat()),
      row: Uint32Array.from(rows.flatMap(({ event, item, fed }) => [event, item, 0, fed])),
    },
    outputs: { output: output(expected, E + 8) },
    constants: { N4: fours(N), ITEMS: 0, NONE },
    sizes: { users: 1, events: E, rows: rows.length, items: D },
    cost: { flops: E * N, bytes: 4 * N * (E + D) },
  };
}
