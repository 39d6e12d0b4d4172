/** What an op has written, beside its reference: numbers, sums for the host, and words that must stay as they are. */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import type { ClickTape } from "../../batch/click_tape.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { bufferOf } from "../../gpu/memory.ts";
import { readFloats, readViews } from "../../gpu/readback.ts";
import { amountOf, extent, MAX_CHUNKS, type Sizes } from "../../gpu/sizes.ts";
import { bytesOf, padRows, unpadRows } from "../../tape/layout.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { at, type Matrix, matrix, slopeOf } from "../../tape/reference.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { CANARY, type CanaryArena, writersOf } from "../harness.ts";
import type { Checks } from "../finding.ts";
import type { RecordedOp } from "./op_bench.ts";
import { gradientMemory } from "./op_gradients.ts";
import type { ReferenceRun } from "./op_reference.ts";

export interface By {
  readonly sizes: ClickSizes;
  readonly checks: Checks;
  readonly tolerance: number;
}

/** The largest size of a number, or 1e-3: below it differences do not count. */
function largest(values: Float64Array): number {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
}

export function compare(
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
  if (typeof tensor.rows === "number" || tensor.stride === 1) return;
  // Padding is zero: nothing else may ever be added to it.
  const whole = found.subarray(0, amountOf<Sizes>(bytesOf(tensor), sizes) / 4);
  const again = padRows(dense, rows, tensor.columns, tensor.groups);
  const at = whole.findIndex((x, k) => x !== again[k] && !(Number.isNaN(x) && Number.isNaN(again[k])));
  if (at >= 0) checks.holds(false, kernels, what, `padding is not zero: ${whole[at]} at ${at}`);
}

/** @param found beside the inputs that are trainable */
export function compareGradients(
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
export async function compareMoved(
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
export async function checkSums(
  arena: CanaryArena,
  specs: readonly DispatchSpec<ClickSizes>[],
  outcomes: Float32Array,
  { rows, columns }: Tensor,
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
export async function checkParameters(
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
