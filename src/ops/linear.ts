/** Op linear computes a dense layer: act(input W + bias). */

import type { View } from "../gpu/memory.ts";
import { type BatchSizes, type DimName, getSize } from "../gpu/sizes.ts";
import {
  applyActivation,
  backpropagateActivation,
  getAt,
  makeMatrix,
  multiply,
  type ReferenceOp,
  sumColumns,
} from "../tape/reference.ts";
import { expectShape, getRowDimension } from "./op.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import { type DotGradients, formatShape, type RowDots, type Tensor } from "../tape/tensor.ts";
import { countDotParts, selectMatmulKernel } from "./kernel_selection.ts";
import type { Dot, LinearOptions } from "./matrix_product.ts";
import { createSumsHost, forwardProduct, isTiled, layerGradients } from "./matrix_product.ts";

/** Selection of rows of a constant tensor: output row r is input row `index[r]`. */
export interface Gather<S extends BatchSizes, R> {
  readonly rows: DimName<S>;
  /** Array [rows] of u32. */
  readonly index: View;
  /** Computes `index` for a batch on the CPU, for the float64 reference. */
  readonly of: (batch: R) => readonly number[];
}

export interface LinearInputs {
  /** Tensor [M, K], or with `gather` a constant [I, K]. */
  readonly input: Tensor;
  /** Parameter [K, N]. */
  readonly weights: Tensor;
  /** Parameter [1, N]. */
  readonly bias?: Tensor;
}

/** Records act(input W + b): 2 M K N flops, and at most 4 M K N backward. @throws Error for wrong shapes */
export function linear<S extends BatchSizes, R>(
  tape: Tape<S, R>,
  name: string,
  { input, weights, bias }: LinearInputs,
  options: LinearOptions & { gather?: Gather<S, R> } = {},
): Tensor {
  const { gather, activation } = options;
  const K = input.columns;
  expectShape("linear", weights, K, weights.columns);
  if (bias) expectShape("linear", bias, 1, weights.columns);
  if (gather && input.trainable) {
    throw new Error(`linear: cannot gather rows of ${formatShape(input)}, which needs a gradient`);
  }
  const rows = gather?.rows ?? getRowDimension("linear", tape, input);
  const K4 = input.stride / 4;
  const N4 = weights.stride / 4;
  let dot: Dot | undefined;
  const rowDots = (by: Tensor): RowDots | undefined => {
    const panels = countDotParts(
      selectMatmulKernel("forward", K4, N4, getSize(rows, tape.options.capacity), tape.choice),
      N4,
    );
    if (dot || panels === 0) return undefined;
    expectShape("linear", by, 1, weights.columns);
    dot = { weights: by, panels, view: tape.saved(`${name} dots`, rows, 4 * Math.ceil(panels / 4)) };
    return dot;
  };
  const isOneDispatch = () =>
    input.trainable && isTiled(tape, "weight", input, weights, rows) &&
    isTiled(tape, "input", input, weights, rows);
  const host = createSumsHost(() => !isOneDispatch() && isTiled(tape, "weight", input, weights, rows));
  let last: DotGradients | undefined;
  const takeDotGradients = (gradients: DotGradients) => {
    if (isOneDispatch()) last = gradients;
    return last !== undefined;
  };
  let isFused = false;
  const deferLinear = (most: number) => {
    if (!bias || activation || gather || dot || K > most) return undefined;
    isFused = true;
    return { input, weights, bias };
  };
  const output = tape.tensor(name, rows, weights.columns, {
    groups: weights.groups,
    activation,
    textured: true,
    rowDots,
    deferLinear,
    takeDotGradients,
  });

  const product = { input, weights, bias, rows, gather };
  const forward = (call: OpCall<S>) =>
    isFused ? [] : [forwardProduct(call, { ...product, activation, output: output.view, dot })];
  const backward = (call: OpCall<S>) =>
    layerGradients(call, { ...product, activation, output: output.view, last, host });

  const inputs = bias ? [input, weights, bias] : [input, weights];
  return tape.record({
    op: "linear",
    inputs,
    output,
    rereads: [input, output],
    forward,
    backward,
    sumOutcomes: host.sumOutcomes,
    reference: reference(options),
  });
}

function reference<R>(
  { activation, gather }: LinearOptions & { gather?: { of(batch: R): readonly number[] } },
): ReferenceOp<R> {
  return ([input, weights, bias], batch) => {
    if (!input || !weights) throw new Error("linear: expected an input and weights");
    const index = gather?.of(batch);
    const x = index
      ? makeMatrix(index.length, input.columns, (i, k) => getAt(input, index[i] ?? 0, k))
      : input;
    const z = multiply(x, weights);
    const biased = bias ? makeMatrix(z.rows, z.columns, (i, j) => getAt(z, i, j) + getAt(bias, 0, j)) : z;
    const output = makeMatrix(z.rows, z.columns, (i, j) => applyActivation(activation, getAt(biased, i, j)));
    return {
      output,
      backward(gradient) {
        const dz = backpropagateActivation(activation, output, gradient);
        const dInput = index ? makeMatrix(input.rows, input.columns) : multiply(dz, weights, false, true);
        const dWeights = multiply(x, dz, true);
        return bias ? [dInput, dWeights, sumColumns(dz)] : [dInput, dWeights];
      },
    };
  };
}
