/** One step of Adam, of a gradient in partial sums. */

import starter from "../../../kernels/exercises/adam.wgsl" with { type: "text" };
import shippedText from "../../../kernels/adam/adam.wgsl" with { type: "text" };
import { clickDimensions } from "../../../src/batch/click_sizes.ts";
import { kernel } from "../../../src/gpu/kernel.ts";
import {
  drawing,
  type Output,
  output,
  type Problem,
  type Size,
  upload,
} from "../../../src/selftest/ladder/problem.ts";
import { adamRate, adamReference } from "../../../src/ops/adam.ts";
import { at, type Matrix, matrix } from "../../../src/tape/reference.ts";
import { padded } from "../../../src/tape/layout.ts";
import { type Exercise, fours, shipped } from "../exercise.ts";

export const adam: Exercise = {
  name: "adam",
  what: "a step of Adam, of a gradient in partial sums",
  chapter: "7-adam.md",
  starter,
  ladder: shipped({
    kernel: kernel("adam", shippedText),
    invocations: ([P]) => [fours(P)],
  }, {
    title: "Adam, one step of P parameters",
    size: [262_144],
    oddSizes: [[1], [37], [4099]],
    problem: (size) => problem(size),
  }),
  hard: [{
    what: "gradients of 0 and of about epsilon",
    size: [37],
    problem: (size) => problem(size, true),
  }],
  letters: ([P]) => ({ P4: fours(P) }),
};

/** A batch whose gradient comes in several partial sums, and the iteration of the step. */
const ADAM = { rows: 1027, iteration: 3 };

/**
 * @param size [parameters]
 * @param hard of three parameters, one never had a gradient, and one has had gradients of about epsilon.
 */
function problem(size: Size, hard = false): Problem {
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
