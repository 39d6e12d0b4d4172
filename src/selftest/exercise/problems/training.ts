/** The gradient of batch norm's input, and one step of Adam. */

import adamText from "../../../../kernels/adam/adam.wgsl" with { type: "text" };
import normText from "../../../../kernels/batch_norm/batch_norm_input_gradient.wgsl" with { type: "text" };
import adamStarter from "../../../../kernels/exercises/adam.wgsl" with { type: "text" };
import normStarter from "../../../../kernels/exercises/batch_norm.wgsl" with { type: "text" };
import { clickDimensions } from "../../../batch/click_sizes.ts";
import { kernel } from "../../../gpu/kernel.ts";
import { adamRate, adamReference } from "../../../ops/adam.ts";
import { batchNormConstants, trainingReference } from "../../../ops/batch_norm.ts";
import {
  drawing,
  noBatch,
  type Output,
  output,
  type Problem,
  type Size,
  upload,
} from "../../ladder/problem.ts";
import { padded } from "../../../tape/layout.ts";
import { at, type Matrix, matrix, slopeOf } from "../../../tape/reference.ts";
import { chunksOf, type Exercise, fours, shipped } from "../exercise.ts";

export const batchNorm: Exercise = {
  name: "batch-norm",
  what: "the gradient of batch norm's input",
  chapter: "6-batch-norm.md",
  starter: normStarter,
  ladder: shipped({
    kernel: kernel("batch_norm_input_gradient", normText),
    invocations: ([R = 1, N]) => [fours(N) * Math.ceil(R / 128)],
  }, {
    title: "batch norm, gradient of the input, R rows x N columns",
    size: [12_800, 64],
    oddSizes: [[3, 5], [37, 19], [1301, 68]],
    problem: (size) => normProblem(size),
  }),
  solution: "batch_norm_input_gradient",
  hard: [{
    what: "constant columns, and columns of 1,000 that vary little",
    size: [39, 19],
    problem: (size) => normProblem(size, true),
  }],
  letters: ([R = 1, N]) => ({ R, N4: fours(N), C: chunksOf(R) }),
};

/**
 * @param size [rows, columns]
 * @param hard of three columns, one is constant, and one is 1,000 and varies little; for a multiple of three rows.
 */
function normProblem(size: Size, hard = false): Problem {
  const [R = 1, N = 1] = size;
  const draw = drawing(size);
  const [drawn, gradient] = [draw(R, N), draw(R, N)];
  const kinds = [() => 0.5, (r: number) => 1000 + (r % 3 - 1) / 64];
  const input = hard ? matrix(R, N, (r, j) => kinds[j % 3]?.(r) ?? at(drawn, r, j)) : drawn;
  const scale = matrix(1, N, (_, j) => 1 + j % 3);
  const { backward } = trainingReference([input, scale, matrix(1, N)], noBatch);
  const [dx = matrix(0, 0)] = backward(gradient);
  const expected = matrix(R, N, (r, j) => at(dx, r, j) * slopeOf("elu", at(input, r, j)));
  const sizes = { users: 1, events: 1, rows: R, items: 1 };
  const normaliser = normaliserOf(input);
  const N4 = padded(N) / 4;
  const chunks = clickDimensions.chunks(sizes);
  return {
    inputs: {
      input: upload(input),
      normaliser: upload(normaliser),
      output_gradient: upload(gradient),
      chunk_sums: upload(chunkSums(input, gradient, normaliser, chunks)),
      scale: upload(scale),
    },
    // Two means of R numbers are taken away; what is left may be small.
    outputs: { input_gradient: output(expected, 64) },
    constants: { N4, ELU: true },
    sizes,
    cost: { flops: 7 * R * N, bytes: 48 * R * N4 },
  };
}

/** [2, N]: mean and 1 / sd of each column. */
function normaliserOf(input: Matrix): Matrix {
  const { rows, columns } = input;
  const result = matrix(2, columns);
  for (let j = 0; j < columns; j++) {
    let [mean, squares] = [0, 0];
    for (let r = 0; r < rows; r++) mean += at(input, r, j) / rows;
    for (let r = 0; r < rows; r++) squares += (at(input, r, j) - mean) ** 2;
    result.data[j] = mean;
    result.data[columns + j] = 1 / Math.sqrt(squares / rows + batchNormConstants.EPSILON);
  }
  return result;
}

/** [chunks 2, N]: sums of dy, and of dy xhat, of each chunk of rows. */
function chunkSums(input: Matrix, gradient: Matrix, normaliser: Matrix, chunks: number): Matrix {
  const { rows, columns } = input;
  const stretch = Math.ceil(rows / chunks);
  const sums = matrix(2 * chunks, columns);
  for (let r = 0; r < rows; r++) {
    const first = 2 * Math.floor(r / stretch) * columns;
    for (let j = 0; j < columns; j++) {
      const dy = at(gradient, r, j);
      const xhat = (at(input, r, j) - at(normaliser, 0, j)) * at(normaliser, 1, j);
      sums.data[first + j] = (sums.data[first + j] ?? NaN) + dy;
      sums.data[first + columns + j] = (sums.data[first + columns + j] ?? NaN) + dy * xhat;
    }
  }
  return sums;
}

export const adam: Exercise = {
  name: "adam",
  what: "a step of Adam, of a gradient in partial sums",
  chapter: "7-adam.md",
  starter: adamStarter,
  ladder: shipped({
    kernel: kernel("adam", adamText),
    invocations: ([P]) => [fours(P)],
  }, {
    title: "Adam, one step of P parameters",
    size: [262_144],
    oddSizes: [[1], [37], [4099]],
    problem: (size) => adamProblem(size),
  }),
  solution: "adam",
  hard: [{
    what: "gradients of 0 and of about epsilon",
    size: [37],
    problem: (size) => adamProblem(size, true),
  }],
  letters: ([P]) => ({ P4: fours(P) }),
};

/** A batch whose gradient comes in several partial sums, and the iteration of the step. */
const ADAM = { rows: 1027, iteration: 3 };

/**
 * @param size [parameters]
 * @param hard of three parameters, one never had a gradient, and one has had gradients of about epsilon.
 */
function adamProblem(size: Size, hard = false): Problem {
  const P = padded(size[0] ?? 1);
  const draw = drawing(size);
  const sizes = { users: 1, events: 1, rows: ADAM.rows, items: 1 };
  const chunks = clickDimensions.chunks(sizes);
  const learningRate = Math.fround(adamRate(0.001, ADAM.iteration));
  const scaled = ({ rows, columns, data }: Matrix) => {
    const scale = (k: number) => hard ? [0, 1e-8, 1][k % 3] ?? NaN : 1;
    return matrix(rows, columns, (i, k) => Math.fround(scale(k) * (data[i * columns + k] ?? NaN)));
  };
  const partials = scaled(draw(chunks, P));
  const [w, m] = [draw(1, P), scaled(draw(1, P, 0.1))];
  const v = matrix(1, P, (_, k) => Math.fround(at(m, 0, k) ** 2));
  const gradient = matrix(1, P, (_, k) => {
    let sum = 0;
    for (let chunk = 0; chunk < chunks; chunk++) sum += at(partials, chunk, k);
    return sum;
  });
  const after = { w: w.data.slice(), m: m.data.slice(), v: v.data.slice() };
  adamReference(after, gradient.data, { t: ADAM.iteration, learningRate: 0.001 });
  const changed = (before: Matrix, data: Float64Array): Output => ({
    ...output({ ...before, data }, chunks + 16),
    initial: upload(before),
  });
  return {
    inputs: { partials: upload(partials) },
    outputs: {
      weights: changed(w, after.w),
      m: changed(m, after.m),
      v: changed(v, after.v),
      gradient: { ...output(gradient, chunks + 16), optional: true },
    },
    constants: { P4: P / 4, SUMMED4: P / 4 },
    sizes,
    header: { learningRate },
    cost: { flops: (10 + chunks) * P, bytes: (24 + 4 * chunks) * P },
  };
}
