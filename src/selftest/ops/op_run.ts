/** Runs an op twice on a batch, and compares output, gradients, canaries and the bits of both runs. */

import type { Gpu } from "../../gpu/device.ts";
import { getDefaultVariants, type KernelVariants } from "../../gpu/kernel_variants.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { readFloats, readViews } from "../../gpu/readback.ts";
import { evaluateSize, getSize } from "../../gpu/sizes.ts";
import type { CheckCollector } from "../finding.ts";
import type { KernelTrial, WordReader } from "../harness.ts";
import { CANARY, listKernels, listWriters, runTrial, toFloats } from "../harness.ts";
import type { NamedMatrices, OpBench, OpCase, RecordedOp, ReferenceRun } from "./op_bench.ts";
import {
  createOpBench,
  drawInputs,
  noGradient,
  recordOp,
  runReference,
  uploadLeaves,
  uploadOutputGradient,
} from "./op_bench.ts";
import type { ClickSizes } from "../../batch/click_sizes.ts";
import { NONE } from "../../data/click_log.ts";
import { asBufferView, type Memory } from "../../gpu/memory.ts";
import { padRows, type Tensor, unpadRows } from "../../tape/tensor.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { computeActivationSlope, getAt, makeMatrix, type Matrix } from "../../tape/reference.ts";

export interface OpRunOptions {
  /** Number of copies of the op that read the same inputs. The copies' gradients are summed. */
  readonly uses?: 1 | 2;
  readonly inspect?: (run: ReferenceRun) => void;
  readonly variants?: KernelVariants;
}

/** Options that select the kernel variants for GPUs, which read all inputs from buffers (no textures). */
export const forGpu: OpRunOptions = { variants: getDefaultVariants("gpu") };

/** Selects the adapter's kernel variants, with all matrices in buffers (no textures). */
export function useBuffers({ variants: { kind } }: Gpu): OpRunOptions {
  return { variants: getDefaultVariants(kind, kind === "cpu" ? "buffers" : undefined) };
}

const RUNS = 2;

/** Runs an op twice. @returns the names of the kernels that ran. @throws Error if the case is invalid */
export async function runOp(
  gpu: Gpu,
  c: OpCase,
  checks: CheckCollector,
  options?: OpRunOptions,
): Promise<string[]> {
  using trial = createOpTrial(gpu, c, options);
  await runTrial(trial, checks);
  return listKernels(trial.specs);
}

export interface OpTrial extends KernelTrial<ClickSizes> {
  readonly reference: ReferenceRun;
}

/** Creates a runnable test of an op. @throws Error if the case is invalid */
export function createOpTrial(
  gpu: Gpu,
  c: OpCase,
  { uses = 1, inspect, variants }: OpRunOptions = {},
): OpTrial {
  using stack = new DisposableStack();
  const bench = createOpBench(gpu, c, stack, variants);
  const { arena, plan, tape, sizes } = bench;
  const inputs = drawInputs(tape, c);
  const op = recordOp(bench, c, inputs.leaves, uses);
  uploadLeaves(tape, inputs);
  const { node: { output }, outputs, trainable, all } = op;
  const outputGradient = c.loss || c.forwardOnly
    ? undefined
    : inputs.draw(getSize(output.rows, sizes), output.columns);
  const reference = runReference(c, bench, op, inputs.values, outputGradient);
  inspect?.(reference);
  if (outputGradient) {
    for (const tensor of outputs) uploadOutputGradient(tape, tensor, outputGradient, reference.output);
  }
  const gradients = trainable.map((tensor) => gradientIn(bench, tensor));
  const ring = arena.views.find(({ name }) => name === "ring")?.view;
  if (c.loss && !ring) throw new Error("Expected a ring buffer for the loss, found none. Allocate one.");
  const views = [output.view, ...(ring ? [ring] : []), ...gradients.flatMap(({ views }) => views)];
  const own: OpRun = { bench, op, reference, gradients, ring, c, uses, values: inputs.values };
  const kept = stack.move();
  return {
    ...{ arena, sizes, reference, specs: all, headers: plan.steps, offsets: [plan.offset(0)], views },
    named: new Map([
      [output.view, `${op.node.op} output`],
      ...gradients.map(({ tensor, memory }) => [memory, `${op.node.op} gradient of ${tensor.name}`] as const),
    ]),
    compare: (words, specs, checks) => compareRun(own, words, specs.slice(-op.own.length), checks),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

interface OpRun {
  readonly bench: OpBench;
  readonly op: RecordedOp;
  readonly reference: ReferenceRun;
  readonly gradients: readonly GradientIn[];
  readonly ring: Memory | undefined;
  readonly c: OpCase;
  readonly uses: number;
  readonly values: NamedMatrices;
}

/** Compares the results of a run with the reference. @param specs - dispatches of the op */
async function compareRun(
  { bench: { tape, sizes }, op, reference, gradients, ring, c, uses, values }: OpRun,
  words: WordReader,
  specs: readonly DispatchSpec<ClickSizes>[],
  checks: CheckCollector,
): Promise<void> {
  const { node, outputs } = op;
  const { parameters } = tape.options;
  const by = { sizes, checks, tolerance: c.tolerance, named: c.named };
  const writers = listWriters(specs, node.output.view);
  // A user-written kernel need not write outputs that its exercise does not require.
  if (writers.length > 0) {
    const found = toFloats(words(node.output.view));
    compare(by, `${node.op} output`, writers, node.output, found, reference.output);
    if (ring && c.loss) checkSums(specs, ring, toFloats(words(ring)), found, node.output, by);
  }
  const summed = values.get(c.sumsOf ?? "");
  if (ring && summed) checkSums(specs, ring, toFloats(words(ring)), summed.data, summed, by);
  for (const gradient of gradients) {
    const { tensor, memory } = gradient;
    const index = node.inputs.indexOf(tensor);
    const [input, own] = [reference.inputs[index], reference.gradients[index]];
    if (!input || !own) throw noGradient(node.op, "reference", tensor);
    // Each copy of the op adds the same gradient, so the expected gradient is multiplied by their number.
    const slope = (i: number, j: number) => computeActivationSlope(tensor.activation, getAt(input, i, j));
    const wanted = makeMatrix(
      own.rows,
      own.columns,
      (i, j) => outputs.length * getAt(own, i, j) * slope(i, j),
    );
    const kernels = listWriters(specs, memory, [node.output.view]);
    const passed = !c.loss && outputs.some((output) => tape.getGradient(output) === memory);
    if (kernels.length === 0 && !passed) throw noGradient(node.op, "backward", tensor);
    const found = gradient.read(words, checks, specs);
    compare(by, `${node.op} gradient of ${tensor.name}`, kernels, tensor, found, wanted);
  }
  if (c.moves) await compareMoved(by, parameters, node.op, specs, c.moves(values, RUNS * uses));
  await checkParameters(parameters, specs, checks);
}

interface By {
  readonly sizes: ClickSizes;
  readonly checks: CheckCollector;
  readonly tolerance: number;
  readonly named?: OpCase["named"];
}

/** Returns the largest absolute value, but at least 1e-3. */
function largest(values: Float64Array): number {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
}

function compare(
  { sizes, checks, tolerance, named }: By,
  what: string,
  kernels: readonly string[],
  tensor: Tensor,
  found: Float32Array | undefined,
  expected: Matrix,
): void {
  const rows = getSize(tensor.rows, sizes);
  if (rows !== expected.rows || tensor.columns !== expected.columns) {
    throw new Error(
      `${what} is [${rows}, ${tensor.columns}], but its reference is [${expected.rows}, ${expected.columns}]`,
    );
  }
  if (!found) throw new Error(`${what}: expected values, got none`);
  const dense = tensor.stride === 1
    ? found.subarray(0, rows)
    : unpadRows(found, rows, tensor.columns, tensor.groups);
  const { data, columns } = expected;
  const place = (k: number) => named?.(tensor.rows, Math.floor(k / columns)) ?? "";
  checks.numbers(dense, data, {
    ...{ kernels, what, tolerance: tolerance * largest(data), columns },
    named: (k) => ` of [${rows}, ${columns}]${place(k)}`,
  });
  if (tensor.stride === 1) return;
  // Padding must be zero, but the padding of a parameter's gradient may still have canaries.
  const isParameter = typeof tensor.rows === "number";
  const whole = found.subarray(0, rows * tensor.stride);
  const again = padRows(dense, rows, tensor.columns, tensor.groups);
  const at = whole.findIndex((x, k) =>
    x !== again[k] && !(Number.isNaN(x) && (isParameter || Number.isNaN(again[k])))
  );
  if (at >= 0) checks.holds(false, kernels, what, `padding is not zero: ${whole[at]} at ${at}`);
}

/** Compares parameters that the op itself updates, with their expected values after all runs. */
async function compareMoved(
  { checks, tolerance }: By,
  parameters: ParameterArena,
  op: string,
  specs: readonly DispatchSpec<ClickSizes>[],
  expected: ReadonlyMap<string, Matrix>,
): Promise<void> {
  const moved = await parameters.read();
  for (const [name, { data, columns }] of expected) {
    checks.numbers(moved.get(name), data, {
      kernels: listWriters(specs, parameters.get(name).view),
      what: `${op} ${name}`,
      tolerance: tolerance * largest(data),
      columns,
    });
  }
}

/** Compares the kernels' sum of each column of `outcomes` to a sum in f64. */
function checkSums(
  specs: readonly DispatchSpec<ClickSizes>[],
  ring: Memory,
  sums: Float32Array,
  outcomes: ArrayLike<number>,
  { rows, columns }: Pick<Tensor, "rows" | "columns">,
  { sizes, checks }: By,
): void {
  const [expected, most] = [new Float64Array(columns), new Float64Array(columns)];
  for (let row = 0; row < getSize(rows, sizes); row++) {
    for (let column = 0; column < columns; column++) {
      const x = outcomes[row * columns + column] ?? NaN;
      expected[column] = (expected[column] ?? NaN) + x;
      most[column] = (most[column] ?? NaN) + Math.abs(x);
    }
  }
  const tolerance = (column: number) => 2 ** -18 * (most[column] ?? NaN);
  checks.numbers(sums, expected, { kernels: listWriters(specs, ring), what: "sums of the loss", tolerance });
}

/** Checks for writes into memory that must stay unused: padding, and gradients of running averages. */
async function checkParameters(
  parameters: ParameterArena,
  specs: readonly DispatchSpec<ClickSizes>[],
  checks: CheckCollector,
): Promise<void> {
  const partials = new Uint32Array((await readFloats(parameters.gpu, parameters.partials)).buffer);
  const used = new Uint8Array(parameters.length);
  for (const name of parameters.names()) {
    const { parameter, view } = parameters.get(name);
    if (parameter) used.fill(1, parameter.offset, parameter.offset + asBufferView(view).size / 4);
  }
  const { summed } = parameters;
  const at = partials.findIndex((word, k) =>
    k < parameters.chunks.most * summed && !used[k % summed] && word !== CANARY
  );
  if (at >= 0) {
    const where = `a stray write into partial sums, chunk ${Math.floor(at / summed)}, float ${at % summed}`;
    checks.holds(false, listWriters(specs, parameters.partials), "stray writes", where);
  }
  // Nothing may write a running average's gradient, which Adam reads: it must stay zero in a training.
  const statistics = parameters.specs.filter((spec) => spec.statistic);
  if (statistics.length === 0) return;
  const views = statistics.map(({ name }) => parameters.gradientView(parameters.get(name)));
  (await readViews(parameters.gpu, views)).forEach((words, k) => {
    if (words.every((word) => word === CANARY)) return;
    const where = `a stray write into the gradient of ${statistics[k]?.name}`;
    checks.holds(false, listWriters(specs, parameters.gradient), "stray writes", where);
  });
}

/** Memory of a tensor's gradient, and a function that computes the gradient from that memory. */
interface GradientIn {
  readonly tensor: Tensor;
  /** Memory that kernels write: the gradient, or its partial sums. */
  readonly memory: Memory;
  readonly views: readonly Memory[];
  /** Returns the dense gradient: rows without gradient become zero, and partial sums are added up. */
  read(
    words: WordReader,
    checks: CheckCollector,
    specs: readonly DispatchSpec<ClickSizes>[],
  ): Float32Array<ArrayBuffer>;
}

function gradientIn({ tape, sizes }: OpBench, tensor: Tensor): GradientIn {
  const { parameters } = tape.options;
  const sparse = tape.sparseRows.get(tensor);
  const place = tensor.parameter;
  if (sparse) {
    const whole = parameters.gradientView(tensor);
    return {
      ...{ tensor, memory: sparse.gradient, views: [whole, sparse.list, sparse.gradient] },
      read(words, checks, specs) {
        const [list, rows] = [words(sparse.list), words(sparse.gradient)];
        const { scattered, faults } = byRow(
          tensor,
          words(whole),
          list,
          rows,
          evaluateSize(sparse.count, sizes),
        );
        const kernels = listWriters(specs, sparse.gradient);
        checks.holds(faults.length === 0, kernels, `sparse rows of ${tensor.name}`, faults.join(", "));
        return scattered;
      },
    };
  }
  const memory = place && !place.table ? parameters.partials : tape.getGradient(tensor);
  const own = { tensor, memory, views: [memory] };
  if (!place || place.table) return { ...own, read: (words) => toFloats(words(memory)) };
  const { summed } = parameters;
  const length = asBufferView(tensor.view).size / 4;
  const chunks = tape.dimensions.countChunks(sizes);
  return {
    ...own,
    read: (words) =>
      sumPartials(toFloats(words(memory)), { from: place.offset, length, stride: summed, chunks }),
  };
}

/** Returns a sparse gradient as a dense matrix, and messages about invalid row numbers and stray writes. */
function byRow(
  { rows: most, stride }: Tensor,
  whole: Uint32Array,
  list: Uint32Array,
  rows: Uint32Array<ArrayBuffer>,
  count: number,
) {
  const isCanary = (word: number) => word === CANARY;
  const faults: string[] = [];
  if (!whole.every(isCanary)) faults.push("a stray write into the gradient");
  const gradients = toFloats(rows);
  const scattered = new Float32Array(whole.length);
  const seen = new Set<number>();
  for (let k = 0; k < count; k++) {
    const row = list[k] ?? NONE;
    const [from, to] = [k * stride, (k + 1) * stride];
    if (row === NONE) {
      if (!rows.subarray(from, to).every(isCanary)) {
        faults.push(`a stray write into gradient ${k}, which has no row in the list`);
      }
      continue;
    }
    if (row >= Number(most)) {
      faults.push(`the list has row ${row}, but the table has only ${most} rows`);
      continue;
    }
    if (seen.has(row)) faults.push(`row ${row} is in the list twice`);
    seen.add(row);
    scattered.set(gradients.subarray(from, to), row * stride);
  }
  if (seen.size === 0 || seen.size >= Number(most)) faults.push(`the list has ${seen.size} of ${most} rows`);
  return { scattered, faults };
}

/** Returns the gradient of a parameter: the sum, in f64, of its partial sums. */
export function sumPartials(
  partials: Float32Array,
  { from, length, stride, chunks }: Readonly<Record<"from" | "length" | "stride" | "chunks", number>>,
): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(length);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const start = chunk * stride + from;
    for (let k = 0; k < length; k++) sum[k] = (sum[k] ?? NaN) + (partials[start + k] ?? NaN);
  }
  return Float32Array.from(sum);
}
