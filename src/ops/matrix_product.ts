/**
 * Builds dispatches for products input * weights, and for the gradients of input, weights and bias. The ops
 * linear, lstm, mixed_product and first_layer, and the policies' networks use these dispatches.
 */

import { type Cost, type DispatchSpec, getCost } from "../gpu/program.ts";
import { asBufferView, type Memory, toUniformIfSmall, type View } from "../gpu/memory.ts";
import { type BatchSizes, type DimName, estimateDistinctRows, getSize } from "../gpu/sizes.ts";
import { activationConstants, partialViews, slopeConstants } from "./op.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { Activation, DotGradients, OutcomeSums, RowDots, Tensor } from "../tape/tensor.ts";
import {
  bindMatmulWeights,
  computeGradientsInvocations,
  computeMatmulInvocations,
  computeWeightGradientInvocations,
  countDotParts,
  gradientsKernel,
  matmulDispatch,
  type MatmulKernel,
  matmulKernels,
  selectMatmulKernel,
} from "./kernel_selection.ts";
import { outcomeSum } from "./loss.ts";

export interface LinearOptions {
  readonly activation?: Activation;
}

/** Returns true if the weight gradient or the input gradient (`direction`) uses the tiled kernel. */
export function isTiled<S extends BatchSizes, R>(
  { choice, options: { capacity } }: Tape<S, R>,
  direction: "weight" | "input",
  input: Tensor,
  weights: Tensor,
  rows: DimName<S>,
): boolean {
  const [K4, N4] = [input.stride / 4, weights.stride / 4];
  return selectMatmulKernel(direction, K4, N4, getSize(rows, capacity), choice) ===
    matmulKernels[direction].tiled;
}

/** Sums of a loss that a dispatch of {@link weightGradient} computes, too, if its kernel can. */
export interface SumsHost {
  sums: OutcomeSums | undefined;
  /** Makes the dispatch compute `sums`. Returns false if its kernel cannot, or if it already has sums. */
  readonly sumOutcomes: (sums: OutcomeSums) => boolean;
}

/**
 * Creates a {@link SumsHost} without sums.
 * @param canSum - returns true for a tiled kernel that computes only the weight gradient
 */
export function createSumsHost(canSum: () => boolean): SumsHost {
  const host: SumsHost = {
    sums: undefined,
    sumOutcomes(sums) {
      if (host.sums || !canSum()) return false;
      host.sums = sums;
      return true;
    },
  };
  return host;
}

/** Matrix product of an input [M, K] and weights [K, N], plus an optional bias [1, N]. */
export interface Product<S extends BatchSizes> {
  readonly input: Tensor;
  readonly weights: Tensor;
  readonly bias: Tensor | undefined;
  readonly rows: DimName<S>;
  readonly gather: { readonly index: View } | undefined;
}

function productCost<S extends BatchSizes>(s: S, { input, weights, rows }: Product<S>): Cost {
  const [K4, N4, m] = [input.stride / 4, weights.stride / 4, getSize(rows, s)];
  return {
    flops: 2 * m * input.columns * weights.columns,
    bytes: 16 * (estimateDistinctRows(m, input.rows, s) * K4 + m * N4 + 4 * K4 * N4),
  };
}

/** Returns workgroups and FLOPs of a weight gradient in 64 x 64 tiles, including FLOPs for padding. */
function weightTiles(k4: number, n4: number, rows: number, chunks: number) {
  const tiles = Math.ceil(k4 / 16) * Math.ceil(n4 / 16);
  return { workgroups: tiles * chunks, flops: 2 * 64 ** 2 * tiles * rows };
}

/**
 * Returns the dispatches for the gradients of a layer's weights, bias and input: tiled kernels need only one.
 * @param p.last - the output layer (row_dot), if the same dispatch computes its gradients
 */
export function layerGradients<S extends BatchSizes>(
  call: OpCall<S>,
  p: Product<S> & LinearOptions & {
    readonly output: Memory;
    readonly last: DotGradients | undefined;
    readonly host: SumsHost;
  },
): DispatchSpec<S>[] {
  const own = call.outputGradient();
  // row_dot passes on its own output's gradient, from which the kernel computes the layer's.
  const outputGradient = p.last ? p.output : own;
  const toWeights = weightGradient(call, { ...p, outputGradient, places: p.last?.places });
  const toInput = inputGradient(call, p, outputGradient);
  if (!toInput) return [toWeights];
  const { weight, input } = matmulKernels;
  return toWeights.kernel === weight.tiled && toInput.kernel === input.tiled
    ? [bothGradients(call, p, toWeights, toInput, own)]
    : [toWeights, toInput];
}

function bothGradients<S extends BatchSizes>(
  { label, dimensions }: OpCall<S>,
  { input, weights, rows, activation, last: dot }: Parameters<typeof layerGradients<S>>[1],
  toWeights: DispatchSpec<S>,
  toInput: DispatchSpec<S>,
  rowGradient: Memory,
): DispatchSpec<S> {
  const [K4, N4] = [input.stride / 4, weights.stride / 4];
  const { index: _index, second: _second, outcome: _outcome, ring: _ring, ...views } = toWeights.views;
  const { BIAS = false, ACCUMULATE: ACCUMULATE_WEIGHTS = false } = toWeights.constants ?? {};
  const slope = slopeConstants({ activation });
  const { stride = 0, columns = 0 } = dot?.second ?? {};
  const sumBlocks = dot ? Math.ceil(N4 / 16) + Math.ceil(stride / 64) : 0;
  return {
    kernel: gradientsKernel,
    label: dot ? `${label} and output gradients` : `${label} gradients`,
    constants: {
      ...toInput.constants,
      BIAS,
      ACCUMULATE_WEIGHTS,
      DOT: dot !== undefined,
      ...(dot && { DOT_ELU: slope.ELU, DOT_RELU: slope.RELU ?? false, SECOND4: stride / 4 }),
    },
    views: {
      ...views,
      ...toInput.views,
      row_gradient: rowGradient,
      dot_weights: dot ? toUniformIfSmall(asBufferView(dot.weights.view)) : asBufferView(weights.view),
      second_input: (dot?.second ?? input).view,
    },
    invocations: computeGradientsInvocations(rows, K4, N4, dimensions, sumBlocks),
    cost: (s) => {
      const m = getSize(rows, s);
      const chunks = dimensions.countChunks(s);
      const blocks = Math.ceil(K4 / 16) * Math.ceil(m / 64);
      const { columns: N } = weights;
      return {
        flops: m * (4 * input.columns * N + (dot ? 5 * N + 2 * columns : 0)),
        bytes: 16 * (2 * m * K4 + m * N4 + (1 + chunks) * 4 * K4 * N4) +
          (dot ? 4 * m * (1 + 4 * N4 + stride) : 0),
        parts: [
          weightTiles(K4, N4, m, chunks),
          { workgroups: blocks, flops: 64 ** 2 * 8 * N4 * blocks },
          { workgroups: sumBlocks * chunks, flops: 2 * 64 * sumBlocks * m },
        ],
      };
    },
    choices: [...toWeights.choices ?? [], ...toInput.choices ?? []],
  };
}

/** Returns the dispatch for the input's gradient; undefined if no trainable parameter affects the input. */
function inputGradient<S extends BatchSizes>(
  call: OpCall<S>,
  product: Product<S>,
  outputGradient: Memory,
): DispatchSpec<S> | undefined {
  const { input, weights, rows } = product;
  const target = call.gradient(input);
  if (!target) return undefined;
  const [K4, N4] = [input.stride / 4, weights.stride / 4];
  return matmulDispatch("input", K4, N4, getSize(rows, call.capacity), call, (kernel) => ({
    kernel,
    label: `${call.label} gradient of input`,
    constants: {
      M: call.dimensions.index(rows),
      K4,
      N4,
      ...slopeConstants(target),
      ACCUMULATE: target.accumulate,
    },
    views: {
      output_gradient: outputGradient,
      weights: bindMatmulWeights(kernel, asBufferView(weights.view)),
      input: input.view,
      input_gradient: target.view,
    },
    invocations: computeMatmulInvocations(kernel, rows, K4),
    cost: (s) => {
      const { flops, bytes } = productCost(s, product);
      return { flops, bytes: bytes + (target.activation ? 16 * K4 * getSize(rows, s) : 0) };
    },
  }));
}

/** Dot products of each row of a layer's output with a weight vector. */
export interface Dot extends RowDots {
  /** Parameter [1, N]. */
  readonly weights: Tensor;
}

/** Returns the dispatch for act(input W + b). @param p.dot - dot products to compute, too */
export function forwardProduct<S extends BatchSizes>(
  call: OpCall<S>,
  p: Product<S> & LinearOptions & { output: Memory; dot?: Dot },
): DispatchSpec<S> {
  const [K4, N4] = [p.input.stride / 4, p.weights.stride / 4];
  const buildDot = (kernel: MatmulKernel) => countDotParts(kernel, N4) === p.dot?.panels ? p.dot : undefined;
  return matmulDispatch("forward", K4, N4, getSize(p.rows, call.capacity), call, (kernel) => ({
    kernel,
    label: `${call.label} forward`,
    constants: {
      M: call.dimensions.index(p.rows),
      K4,
      N4,
      GATHER: p.gather !== undefined,
      BIAS: p.bias !== undefined,
      ...activationConstants(p.activation),
      ...(buildDot(kernel) && { DOT: true }),
    },
    views: {
      input: p.input.view,
      index: p.gather?.index ?? asBufferView(p.weights.view),
      weights: bindMatmulWeights(kernel, asBufferView(p.weights.view)),
      bias: p.bias?.view ?? asBufferView(p.weights.view),
      output: p.output,
      ...(kernel.structure !== "rows" && {
        dot_weights: asBufferView((p.dot ?? p).weights.view),
        dots: p.dot?.view ?? call.unwritten,
      }),
    },
    invocations: computeMatmulInvocations(kernel, p.rows, N4),
    cost: (s) => {
      const m = getSize(p.rows, s);
      const { flops, bytes } = productCost(s, p);
      const dot = buildDot(kernel);
      return dot
        ? { flops: flops + 2 * m * p.weights.columns, bytes: bytes + 4 * m * dot.panels }
        : { flops, bytes };
    },
  }));
}

/**
 * Returns the dispatch for the gradients of weights and bias. @param g.second - a second product, which was
 * added to the output @param g.host - sums of a loss to compute, too
 */
export function weightGradient<S extends BatchSizes>(
  call: OpCall<S>,
  g: Product<S> & {
    readonly outputGradient: Memory;
    readonly second?: { readonly input: Tensor; readonly weights: Tensor };
    readonly places?: DotGradients["places"] | undefined;
    readonly host?: SumsHost;
  },
): DispatchSpec<S> {
  const K4 = g.input.stride / 4;
  const N4 = g.weights.stride / 4;
  const secondK4 = g.second ? g.second.input.stride / 4 : 0;
  const weights = call.partials(g.weights);
  const second = g.second && call.partials(g.second.weights);
  const bias = g.bias && call.partials(g.bias);
  for (const other of [second, bias]) {
    if (other && other.accumulate !== weights.accumulate) {
      throw new Error(
        `${call.label}: expected ops that share ${g.weights.name} to share the second weights and the bias`,
      );
    }
  }
  const sums = g.host?.sums;
  const places = partialViews(call, weights, { second, bias, ...g.places });
  const sum = sums && outcomeSum({ dimensions: call.dimensions, choice: call }, sums);
  const dispatch = matmulDispatch<S>("weight", K4, N4, getSize(g.rows, call.capacity), call, (kernel) => ({
    kernel,
    label: `${call.label} gradient of weights${sum ? `, ${sum.label}` : ""}`,
    constants: {
      M: call.dimensions.index(g.rows),
      K4,
      N4,
      GATHER: g.gather !== undefined,
      SECOND_K4: secondK4,
      BIAS: bias !== undefined,
      ACCUMULATE: weights.accumulate,
      ...(sum && kernel.structure === "tiled" &&
        { VECTORS: sum.constants?.VECTORS, EVENTS: sum.constants?.M }),
    },
    views: {
      input: g.input.view,
      index: g.gather?.index ?? asBufferView(g.weights.view),
      second: g.second?.input.view ?? g.input.view,
      output_gradient: g.outputGradient,
      ...places,
      ...(kernel.structure === "tiled" && {
        outcome: sums?.outcome.view ?? g.input.view,
        ring: sums?.ring ?? call.unwritten,
      }),
    },
    invocations: computeWeightGradientInvocations(kernel, K4 + secondK4, N4, call.dimensions, sum && 1),
    cost: (s) => {
      const m = getSize(g.rows, s);
      const columns = g.input.columns + (g.second?.input.columns ?? 0);
      const chunks = call.dimensions.countChunks(s);
      const added = getCost(sum ?? {}, s);
      return {
        flops: 2 * m * columns * g.weights.columns + added.flops,
        bytes: 16 * (estimateDistinctRows(m, g.input.rows, s) * K4 + m * (secondK4 + N4) +
              chunks * 4 * (K4 + secondK4) * N4) + added.bytes,
        ...(kernel.structure === "tiled" && {
          parts: [
            weightTiles(K4 + secondK4, N4, m, chunks),
            ...(sum ? [{ workgroups: 1, flops: added.flops }] : []),
          ],
        }),
      };
    },
  }));
  return sum ? { ...dispatch, choices: [...dispatch.choices ?? [], ...sum.choices ?? []] } : dispatch;
}
