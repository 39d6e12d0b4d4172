/** A dense layer [M, K] x [K, N] and its two gradients, as problems of ladders. */

import { clickDimensions } from "../../batch/click_sizes.ts";
import { reference as linearReference } from "../../ops/linear.ts";
import { padded, unpadRows } from "../../tape/layout.ts";
import { at, matrix, slopeOf } from "../../tape/reference.ts";
import {
  drawing,
  noBatch,
  output,
  type Problem,
  ROUNDING,
  type Size,
  upload,
  uploadWeights,
} from "./problem.ts";

/** What all three share. The order of the draws is part of it: weights and bias come first. */
function matmulCase(size: Size) {
  const [M = 1, K = 1, N = 1] = size;
  const draw = drawing(size);
  const weights = draw(K, N);
  const bias = draw(1, N);
  return {
    ...{ M, K, N, draw, weights, bias, K4: padded(K) / 4, N4: padded(N) / 4 },
    sizes: { users: 1, events: 1, rows: M, items: 1 },
    flops: 2 * M * K * N,
  };
}

/** ELU(input weights + bias). @param scale of the input. */
export function matmulForwardProblem(size: Size, scale = 1): Problem {
  const { M, K, K4, N4, draw, weights, bias, sizes, flops } = matmulCase(size);
  const input = draw(M, K, scale);
  const { output: expected } = linearReference({ activation: "elu" })([input, weights, bias], noBatch);
  return {
    inputs: {
      input: upload(input),
      index: new Uint32Array(1),
      weights: uploadWeights(weights),
      bias: upload(bias),
      // Of a dot product that is switched off.
      dot_weights: new Float32Array(4),
      dots: new Float32Array(4),
    },
    outputs: { output: output(expected, K + 8) },
    constants: { K4, N4, ELU: true, BIAS: true },
    sizes,
    cost: { flops, bytes: 16 * (M * (K4 + N4) + 4 * K4 * N4) },
  };
}

/** The gradient of the input, times the slope of the layer below. */
export function matmulInputProblem(size: Size): Problem {
  const { M, K, N, K4, N4, draw, weights, sizes, flops } = matmulCase(size);
  const gradient = draw(M, N);
  // What ELU can give: above -1. The layer below has it as its activation, so its slope is part of the result.
  const input = draw(M, K);
  const [back = matrix(0, 0)] = linearReference({})([input, weights], noBatch).backward(gradient);
  const expected = matrix(M, K, (i, j) => at(back, i, j) * slopeOf("elu", at(input, i, j)));
  return {
    inputs: {
      output_gradient: upload(gradient),
      weights: uploadWeights(weights),
      input: upload(input),
    },
    outputs: { input_gradient: output(expected, N + 8) },
    constants: { K4, N4, ELU: true },
    sizes,
    cost: { flops, bytes: 16 * (M * (2 * K4 + N4) + 4 * K4 * N4) },
  };
}

/** The gradient of the weights, in a partial sum for each chunk of the rows. */
export function matmulWeightProblem(size: Size): Problem {
  const { M, K, N, K4, N4, draw, weights, sizes, flops } = matmulCase(size);
  const gradient = draw(M, N);
  const input = draw(M, K);
  const [, expected = matrix(0, 0)] = linearReference({})([input, weights], noBatch).backward(gradient);
  const chunks = clickDimensions.chunks(sizes);
  const partials = 16 * K4 * N4;
  return {
    inputs: {
      input: upload(input),
      index: new Uint32Array(1),
      second: new Float32Array(4),
      output_gradient: upload(gradient),
      places: Uint32Array.of(partials, 0, 0, 0),
    },
    outputs: {
      partials: {
        length: chunks * partials,
        expected,
        dense(found, chunks) {
          const sums = new Float64Array(partials);
          for (let k = 0; k < chunks * partials; k++) {
            sums[k % partials] = (sums[k % partials] ?? NaN) + (found[k] ?? NaN);
          }
          return unpadRows(sums, K, N, 1);
        },
        tolerance: 4 * ROUNDING * (M + 8),
        pads: (float) => Math.floor(float % partials / (4 * N4)) >= K || float % (4 * N4) >= N,
      },
    },
    constants: { K4, N4, BIAS: false },
    sizes,
    cost: { flops, bytes: 16 * (M * (K4 + N4) + chunks * 4 * K4 * N4) },
  };
}
