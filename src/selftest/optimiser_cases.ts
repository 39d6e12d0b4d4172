/** Self-test cases of the optimiser: sums of partial gradients, clipping, Adam, copies of best weights. */

import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { ChunkRule } from "../gpu/sizes.ts";
import { readFloats } from "../gpu/readback.ts";
import { gradientClip } from "../ops/adam.ts";
import { ParameterArena, type ParameterSpec } from "../tape/parameters.ts";
import { BestKeeper } from "../train/best_keeper.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { choiceSummary, ResultRing } from "../train/training_results.ts";
import type { CheckCollector, NamedCheck } from "./finding.ts";
import { CanaryArena, recordStep, runTwice } from "./harness.ts";
import type { OptimiserRun } from "./optimiser_bench.ts";
import { compareMoves, dimensions, drawNormals, drawStartWeights, runMoves } from "./optimiser_bench.ts";

const specs: readonly ParameterSpec[] = [
  { name: "kernel", rows: 9, columns: 17, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 130, columns: 5, table: true, decays: true },
  { name: "whole table", rows: 21, columns: 5, table: true },
];

/** Rule that splits 1,000 rows into 20 chunks, whose sums GPU kernels add in several loop iterations. */
const manyChunks: ChunkRule = { rows: 50, most: 128 };

/** Makes a check of Adam. @param of - kernel names: `rows` for row-sparse tables, `all` for other weights */
function moving(
  moves: Omit<OptimiserRun, "specs">,
  of: Readonly<Record<"all" | "rows", string>>,
): NamedCheck["check"] {
  return async (gpu, checks) => {
    const own = { ...moves, specs, ...(gpu.variants.kind === "gpu" && { chunks: manyChunks }) };
    const listKernels = (name: string) => of[name in (moves.sparseRows ?? {}) ? "rows" : "all"].split(" ");
    compareMoves(await runMoves(gpu, checks, own), own, listKernels, checks);
  };
}

/** Sizes of a test of gradient clipping: batch rows, standard deviation of partial sums, largest norm. */
export interface ClippedGradients {
  readonly specs: readonly ParameterSpec[];
  readonly rows: number;
  readonly scale: number;
  readonly most: number;
}

export async function checkClip(
  gpu: Gpu,
  checks: CheckCollector,
  { specs, rows, scale, most }: ClippedGradients,
): Promise<void> {
  using stack = new DisposableStack();
  const parameters = stack.use(new ParameterArena(gpu, specs));
  const arena = stack.use(new CanaryArena(gpu, "clip"));
  const { summed, length, partials, gradient } = parameters;
  const sizes = { rows, events: 1, items: 1 };
  const chunks = dimensions.countChunks(sizes);
  const draw = (count: number, name: string) => drawNormals(count, name, rows).map((x) => scale * x);
  const given = { partials: draw(summed * chunks, "partials"), gradient: draw(length, "gradient") };
  const total = Float64Array.from(given.gradient);
  for (let i = 0; i < summed; i++) {
    total[i] = 0;
    for (let c = 0; c < chunks; c++) total[i] = (total[i] ?? NaN) + (given.partials[c * summed + i] ?? NaN);
  }
  const norm = Math.sqrt(total.reduce((sum, g) => sum + g * g, 0));
  const dispatches = gradientClip(parameters, most, arena);
  const encode = await recordStep(arena, dimensions, dispatches, { sizes, counted: rows });
  const [sums, direct] = await runTwice(arena, checks, dispatches, {
    start() {
      gpu.queue.writeBuffer(partials.buffer, 0, given.partials);
      gpu.queue.writeBuffer(gradient.buffer, 0, given.gradient);
    },
    encode,
    read: () => Promise.all([readFloats(gpu, partials), readFloats(gpu, gradient)]),
  });
  // A gradient whose norm is below the limit keeps its bits.
  const [share, tolerance] = norm > most ? [most / norm, 2e-6 * scale] : [1, 0];
  const by = { kernels: ["gradient_clip", "gradient_norm"], tolerance };
  const what = `of a gradient with a norm ${norm > most ? "above" : "below"} the limit`;
  checks.numbers(sums, given.partials.map((g) => share * g), { ...by, what: `partial sums ${what}` });
  const wanted = given.gradient.map((g, i) => (i < summed ? g : share * g));
  checks.numbers(direct, wanted, {
    ...by,
    what: `tables ${what}`,
    // The first numbers are sums of partial gradients, which these kernels must not change.
    tolerance: (i) => (i < summed ? 0 : tolerance),
  });
}

/** Metric sums of two validations, for each of two shards of users: loss, prec@1, prec@2, clicks. */
const validations = [
  { sums: [[3, 1, 4, 9], [2, 1, 3, 9]], better: ["loss", "prec1", "prec2"] },
  { sums: [[4, 2, 3, 9], [3, 2, 4, 9]], better: ["prec1"] },
] as const;

async function checkBest(gpu: Gpu, checks: CheckCollector): Promise<void> {
  const kernels = ["keep_best", "best_compare"];
  using stack = new DisposableStack();
  const parameters = stack.use(new ParameterArena(gpu, specs));
  const arena = stack.use(new CanaryArena(gpu, "best"));
  const [places, shards] = [4, 2];
  const ring = new ResultRing(arena, places, 1, shards);
  const networks = [{ prefix: "", parameters, adam: undefined }];
  const at = { firstSlot: ring.firstShard, shards };
  const keeper = stack.use(await BestKeeper.create(networks, gpu, ring, at, choiceSummary));
  let wanted = new Map(criteria.map((criterion) => [criterion, drawStartWeights(specs)]));
  for (const [n, { sums, better }] of validations.entries()) {
    const weights = new Map(
      [...drawStartWeights(specs)].map(([name, values]) => [name, values.map((w) => w + 1 + n)]),
    );
    parameters.write(weights);
    gpu.queue.writeBuffer(ring.view.buffer, 16 * ring.firstShard, Float32Array.from(sums.flat()));
    CommandRecorder.submit(gpu, "best", (commands) => keeper.encode(commands, n, n));
    const total = Float64Array.from(sums[0], (x, k) => x + (sums[1][k] ?? NaN));
    const found = ring.sumsAt(await readFloats(gpu, ring.view), ring.validationSlot(n));
    checks.same(found, total, { kernels: ["best_compare"], what: `sums of validation ${n}` });
    const isBetter = (criterion: Criterion) => better.some((one) => one === criterion);
    wanted = new Map([...wanted].map(([criterion, w]) => [criterion, isBetter(criterion) ? weights : w]));
    for (const criterion of criteria) {
      const kept = await keeper.snapshot(criterion);
      for (const { name, columns } of specs) {
        const expected = wanted.get(criterion)?.get(name) ?? new Float32Array(0);
        const what = `${name}, best by ${criterion} after validation ${n}`;
        checks.same(kept?.get(name), expected, { kernels, what, columns });
      }
    }
  }
  await arena.check(checks, kernels);
}

export const optimiserCases: readonly NamedCheck[] = [
  { name: "adam", check: moving({}, { all: "adam", rows: "" }) },
  {
    name: "adam, sparse rows",
    check: moving({ sparseRows: { table: "items" } }, { all: "adam", rows: "adam_rows" }),
  },
  {
    name: "gradients of micro-batches, in windows of the weights",
    // With two steps the check fails if the second step still has sums of the first.
    check: moving({ sparseRows: { table: "items" }, steps: 2, parts: 3, most: 2048 }, {
      all: "gradient_add adam",
      rows: "gradient_rows_add adam_rows",
    }),
  },
  {
    name: "gradients with a limited norm",
    async check(gpu, checks) {
      for (const scale of [1e-3, 1]) await checkClip(gpu, checks, { specs, rows: 700, scale, most: 10 });
    },
  },
  { name: "the best weights are kept", check: checkBest },
];
