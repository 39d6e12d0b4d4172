/** linear: output = act(input W + b), a dense layer. */

import type { DispatchSpec, View } from "../gpu/program.ts";
import { type Dim, extent, partialChunks, sizeIndex } from "../gpu/step.ts";
import { at, columnSums, elu, matrix, product, type Reference, throughElu } from "../tape/reference.ts";
import { type Call, expectShape, partialConstants, type Tape } from "../tape/tape.ts";
import { shapeText, type Tensor } from "../tape/tensor.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import { matmulInvocations, matmulKernel, weightGradientInvocations } from "./matmul_kernels.ts";

/** Rows of the input that the output takes: its own, or the features of the batch's distinct or fed items. */
export type Gather = "distinct items" | "fed items";

export interface LinearInputs {
  /** [M, K], or with `gather` a constant [I, K] */
  readonly input: Tensor;
  /** parameter [K, N] */
  readonly weights: Tensor;
  /** parameter [1, N] */
  readonly bias?: Tensor;
}

/**
 * A dense layer [M, N]; FLOPs 2 M K N forward, the same again for each gradient.
 * @throws Error for shapes that do not fit.
 */
export function linear(
  tape: Tape,
  name: string,
  { input, weights, bias }: LinearInputs,
  options: { elu?: boolean; gather?: Gather } = {},
): Tensor {
  const { gather } = options;
  const K = input.columns;
  expectShape("linear", weights, K, weights.columns);
  if (bias) expectShape("linear", bias, 1, weights.columns);
  if (gather && input.trainable) {
    throw new Error(`linear: gathered input ${shapeText(input)} must be a constant`);
  }
  const rows: Dim = gather ? (gather === "fed items" ? "events" : "items") : input.rows;
  if (typeof rows === "number") {
    throw new Error(
      `linear: expected ${input.name} to have a row for each part of the batch, got ${shapeText(input)}`,
    );
  }
  const output = tape.tensor(name, rows, weights.columns, {
    groups: weights.groups,
    activation: options.elu ? "elu" : undefined,
  });
  const shape = { M: sizeIndex[rows], K4: input.stride / 4, N4: output.stride / 4 };
  const { K4, N4 } = shape;
  const bytes = (m: number) => 16 * (m * K4 + 4 * K4 * N4 + m * N4);
  const flops = (m: number) => 2 * m * K * weights.columns;

  const forward = (call: Call): DispatchSpec[] => {
    const kernel = matmulKernel("forward", K4, N4, call.shapes);
    return [{
      kernel,
      label: `${call.label} forward`,
      constants: {
        ...shape,
        GATHER: gather !== undefined,
        BIAS: bias !== undefined,
        ELU: options.elu ?? false,
      },
      views: {
        input: input.view,
        index: indexView(call, gather),
        weights: weights.view,
        bias: bias?.view ?? weights.view,
        output: output.view,
      },
      invocations: (s) => matmulInvocations(kernel, extent(rows, s), N4),
      cost: (s) => ({ flops: flops(extent(rows, s)), bytes: bytes(extent(rows, s)) }),
    }];
  };

  const backward = (call: Call): DispatchSpec[] => {
    const specs = [
      weightGradient(call, { input, weights, bias, rows, gather, outputGradient: call.outputGradient() }),
    ];
    const target = call.gradient(input);
    if (target) {
      const kernel = matmulKernel("input", K4, N4, call.shapes);
      specs.push({
        kernel,
        label: `${call.label} gradient of input`,
        constants: { ...shape, ELU: target.elu, ACCUMULATE: target.accumulate },
        views: {
          output_gradient: call.outputGradient(),
          weights: weights.view,
          input: input.view,
          input_gradient: target.view,
        },
        invocations: (s) => matmulInvocations(kernel, extent(rows, s), K4),
        cost: (s) => ({ flops: flops(extent(rows, s)), bytes: bytes(extent(rows, s)) }),
      });
    }
    return specs;
  };

  const inputs = bias ? [input, weights, bias] : [input, weights];
  return tape.record({ op: "linear", inputs, output, forward, backward, reference: reference(options) });
}

/** The dispatch for the gradients of weights and bias; the LSTM has use for it too. */
export function weightGradient(
  call: Call,
  g: {
    input: Tensor;
    weights: Tensor;
    bias: Tensor | undefined;
    rows: Exclude<Dim, number>;
    gather: Gather | undefined;
    outputGradient: View;
  },
): DispatchSpec {
  const K4 = g.input.stride / 4;
  const N4 = g.weights.stride / 4;
  const kernel = matmulKernel("weight", K4, N4, call.shapes);
  const weights = call.partials(g.weights);
  const bias = g.bias && call.partials(g.bias);
  if (bias && bias.accumulate !== weights.accumulate) {
    throw new Error(`${call.label}: ${g.bias?.name} and ${g.weights.name} must be used together`);
  }
  return {
    kernel,
    label: `${call.label} gradient of weights`,
    constants: {
      M: sizeIndex[g.rows],
      K4,
      N4,
      GATHER: g.gather !== undefined,
      BIAS: bias !== undefined,
      ACCUMULATE: weights.accumulate,
      ...partialConstants(weights, bias),
    },
    views: {
      input: g.input.view,
      index: indexView(call, g.gather),
      output_gradient: g.outputGradient,
      partials: weights.view,
    },
    invocations: (s) => weightGradientInvocations(kernel, K4, N4, partialChunks(s)),
    cost: (s) => {
      const m = extent(g.rows, s);
      return {
        flops: 2 * m * g.input.columns * g.weights.columns,
        bytes: 16 * (m * (K4 + N4) + partialChunks(s) * 4 * K4 * N4),
      };
    },
  };
}

/** Without a gather the kernel binds an index that it does not read. */
function indexView(call: Call, gather: Gather | undefined): View {
  return gather === "distinct items" ? call.batch.slotItem : call.batch.eventItem;
}

function gathered(batch: ReferenceBatch, gather: Gather): number[] {
  return gather === "distinct items" ? batch.slotItem : batch.events.map((e) => e.fed === NONE ? 0 : e.fed);
}

function reference(options: { elu?: boolean; gather?: Gather }): Reference {
  return ([input, weights, bias], batch) => {
    if (!input || !weights) throw new Error("linear: expected an input and weights");
    const index = options.gather && gathered(batch, options.gather);
    const x = index ? matrix(index.length, input.columns, (i, k) => at(input, index[i] ?? 0, k)) : input;
    const z = product(x, weights);
    const biased = bias ? matrix(z.rows, z.columns, (i, j) => at(z, i, j) + at(bias, 0, j)) : z;
    const output = options.elu ? matrix(z.rows, z.columns, (i, j) => elu(at(biased, i, j))) : biased;
    return {
      output,
      backward(gradient) {
        const dz = options.elu ? throughElu(output, gradient) : gradient;
        const dInput = index ? matrix(input.rows, input.columns) : product(dz, weights, false, true);
        const dWeights = product(x, dz, true);
        return bias ? [dInput, dWeights, columnSums(dz)] : [dInput, dWeights];
      },
    };
  };
}
