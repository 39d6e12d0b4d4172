/** Prepares a test of an op: batch, buffers, random inputs, and f64 reference. */

import { BatchIndexBuffers } from "../../batch/batch_buffers.ts";
import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import { ClickTape } from "../../batch/click_tape.ts";
import { DeviceLog } from "../../batch/device_log.ts";
import type { LogWithCounts } from "../../counts/page_counts.ts";
import { BatchPlan, computeBatchCapacity } from "../../batch/plan.ts";
import { buildReferenceBatch, type ReferenceBatch } from "../../batch/reference_batch.ts";
import type { ClickLog } from "../../data/click_log.ts";
import { createRandomStream } from "../../data/random.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { KernelVariants } from "../../gpu/kernel_variants.ts";
import { type Memory, writeMemory } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { type BatchSizes, getSize } from "../../gpu/sizes.ts";
import { type Activation, padRows, type Tensor } from "../../tape/tensor.ts";
import type { TapeNode } from "../../tape/node.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../../tape/parameters.ts";
import type { Matrix } from "../../tape/reference.ts";
import { applyActivation, computeActivationSlope, getAt, makeMatrix } from "../../tape/reference.ts";
import { CANARY, CanaryArena } from "../harness.ts";

export interface LeafSpec {
  readonly name: string;
  readonly rows: keyof ClickSizes | number;
  readonly columns: number;
  readonly groups?: number;
  readonly activation?: Activation;
  /** True if the input gets a gradient (default: true). */
  readonly trainable?: boolean;
  /** True if each row has a single number and no padding, as in the tensor of utilities. */
  readonly packed?: boolean;
  readonly whole?: boolean;
}

export interface OpCase {
  readonly log: ClickLog;
  readonly users: readonly number[];
  readonly leaves: readonly LeafSpec[];
  readonly parameters: readonly ParameterSpec[];
  /** Adds ops to the tape, the tested op last. @param tensor - returns an input or a parameter by name */
  readonly build: (tape: ClickTape, tensor: (name: string) => Tensor) => Tensor;
  /** Settings of the count features; only for ops that read count features. */
  readonly counted?: LogWithCounts;
  /** Fixed values of inputs and parameters, by name (default: random values). */
  readonly values?: Weights;
  readonly scale?: number;
  /** Allowed error relative to the largest value: a small factor times 2^-24 times the length of a sum. */
  readonly tolerance: number;
  /** True if gradients of tables are computed only for rows that the batch reads. */
  readonly sparse?: boolean;
  /** True to skip the test with two copies of the op on the same inputs. */
  readonly once?: boolean;
  /** Computes the loss from the op's output and inputs; absent if the op is not a loss. */
  readonly loss?: (output: Matrix, inputs: readonly Matrix[]) => number;
  /** Name of an input whose columns the op also sums; absent for loss ops. */
  readonly sumsOf?: string;
  /** Returns text that messages show after the index of a wrong row, such as " (page 3)". */
  readonly named?: (rows: Tensor["rows"], row: number) => string;
  /** True if the op has no gradient, or the gradient is not compared. */
  readonly forwardOnly?: boolean;
  /** Returns the expected values, after a number of runs, of the parameters that the op itself updates. */
  readonly moves?: (values: ReadonlyMap<string, Matrix>, runs: number) => ReadonlyMap<string, Matrix>;
}

/** Draws inputs and parameters; uploads the parameters. The returned function `draw` draws a matrix. */
export function drawInputs(tape: ClickTape, c: OpCase) {
  const random = createRandomStream(7, "op check", c.users.length);
  const draw = (rows: number, columns: number, activation?: Activation) =>
    makeMatrix(rows, columns, () => {
      const x = Math.fround((c.scale ?? 1) * random.normal());
      return Math.fround(applyActivation(activation, x));
    });
  const values: NamedMatrices = new Map();
  const drawValue = (name: string, ...shape: Parameters<typeof draw>) => {
    const value = draw(...shape);
    value.data.set(c.values?.get(name) ?? []);
    values.set(name, value);
    return value;
  };
  const leaves = new Map(c.leaves.map((leaf) => {
    const { name, rows, columns, groups, activation, trainable = true } = leaf;
    const stride = leaf.packed ? { stride: 1 } : {};
    const options = { groups, activation, trainable, textured: true, ...stride };
    const { data } = drawValue(name, getSize(rows, tape.options.capacity), columns, activation);
    if (leaf.whole) data.forEach((x, k) => data[k] = Math.round(x));
    return [name, tape.tensor(name, rows, columns, options)];
  }));
  const { parameters } = tape.options;
  const weights: Weights = new Map();
  for (const { name, rows, columns, statistic } of c.parameters) {
    const { data } = drawValue(name, rows, columns);
    // Running averages are made positive, because a variance is never negative.
    if (statistic) data.forEach((x, k) => data[k] = Math.abs(x));
    weights.set(name, new Float32Array(data));
  }
  parameters.write(weights);
  for (const { buffer } of [parameters.gradient, parameters.partials]) {
    parameters.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(CANARY));
  }
  return { leaves, values, draw };
}

export function uploadLeaves(
  tape: ClickTape,
  { leaves, values }: Pick<ReturnType<typeof drawInputs>, "leaves" | "values">,
): void {
  for (const tensor of leaves.values()) upload(tape, tensor, getValue(values, tensor), tensor.view);
}

/** Uploads `gradient` times the derivative of the output's activation. @param value - values of the output */
export function uploadOutputGradient(tape: ClickTape, output: Tensor, gradient: Matrix, value: Matrix): void {
  const slope = (i: number, j: number) => computeActivationSlope(output.activation, getAt(value, i, j));
  const seed = makeMatrix(gradient.rows, gradient.columns, (i, j) => getAt(gradient, i, j) * slope(i, j));
  upload(tape, output, seed, tape.getGradient(output));
}

function upload({ options }: ClickTape, tensor: Tensor, value: Matrix, memory: Memory): void {
  const data = tensor.stride === 1
    ? new Float32Array(value.data)
    : padRows(value.data, value.rows, value.columns, tensor.groups);
  writeMemory(options.arena.gpu.queue, memory, data);
}

/** Seed word of a step's random numbers, for example in dropout. The value is arbitrary. */
const NOISE = 0x9e3779b9;

export type OpBench = ReturnType<typeof createOpBench>;

export function createOpBench(
  gpu: Gpu,
  { log, users, parameters, sparse, counted }: Pick<
    OpCase,
    "log" | "users" | "parameters" | "sparse" | "counted"
  >,
  stack: DisposableStack,
  variants: KernelVariants = gpu.variants,
) {
  const capacity = computeBatchCapacity(log, users, users.length);
  const arena = stack.use(new CanaryArena(gpu, "test"));
  const deviceLog = stack.use(new DeviceLog(gpu, log, undefined, undefined, counted));
  const arenaOfWeights = stack.use(new ParameterArena(gpu, parameters));
  const dimensions = clickDimensions.withChunks(arenaOfWeights.chunks);
  const plan = stack.use(new BatchPlan(gpu, log, capacity, 1, 1, 1, dimensions));
  const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0, noise: NOISE });
  plan.upload(0, 1);
  const batch = new BatchIndexBuffers(arena, plan.view, deviceLog, capacity);
  const tape = new ClickTape(batch, {
    arena,
    dimensions,
    parameters: arenaOfWeights,
    capacity: sizes,
    variants,
    sparseGradients: sparse,
  });
  /** The batch in the form that f64 references read. */
  const batch64 = buildReferenceBatch(log, users, NOISE, counted);
  return { arena, plan, sizes, batch, batch64, tape };
}

export interface RecordedOp {
  /** The op under test and the ops that compute its inputs, joined into one node. */
  readonly node: TapeNode<ClickSizes, ReferenceBatch>;
  /** Outputs of all copies of the op. All copies read the same inputs, and `node` is the last copy. */
  readonly outputs: readonly Tensor[];
  /** Inputs whose gradients the op computes. */
  readonly trainable: readonly Tensor[];
  /** Dispatches of the ops, without the dispatches that build the batch. */
  readonly own: readonly DispatchSpec<ClickSizes>[];
  readonly all: readonly DispatchSpec<ClickSizes>[];
}

/** Adds `uses` copies of an op to the tape. @throws Error if the tested op is not the last on the tape */
export function recordOp(
  { tape, batch }: OpBench,
  { build, forwardOnly }: OpCase,
  leaves: ReadonlyMap<string, Tensor>,
  uses: number,
): RecordedOp {
  const outputs = Array.from(
    { length: uses },
    () => build(tape, (name) => leaves.get(name) ?? tape.parameter(name)),
  );
  tape.place();
  const last = tape.nodes.at(-1);
  if (!last || last.output !== outputs.at(-1)) {
    throw new Error("Expected the op under test as the last node of the tape. Record it last in `build`.");
  }
  const node = joinNodes(tape, last);
  const forward = tape.forward();
  const backward = forwardOnly ? [] : tape.backward(outputs);
  const own = [...batch.ownDispatches(), ...forward, ...backward];
  const trainable = forwardOnly ? [] : node.inputs.filter((t) => t.trainable);
  return { node, outputs, trainable, own, all: [...batch.layout(), ...own] };
}

const NOTHING = makeMatrix(0, 0);

/** Joins `last` and the nodes that it depends on into one node, whose inputs are leaves and parameters. */
function joinNodes({ nodes }: ClickTape, last: ReferenceRun["node"]): ReferenceRun["node"] {
  const needed = new Set([last]);
  for (const node of needed) {
    for (const before of nodes) if (node.inputs.includes(before.output)) needed.add(before);
  }
  if (needed.size === 1) return last;
  const joined = nodes.filter((node) => needed.has(node));
  const own = new Set(joined.map(({ output }) => output));
  const inputs = [...new Set(joined.flatMap((node) => node.inputs))].filter((input) => !own.has(input));
  return {
    ...last,
    inputs,
    reference: (values, batch) => {
      const named = new Map(inputs.map(({ name }, i) => [name, values[i] ?? NOTHING]));
      const { output, backward } = runReferences(joined, named, batch);
      return {
        output,
        backward(outputGradient) {
          const gradients = backward(outputGradient);
          return inputs.map(({ name }) => gradients.get(name) ?? NOTHING);
        },
      };
    },
  };
}

/** Inputs and results of an op's f64 reference. */
export interface ReferenceRun {
  readonly node: TapeNode<ClickSizes, ReferenceBatch>;
  readonly inputs: readonly Matrix[];
  readonly output: Matrix;
  readonly gradients: readonly Matrix[];
  /** Computes the loss, whose derivatives with respect to the inputs are `gradients`. */
  readonly loss: (inputs: readonly Matrix[]) => number;
}

/**
 * Runs the f64 reference of an op.
 * @param values - values of inputs and parameters
 * @param outputGradient - gradient of the op's output; undefined if the op is a loss or has no gradient
 * @throws Error if the reference has no gradient of a trainable input
 */
export function runReference(
  { loss, forwardOnly }: OpCase,
  { batch64 }: OpBench,
  { node }: RecordedOp,
  values: NamedMatrices,
  outputGradient: Matrix | undefined,
): ReferenceRun {
  const inputs = node.inputs.map((input) => getValue(values, input));
  const { output, backward } = node.reference(inputs, batch64);
  const weights = outputGradient ?? makeMatrix(output.rows, output.columns);
  const gradients = forwardOnly ? [] : backward(weights);
  const missing = node.inputs.find(({ trainable }, k) => !forwardOnly && trainable && !gradients[k]);
  if (missing) throw noGradient(node.op, "reference", missing);
  return {
    ...{ node, inputs, output },
    gradients,
    loss: (values) => {
      const { output } = node.reference(values, batch64);
      if (loss) return loss(output, values);
      return output.data.reduce((sum, y, k) => sum + y * (weights.data[k] ?? 0), 0);
    },
  };
}

/** Returns the error for a trainable input whose gradient is missing. */
export function noGradient(op: string, where: "reference" | "backward", { name }: Tensor): Error {
  return new Error(
    `${op}: expected a gradient of the input "${name}" from the op's ${where}, got none. Add it, or set ` +
      "trainable: false for this input of the case.",
  );
}

export type NamedMatrices = Map<string, Matrix>;

export function getValue(values: NamedMatrices, { name }: Pick<Tensor, "name">): Matrix {
  const value = values.get(name);
  if (!value) throw new Error(`Expected a value of ${name}, got none.`);
  return value;
}

/**
 * Runs the f64 references of nodes, and adds the outputs to `values`. `backward` returns the gradients of all
 * tensors by name, given the gradient of the last output. For a loss, call `backward` without arguments.
 */
export function runReferences<S extends BatchSizes, R>(
  nodes: readonly TapeNode<S, R>[],
  values: NamedMatrices,
  batch: R,
): { readonly output: Matrix; backward(outputGradient?: Matrix): NamedMatrices } {
  const done = nodes.map((node) => {
    const result = node.reference(node.inputs.map((input) => getValue(values, input)), batch);
    values.set(node.output.name, result.output);
    return { node, ...result };
  });
  const last = done.at(-1);
  if (!last) throw new Error("expected at least one node");
  const backward = (outputGradient: Matrix = makeMatrix(last.output.rows, last.output.columns)) => {
    const gradients: NamedMatrices = new Map([[last.node.output.name, outputGradient]]);
    for (const { node, output, backward } of done.toReversed()) {
      const own = gradients.get(node.output.name) ?? makeMatrix(output.rows, output.columns);
      backward(own).forEach((gradient, i) => {
        const name = node.inputs[i]?.name ?? "";
        const before = gradients.get(name);
        gradients.set(name, before ? sum(before, gradient) : gradient);
      });
    }
    return gradients;
  };
  return { output: last.output, backward };
}

function sum(one: Matrix, other: Matrix): Matrix {
  return makeMatrix(other.rows, other.columns, (r, c) => getAt(one, r, c) + getAt(other, r, c));
}
