/** The warm-up of the course: exercises that are solved by one or two lines, one idea each. */

import blockStarter from "../../kernels/exercises/block.wgsl" with { type: "text" };
import gridStarter from "../../kernels/exercises/grid_2d.wgsl" with { type: "text" };
import guardStarter from "../../kernels/exercises/guard.wgsl" with { type: "text" };
import mapStarter from "../../kernels/exercises/map.wgsl" with { type: "text" };
import shuffleStarter from "../../kernels/exercises/shuffle.wgsl" with { type: "text" };
import sumStarter from "../../kernels/exercises/sum.wgsl" with { type: "text" };
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { createRandomStream } from "../data/random.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Kernel, parseKernel } from "../gpu/kernel.ts";
import type { LadderSize } from "../ladder/check_ladder.ts";
import { CanaryArena, createStepHeader, FINITE_CANARY, listWriters, toFloats } from "../selftest/harness.ts";
import type { KernelTrial } from "../selftest/harness.ts";
import { U } from "../selftest/ops/op_batches.ts";
import { createKernelExercise, type Exercise, HOLE, parseGrid, type SizeLetters } from "./exercise.ts";

interface Puzzle extends Pick<Exercise, "name" | "what" | "starter"> {
  readonly size: LadderSize;
  readonly oddSizes: readonly LadderSize[];
  /** Lines that solve the puzzle, one for each line of the starter that contains YOUR CODE. */
  readonly answer: readonly string[];
  /** Returns the lengths of the inputs, by name. */
  readonly inputs: (size: LadderSize) => Readonly<Record<string, number>>;
  /** Number of terms that are summed per element of the result; 1 by default. */
  readonly terms?: number;
  readonly compute: (inputs: Readonly<Record<string, Float32Array>>, size: LadderSize) => readonly number[];
}

/** Number of elements per block. In a puzzle each workgroup computes one block. */
const BLOCK = 64;
const large = 2 ** 18;
const ofX = ([N = 1]: LadderSize) => ({ x: N });
const whole = [[BLOCK], [3 * BLOCK]] as const;
const odd = [[1], [65], [1029]] as const;

function sumBlocks(x: Float32Array, length: number): number[] {
  return Array.from(
    { length: Math.ceil(x.length / length) },
    (_, block) => x.subarray(length * block, length * (block + 1)).reduce((sum, value) => sum + value, 0),
  );
}

const puzzles: readonly Puzzle[] = [
  {
    ...{ name: "map", what: "y = 2 x + 1: one invocation per element", starter: mapStarter },
    answer: ["  y[i] = 2.0 * x[i] + 1.0;"],
    ...{ size: [large], oddSizes: whole, inputs: ofX },
    compute: ({ x = [] }) => Array.from(x, (x) => 2 * x + 1),
  },
  {
    ...{ name: "guard", what: "y = x x: more invocations than elements", starter: guardStarter },
    answer: ["  if (i < N) { y[i] = x[i] * x[i]; }"],
    ...{ size: [large - 1], oddSizes: odd, inputs: ofX },
    compute: ({ x = [] }) => Array.from(x, (x) => x * x),
  },
  {
    ...{ name: "grid_2d", what: "y[m, n] = a[m] + b[n]: rows and columns", starter: gridStarter },
    answer: ["  if (m < M && n < N) { y[m * N + n] = a[m] + b[n]; }"],
    ...{ size: [512, 512], oddSizes: [[1, 1], [3, 17], [37, 70]] },
    inputs: ([M = 1, N = 1]) => ({ a: M, b: N }),
    compute: ({ a = [], b = [] }) => Array.from(a).flatMap((a) => Array.from(b, (b) => a + b)),
  },
  {
    ...{
      name: "block",
      what: "every 64 elements reversed: workgroup memory and a barrier",
      starter: blockStarter,
    },
    answer: ["  tile[local] = x[i];", "  y[i] = tile[u32(WORKGROUP) - 1u - local];"],
    ...{ size: [large], oddSizes: whole, inputs: ofX },
    compute: ({ x = [] }) => Array.from(x, (_, i) => x[i + BLOCK - 1 - 2 * (i % BLOCK)] ?? NaN),
  },
  {
    ...{ name: "sum", what: "the sum of every 64 elements, as a tree", starter: sumStarter },
    answer: ["    if (local < half) { part[local] += part[local + half]; }"],
    ...{ size: [large - 1], oddSizes: odd, inputs: ofX, terms: BLOCK },
    compute: ({ x = new Float32Array() }) => sumBlocks(x, BLOCK),
  },
  {
    ...{ name: "shuffle", what: "the sum of every four elements, without memory", starter: shuffleStarter },
    answer: ["  v += subgroupShuffleXor(v, 1u);\n  v += subgroupShuffleXor(v, 2u);"],
    ...{ size: [large], oddSizes: whole, inputs: ofX, terms: 4 },
    compute: ({ x = new Float32Array() }) => sumBlocks(x, 4).flatMap((sum) => [sum, sum, sum, sum]),
  },
];

/** Returns M (rows) and N (columns), or only N (elements). */
function getLetters([first = 1, second]: LadderSize): SizeLetters {
  return second === undefined ? { N: first } : { M: first, N: second };
}

function createPuzzleTrial(
  gpu: Gpu,
  kernel: Kernel,
  puzzle: Puzzle,
  size: LadderSize,
): KernelTrial<ClickSizes> {
  const { name, starter, terms = 1 } = puzzle;
  const random = createRandomStream(3, name, ...size);
  const inputs = Object.entries(puzzle.inputs(size)).map(([name, length]) =>
    [name, Float32Array.from({ length }, () => 2 * random.uniform() - 1)] as const
  );
  const expected = puzzle.compute(Object.fromEntries(inputs), size);
  const most = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const arena = new CanaryArena(gpu, name, BLOCK, FINITE_CANARY);
  const y = arena.allocate("y", 4 * expected.length);
  const views = { ...Object.fromEntries(inputs.map(([name, data]) => [name, arena.upload(name, data)])), y };
  const bytes = 4 * inputs.reduce((sum, [, { length }]) => sum + length, expected.length);
  const [constants, [, columns]] = [getLetters(size), size];
  const invocations = parseGrid({ starter, letters: getLetters }, starter).invocations?.(size) ?? [1];
  const sizes = { users: 1, events: 1, rows: 1, items: 1 };
  return {
    ...{ arena, ...createStepHeader(arena, clickDimensions, { sizes, counted: 1 }) },
    specs: [{ kernel, label: name, constants, views, invocations, cost: () => ({ flops: 0, bytes }) }],
    views: [y],
    named: new Map([[y, "y"]]),
    compare: (words, specs, checks) =>
      checks.numbers(toFloats(words(y)), expected, {
        ...{ kernels: listWriters(specs, y), what: "y", tolerance: 4 * U * terms * most },
        ...(columns !== undefined && { columns }),
      }),
    [Symbol.dispose]: () => arena.destroy(),
  };
}

function createPuzzle(puzzle: Puzzle): Exercise {
  const { name, what, starter, answer, size, oddSizes } = puzzle;
  const lines = [...answer];
  const text = starter.replaceAll(new RegExp(`^.*${HOLE}.*$`, "gm"), () => lines.shift() ?? "");
  const kernel = parseKernel(`${name}_solution`, text);
  return createKernelExercise({
    ...{ name, what, starter, chapter: "0-first-kernels.md", kernel, size, oddSizes, letters: getLetters },
    title: `${what} (${Object.keys(getLetters(size)).join(" x ")} elements)`,
    trial: (gpu, size) => createPuzzleTrial(gpu, kernel, puzzle, size),
    refuses: ([N = 1]) => oddSizes === whole && N % BLOCK > 0 ? `needs a multiple of ${BLOCK}` : undefined,
  });
}

export const warmUp: readonly Exercise[] = puzzles.map(createPuzzle);
