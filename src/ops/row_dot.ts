/** Op row_dot computes input . weights + bias per row: the utility network's last layer, with one output. */

import backwardText from "../../kernels/choice/row_dot_backward.wgsl" with { type: "text" };
import backwardGroupText from "../../kernels/choice/row_dot_backward_group.wgsl" with { type: "text" };
import forwardText from "../../kernels/choice/row_dot_forward.wgsl" with { type: "text" };
import type { ClickSizes } from "../batch/click_sizes.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { expectShape, getRowDimension, partialViews, slopeConstants } from "./op.ts";
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { asBufferView, toUniformIfSmall } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type BatchSizes, type Dimensions, getSize } from "../gpu/sizes.ts";
import { getAt, makeMatrix, multiply, type ReferenceOp, sumColumns } from "../tape/reference.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { RowDots, Tensor } from "../tape/tensor.ts";

const forwardKernel = parseKernel("row_dot_forward", forwardText);
const backwardKernels = {
  cpu: parseKernel("row_dot_backward", backwardText),
  gpu: parseKernel("row_dot_backward_group", backwardGroupText),
};
/** Number of vectors of four columns per workgroup on a GPU. */
const GROUP_COLUMNS = 16;

export interface RowDotTerm {
  /** Tensor [rows, K]. */
  readonly input: Tensor;
  /** Parameter [1, K]. */
  readonly weights: Tensor;
  /** Parameter [1, 1]. */
  readonly bias: Tensor;
}

export interface RowDotInputs extends RowDotTerm {
  /** Numbers [rows, 1] to add to the result. No other op may read them. */
  readonly base?: Tensor;
}

/**
 * Scores that no kernel computes yet: base + bias + input . weights, one number per row. The op that reads
 * the scores decides whether a separate dispatch or its own kernel computes them.
 */
export class UnmaterializedScores<S extends BatchSizes = BatchSizes, R = unknown> {
  #read:
    | { readonly by: "dispatch" | "sums" | "factors"; readonly output: Tensor; readonly dots?: RowDots }
    | undefined;
  /** Dot products input . weights, if the kernel that computes `input` also computes them. */
  #dots: RowDots | undefined;
  /** Second dot product, to be added to the first. */
  #second: RowDotTerm | undefined;

  /** @throws Error for wrong shapes */
  constructor(readonly tape: Tape<S, R>, readonly name: string, readonly inputs: RowDotInputs) {
    const { input, weights, bias, base } = inputs;
    const rows = getRowDimension("row_dot", tape, input);
    expectShape("row_dot", input, rows, weights.columns);
    expectShape("row_dot", weights, 1, input.columns);
    expectShape("row_dot", bias, 1, 1);
    if (base) expectShape("row_dot", base, rows, 1);
  }

  /** Returns these scores plus input . weights + bias of `term`, in a single dispatch if possible. */
  plus(name: string, term: RowDotTerm): UnmaterializedScores<S, R> {
    if (this.#read) {
      throw new Error(`row_dot: cannot add ${name} to ${this.name}, which an op has already read`);
    }
    const dots = this.#isOneProduct() && !term.input.trainable ? this.#dotsBelow() : undefined;
    const added = new UnmaterializedScores(this.tape, name, dots ? term : { ...term, base: this.compute() });
    if (!dots) return added;
    const sum = new UnmaterializedScores(this.tape, name, this.inputs);
    sum.#dots = dots;
    sum.#second = term;
    return sum;
  }

  /** Returns scores [rows, 1] from a separate dispatch: 2 R K flops forward and 5 R K backward for R rows. */
  compute(): Tensor {
    return this.#readBy("dispatch", () => this.inputs.base ? undefined : this.#dotsBelow()).output;
  }

  /** Returns partial dot products for the next op to sum; undefined if the layer below computes none. */
  sums(): { readonly output: Tensor; readonly dots: RowDots; readonly bias: Tensor } | undefined {
    const dots = this.#isOneProduct() ? this.#dotsBelow() : undefined;
    return dots && { ...this.#readBy("sums", () => dots), dots, bias: this.inputs.bias };
  }

  /** Returns inputs for an op that computes the dot products. @throws Error for a sum of several terms */
  factors(): RowDotInputs & { readonly output: Tensor } {
    if (!this.#isOneProduct()) {
      throw new Error(`row_dot: expected ${this.name} to be one dot product, got a sum of terms`);
    }
    return { ...this.#readBy("factors", () => undefined), ...this.inputs };
  }

  /** Output tensor. @throws Error if no op has read the scores yet */
  get output(): Tensor {
    if (!this.#read) throw new Error(`row_dot: expected an op that reads ${this.name}, found none`);
    return this.#read.output;
  }

  #isOneProduct(): boolean {
    return !this.inputs.base && !this.#second;
  }

  #dotsBelow(): RowDots | undefined {
    return this.#dots ??= this.inputs.input.rowDots?.(this.inputs.weights);
  }

  #readBy(by: "dispatch" | "sums" | "factors", dots: () => RowDots | undefined): { readonly output: Tensor } {
    if (!this.#read) {
      const reading = { by, dots: dots(), second: this.#second };
      this.#read = { ...reading, output: recordRowDot(this.tape, this.name, this.inputs, reading) };
    }
    if (this.#read.by !== by) {
      throw new Error(`row_dot: expected one way of reading ${this.name}, got ${this.#read.by} and ${by}`);
    }
    return this.#read;
  }
}

export type Scores<S extends BatchSizes = BatchSizes, R = unknown> = Tensor | UnmaterializedScores<S, R>;

export type ClickScores = Scores<ClickSizes, ReferenceBatch>;

/** Returns a tensor [rows, 1] of scores. Records a dispatch if the scores are not a tensor yet. */
export function materialize<S extends BatchSizes, R>(scores: Scores<S, R>): Tensor {
  return scores instanceof UnmaterializedScores ? scores.compute() : scores;
}

/** @throws Error if no op has read the scores yet */
export function getMaterialized<S extends BatchSizes, R>(scores: Scores<S, R>): Tensor {
  return scores instanceof UnmaterializedScores ? scores.output : scores;
}

export function rowDot<S extends BatchSizes, R>(
  tape: Tape<S, R>,
  name: string,
  inputs: RowDotInputs,
): Tensor {
  return new UnmaterializedScores(tape, name, inputs).compute();
}

function recordRowDot<S extends BatchSizes, R>(
  tape: Tape<S, R>,
  name: string,
  { input, weights, bias, base }: RowDotInputs,
  { by, dots, second }: {
    readonly by: "dispatch" | "sums" | "factors";
    readonly dots: RowDots | undefined;
    readonly second: RowDotTerm | undefined;
  },
): Tensor {
  const rows = getRowDimension("row_dot", tape, input);
  const output = tape.tensor(name, rows, 1, { stride: 1 });
  const [K4, SECOND4] = [input.stride / 4, (second?.input.stride ?? 0) / 4];

  const { dimensions } = tape;
  const M = dimensions.index(rows);
  const forward = (): DispatchSpec<S>[] =>
    by === "dispatch"
      ? [forwardDispatch(dimensions, output, { input, weights, bias, base }, dots, second)]
      : [];

  const backward = (call: OpCall<S>): DispatchSpec<S>[] => {
    if (base) call.passGradient(base);
    const places = {
      dot: call.partials(weights),
      dotBias: call.partials(bias),
      second: second && call.partials(second.weights),
      secondBias: second && call.partials(second.bias),
    };
    const isOnlyReader = tape.nodes.filter(({ inputs }) => inputs.includes(input)).length === 1;
    // The kernel of a layer writes these gradients; it does not add to those of an earlier op.
    const isFirstUse = !Object.values(places).some((place) => place?.accumulate);
    const gradients = { weights, second: second?.input, places };
    if (isOnlyReader && isFirstUse && input.takeDotGradients?.(gradients)) {
      call.passGradient(input);
      return [];
    }
    const target = call.gradient(input);
    const both: DispatchSpec<S> = {
      kernel: backwardKernels.cpu,
      label: `${name} gradients`,
      constants: {
        M,
        K4,
        SECOND4,
        INPUT: target !== undefined,
        ...slopeConstants(target ?? { activation: undefined }),
        ACCUMULATE: target?.accumulate ?? false,
        ACCUMULATE_WEIGHTS: places.dot.accumulate,
      },
      views: {
        input: input.view,
        second_input: (second?.input ?? input).view,
        weights: toUniformIfSmall(asBufferView(weights.view)),
        output_gradient: call.outputGradient(),
        input_gradient: target?.view ?? call.unwritten,
        ...partialViews(call, places.dot, { ...places, bias: places.dotBias }),
      },
      invocations: [dimensions.scaleByChunks(K4 + SECOND4)],
      cost: (s) => ({
        flops: getSize(rows, s) * (5 * input.columns + 2 * (second?.input.columns ?? 0)),
        bytes: getSize(rows, s) * (32 * K4 + 16 * SECOND4 + 4),
      }),
    };
    return [
      call.variants.kind === "gpu"
        ? gradientsByGroup(tape, both, [input, ...(second ? [second.input] : [])])
        : both,
    ];
  };

  const inputs = [
    ...[input, weights, bias],
    ...(base ? [base] : second ? [second.input, second.weights, second.bias] : []),
  ];
  return tape.record({ op: "row_dot", inputs, output, forward, backward, reference });
}

function gradientsByGroup<S extends BatchSizes, R>(
  { dimensions }: Tape<S, R>,
  both: DispatchSpec<S>,
  inputs: readonly Tensor[],
): DispatchSpec<S> {
  const blocks = inputs.reduce((sum, { stride }) => sum + Math.ceil(stride / 4 / GROUP_COLUMNS), 0);
  const workgroup = getConstant(backwardKernels.gpu, "WORKGROUP");
  return {
    ...both,
    kernel: backwardKernels.gpu,
    invocations: [dimensions.scaleByChunks(workgroup * blocks)],
  };
}

function forwardDispatch<S extends BatchSizes>(
  dimensions: Dimensions<S>,
  output: Tensor,
  own: RowDotInputs,
  dots: RowDots | undefined,
  second: RowDotTerm | undefined,
): DispatchSpec<S> {
  const rows = dimensions.resolveName(output.rows);
  const M = dimensions.index(rows);
  // With dots the layer below multiplies, and the kernel adds the bias and maybe the second product.
  const product = dots ? second : own;
  const base = dots ? own.bias : own.base;
  const PANELS = dots?.panels ?? 0;
  const K4 = (product?.input.stride ?? 0) / 4;
  const unused = asBufferView(own.bias.view);
  return {
    kernel: forwardKernel,
    label: `${output.name} forward`,
    constants: { M, K4, BASE: product !== undefined && base !== undefined, PANELS },
    views: {
      input: product?.input.view ?? unused,
      weights: product ? toUniformIfSmall(asBufferView(product.weights.view)) : unused,
      bias: (product ?? own).bias.view,
      base: (base ?? own.bias).view,
      dots: dots?.view ?? unused,
      output: output.view,
    },
    invocations: [rows],
    cost: (s) => ({
      flops: getSize(rows, s) * (2 * (product?.input.columns ?? 0) + PANELS),
      bytes: 4 * getSize(rows, s) * (4 * K4 + PANELS + 1),
    }),
  };
}

const reference: ReferenceOp = (inputs) => {
  const terms = Array.from({ length: Math.floor(inputs.length / 3) }, (_, t) => {
    const [input, weights, bias] = inputs.slice(3 * t, 3 * t + 3);
    if (!input || !weights || !bias) throw new Error("row_dot: expected input, weights and bias");
    return { input, weights, b: getAt(bias, 0, 0), dots: multiply(input, weights, false, true) };
  });
  const base = inputs[3 * terms.length];
  return {
    output: makeMatrix(
      terms[0]?.input.rows ?? 0,
      1,
      (r) => terms.reduce((sum, { dots, b }) => sum + getAt(dots, r, 0) + b, base ? getAt(base, r, 0) : 0),
    ),
    backward: (gradient) => [
      ...terms.flatMap(({ input, weights }) => [
        multiply(gradient, weights),
        multiply(gradient, input, true),
        sumColumns(gradient),
      ]),
      ...(base ? [gradient] : []),
    ],
  };
};
