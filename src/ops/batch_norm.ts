/** Op batch_norm normalises each column over the rows of the batch, like Keras' BatchNormalization. */

import forwardText from "../../kernels/batch_norm/batch_norm_forward.wgsl" with { type: "text" };
import inputGradientText from "../../kernels/batch_norm/batch_norm_input_gradient.wgsl" with { type: "text" };
import runningText from "../../kernels/batch_norm/batch_norm_running.wgsl" with { type: "text" };
import statisticsText from "../../kernels/batch_norm/batch_norm_statistics.wgsl" with { type: "text" };
import weightText from "../../kernels/batch_norm/batch_norm_weight_gradient.wgsl" with { type: "text" };
import { expectShape, getRowDimension, partialViews, slopeConstants } from "./op.ts";
import { getConstant, type Kernel, parseKernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { getSize } from "../gpu/sizes.ts";
import type { BatchSizes, Dimensions, DimName, SizeExpression } from "../gpu/sizes.ts";
import { getAt, makeMatrix, type Matrix, type ReferenceOp, sumColumns } from "../tape/reference.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

const statisticsKernel = parseKernel("batch_norm_statistics", statisticsText);
const forwardKernel = parseKernel("batch_norm_forward", forwardText);
const runningKernel = parseKernel("batch_norm_running", runningText);
const weightGradientKernel = parseKernel("batch_norm_weight_gradient", weightText);
const inputGradientKernel = parseKernel("batch_norm_input_gradient", inputGradientText);

export const batchNormConstants = { EPSILON: 1e-3, MOMENTUM: 0.99 } as const;
const { EPSILON, MOMENTUM } = batchNormConstants;

export interface BatchNormInputs {
  /** Tensor [rows, N]. */
  readonly input: Tensor;
  /** Parameter gamma, [1, N]. */
  readonly scale: Tensor;
  /** Parameter beta, [1, N]. */
  readonly shift: Tensor;
  /** Running mean, [1, N]; not trainable. */
  readonly mean: Tensor;
  /** Running biased variance, [1, N]; not trainable. */
  readonly variance: Tensor;
}

/**
 * Returns [rows, N]: scale (input - mu) / sqrt(var + 1e-3) + shift. Training uses the mean mu and variance
 * var of the batch, and moves the running mean and variance by 1 % towards them. Evaluation uses the running
 * mean and variance, and has no gradient. For R rows, forward takes about 7 R N flops, and backward about
 * 11 R N. @throws Error for wrong shapes
 */
export function batchNorm<S extends BatchSizes, R>(
  tape: Tape<S, R>,
  name: string,
  inputs: BatchNormInputs,
  options: { training: boolean },
): Tensor {
  const norm = makeNorm(tape, name, inputs);
  const { input, scale, shift, mean, variance, output } = norm;
  const node = { op: "batch_norm", inputs: [input, scale, shift, mean, variance], output };
  if (!options.training) {
    return tape.record({ ...node, forward: () => runningForward(norm), reference: runningReference });
  }
  // Forward and backward share a buffer: backward writes after forward has read its chunk statistics.
  const chunkSums = tape.saved(`${name}/chunks`, 2 * tape.dimensions.chunks.most, input.stride);
  const normaliser = tape.saved(`${name}/normaliser`, 2, input.stride);
  const training = { ...norm, chunkSums, normaliser };
  return tape.record({
    ...node,
    forward: () => trainingForward(training),
    backward: (call) => backward(training, call),
    reference: trainingReference,
  });
}

interface Norm<S extends BatchSizes> extends BatchNormInputs {
  readonly name: string;
  readonly output: Tensor;
  readonly dimensions: Dimensions<S>;
  readonly rows: DimName<S>;
  /** Index of the number of rows in the array `step.size`, which the kernels read. */
  readonly M: number;
  readonly N: number;
  readonly N4: number;
}

interface TrainingNorm<S extends BatchSizes> extends Norm<S> {
  /** Buffer [2 * chunks, N]: mean and squared deviations per block of rows; in backward, gradient sums. */
  readonly chunkSums: View;
  /** Buffer [2, N]: mean, and 1 / sqrt(variance + EPSILON). */
  readonly normaliser: View;
}

function makeNorm<S extends BatchSizes, R>(tape: Tape<S, R>, name: string, inputs: BatchNormInputs): Norm<S> {
  const { input, scale, shift, mean, variance } = inputs;
  const N = input.columns;
  const rows = getRowDimension("batch_norm", tape, input);
  for (const parameter of [scale, shift, mean, variance]) {
    expectShape("batch_norm", parameter, 1, N);
    if (parameter.stride !== input.stride) {
      throw new Error(`batch_norm: expected ${input.name} and ${parameter.name} to have equal strides`);
    }
  }
  for (const running of [mean, variance]) {
    if (!running.parameter?.statistic) {
      throw new Error(`batch_norm: expected ${running.name} to be a running average`);
    }
  }
  const { dimensions } = tape;
  const output = tape.tensor(name, rows, N, { textured: true });
  return { ...inputs, name, output, dimensions, rows, M: dimensions.index(rows), N, N4: input.stride / 4 };
}

function runningForward<S extends BatchSizes>(norm: Norm<S>): DispatchSpec<S>[] {
  const { name, input, scale, shift, mean, variance, output, rows, M, N, N4 } = norm;
  return [{
    kernel: runningKernel,
    label: `${name} forward`,
    constants: { M, N4, EPSILON },
    views: {
      input: input.view,
      scale: scale.view,
      shift: shift.view,
      mean: mean.view,
      variance: variance.view,
      output: output.view,
    },
    invocations: [countInvocations(runningKernel, norm)],
    cost: (s) => ({ flops: 3 * getSize(rows, s) * N, bytes: 32 * getSize(rows, s) * N4 }),
  }];
}

function trainingForward<S extends BatchSizes>(norm: TrainingNorm<S>): DispatchSpec<S>[] {
  const { name, input, scale, shift, mean, variance, output, chunkSums, normaliser } = norm;
  const { dimensions, rows, M, N, N4 } = norm;
  const { view, at } = window([scale, shift, mean, variance]);
  const [SCALE_AT = 0, SHIFT_AT = 0, MEAN_AT = 0, VARIANCE_AT = 0] = at;
  return [
    {
      kernel: statisticsKernel,
      label: `${name} statistics`,
      constants: { M, N4 },
      views: { input: input.view, chunk_statistics: chunkSums },
      invocations: [dimensions.scaleByChunks(N4)],
      cost: (s) => ({
        flops: 4 * getSize(rows, s) * N,
        bytes: 16 * N4 * (getSize(rows, s) + 2 * dimensions.countChunks(s)),
      }),
    },
    {
      kernel: forwardKernel,
      label: `${name} forward`,
      constants: { M, N4, EPSILON, MOMENTUM, SCALE_AT, SHIFT_AT, MEAN_AT, VARIANCE_AT },
      views: {
        input: input.view,
        chunk_statistics: chunkSums,
        parameters: view,
        normaliser,
        output: output.view,
      },
      invocations: [countInvocations(forwardKernel, norm)],
      cost: (s) => ({ flops: 3 * getSize(rows, s) * N, bytes: 32 * getSize(rows, s) * N4 }),
    },
  ];
}

function backward<S extends BatchSizes>(norm: TrainingNorm<S>, call: OpCall<S>): DispatchSpec<S>[] {
  const { name, input, scale, shift, chunkSums, normaliser, dimensions, rows, M, N, N4 } = norm;
  const toScale = call.partials(scale);
  const toShift = call.partials(shift);
  const specs: DispatchSpec<S>[] = [{
    kernel: weightGradientKernel,
    label: `${name} gradient of scale and shift`,
    constants: { M, N4, ACCUMULATE_SCALE: toScale.accumulate, ACCUMULATE_SHIFT: toShift.accumulate },
    views: {
      input: input.view,
      normaliser,
      output_gradient: call.outputGradient(),
      chunk_sums: chunkSums,
      ...partialViews(call, toScale, { bias: toShift }),
    },
    invocations: [dimensions.scaleByChunks(N4)],
    cost: (s) => ({
      flops: 4 * getSize(rows, s) * N,
      bytes: 16 * N4 * (2 * getSize(rows, s) + 4 * dimensions.countChunks(s)),
    }),
  }];
  const target = call.gradient(input);
  if (target) {
    specs.push({
      kernel: inputGradientKernel,
      label: `${name} gradient of input`,
      constants: { M, N4, ...slopeConstants(target), ACCUMULATE: target.accumulate },
      views: {
        input: input.view,
        normaliser,
        output_gradient: call.outputGradient(),
        chunk_sums: chunkSums,
        scale: scale.view,
        input_gradient: target.view,
      },
      invocations: [countInvocations(inputGradientKernel, norm)],
      cost: (s) => ({ flops: 7 * getSize(rows, s) * N, bytes: 48 * getSize(rows, s) * N4 }),
    });
  }
  return specs;
}

/** Returns the number of invocations: one per vector of four columns and per block of `ROWS` rows. */
function countInvocations<S extends BatchSizes>(kernel: Kernel, { rows, N4 }: Norm<S>): SizeExpression<S> {
  return { of: rows, per: getConstant(kernel, "ROWS"), times: N4 };
}

/** Returns the smallest range of GPU memory with all `parameters`, and their offsets in it (in floats). */
function window(parameters: readonly Tensor[]): { view: View; at: number[] } {
  const views = parameters.map((p) => asBufferView(p.view));
  const offset = Math.min(...views.map((v) => v.offset));
  const end = Math.max(...views.map((v) => v.offset + v.size));
  const [first] = views;
  if (!first) throw new Error("batch_norm: expected parameters");
  return {
    view: { buffer: first.buffer, offset, size: end - offset },
    at: views.map((v) => (v.offset - offset) / 4),
  };
}

/** Returns a matrix of f(value, column, row) for each element. */
function mapMatrix(m: Matrix, f: (value: number, j: number, i: number) => number): Matrix {
  return makeMatrix(m.rows, m.columns, (i, j) => f(getAt(m, i, j), j, i));
}

function normalise(input: Matrix, mean: Matrix, variance: Matrix): Matrix {
  return mapMatrix(input, (x, j) => (x - getAt(mean, 0, j)) / Math.sqrt(getAt(variance, 0, j) + EPSILON));
}

function rescale(xhat: Matrix, scale: Matrix, shift: Matrix): Matrix {
  return mapMatrix(xhat, (x, j) => getAt(scale, 0, j) * x + getAt(shift, 0, j));
}

function columnMeans(m: Matrix): Matrix {
  return mapMatrix(sumColumns(m), (sum) => sum / m.rows);
}

const runningReference: ReferenceOp = ([input, scale, shift, mean, variance]) => {
  if (!input || !scale || !shift || !mean || !variance) throw new Error("batch_norm: expected five inputs");
  return { output: rescale(normalise(input, mean, variance), scale, shift), backward: () => [] };
};

/** Computes training in f64, for tests. Gradients also flow through the batch's mean and biased variance. */
export const trainingReference: ReferenceOp = ([input, scale, shift]) => {
  if (!input || !scale || !shift) throw new Error("batch_norm: expected input, scale and shift");
  const mean = columnMeans(input);
  const deviation = mapMatrix(input, (x, j) => x - getAt(mean, 0, j));
  const variance = columnMeans(mapMatrix(deviation, (d) => d ** 2));
  const xhat = normalise(input, mean, variance);
  return {
    output: rescale(xhat, scale, shift),
    backward(gradient) {
      // Definitions: y = g xhat + b, xhat = d (var + eps)^-1/2, var = mean of d^2, d = x - mean of x.
      const toXhat = mapMatrix(gradient, (g, j) => g * getAt(scale, 0, j));
      const inverse = mapMatrix(variance, (v) => 1 / Math.sqrt(v + EPSILON));
      const toVariance = sumColumns(
        mapMatrix(toXhat, (g, j, i) => g * getAt(deviation, i, j) * -0.5 * getAt(inverse, 0, j) ** 3),
      );
      const toDeviation = mapMatrix(
        toXhat,
        (g, j, i) =>
          g * getAt(inverse, 0, j) + getAt(toVariance, 0, j) * 2 * getAt(deviation, i, j) / input.rows,
      );
      const toMean = columnMeans(toDeviation);
      return [
        mapMatrix(toDeviation, (g, j) => g - getAt(toMean, 0, j)),
        sumColumns(mapMatrix(gradient, (g, j, i) => g * getAt(xhat, i, j))),
        sumColumns(gradient),
      ];
    },
  };
};
