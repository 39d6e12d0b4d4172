/** Tensors of the tape: matrices on the GPU, whose number of rows may depend on the batch. */

import type { Memory, View } from "../gpu/memory.ts";
import type { BatchSizes, Dim, SizeExpression } from "../gpu/sizes.ts";

export type Activation = "elu" | "relu";

/**
 * A matrix [rows, columns] in f32, row-major.
 *
 * Rows are padded to whole vectors of four, so that every kernel can load vec4f. A row has `groups` equal parts (four gates
 * in an LSTM, otherwise one part), and the columns of a part are padded to a multiple of 4. Padding is always zero: zero
 * weights give zero activations, zero gradients and zero Adam updates. Only the utility has no padding (stride 1), because
 * scalar kernels read one number per row.
 */
export interface Tensor {
  readonly name: string;
  readonly rows: Dim;
  readonly columns: number;
  readonly groups: number;
  readonly stride: number;
  readonly view: Memory;
  /**
   * Activation that computed the tensor. The tensor's gradient buffer then holds the gradient of the activation's *input*:
   * the op that writes the gradient multiplies by the derivative, computed from the output y: ELU' = min(y, 0) + 1, and
   * ReLU' = 1 for y > 0, else 0.
   */
  readonly activation?: Activation;
  /** A parameter's location in the arena; absent for activations and constants. */
  readonly parameter?: ParameterLocation;
  /** True if the tensor depends on trainable parameters. */
  readonly trainable: boolean;
  /**
   * Requests that the layer of this tensor also multiplies each row by `weights` [1, columns]. Absent or undefined if the
   * layer cannot multiply rows.
   */
  readonly rowDots?: (weights: Tensor) => RowDots | undefined;
  /** Leaves the tensor's computation to the only op that reads the tensor, for at most `most` inputs. Absent if not supported. */
  readonly deferLinear?: (most: number) => DeferredLinear | undefined;
  /** Adds up the outcomes of a loss in the dispatch that computes the op's gradients. Absent or false if not supported. */
  readonly sumOutcomes?: (sums: OutcomeSums) => boolean;
}

export interface OutcomeSums {
  /** Tensor [events, 4 v]: v vectors of four per event. */
  readonly outcome: Pick<Tensor, "name" | "rows" | "columns" | "view">;
  /** Ring buffer [slots, v] of vec4f: the sums are written to the slot of the step. */
  readonly ring: View;
}

/** Dense layer, input * weights + bias, that is computed by the only op that reads the layer's output. */
export interface DeferredLinear {
  /** Tensor [rows, K]. */
  readonly input: Tensor;
  /** Parameter [K, N]. */
  readonly weights: Tensor;
  /** Parameter [1, N]. */
  readonly bias: Tensor;
}

/** Dot products of rows with a vector, as `panels` partial sums per row: one per panel, an equal part of the columns. */
export interface RowDots {
  /** Array [rows, panels] of f32, with rows padded to whole vectors. */
  readonly view: View;
  readonly panels: number;
}

export interface ParameterLocation {
  readonly offset: number;
  /** True if each row belongs to an item or a token. Such gradients are written row by row, not summed over chunks. */
  readonly table: boolean;
  /** True for a running average that a kernel writes itself; not trainable. */
  readonly statistic: boolean;
}

export function formatShape(tensor: { name: string; rows: Dim; columns: number }): string {
  return `${tensor.name} [${tensor.rows}, ${tensor.columns}]`;
}

export function padColumns(columns: number, groups = 1): number {
  return groups * 4 * Math.ceil(columns / groups / 4);
}

/** Returns the bytes of a tensor. A parameter's number of rows is padded to a multiple of 4. */
export function computeTensorBytes<S extends BatchSizes>(
  { rows, stride }: { readonly rows: Dim<S>; readonly stride: number },
): SizeExpression<S> {
  return typeof rows === "number" ? countParameterBytes(rows, stride) : { of: rows, times: 4 * stride };
}

export function countParameterBytes(rows: number, stride: number): number {
  return 16 * stride * Math.ceil(rows / 4);
}

/** Copies a matrix [rows, columns] without padding into the padded layout of a tensor. */
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

/** Inverts {@link padRows}. @param stride - number of floats from one row to the next. */
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

/** Copies values without padding in one call, because tables of many items have tens of millions of values. */
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
