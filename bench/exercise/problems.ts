/** Problems of the exercises that have no ladder. */

import { NONE } from "../../src/data/click_log.ts";
import { clickDimensions } from "../../src/batch/click_sizes.ts";
import { adamRate } from "../../src/ops/adam.ts";
import { batchNormConstants, trainingReference } from "../../src/ops/batch_norm.ts";
import { choiceOutcome, topShares } from "../../src/ops/choice_nll.ts";
import { sparsemax } from "../../src/ops/minimax.ts";
import { at, type Matrix, matrix } from "../../src/tape/reference.ts";
import { padded } from "../../src/tape/tensor.ts";
import {
  choicePages,
  drawing,
  noBatch,
  type Output,
  output,
  type Problem,
  ROUNDING,
  type Size,
  upload,
  uploadEvents,
  type Utility,
} from "../../src/ladder/problems.ts";

/**
 * Batch norm's gradient of its input.
 * @param size [rows, columns]
 * @param hard of three columns, one is constant, and one is 1,000 and varies little; for a multiple of three rows.
 */
export function batchNormProblem(size: Size, hard = false): Problem {
  const [R = 1, N = 1] = size;
  const draw = drawing(size);
  const [drawn, gradient] = [draw(R, N), draw(R, N)];
  const kinds = [() => 0.5, (r: number) => 1000 + (r % 3 - 1) / 64];
  const input = hard ? matrix(R, N, (r, j) => kinds[j % 3]?.(r) ?? at(drawn, r, j)) : drawn;
  const scale = matrix(1, N, (_, j) => 1 + j % 3);
  const { backward } = trainingReference([input, scale, matrix(1, N)], noBatch);
  const [dx = matrix(0, 0)] = backward(gradient);
  const slope = (x: number) => x > 0 ? 1 : x + 1;
  const expected = matrix(R, N, (r, j) => at(dx, r, j) * slope(at(input, r, j)));
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

/** A batch whose gradient comes in several partial sums, and the iteration of the step. */
const ADAM = { rows: 1027, iteration: 3 };

/**
 * One step of Adam.
 * @param size [parameters]
 * @param hard of three parameters, one never had a gradient, and one has had gradients of about epsilon.
 */
export function adamProblem(size: Size, hard = false): Problem {
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
  const m1 = matrix(1, P, (_, k) => 0.9 * at(m, 0, k) + 0.1 * at(gradient, 0, k));
  const v1 = matrix(1, P, (_, k) => 0.999 * at(v, 0, k) + 0.001 * at(gradient, 0, k) ** 2);
  const w1 = matrix(1, P, (_, k) => {
    return at(w, 0, k) - learningRate * at(m1, 0, k) / (Math.sqrt(at(v1, 0, k)) + 1e-8);
  });
  const changed = (before: Matrix, after: Matrix): Output => ({
    ...output(after, chunks + 16),
    initial: upload(before),
  });
  return {
    inputs: { partials: upload(partials) },
    outputs: {
      weights: changed(w, w1),
      m: changed(m, m1),
      v: changed(v, v1),
      gradient: { ...output(gradient, chunks + 16), optional: true },
    },
    constants: { P4: P / 4, SUMMED4: P / 4 },
    sizes,
    header: { learningRate },
    cost: { flops: (10 + chunks) * P, bytes: (24 + 4 * chunks) * P },
  };
}

const SPARSEMAX_ETA = 0.5;

/** The exact generator of the game, and the reward's gradient against it. @param size [events, rows of a page] */
export function sparsemaxProblem(size: Size, utility?: Utility): Problem {
  const [E = 1, page = 1] = size;
  const { events, u } = choicePages(size, utility);
  const R = u.rows;
  const [policy, gradient, outcome] = [matrix(R, 1), matrix(R, 1), matrix(E, 8)];
  events.forEach(({ first, end, click }, e) => {
    const own = Array.from(u.data.subarray(first, end));
    const pi = sparsemax(own.map((x) => SPARSEMAX_ETA * x));
    policy.data.set(pi, first);
    const clicked = click === NONE ? undefined : click - first;
    const value = own.reduce((sum, x, k) => {
      const p = pi[k] ?? NaN;
      return sum + p * (x - p / (2 * SPARSEMAX_ETA));
    }, 0);
    const losses = clicked === undefined ? [0, 0] : [value, value - (own[clicked] ?? NaN)];
    const [lossMax = 0, lossMin = 0] = losses;
    outcome.data.set([...choiceOutcome(own, clicked, 1), lossMin, ...topShares(pi, clicked), lossMax], 8 * e);
    if (clicked === undefined) return;
    pi.forEach((p, k) => gradient.data[first + k] = (p - (k === clicked ? 1 : 0)) / E);
  });
  const scalars = (expected: Matrix): Output => ({
    length: R,
    expected,
    dense: (found) => found,
    tolerance: 4 * ROUNDING * (page + 16),
  });
  return {
    inputs: { u: new Float32Array(u.data), event: uploadEvents(events) },
    outputs: {
      policy: scalars(policy),
      gradient: scalars(gradient),
      outcome: { ...output(outcome, page + 16), optional: true },
    },
    constants: { ETA: 1, GENERATOR_ETA: SPARSEMAX_ETA },
    sizes: { users: 1, events: E, rows: R, items: 1 },
    cost: { flops: (4 * page + 40) * R, bytes: 20 * R + 48 * E },
  };
}
