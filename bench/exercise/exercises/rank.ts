/** Sorting by counting bits: how many bits are set before each word. */

import starter from "../../../kernels/exercises/rank.wgsl" with { type: "text" };
import shippedText from "../../../kernels/batch/batch_rank.wgsl" with { type: "text" };
import { randomStream } from "../../../src/data/random.ts";
import { constantOf, kernel } from "../../../src/gpu/kernel.ts";
import type { Output, Problem, Size } from "../../../src/selftest/ladder/problem.ts";
import { matrix } from "../../../src/tape/reference.ts";
import { type Exercise, type HardCase, shipped } from "../exercise.ts";
import { floatsOf, foundWords, wordsOutput } from "../words.ts";

const shippedKernel = kernel("batch_rank", shippedText);

export const rank: Exercise = {
  name: "rank",
  what: "how many bits are set before each word: places in sorted order",
  chapter: "4-batch.md",
  starter,
  ladder: shipped({
    kernel: shippedKernel,
    invocations: () => [constantOf(shippedKernel, "WORKGROUP")],
  }, {
    title: "the bits before each of W words",
    size: [8192],
    oddSizes: [[1], [37], [1029]],
    problem: (size) => problem(size),
  }),
  hard: [
    hard("every bit set", () => 0xffffffff),
    hard("the first or the last bit of some words alone", (w) => [1, 0, 0, 2 ** 31][w % 4] ?? NaN),
  ],
  letters: ([W = 1]) => ({ W }),
};

type Word = (w: number) => number;

function hard(what: string, word: Word): HardCase {
  return { what, size: [130], problem: (size) => problem(size, word) };
}

/** @param size [words]; a quarter of the bits are set, where it is not said which. */
function problem([W = 1]: Size, word?: Word): Problem {
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
