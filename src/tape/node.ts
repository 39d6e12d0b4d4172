/** Nodes of the tape: an op's forward and backward, and the call that they receive. */

import type { VariantContext } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { BatchSizes, Dimensions, DimName } from "../gpu/sizes.ts";
import type { ReferenceOp } from "./reference.ts";
import type { Activation, Tensor } from "./tensor.ts";

/** Argument of an op's forward and backward. */
export interface OpCall<S extends BatchSizes> extends VariantContext {
  readonly label: string;
  readonly dimensions: Dimensions<S>;
  readonly capacity: S;
  /** Gradient of the output (of what went into its activation), to read. Only for a trainable output. */
  outputGradient(): Memory;
  /** Passes the output's gradient on to an input that is added to the output. No other op may read that input. */
  passGradient(input: Tensor): void;
  /** Returns the target of an input's gradient; undefined if nothing below it is trainable. */
  gradient(input: Tensor): GradientTarget | undefined;
  /** Returns the target of partial sums of the gradient of a parameter that all rows of the batch add to. */
  partials(parameter: Tensor): PartialTarget;
  /** Returns the target of a table's sparse gradient; undefined if the dense one is required. @param list see {@link SparseRows} */
  sparseGradient(table: Tensor, count: ListLength<S>, list: View): SparseRows<S> | undefined;
  upload(name: string, data: Uint32Array<ArrayBuffer>): View;
  /**
   * A buffer for bindings that a kernel only uses with constants that are off. WebGPU binds a buffer either to read or to write
   * in a dispatch, so a kernel with unused bindings of both kinds needs this second one.
   */
  readonly unwritten: View;
}

/**
 * Length of a list: one of the batch's sizes, or a bound that depends on them. Up to a bound the op writes NONE past the last
 * row, so that Adam, which has as many invocations, finds nothing there.
 */
export type ListLength<S extends BatchSizes> = DimName<S> | {
  readonly of: (sizes: S) => number;
  /** Value for the largest batch. */
  readonly most: number;
};

/** Sparse gradient of a table: the rows that a batch uses, and their gradients. */
export interface SparseRows<S extends BatchSizes> {
  readonly count: ListLength<S>;
  /** [count] u32: rows of the table, each at most once, or NONE */
  readonly list: View;
  /** [count, N] */
  readonly gradient: View;
}

export interface GradientTarget {
  readonly view: Memory;
  /** True to add to the gradient of another consumer. */
  readonly accumulate: boolean;
  /** The gradient is to be multiplied by its slope at the input's value. */
  readonly activation: Activation | undefined;
}

export interface PartialTarget {
  readonly view: View;
  readonly stride: number;
  readonly at: number;
  readonly accumulate: boolean;
}

/** An op of the tape. @typeParam R what an f64 reference reads of a batch */
export interface TapeNode<S extends BatchSizes, R> {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Inputs that its matrix products read many times, and the output, if they read its gradient so. */
  readonly rereads?: readonly Tensor[];
  forward(call: OpCall<S>): DispatchSpec<S>[];
  /** Absent for an op without a gradient. Called only if the output is trainable. */
  backward?(call: OpCall<S>): DispatchSpec<S>[];
  readonly reference: ReferenceOp<R>;
}
