/** row_dot: one number a row, the last layer of the utility. */

import { slopeConstants } from "./activation.ts";
import backwardText from "../../kernels/choice/row_dot_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/choice/row_dot_forward.wgsl" with { type: "text" };
import sumText from "../../kernels/choice/row_dot_sum.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import { bufferOf, uniformIfSmall } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type Dimensions, extent, type Sizes } from "../gpu/sizes.ts";
import { at, columnSums, matrix, product, type Reference } from "../tape/reference.ts";
import { type Call, countedRows, expectShape, partialViews, type RowDots } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

const forwardKernel = kernel("row_dot_forward", forwardText);
const sumKernel = kernel("row_dot_sum", sumText);
const backwardKernel = kernel("row_dot_backward", backwardText);

export interface RowDotInputs {
  /** [rows, K] */
  readonly input: Tensor;
  /** parameter [1, K] */
  readonly weights: Tensor;
  /** parameter [1, 1] */
  readonly bias: Tensor;
  /** [rows, 1] what is added to it; no other op may read it */
  readonly base?: Tensor;
}

/** The last layer's output, made by a dispatch of its own, or left to the one op that reads it. */
export interface RowDot extends Tensor {
  /** What the reader makes it of, where it is left to it: the dots of the layer below, if there are any to be added. */
  readonly unmade?: RowDotInputs & { readonly dots?: RowDots };
}

/**
 * How the reader makes the output on its way, which saves a dispatch. `adds dots`: of the products that the layer below
 * has made already; where it makes none, row_dot keeps its dispatch. `multiplies`: of the inputs.
 */
export type RowDotReader = "adds dots" | "multiplies";

/**
 * [rows, 1]: base + bias + input . weights. 2 R K flops forward, 5 R K backward.
 * @param reader the op that reads it makes it; undefined for a dispatch of its own.
 * @throws Error for shapes that do not fit.
 */
export function rowDot<S extends Sizes, R>(
  tape: Tape<S, R>,
  name: string,
  { input, weights, bias, base }: RowDotInputs,
  reader?: RowDotReader,
): RowDot {
  const rows = countedRows("row_dot", tape, input);
  expectShape("row_dot", input, rows, weights.columns);
  expectShape("row_dot", weights, 1, input.columns);
  expectShape("row_dot", bias, 1, 1);
  if (base) expectShape("row_dot", base, rows, 1);
  if (base && reader) {
    throw new Error(`row_dot: expected ${name} to be made here, as it is added to ${base.name}`);
  }
  const dots = reader === "multiplies" || base ? undefined : tape.dotRows(input, weights);
  const left = reader === "multiplies" || (reader === "adds dots" && dots !== undefined);
  const unmade = left ? { input, weights, bias, dots } : undefined;
  const output: RowDot = Object.assign(tape.tensor(name, rows, 1, { stride: 1 }), { unmade });
  const K = input.columns;
  const K4 = input.stride / 4;

  const { dimensions } = tape;
  const M = dimensions.index(rows);
  const forward = (): DispatchSpec<S>[] =>
    left ? [] : [forwardDispatch(dimensions, { input, weights, bias, base }, output, dots)];

  const backward = (call: Call<S>): DispatchSpec<S>[] => {
    const target = call.gradient(input);
    if (base) call.passGradient(base);
    const toWeights = call.partials(weights);
    return [{
      kernel: backwardKernel,
      label: `${name} gradients`,
      constants: {
        M,
        K4,
        INPUT: target !== undefined,
        ...slopeConstants(target ?? { activation: undefined }),
        ACCUMULATE: target?.accumulate ?? false,
        ACCUMULATE_WEIGHTS: toWeights.accumulate,
      },
      views: {
        input: input.view,
        weights: uniformIfSmall(bufferOf(weights.view)),
        output_gradient: call.outputGradient(),
        input_gradient: target?.view ?? call.unwritten,
        ...partialViews(call, toWeights, { bias: call.partials(bias) }),
      },
      invocations: [dimensions.inChunks(K4)],
      cost: (s) => ({ flops: 5 * extent(rows, s) * K, bytes: extent(rows, s) * (32 * K4 + 4) }),
    }];
  };

  const inputs = base ? [input, weights, bias, base] : [input, weights, bias];
  tape.record({ op: "row_dot", inputs, output, forward, backward, reference });
  return output;
}

/** The dispatch forward. @param dots of the input's rows with the weights, where the input's op makes them */
function forwardDispatch<S extends Sizes>(
  dimensions: Dimensions<S>,
  { input, weights, bias, base }: RowDotInputs,
  output: Tensor,
  dots: RowDots | undefined,
): DispatchSpec<S> {
  const rows = dimensions.named(output.rows);
  const M = dimensions.index(rows);
  const label = `${output.name} forward`;
  if (dots && !base) {
    const { panels, view } = dots;
    return {
      kernel: sumKernel,
      label,
      constants: { M, PANELS: panels },
      views: { dots: view, bias: bias.view, output: output.view },
      invocations: [rows],
      cost: (s) => ({ flops: panels * extent(rows, s), bytes: 4 * extent(rows, s) * (panels + 1) }),
    };
  }
  const K4 = input.stride / 4;
  return {
    kernel: forwardKernel,
    label,
    constants: { M, K4, BASE: base !== undefined },
    views: {
      input: input.view,
      weights: uniformIfSmall(bufferOf(weights.view)),
      bias: bias.view,
      base: (base ?? bias).view,
      output: output.view,
    },
    invocations: [rows],
    cost: (s) => ({ flops: 2 * extent(rows, s) * input.columns, bytes: extent(rows, s) * (16 * K4 + 4) }),
  };
}

const reference: Reference = ([input, weights, bias, base]) => {
  if (!input || !weights || !bias) throw new Error("row_dot: expected input, weights and bias");
  const dots = product(input, weights, false, true);
  return {
    output: matrix(input.rows, 1, (r) => at(dots, r, 0) + at(bias, 0, 0) + (base ? at(base, r, 0) : 0)),
    backward: (
      gradient,
    ) => [
      product(gradient, weights),
      product(gradient, input, true),
      columnSums(gradient),
      ...(base ? [gradient] : []),
    ],
  };
};
