/** Nodes of the tape: an op's forward and backward functions, and the call object that they receive. */

import type { VariantContext } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { BatchSizes, Dimensions, DimName } from "../gpu/sizes.ts";
import type { ReferenceOp } from "./reference.ts";
import type { Activation, Tensor } from "./tensor.ts";

/** Argument of an op's forward and backward functions. */
export interface OpCall<S extends BatchSizes> extends VariantContext {
  readonly label: string;
  readonly dimensions: Dimensions<S>;
  readonly capacity: S;
  /** Returns the output's gradient, for reading; with an activation, the gradient of its input. Only for a trainable output. */
  outputGradient(): Memory;
  /** Makes the output's gradient also the gradient of an input that the op adds to the output. No other op may read that input. */
  passGradient(input: Tensor): void;
  /** Returns where to write an input's gradient; undefined if the input does not depend on trainable parameters. */
  gradient(input: Tensor): GradientTarget | undefined;
  /** Returns where to write partial sums of the gradient of a parameter to which all rows of the batch contribute. */
  partials(parameter: Tensor): PartialTarget;
  /**
   * Returns where to write a table's sparse gradient; undefined if a dense one is required. @param list rows; see
   * {@link SparseRows}
   */
  sparseGradient(table: Tensor, count: ListLength<S>, list: View): SparseRows<S> | undefined;
  upload(name: string, data: Uint32Array<ArrayBuffer>): View;
  /**
   * Buffer for bindings that a kernel does not use with its constants. A dispatch binds a buffer either to read or to write,
   * so a kernel with unused bindings of both kinds needs this second buffer.
   */
  readonly unwritten: View;
}

/**
 * Length of a list of rows: one of the batch's sizes, or an upper bound that depends on the sizes. After the last row the op
 * writes NONE up to the bound, because Adam runs invocations up to the bound.
 */
export type ListLength<S extends BatchSizes> = DimName<S> | {
  readonly of: (sizes: S) => number;
  /** Length for the largest batch. */
  readonly most: number;
};

/** Sparse gradient of a table: the rows that a batch uses, and their gradients. */
export interface SparseRows<S extends BatchSizes> {
  readonly count: ListLength<S>;
  /** [count] u32: rows of the table, each at most once, or NONE */
  readonly list: View;
  /** [count, N] gradient of each row in `list`. */
  readonly gradient: View;
}

export interface GradientTarget {
  readonly view: Memory;
  /** True if the op must add to `view`, which already has the gradient from another op. */
  readonly accumulate: boolean;
  /** Activation by whose slope, at the input's value, the op must multiply the gradient. */
  readonly activation: Activation | undefined;
}

export interface PartialTarget {
  readonly view: View;
  readonly stride: number;
  readonly at: number;
  readonly accumulate: boolean;
}

/** An op on the tape. @typeParam R data of a batch that f64 references read */
export interface TapeNode<S extends BatchSizes, R> {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Inputs that the op's matrix products read many times; also the output, if they read its gradient many times. */
  readonly rereads?: readonly Tensor[];
  forward(call: OpCall<S>): DispatchSpec<S>[];
  /** Absent for an op without a gradient. Called only if the output is trainable. */
  backward?(call: OpCall<S>): DispatchSpec<S>[];
  readonly reference: ReferenceOp<R>;
}
