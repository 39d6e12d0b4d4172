/** Runs steps of Adam on the device and in f64, and compares weights, moments and gradients. */

import { NONE } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { asBufferView } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { readFloats } from "../gpu/readback.ts";
import { type ChunkRule, Dimensions } from "../gpu/sizes.ts";
import { StepHeaders } from "../gpu/step.ts";
import { adamRate, adamReference, type AdamReferenceState, AdamState } from "../ops/adam.ts";
import { GradientSum } from "../ops/gradient_sum.ts";
import type { SparseRows } from "../tape/node.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../tape/parameters.ts";
import { padRows, type Tensor } from "../tape/tensor.ts";
import type { CheckCollector } from "./finding.ts";
import { CanaryArena, listIndices, runTwice } from "./harness.ts";
import { drawPermutation } from "./small_logs.ts";

type Sizes = Readonly<Record<"rows" | "events" | "items", number>>;
export const dimensions = new Dimensions<Sizes>(["rows", "events", "items"], "rows");

/** Rows per batch, enough for several chunks of partial sums. */
const ROWS = 1000;
const getSizes = (t: number): Sizes => ({ rows: ROWS, events: 30 + 7 * t, items: 20 + 5 * t });
const MOST_PLACES = 2 * 90;

export interface OptimiserRun {
  readonly specs: readonly ParameterSpec[];
  /** Row-sparse tables: at most one row per event (or per item) of a batch gets a gradient. */
  readonly sparseRows?: Readonly<Record<string, "events" | "items">>;
  readonly steps?: number;
  /** Number of micro-batches per step, whose gradients are summed. By default, batches are not split. */
  readonly parts?: number;
  /** Weight decay: fraction of a weight that a step subtracts. */
  readonly decay?: number;
  /** Rule that splits rows into chunks, each with a partial sum; by default the rule for CPU adapters. */
  readonly chunks?: ChunkRule;
  /** Maximum number of bytes of weights per binding; by default, the adapter's limit. */
  readonly most?: number;
}

const RATE = 0.01;
const DECAY = 0.02;
/** Ratio of the weight decay of tables to that of other parameters. */
const TABLES = 1.5;

export function drawNormals(
  length: number,
  ...seed: readonly (string | number)[]
): Float32Array<ArrayBuffer> {
  const random = createRandomStream(3, "optimiser", ...seed.map(String));
  return Float32Array.from({ length }, () => random.normal());
}

export function drawStartWeights(specs: readonly ParameterSpec[]): Weights {
  return new Map(specs.map(({ name, rows, columns }) => [name, drawNormals(rows * columns, "start", name)]));
}

function getDimensions({ chunks }: OptimiserRun): Dimensions<Sizes> {
  return chunks ? dimensions.withChunks(chunks) : dimensions;
}

/** Draws partial sums of a micro-batch's gradient, one per chunk. Running averages have no gradient. */
function drawGradients(
  { name, rows, columns, table, statistic }: ParameterSpec,
  moves: OptimiserRun,
  t: number,
  part: number,
) {
  const chunks = statistic ? 0 : table ? 1 : getDimensions(moves).countChunks(getSizes(t));
  return listIndices(chunks).map((k) => drawNormals(rows * columns, name, t, part, k));
}

/** Returns distinct row numbers. A third of the entries are NONE, which kernels must skip. */
function listRowNumbers({ name, rows }: ParameterSpec, t: number, part: number): Uint32Array<ArrayBuffer> {
  const order = drawPermutation(10 * t + part + name.length, rows);
  return Uint32Array.from({ length: MOST_PLACES }, (_, k) => (k % 3 === 1 ? NONE : order[k] ?? NONE));
}

/** Returns the table rows with a gradient in a micro-batch: all rows, unless the table is row-sparse. */
function listSparseRows(
  spec: ParameterSpec,
  { sparseRows = {} }: OptimiserRun,
  t: number,
  part: number,
): number[] {
  const count = sparseRows[spec.name];
  if (!count) return listIndices(spec.rows);
  return Array.from(listRowNumbers(spec, t, part).subarray(0, getSizes(t)[count])).filter((row) =>
    row !== NONE
  );
}

export type MovedArenas = Awaited<ReturnType<typeof runMoves>>;

/** Runs all steps twice. @returns weights, moments and gradients after the last step */
export async function runMoves(gpu: Gpu, checks: CheckCollector, moves: OptimiserRun) {
  const { specs, sparseRows = {}, steps = 3, parts, decay = DECAY, most } = moves;
  using stack = new DisposableStack();
  const parameters = stack.use(new ParameterArena(gpu, specs));
  const sparse = Object.keys(sparseRows).length > 0;
  const adam = stack.use(new AdamState(parameters, sparse ? "row-sparse" : "dense"));
  const arena = stack.use(new CanaryArena(gpu, "optimiser"));
  const headers = new StepHeaders(arena, getDimensions(moves), 1);
  const lists = new Map<Tensor, SparseRows<Sizes>>(
    Object.entries(sparseRows).map(([name, count]) => {
      const table = parameters.get(name);
      const list = arena.allocate(`${name} list`, 4 * MOST_PLACES);
      return [table, {
        ...{ count, list },
        gradient: arena.allocate(`${name} by row`, 4 * MOST_PLACES * table.stride),
      }];
    }),
  );
  const tape = { dimensions: getDimensions(moves), sparseRows: lists };
  const program = await Program.record(gpu, "adam", headers.buffer, adam.dispatches(tape, most));
  const sum = parts &&
    await GradientSum.create(adam, tape, headers.buffer, arena, { accumulates: true, most });
  const write = (buffer: GPUBuffer, offset: number, data: Float32Array<ArrayBuffer>) =>
    gpu.queue.writeBuffer(buffer, offset, data);
  const putGradients = (spec: ParameterSpec, t: number, part: number) => {
    const { name, rows, columns, groups = 1 } = spec;
    const table = parameters.get(name);
    const own = lists.get(table);
    drawGradients(spec, moves, t, part).forEach((values, chunk) => {
      if (own) {
        // Slots without a row are NaN, because kernels must not read them.
        const list = listRowNumbers(spec, t, part);
        const byPlace = new Float32Array(list.length * columns).fill(NaN);
        list.forEach((row, k) => {
          if (row !== NONE) byPlace.set(values.subarray(row * columns, (row + 1) * columns), k * columns);
        });
        gpu.queue.writeBuffer(own.list.buffer, 0, list);
        return write(own.gradient.buffer, 0, padRows(byPlace, list.length, columns, groups));
      }
      const [target, offset] = spec.table
        ? [parameters.gradient, asBufferView(table.view).offset]
        : [parameters.partials, 4 * (chunk * parameters.summed + (table.parameter?.offset ?? 0))];
      write(target.buffer, offset, padRows(values, rows, columns, groups));
    });
  };
  const start = () => {
    parameters.write(drawStartWeights(specs));
    for (const { buffer, size } of [adam.m, adam.v]) write(buffer, 0, new Float32Array(size / 4));
  };
  const encodeStep = (commands: CommandRecorder, t: number, part: number) => {
    const sizes = getSizes(t);
    const batch = { sizes, counted: ROWS, first: 0 };
    headers.put(0, batch, {
      slot: 0,
      learningRate: adamRate(RATE, t),
      iteration: t,
      decay,
      tableDecay: TABLES * decay,
    });
    headers.upload(0, 1);
    for (const spec of specs) putGradients(spec, t, part);
    if (sum) sum.encode(commands, sizes, 0, { first: part === 0, last: part + 1 === parts });
    else program.encode(commands, sizes, 0);
  };
  const all = [...program.dispatches.map(({ spec }) => spec.kernel.name)];
  const kernels = [...new Set(sum ? [...all, "gradient_add", "gradient_rows_add"] : all)];
  await runTwice(arena, checks, kernels, {
    start,
    encode: listIndices(steps).flatMap((k) =>
      listIndices(parts ?? 1).map((part) => (commands: CommandRecorder) => encodeStep(commands, k + 1, part))
    ),
    read: () => Promise.all([parameters.weights, adam.m, adam.v].map((view) => readFloats(gpu, view))),
  });
  return {
    weights: await parameters.read(),
    m: await parameters.read(adam.m.buffer),
    v: await parameters.read(adam.v.buffer),
    gradient: await parameters.read(parameters.gradient.buffer),
    /** The whole buffer of weights, with the padding between parameters. */
    raw: await readFloats(gpu, parameters.weights),
    dispatches: program.dispatches.length,
  };
}

/** Computes weights and moments after all steps in f64, and the number of updates of each row. */
function moves64(spec: ParameterSpec, moves: OptimiserRun): { moved: AdamReferenceState; times: number[] } {
  const { rows, columns, decays, statistic } = spec;
  const w = Float64Array.from(drawStartWeights([spec]).get(spec.name) ?? []);
  const moved = { w, m: new Float64Array(w.length), v: new Float64Array(w.length) };
  const times = new Array<number>(rows).fill(0);
  for (let t = 1; t <= (statistic ? 0 : moves.steps ?? 3); t++) {
    const sums = new Map<number, Float64Array>();
    for (const part of listIndices(moves.parts ?? 1)) {
      const gradients = drawGradients(spec, moves, t, part);
      for (const row of listSparseRows(spec, moves, t, part)) {
        const sum = sums.get(row) ?? new Float64Array(columns);
        for (const values of gradients) {
          sum.forEach((x, c) => sum[c] = x + (values[row * columns + c] ?? NaN));
        }
        sums.set(row, sum);
      }
    }
    for (const [row, sum] of sums) {
      times[row] = (times[row] ?? NaN) + 1;
      const part = (all: Float64Array) => all.subarray(row * columns, (row + 1) * columns);
      const own = { w: part(moved.w), m: part(moved.m), v: part(moved.v) };
      adamReference(own, sum, {
        t,
        learningRate: RATE,
        decay: decays ? (moves.decay ?? DECAY) * (spec.table ? TABLES : 1) : 0,
      });
    }
  }
  return { moved, times };
}

/**
 * Compares weights, moments, gradients with f64. Rows without update must keep their bits; padding must be 0.
 * @param tolerance - allowed absolute error in rows with updates
 * @param exact - true to compare the gradients' bits, which depend on the driver's order of additions
 */
export function compareMoves(
  found: MovedArenas,
  moves: OptimiserRun,
  kernelsOf: (name: string) => readonly string[],
  checks: CheckCollector,
  { tolerance = 4e-6, exact = false }: { readonly tolerance?: number; readonly exact?: boolean } = {},
): void {
  const { specs, sparseRows = {}, parts, steps = 3 } = moves;
  for (const spec of specs) {
    const { name, columns } = spec;
    const kernels = kernelsOf(name);
    const { moved, times } = moves64(spec, moves);
    if (name in sparseRows) {
      const all = [0, 1, 2].every((wanted) => times.includes(wanted));
      checks.holds(
        all || parts !== undefined,
        kernels,
        `rows of ${name}`,
        `updated ${times} times: the check needs rows with 0, 1 and 2 updates`,
      );
    }
    const by = {
      kernels,
      columns,
      tolerance: (i: number) => times[Math.floor(i / columns)] === 0 ? 0 : tolerance,
    };
    checks.numbers(found.weights.get(name), moved.w, { ...by, what: `weights of ${name}` });
    checks.numbers(found.m.get(name), moved.m, { ...by, what: `means of gradients of ${name}` });
    checks.numbers(found.v.get(name), moved.v, { ...by, what: `means of squares of ${name}` });
    if (name in sparseRows || parts) continue;
    // The partial sums of the last step are added up in f32 and in order.
    const last = drawGradients(spec, moves, steps, 0);
    const sum = Float64Array.from(
      moved.w,
      (_, i) => last.reduce((sum, values) => Math.fround(sum + (values[i] ?? NaN)), 0),
    );
    const rounding = last.length > 1 ? 16 * last.length * 2 ** -24 : 0;
    checks.numbers(found.gradient.get(name), sum, {
      ...{ kernels, columns, what: `gradient of ${name}` },
      tolerance: exact ? 0 : rounding,
    });
  }
  const used = found.raw.reduce((count, x) => count + (x === 0 ? 0 : 1), 0);
  const wanted = specs.reduce((count, { rows, columns }) => count + rows * columns, 0);
  checks.holds(used === wanted, kernelsOf(""), "padding", `${used} numbers are not zero, expected ${wanted}`);
}
