/** Tensors of the tape: matrices on the GPU, whose number of rows may depend on the batch. */

import type { Memory, View } from "../gpu/memory.ts";
import type { BatchSizes, Dim, SizeExpression } from "../gpu/sizes.ts";

export type Activation = "elu" | "relu";

/**
 * A matrix [rows, columns] in f32, row-major.
 *
 * Rows are padded to whole vectors of four floats, so that every kernel can load vec4f. A row has `groups`
 * equal parts (four gates in an LSTM, otherwise one part), and each part is padded to a multiple of 4
 * columns. Padding is always zero: zero weights give zero activations, zero gradients and zero Adam updates.
 * Exception: the utilities of items, [rows, 1], have the stride 1, because kernels read single values.
 */
export interface Tensor {
  readonly name: string;
  readonly rows: Dim;
  readonly columns: number;
  readonly groups: number;
  readonly stride: number;
  readonly view: Memory;
  /**
   * Activation that computed the tensor. If a tensor has an activation, its gradient buffer has the gradient
   * of the activation's *input*: the op that writes the gradient also multiplies it by the activation's
   * slope. With output y, the slope of ELU is min(y, 0) + 1; that of ReLU is 1 for y > 0, else 0.
   */
  readonly activation?: Activation;
  /** Location in the arena, if the tensor is a parameter; absent for activations and constants. */
  readonly parameter?: ParameterLocation;
  readonly trainable: boolean;
  /**
   * Makes the layer that computes this tensor also compute each row's dot product with `weights` [1,
   * columns]. If the layer cannot do this, the function is absent or returns undefined.
   */
  readonly rowDots?: (weights: Tensor) => RowDots | undefined;
  /** Lets the next op compute this dense layer; undefined if the layer has more than `most` input columns. */
  readonly deferLinear?: (most: number) => DeferredLinear | undefined;
  /**
   * Makes this dense layer's gradient kernel also compute the gradients of the op row_dot (dot product per
   * row). No other op may read the layer. False (or absent) if the kernel cannot compute row_dot's gradients.
   */
  readonly takeDotGradients?: (gradients: DotGradients) => boolean;
}

/** Memory for a parameter's partial gradients, one per chunk of rows. `at` is an offset in floats. */
export interface PartialTarget {
  readonly view: View;
  readonly stride: number;
  readonly at: number;
  readonly accumulate: boolean;
}

/** Arguments of `takeDotGradients`: inputs of the op row_dot, and where to write row_dot's gradients. */
export interface DotGradients {
  /** Parameter [1, columns]. */
  readonly weights: Tensor;
  /** Second input [rows, K] of row_dot, which gets no gradient. */
  readonly second: Tensor | undefined;
  readonly places: {
    readonly dot: PartialTarget;
    readonly dotBias: PartialTarget;
    readonly second: PartialTarget | undefined;
    readonly secondBias: PartialTarget | undefined;
  };
}

/** A loss op's values per event (e.g. loss and prec@1), and a ring buffer for their sums over a batch. */
export interface OutcomeSums {
  /** Tensor [events, 4 v]: the values of each event, as v vectors of four floats. */
  readonly outcome: Pick<Tensor, "name" | "rows" | "columns" | "view">;
  /** Ring buffer. Each step writes its batch's sums, v vectors of four floats, to a slot of the ring. */
  readonly ring: View;
}

/** Dense layer input * weights + bias without a kernel of its own: the next op computes the layer. */
export interface DeferredLinear {
  /** Tensor [rows, K]. */
  readonly input: Tensor;
  /** Parameter [K, N]. */
  readonly weights: Tensor;
  /** Parameter [1, N]. */
  readonly bias: Tensor;
}

/** Dot products of rows with a vector. Each dot product is stored as `panels` partial sums. */
export interface RowDots {
  /** Array [rows, panels] of partial sums in f32; each row is padded to a multiple of four floats. */
  readonly view: View;
  readonly panels: number;
}

export interface ParameterLocation {
  readonly offset: number;
  /** True for an embedding table: each row belongs to an item or token, and has its own gradient. */
  readonly table: boolean;
  /** True for a running average, which a kernel updates; it is not trainable. */
  readonly statistic: boolean;
}

export function formatShape(tensor: { name: string; rows: Dim; columns: number }): string {
  return `${tensor.name} [${tensor.rows}, ${tensor.columns}]`;
}

export function padColumns(columns: number, groups = 1): number {
  return groups * 4 * Math.ceil(columns / groups / 4);
}

/** Returns the size of a tensor in bytes. A parameter's number of rows is padded to a multiple of 4. */
export function computeTensorBytes<S extends BatchSizes>(
  { rows, stride }: { readonly rows: Dim<S>; readonly stride: number },
): SizeExpression<S> {
  return typeof rows === "number" ? countParameterBytes(rows, stride) : { of: rows, times: 4 * stride };
}

export function countParameterBytes(rows: number, stride: number): number {
  return 16 * stride * Math.ceil(rows / 4);
}

/** Converts a matrix [rows, columns] to the padded layout of a tensor. */
export function padRows(
  data: ArrayLike<number>,
  rows: number,
  columns: number,
  groups: number,
): Float32Array<ArrayBuffer> {
  const stride = padColumns(columns, groups);
  if (stride === columns) return copyFloats(data, rows * columns);
  const out = new Float32Array(stride * rows);
  forEachElement(rows, columns, groups, (packed, at) => out[at] = data[packed] ?? 0);
  return out;
}

/** Removes the padding that {@link padRows} adds. @param stride - floats from one row to the next */
export function unpadRows(
  data: ArrayLike<number>,
  rows: number,
  columns: number,
  groups: number,
  stride = padColumns(columns, groups),
): Float32Array<ArrayBuffer> {
  if (stride === columns) return copyFloats(data, rows * columns);
  const out = new Float32Array(rows * columns);
  forEachElement(rows, columns, groups, (packed, at) => out[packed] = data[at] ?? 0, stride);
  return out;
}

function copyFloats(data: ArrayLike<number>, length: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  out.set(values.subarray(0, length));
  return out;
}

function forEachElement(
  rows: number,
  columns: number,
  groups: number,
  visit: (packed: number, at: number) => void,
  stride = padColumns(columns, groups),
): void {
  const [part, paddedPart] = [columns / groups, padColumns(columns, groups) / groups];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const group = Math.floor(column / part);
      visit(row * columns + column, row * stride + group * paddedPart + (column - group * part));
    }
  }
}
