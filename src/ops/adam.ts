/**
 * Adds up partial gradients and updates weights by Adam. Each table with sparse gradients has a dispatch.
 * Other weights: a dispatch per range that fits a binding. Gradient clipping adds two dispatches.
 */

import adamText from "../../kernels/adam/adam.wgsl" with { type: "text" };
import rowsText from "../../kernels/adam/adam_rows.wgsl" with { type: "text" };
import clipText from "../../kernels/adam/gradient_clip.wgsl" with { type: "text" };
import normText from "../../kernels/adam/gradient_norm.wgsl" with { type: "text" };
import { Arena } from "../gpu/arena.ts";
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type BatchSizes, type Dimensions, evaluateSize } from "../gpu/sizes.ts";
import { type ParameterArena, splitBindingRanges } from "../tape/parameters.ts";
import { getSumConstants, scaleLength } from "./op.ts";
import type { SparseRows } from "../tape/node.ts";
import type { Tensor } from "../tape/tensor.ts";

const adamKernel = parseKernel("adam", adamText);
const rowsKernel = parseKernel("adam_rows", rowsText);
const normKernel = parseKernel("gradient_norm", normText);
const clipKernel = parseKernel("gradient_clip", clipText);

const adamConstants = { BETA1: 0.9, BETA2: 0.999, EPSILON: 1e-8 } as const;

/**
 * Kind of Adam. With `dense`, a step updates all parameters; a missing gradient counts as zero. With
 * `row-sparse`, a step updates only those rows of item and token tables that the batch uses. The tables'
 * other rows keep their weights and moments, so a step's cost does not depend on the catalogue's size.
 * `adam_rows.wgsl` explains how the results differ.
 */
export type AdamKind = "dense" | "row-sparse";
export const adamKinds = ["dense", "row-sparse"] as const satisfies readonly AdamKind[];

export interface GradientViews<S extends BatchSizes> {
  readonly dimensions: Dimensions<S>;
  readonly sparseRows: ReadonlyMap<Tensor, SparseRows<S>>;
}

/** Adam's two moments of each parameter, in the layout of the weights. */
export class AdamState {
  readonly #arena: Arena;
  readonly m: View;
  readonly v: View;

  constructor(readonly parameters: ParameterArena, readonly kind: AdamKind = "dense") {
    this.#arena = new Arena(parameters.gpu, "Adam");
    this.m = this.#arena.allocateUnbound("m", 4 * parameters.length);
    this.v = this.#arena.allocateUnbound("v", 4 * parameters.length);
  }

  /** Returns the dispatches of an update. @param most - maximum number of bytes of weights per dispatch */
  dispatches<S extends BatchSizes>(
    { dimensions, sparseRows }: GradientViews<S>,
    most: number = this.parameters.gpu.bindingBytes,
  ): DispatchSpec<S>[] {
    return [
      ...this.parameters.listRangesWithout(sparseRows.keys()).flatMap((range) =>
        splitBindingRanges(range, most)
      )
        .map((window) => this.#denseDispatch(dimensions, window)),
      ...[...sparseRows].map(([table, rows]) => this.#rowsDispatch(dimensions, table, rows)),
    ];
  }

  #denseDispatch<S extends BatchSizes>(
    dimensions: Dimensions<S>,
    window: { offset: number; size: number },
  ): DispatchSpec<S> {
    const { weights, gradient, partials, summed, decaying } = this.parameters;
    const first = window.offset / 4;
    /** Converts a weight's index (in floats) to an index in `window` (in vec4f), clamped to the window. */
    const inWindow = (float: number) => Math.min(Math.max(float - first, 0), window.size / 4) / 4;
    const [decay1, decay2] = decaying;
    const sums = 4 * inWindow(summed);
    const ranges = [decay1.start, decay1.end, decay2.start, decay2.end].map(inWindow);
    return {
      kernel: adamKernel,
      label: "adam",
      constants: { ...adamConstants, ...getSumConstants(this.parameters.gpu.variants) },
      views: {
        partials,
        gradient: { buffer: gradient.buffer, ...window },
        weights: { buffer: weights.buffer, ...window },
        m: { buffer: this.m.buffer, ...window },
        v: { buffer: this.v.buffer, ...window },
        window: this.#arena.upload(
          "window",
          Uint32Array.of(window.size / 16, summed / 4, first / 4, sums / 4, ...ranges),
        ),
      },
      invocations: [window.size / 16],
      cost: (s) => ({
        flops: 3 * window.size + sums * dimensions.countChunks(s),
        bytes: 7 * window.size + 4 * sums * dimensions.countChunks(s),
      }),
    };
  }

  #rowsDispatch<S extends BatchSizes>(
    dimensions: Dimensions<S>,
    table: Tensor,
    { count, list, gradient }: SparseRows<S>,
  ): DispatchSpec<S> {
    const { parameters } = this;
    const offset = table.parameter?.offset ?? NaN;
    const rows = ({ buffer }: View): View => ({ ...asBufferView(table.view), buffer });
    return {
      kernel: rowsKernel,
      label: `adam of sparse rows of ${table.name}`,
      constants: {
        ...adamConstants,
        N4: table.stride / 4,
        ...(typeof count === "object" ? { PLACES: count.most } : { T: dimensions.index(count) }),
        DECAYS: parameters.decaying.some(({ start, end }) => start <= offset && offset < end),
      },
      views: {
        sparse_rows: list,
        gradient,
        weights: rows(parameters.weights),
        m: rows(this.m),
        v: rows(this.v),
      },
      invocations: [scaleLength(table.stride / 4, count)],
      cost: (s) => ({
        flops: 12 * evaluateSize(count, s) * table.stride,
        bytes: 28 * evaluateSize(count, s) * table.stride,
      }),
    };
  }

  [Symbol.dispose](): void {
    this.#arena.destroy();
  }
}

/** Number of partial sums of the gradient's squared norm. */
const PARTS = 16;

/** Clips the gradient's norm to `most`. @throws UserError if the gradient is too large for a binding */
export function gradientClip(parameters: ParameterArena, most: number, arena: Arena): DispatchSpec[] {
  const { partials, gradient, length, summed } = parameters;
  parameters.gpu.requireBindable(4 * length, "a gradient that is clipped");
  const squares = arena.allocate("squares of the gradient", 4 * PARTS);
  const all = { buffer: gradient.buffer, offset: 0, size: 4 * length };
  const constants = { P4: summed / 4, ALL4: length / 4 };
  return [
    {
      kernel: normKernel,
      label: "norm of the gradient",
      constants: { ...constants, PARTS },
      views: { partials, gradient: all, squares },
      invocations: [PARTS * getConstant(normKernel, "WORKGROUP")],
    },
    {
      kernel: clipKernel,
      label: "clip the gradient",
      constants: { ...constants, PARTS, MOST: most },
      views: { squares, partials, gradient: all },
      invocations: [length / 4],
    },
  ];
}

/** Returns TensorFlow's step size of Adam in iteration t >= 1: lr sqrt(1 - b2^t) / (1 - b1^t). */
export function adamRate(learningRate: number, t: number): number {
  const { BETA1, BETA2 } = adamConstants;
  return learningRate * Math.sqrt(1 - BETA2 ** t) / (1 - BETA1 ** t);
}

/** Weights w, and Adam's moving averages of the gradients (m) and of their squares (v). */
export type AdamReferenceState = Readonly<Record<"w" | "m" | "v", Float64Array | number[]>>;

/**
 * Computes step t (1, 2, ...) of Adam in f64, in place. It has copies of Adam's constants, so that tests
 * notice a change in the kernels. @param decay - fraction of a weight that weight decay subtracts
 */
export function adamReference(
  { w, m, v }: AdamReferenceState,
  gradient: ArrayLike<number>,
  { t, learningRate, decay = 0 }: {
    readonly t: number;
    readonly learningRate: number;
    readonly decay?: number;
  },
): void {
  const rate = learningRate * Math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t);
  for (let i = 0; i < w.length; i++) {
    const [g = NaN, w0 = NaN, m0 = NaN, v0 = NaN] = [gradient[i], w[i], m[i], v[i]];
    const [m1, v1] = [0.9 * m0 + 0.1 * g, 0.999 * v0 + 0.001 * g * g];
    [m[i], v[i]] = [m1, v1];
    w[i] = w0 - rate * m1 / (Math.sqrt(v1) + 1e-8) - decay * w0;
  }
}
