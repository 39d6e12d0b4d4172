/**
 * An op on a batch, run on the device and beside its reference in float64: output, all gradients, words behind every buffer,
 * and two runs that must give the same bits.
 */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { ClickTape } from "../batch/click_tape.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, Plan } from "../batch/plan.ts";
import { type ReferenceBatch, referenceBatch } from "../batch/reference_batch.ts";
import { type ClickLog, NONE } from "../data/click_log.ts";
import { randomStream } from "../data/random.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { Made } from "../gpu/made.ts";
import { bufferOf, type Memory, writeMemory } from "../gpu/memory.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import { readFloats, readViews } from "../gpu/readback.ts";
import { extent, MAX_CHUNKS } from "../gpu/sizes.ts";
import { type Node, placesOf } from "../tape/node.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../tape/parameters.ts";
import { activated, at, type Matrix, matrix, slopeOf } from "../tape/reference.ts";
import { type Activation, floats, padRows, type Tensor, unpadRows } from "../tape/tensor.ts";
import { CANARY, CanaryArena } from "./canary_arena.ts";
import type { Checks } from "./finding.ts";
import { kernelsOf, writersOf } from "./writers.ts";

/** Of the step: any number. */
const NOISE = 0x9e3779b9;

/** A leaf that an op is tried on: a value with a gradient, but no parameter. */
export interface Leaf {
  readonly name: string;
  readonly rows: keyof ClickSizes | number;
  readonly columns: number;
  readonly groups?: number;
  readonly activation?: Activation;
  readonly trainable?: boolean;
  /** Stride 1: a utility. */
  readonly packed?: boolean;
  /** Whole numbers, so that some are equal. */
  readonly whole?: boolean;
}

export interface OpCase {
  readonly log: ClickLog;
  readonly users: readonly number[];
  readonly leaves: readonly Leaf[];
  readonly parameters: readonly ParameterSpec[];
  /** Records the op under test, the last one, and what comes before it; it gets leaves and parameters by name. */
  readonly build: (tape: ClickTape, tensor: (name: string) => Tensor) => Tensor;
  /** Standard deviation of the random values. */
  readonly scale?: number;
  /** Relative to the largest value: c 2^-24 K, from the op's longest sum. */
  readonly tolerance: number;
  /** Gradients of tables are wanted for the rows alone that the batch touches. */
  readonly touchedOnly?: boolean;
  /** Not tried with the op recorded twice, which compiles its gradients' shaders once more. For all but a few sizes. */
  readonly once?: boolean;
  /** The op is a loss: what is differentiated, of its output and its inputs. */
  readonly loss?: (output: Matrix, inputs: readonly Matrix[]) => number;
  /** The op has no gradient. */
  readonly forwardOnly?: boolean;
  /** Parameters that the op itself moves, and what they are after so many runs. */
  readonly moves?: (values: ReadonlyMap<string, Matrix>, runs: number) => ReadonlyMap<string, Matrix>;
}

/** What an op is differentiated on, for who holds the reference itself against something. */
export interface ReferenceRun {
  readonly node: Node<ClickSizes, ReferenceBatch>;
  readonly inputs: readonly Matrix[];
  readonly gradients: readonly Matrix[];
  /** What the gradients are of, as a function of the inputs. */
  readonly loss: (inputs: readonly Matrix[]) => number;
}

export interface RunOptions {
  /** How often the op is recorded on the same inputs: gradients are then added to what is there. */
  readonly uses?: 1 | 2;
  readonly inspect?: (run: ReferenceRun) => void;
}

const RUNS = 2;
type Matrices = Map<string, Matrix>;

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
  const made = new Made();
  try {
    const capacity = batchCapacity(c.log, c.users, c.users.length);
    const arena = made.keep(new CanaryArena(gpu, "test"));
    const log = made.keep(new DeviceLog(gpu, c.log));
    const plan = made.keep(new Plan(gpu, c.log, capacity, 1));
    const sizes = plan.put(0, c.users, { slot: 0, learningRate: 0, iteration: 0, noise: NOISE });
    plan.upload(0, 1);
    const parameters = made.keep(new ParameterArena(gpu, c.parameters));
    const batch = new BatchBuffers(arena, plan.view, log, capacity);
    const { touchedOnly } = c;
    const tape = new ClickTape(batch, {
      arena,
      parameters,
      capacity: sizes,
      shapes: gpu.shapes,
      touchedOnly,
    });

    const draw = drawing(c);
    const { leaves, values } = makeLeaves(tape, c, sizes, draw);
    writeParameters(gpu, parameters, c, values, draw);

    // The program: the batch, the op, its gradients.
    const outputs = Array.from(
      { length: uses },
      () => c.build(tape, (name) => leaves.get(name) ?? tape.parameter(name)),
    );
    tape.place();
    for (const [name, tensor] of leaves) upload(gpu, tensor, given(values, name), tensor.view);
    const output = outputs.at(-1);
    const node = tape.nodes.at(-1);
    if (!output || node?.output !== output) throw new Error("expected the op under test to be the last one");
    const forward = tape.forward();
    const outputGradient = c.loss || c.forwardOnly
      ? undefined
      : draw(extent(output.rows, sizes), output.columns);
    const backward = c.forwardOnly ? [] : tape.backward(outputs);
    const own = [...batch.ownDispatches(), ...forward, ...backward];
    const specs = [...batch.layout(), ...own];
    const program = await Program.record(gpu, "op", plan.steps, specs);

    const reference = referenceBatch(c.log, c.users, NOISE);
    const { inputs, expected } = referenceOf(tape, node, outputs, values, reference);
    const gradientOfOutput = outputGradient ?? matrix(expected.output.rows, expected.output.columns);
    const gradients = c.forwardOnly ? [] : expected.backward(gradientOfOutput);
    inspect?.({
      node,
      inputs,
      gradients,
      loss: (values) => {
        const { output } = node.reference(values, reference);
        if (c.loss) return c.loss(output, values);
        return output.data.reduce((sum, y, k) => sum + y * (gradientOfOutput.data[k] ?? 0), 0);
      },
    });
    if (outputGradient) {
      // The tape's convention: the gradient of what went into the activation.
      const seed = matrix(outputGradient.rows, outputGradient.columns, (i, j) => {
        const y = at(expected.output, i, j);
        return at(outputGradient, i, j) * slopeOf(output.activation, y);
      });
      for (const tensor of outputs) upload(gpu, tensor, seed, tape.gradientOf(tensor));
    }

    // Two runs, bit for bit. A read is in the queue's order, and a wait for one takes 10 ms: all are waited for at once.
    const trainable = c.forwardOnly ? [] : node.inputs.filter((t) => t.trainable);
    const results = await Promise.all(Array.from({ length: RUNS }, () => {
      const commands = new Commands(gpu, "test");
      program.encode(commands, sizes, plan.offset(0));
      gpu.queue.submit([commands.finish()]);
      return Promise.all([
        readFloats(gpu, output.view),
        ...trainable.map((t) => gradientOf(tape, t, sizes, checks, own)),
      ]);
    }));
    const [value, ...found] = results[0] ?? [];

    const by = { tape, sizes, checks, tolerance: c.tolerance };
    compare(by, `${node.op} output`, writersOf(own, output.view), output, value, expected.output);
    if (c.loss && value) await checkSums(arena, specs, value, output, by);
    trainable.forEach((t, k) => {
      const index = node.inputs.indexOf(t);
      const [input, gradient] = [inputs[index], gradients[index]];
      if (!input || !gradient) throw new Error(`expected a gradient of ${t.name}`);
      const wanted = matrix(
        gradient.rows,
        gradient.columns,
        (i, j) => uses * at(gradient, i, j) * slopeOf(t.activation, at(input, i, j)),
      );
      const writers = writersOf(own, gradientMemory(tape, t), [output.view]);
      compare(by, `${node.op} gradient of ${t.name}`, writers, t, found[k], wanted);
    });
    if (c.moves) {
      const moved = await parameters.read();
      for (const [name, { data, columns }] of c.moves(values, RUNS)) {
        const kernels = writersOf(own, parameters.get(name).view);
        const tolerance = c.tolerance * largest(data);
        checks.numbers(moved.get(name), data, {
          kernels,
          what: `${node.op} ${name}`,
          tolerance,
          columns,
        });
      }
    }
    const kernels = kernelsOf(specs);
    checks.holds(sameBits(results), kernels, node.op, "two runs differ");
    await checkStrayWrites(arena, parameters, specs, checks);
    return kernels;
  } finally {
    made.destroy();
  }
}

type Draw = (rows: number, columns: number, activation?: Activation) => Matrix;

function drawing(c: OpCase): Draw {
  const random = randomStream(7, "op check", c.users.length);
  const scale = c.scale ?? 1;
  return (rows, columns, activation) =>
    matrix(rows, columns, () => {
      const x = Math.fround(scale * random.normal());
      return Math.fround(activated(activation, x));
    });
}

function makeLeaves(tape: ClickTape, c: OpCase, sizes: ClickSizes, draw: Draw) {
  const values: Matrices = new Map();
  const leaves = new Map<string, Tensor>();
  for (const leaf of c.leaves) {
    const trainable = leaf.trainable ?? true;
    const { groups, activation } = leaf;
    const tensor = tape.tensor(leaf.name, leaf.rows, leaf.columns, {
      groups,
      activation,
      trainable,
      textured: true,
      ...(leaf.packed ? { stride: 1 } : {}),
    });
    const value = draw(extent(leaf.rows, sizes), leaf.columns, leaf.activation);
    if (leaf.whole) value.data.forEach((x, k) => value.data[k] = Math.round(x));
    values.set(leaf.name, value);
    leaves.set(leaf.name, tensor);
  }
  return { leaves, values };
}

function writeParameters(
  gpu: Gpu,
  parameters: ParameterArena,
  c: OpCase,
  values: Matrices,
  draw: Draw,
): void {
  const weights: Weights = new Map();
  for (const spec of c.parameters) {
    const value = draw(spec.rows, spec.columns);
    // A running variance is none below zero.
    if (spec.statistic) value.data.forEach((x, k) => value.data[k] = Math.abs(x));
    values.set(spec.name, value);
    weights.set(spec.name, new Float32Array(value.data));
  }
  parameters.write(weights);
  for (const { buffer } of [parameters.gradient, parameters.partials]) {
    gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(CANARY));
  }
}

/** The values of all nodes before the last one, and what that one gives. */
function referenceOf(
  tape: ClickTape,
  node: Node<ClickSizes, ReferenceBatch>,
  outputs: readonly Tensor[],
  values: Matrices,
  batch: ReferenceBatch,
) {
  for (const before of tape.nodes.slice(0, -1)) {
    if (outputs.includes(before.output)) continue;
    const inputs = before.inputs.map((t) => given(values, t.name));
    values.set(before.output.name, before.reference(inputs, batch).output);
  }
  const inputs = node.inputs.map((t) => given(values, t.name));
  return { inputs, expected: node.reference(inputs, batch) };
}

function given(values: Matrices, name: string): Matrix {
  const value = values.get(name);
  if (!value) throw new Error(`expected a value of ${name}`);
  return value;
}

function upload(gpu: Gpu, tensor: Tensor, value: Matrix, memory: Memory): void {
  const data = tensor.stride === 1
    ? new Float32Array(value.data)
    : padRows(value.data, value.rows, value.columns, tensor.groups);
  writeMemory(gpu.queue, memory, data);
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
): Promise<Float32Array> {
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
  for (let k = 0; k < placesOf(touched.count, sizes); k++) {
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
async function summedPartials(tape: ClickTape, tensor: Tensor, sizes: ClickSizes): Promise<Float32Array> {
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

interface By {
  readonly tape: ClickTape;
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
  if (typeof tensor.rows === "number" || tensor.stride === 1) return;
  // Padding is zero: nothing else may ever be added to it.
  const whole = found.subarray(0, floats(tensor, sizes));
  const again = padRows(dense, rows, tensor.columns, tensor.groups);
  const at = whole.findIndex((x, k) => !Number.isNaN(x) && x !== again[k]);
  if (at >= 0) checks.holds(false, kernels, what, `padding is not zero: ${whole[at]} at ${at}`);
}

/** What a loss adds up for the host, in a ring whose only slot it has, are the sums of its output. */
async function checkSums(
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

function sameBits(results: readonly (readonly Float32Array[])[]): boolean {
  const [first = [], second = []] = results;
  return first.every((values, k) => {
    const words = (of: Float32Array | undefined) =>
      of ? new Uint32Array(of.buffer, of.byteOffset, of.length) : new Uint32Array(0);
    const [a, b] = [words(values), words(second[k])];
    return a.length === b.length && a.every((word, i) => word === b[i]);
  });
}

/** Behind buffers, between parameters, and in the gradients of statistics nothing may be written. */
async function checkStrayWrites(
  arena: CanaryArena,
  parameters: ParameterArena,
  specs: readonly DispatchSpec<ClickSizes>[],
  checks: Checks,
): Promise<void> {
  const names = await arena.strayWrites();
  const writers = arena.views.filter(({ name }) => names.includes(name)).flatMap(({ view }) =>
    writersOf(specs, view)
  );
  const fault = `a stray write behind ${names.join(", ")}`;
  checks.holds(names.length === 0, names.length > 0 ? writers : kernelsOf(specs), "stray writes", fault);

  const partials = new Uint32Array((await readFloats(parameters.gpu, parameters.partials)).buffer);
  const used = new Uint8Array(parameters.length);
  for (const name of parameters.names()) {
    const { parameter, view } = parameters.get(name);
    used.fill(1, parameter?.offset, (parameter?.offset ?? 0) + bufferOf(view).size / 4);
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
