/** What an op is to the tape: a node, what the tape asks of it, and what it is given. */

import type { VariantContext } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { BatchSizes, Dimensions, DimName } from "../gpu/sizes.ts";
import type { ReferenceOp } from "./reference.ts";
import type { Activation, Tensor } from "./tensor.ts";

/** What an op's forward and backward are given. */
export interface OpCall<S extends BatchSizes> extends VariantContext {
  readonly label: string;
  readonly dimensions: Dimensions<S>;
  /** The largest batch. */
  readonly capacity: S;
  /** The gradient of the output (of what went into its activation), to read. Only for a trainable output. */
  outputGradient(): Memory;
  /** For an input that is added to the output: the output's gradient is its own. No other op may read that input. */
  passGradient(input: Tensor): void;
  /** Where to write the gradient of an input; undefined when nothing below it is trainable. */
  gradient(input: Tensor): GradientTarget | undefined;
  /** Where to write partial sums of the gradient of a parameter that all rows of the batch add to. */
  partials(parameter: Tensor): PartialTarget;
  /**
   * Where to write the gradient of a table by touched row instead: for an op of which a batch touches only some rows.
   * Undefined when the whole gradient is wanted. @param list see {@link SparseRows}
   */
  sparseGradient(table: Tensor, count: ListLength<S>, list: View): SparseRows<S> | undefined;
  /** A small buffer that kernels read, and nothing writes after. */
  upload(name: string, data: Uint32Array<ArrayBuffer>): View;
  /**
   * For a binding that a kernel uses only with constants that are off. WebGPU lets a dispatch bind a buffer either to be read
   * or to be written, so a kernel with unused bindings of both kinds needs a second one.
   */
  readonly unwritten: View;
}

/**
 * How many places a list has: one of the batch's sizes, or a bound that follows from them. Up to a bound the op writes NONE
 * to all places past the touched rows, so that Adam, which has as many invocations, finds nothing there.
 */
export type ListLength<S extends BatchSizes> = DimName<S> | {
  readonly of: (sizes: S) => number;
  /** Of the largest batch. */
  readonly most: number;
};

/** The rows of a table that a batch touches, and their gradients. */
export interface SparseRows<S extends BatchSizes> {
  readonly count: ListLength<S>;
  /** [count] u32: a row of the table, each at most once, or NONE */
  readonly list: View;
  /** [count, N] */
  readonly gradient: View;
}

export interface GradientTarget {
  readonly view: Memory;
  /** Another consumer has written before: add to what is there. */
  readonly accumulate: boolean;
  /** Multiply by its slope at the input's value. */
  readonly activation: Activation | undefined;
}

export interface PartialTarget {
  readonly view: View;
  /** Floats from one chunk's sums to the next. */
  readonly stride: number;
  /** The parameter's first float among a chunk's sums. */
  readonly at: number;
  readonly accumulate: boolean;
}

/** R: what an f64 reference reads of a batch. */
export interface TapeNode<S extends BatchSizes, R> {
  /** The op's name. */
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Inputs that its matrix products read many times over; and the output, if they read its gradient so. */
  readonly rereads?: readonly Tensor[];
  forward(call: OpCall<S>): DispatchSpec<S>[];
  /** Absent for an op without a gradient. Runs only when the output is trainable. */
  backward?(call: OpCall<S>): DispatchSpec<S>[];
  /** The same in f64 on the CPU. */
  readonly reference: ReferenceOp<R>;
}
