/**
 * An op on a batch, run on the device and beside its reference in float64: output, all gradients, words behind every buffer,
 * and two runs that must give the same bits.
 */

import type { Gpu } from "../../gpu/device.ts";
import { Made } from "../../gpu/made.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { readFloats, readViews } from "../../gpu/readback.ts";
import { amountOf, extent, MAX_CHUNKS } from "../../gpu/sizes.ts";
import type { Checks } from "../finding.ts";
import { CANARY, type CanaryArena, kernelsOf, twice, writersOf } from "../harness.ts";
import {
  drawInputs,
  type OpBench,
  opBench,
  type OpCase,
  type RecordedOp,
  recordOp,
  type ReferenceRun,
  runReference,
  uploadLeaves,
  uploadOutputGradient,
} from "./op_bench.ts";
import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import type { ClickTape } from "../../batch/click_tape.ts";
import { NONE } from "../../data/click_log.ts";
import { bufferOf, type Memory } from "../../gpu/memory.ts";
import { padRows, unpadRows } from "../../tape/layout.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { at, type Matrix, matrix, slopeOf } from "../../tape/reference.ts";
import type { Tensor } from "../../tape/tensor.ts";

export interface RunOptions {
  /** How often the op is recorded on the same inputs: gradients are then added to what is there. */
  readonly uses?: 1 | 2;
  readonly inspect?: (run: ReferenceRun) => void;
}

const RUNS = 2;

/**
 * Runs an op twice and compares what it computed.
 * @returns the names of the kernels that ran. @throws Error for a case that is no test.
 */
export async function runOp(
  gpu: Gpu,
  c: OpCase,
  checks: Checks,
  { uses = 1, inspect }: RunOptions = {},
): Promise<string[]> {
  using made = new Made();
  const bench = opBench(gpu, c, made);
  const { arena, tape, sizes } = bench;
  const inputs = drawInputs(tape, c);
  const op = recordOp(bench, c, inputs.leaves, uses);
  uploadLeaves(tape, inputs);
  const { node: { op: name, output }, outputs, own, all } = op;

  const outputGradient = c.loss || c.forwardOnly
    ? undefined
    : inputs.draw(extent(output.rows, sizes), output.columns);
  const reference = runReference(c, bench, op, inputs.values, outputGradient);
  inspect?.(reference);
  if (outputGradient) {
    for (const tensor of outputs) uploadOutputGradient(tape, tensor, outputGradient, reference.output);
  }

  const [value, ...gradients] = await run(bench, op, checks);
  const by = { sizes, checks, tolerance: c.tolerance };
  compare(by, `${name} output`, writersOf(own, output.view), output, value, reference.output);
  if (c.loss && value) await checkSums(arena, all, value, output, by);
  const summed = inputs.values.get(c.sumsOf ?? "");
  if (summed) await checkSums(arena, all, summed.data, summed, by);
  compareGradients(by, tape, op, gradients, reference);
  if (c.moves) await compareMoved(by, tape.options.parameters, op, c.moves(inputs.values, RUNS * uses));
  const kernels = kernelsOf(all);
  await checkParameters(tape.options.parameters, all, checks);
  return kernels;
}

/** The output and all gradients of two runs, which must be the same. */
async function run(
  { arena, plan, tape, sizes }: OpBench,
  { node, trainable, own, all }: RecordedOp,
  checks: Checks,
): Promise<readonly Float32Array<ArrayBuffer>[]> {
  const { gpu } = arena;
  const program = await Program.record(gpu, "op", plan.steps, all);
  return await twice(arena, checks, all, {
    encode: (commands) => program.encode(commands, sizes, plan.offset(0)),
    read: () =>
      Promise.all([
        readFloats(gpu, node.output.view),
        ...trainable.map((t) => gradientOf(tape, t, sizes, checks, own)),
      ]),
  });
}

interface By {
  readonly sizes: ClickSizes;
  readonly checks: Checks;
  readonly tolerance: number;
}

/** The largest size of a number, or 1e-3: below it differences do not count. */
function largest(values: Float64Array): number {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
}

function compare(
  { sizes, checks, tolerance }: By,
  what: string,
  kernels: readonly string[],
  tensor: Tensor,
  found: Float32Array | undefined,
  expected: Matrix,
): void {
  const rows = extent(tensor.rows, sizes);
  if (rows !== expected.rows || tensor.columns !== expected.columns) {
    throw new Error(`${what}: expected [${rows}, ${tensor.columns}] of the reference`);
  }
  if (!found) throw new Error(`${what} was not read`);
  const dense = tensor.stride === 1
    ? found.subarray(0, rows)
    : unpadRows(found, rows, tensor.columns, tensor.groups);
  const { data, columns } = expected;
  checks.numbers(dense, data, { kernels, what, tolerance: tolerance * largest(data), columns });
  if (tensor.stride === 1) return;
  // Padding is zero: nothing else may ever be added to it. That of a parameter's gradient may stand as it was.
  const isParameter = typeof tensor.rows === "number";
  const whole = found.subarray(0, rows * tensor.stride);
  const again = padRows(dense, rows, tensor.columns, tensor.groups);
  const at = whole.findIndex((x, k) =>
    x !== again[k] && !(Number.isNaN(x) && (isParameter || Number.isNaN(again[k])))
  );
  if (at >= 0) checks.holds(false, kernels, what, `padding is not zero: ${whole[at]} at ${at}`);
}

/** @param found beside the inputs that are trainable */
function compareGradients(
  by: By,
  tape: ClickTape,
  { node, outputs, trainable, own }: RecordedOp,
  found: readonly Float32Array[],
  { inputs, gradients }: ReferenceRun,
): void {
  trainable.forEach((t, k) => {
    const index = node.inputs.indexOf(t);
    const [input, gradient] = [inputs[index], gradients[index]];
    if (!input || !gradient) throw new Error(`expected a gradient of ${t.name}`);
    // Each use of the op adds the same.
    const wanted = matrix(
      gradient.rows,
      gradient.columns,
      (i, j) => outputs.length * at(gradient, i, j) * slopeOf(t.activation, at(input, i, j)),
    );
    const writers = writersOf(own, gradientMemory(tape, t), [node.output.view]);
    compare(by, `${node.op} gradient of ${t.name}`, writers, t, found[k], wanted);
  });
}

/** @param expected what parameters that the op itself moves are after all runs */
async function compareMoved(
  { checks, tolerance }: By,
  parameters: ParameterArena,
  { node, own }: RecordedOp,
  expected: ReadonlyMap<string, Matrix>,
): Promise<void> {
  const moved = await parameters.read();
  for (const [name, { data, columns }] of expected) {
    checks.numbers(moved.get(name), data, {
      kernels: writersOf(own, parameters.get(name).view),
      what: `${node.op} ${name}`,
      tolerance: tolerance * largest(data),
      columns,
    });
  }
}

/** What a loss adds up for the host, in a ring whose only slot it has, are the sums of its output. */
async function checkSums(
  arena: CanaryArena,
  specs: readonly DispatchSpec<ClickSizes>[],
  outcomes: ArrayLike<number>,
  { rows, columns }: Pick<Tensor, "rows" | "columns">,
  { sizes, checks }: By,
): Promise<void> {
  const ring = arena.views.find(({ name }) => name === "ring");
  if (!ring) throw new Error("the loss has no ring");
  const sums = await readFloats(arena.gpu, ring.view);
  const [expected, most] = [new Float64Array(columns), new Float64Array(columns)];
  for (let row = 0; row < extent(rows, sizes); row++) {
    for (let column = 0; column < columns; column++) {
      const x = outcomes[row * columns + column] ?? NaN;
      expected[column] = (expected[column] ?? NaN) + x;
      most[column] = (most[column] ?? NaN) + Math.abs(x);
    }
  }
  const tolerance = (column: number) => 2 ** -18 * (most[column] ?? NaN);
  checks.numbers(sums, expected, {
    kernels: writersOf(specs, ring.view),
    what: "sums of the loss",
    tolerance,
  });
}

/** Between parameters, and in the gradients of statistics, nothing may be written. */
async function checkParameters(
  parameters: ParameterArena,
  specs: readonly DispatchSpec<ClickSizes>[],
  checks: Checks,
): Promise<void> {
  const partials = new Uint32Array((await readFloats(parameters.gpu, parameters.partials)).buffer);
  const used = new Uint8Array(parameters.length);
  for (const name of parameters.names()) {
    const { parameter, view } = parameters.get(name);
    if (parameter) used.fill(1, parameter.offset, parameter.offset + bufferOf(view).size / 4);
  }
  const { summed } = parameters;
  const at = partials.findIndex((word, k) => k < MAX_CHUNKS * summed && !used[k % summed] && word !== CANARY);
  if (at >= 0) {
    const where = `a stray write into partial sums, chunk ${Math.floor(at / summed)}, float ${at % summed}`;
    checks.holds(false, writersOf(specs, parameters.partials), "stray writes", where);
  }
  // What Adam sees as the gradient of a statistic must stay as it was: zero, outside of this check.
  const statistics = parameters.specs.filter((spec) => spec.statistic);
  if (statistics.length === 0) return;
  const views = statistics.map(({ name }) => parameters.gradientView(parameters.get(name)));
  (await readViews(parameters.gpu, views)).forEach((words, k) => {
    if (words.every((word) => word === CANARY)) return;
    const where = `a stray write into the gradient of ${statistics[k]?.name}`;
    checks.holds(false, writersOf(specs, parameters.gradient), "stray writes", where);
  });
}

/** Where the gradient of a tensor is written: of what is summed, among the partial sums. */
function gradientMemory(tape: ClickTape, tensor: Tensor): Memory {
  const touched = tape.touched.get(tensor);
  if (touched) return touched.gradient;
  const place = tensor.parameter;
  return place && !place.table ? tape.options.parameters.partials : tape.gradientOf(tensor);
}

/** The gradient of a tensor, its partial sums added up; of a table that is touched by row with zeros elsewhere. */
async function gradientOf(
  tape: ClickTape,
  tensor: Tensor,
  sizes: ClickSizes,
  checks: Checks,
  specs: readonly DispatchSpec<ClickSizes>[],
): Promise<Float32Array<ArrayBuffer>> {
  const { arena: { gpu }, parameters } = tape.options;
  const touched = tape.touched.get(tensor);
  const place = tensor.parameter;
  if (!touched && place && !place.table) return await summedPartials(tape, tensor, sizes);
  if (!touched) return await readFloats(gpu, tape.gradientOf(tensor));
  const none = new Uint32Array(0);
  const [whole = none, list = none, rows = none] = await readViews(
    gpu,
    [parameters.gradientView(tensor), touched.list, touched.gradient],
  );
  const kernels = writersOf(specs, touched.gradient);
  const isCanary = (word: number) => word === CANARY;
  const faults: string[] = [];
  if (!whole.every(isCanary)) faults.push("a stray write into the gradient");
  const gradients = new Float32Array(rows.buffer);
  const scattered = new Float32Array(whole.length);
  const seen = new Set<number>();
  for (let k = 0; k < amountOf(touched.count, sizes); k++) {
    const row = list[k] ?? NONE;
    const [from, to] = [k * tensor.stride, (k + 1) * tensor.stride];
    if (row === NONE) {
      if (!rows.subarray(from, to).every(isCanary)) {
        faults.push(`a stray write into the gradient of no row, ${k}`);
      }
      continue;
    }
    if (row >= Number(tensor.rows)) {
      faults.push(`row ${row} of ${tensor.rows} is touched`);
      continue;
    }
    if (seen.has(row)) faults.push(`row ${row} is touched twice`);
    seen.add(row);
    scattered.set(gradients.subarray(from, to), row * tensor.stride);
  }
  if (seen.size === 0 || seen.size >= Number(tensor.rows)) faults.push(`${seen.size} rows touched`);
  checks.holds(faults.length === 0, kernels, `touched rows of ${tensor.name}`, faults.join(", "));
  return scattered;
}

/** The partial sums of a parameter's gradient, added up in f64. */
async function summedPartials(
  tape: ClickTape,
  tensor: Tensor,
  sizes: ClickSizes,
): Promise<Float32Array<ArrayBuffer>> {
  const { arena: { gpu }, parameters } = tape.options;
  const partials = await readFloats(gpu, parameters.partials);
  const from = tensor.parameter?.offset ?? 0;
  const length = bufferOf(tensor.view).size / 4;
  const sum = new Float64Array(length);
  for (let chunk = 0; chunk < clickDimensions.chunks(sizes); chunk++) {
    const start = chunk * parameters.summed + from;
    for (let k = 0; k < length; k++) sum[k] = (sum[k] ?? NaN) + (partials[start + k] ?? NaN);
  }
  return Float32Array.from(sum);
}
