/**
 * An op on a batch, run on the device and beside its reference in float64: output, all gradients, words behind every buffer,
 * and two runs that must give the same bits.
 */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { ClickTape } from "../batch/click_tape.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, Plan } from "../batch/plan.ts";
import { type ReferenceBatch, referenceBatch } from "../batch/reference_batch.ts";
import type { ClickLog } from "../data/click_log.ts";
import { randomStream } from "../data/random.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { Made } from "../gpu/made.ts";
import { type Memory, writeMemory } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { readFloats } from "../gpu/readback.ts";
import { extent } from "../gpu/sizes.ts";
import type { Node } from "../tape/node.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../tape/parameters.ts";
import { activated, at, type Matrix, matrix, slopeOf } from "../tape/reference.ts";
import { type Activation, padRows, type Tensor } from "../tape/tensor.ts";
import { CANARY, CanaryArena } from "./canary_arena.ts";
import type { Checks } from "./finding.ts";
import { checkStrayWrites, checkSums, compare, largest, sameBits } from "./op_compare.ts";
import { gradientMemory, gradientOf } from "./op_gradients.ts";
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

    const by = { sizes, checks, tolerance: c.tolerance };
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
