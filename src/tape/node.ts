/** Nodes of the tape: an op's forward and backward functions, and the call object that they receive. */

import type { VariantContext } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { BatchSizes, Dimensions, DimName } from "../gpu/sizes.ts";
import type { ReferenceOp } from "./reference.ts";
import type { Activation, OutcomeSums, PartialTarget, Tensor } from "./tensor.ts";

export interface OpCall<S extends BatchSizes> extends VariantContext {
  readonly label: string;
  readonly dimensions: Dimensions<S>;
  readonly capacity: S;
  /** Returns the gradient of the op's output (if the op has an activation: of the activation's input). */
  outputGradient(): Memory;
  /** Reuses the output's gradient for `input`, a term of a sum; no other op may read `input`. */
  passGradient(input: Tensor): void;
  /** Returns where to write an input's gradient; undefined if the input depends on no trainable parameter. */
  gradient(input: Tensor): GradientTarget | undefined;
  /** Returns where to write partial sums of the gradient of a parameter that every row of the batch uses. */
  partials(parameter: Tensor): PartialTarget;
  /** Returns where to write gradients of the table rows in `list`; undefined if gradients are dense. */
  sparseGradient(table: Tensor, count: ListLength<S>, list: View): SparseRows<S> | undefined;
  upload(name: string, data: Uint32Array<ArrayBuffer>): View;
  /**
   * Placeholder buffer for the unused writable bindings of a kernel variant. Unused read-only bindings need
   * another buffer, because a dispatch binds each buffer either for reading or for writing.
   */
  readonly unwritten: View;
}

/**
 * Length of a list of table rows: the name of a batch dimension, or a function that returns an upper bound.
 * The op writes NONE to unused entries of the list, because Adam reads all entries.
 */
export type ListLength<S extends BatchSizes> = DimName<S> | {
  readonly of: (sizes: S) => number;
  /** Length of the list of table rows for the largest batch. */
  readonly most: number;
};

/** Sparse gradient of a table: the rows that a batch uses, and their gradients. */
export interface SparseRows<S extends BatchSizes> {
  readonly count: ListLength<S>;
  /** Array [count] of u32: distinct rows of the table, or NONE. */
  readonly list: View;
  /** Array [count, N]: the gradient of each row in `list`. */
  readonly gradient: View;
}

export interface GradientTarget {
  readonly view: Memory;
  /** True if the op must add to `view`, because another op has already written a part of the gradient. */
  readonly accumulate: boolean;
  /** Activation that computed the input. The op must multiply the gradient by the activation's slope. */
  readonly activation: Activation | undefined;
}

/** Node of the tape: one use of an op. @typeParam R - type of the batch data that the f64 reference reads */
export interface TapeNode<S extends BatchSizes, R> {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /** Inputs that matrix products read many times. An entry `output` means the output's gradient. */
  readonly rereads?: readonly Tensor[];
  forward(call: OpCall<S>): DispatchSpec<S>[];
  /** Returns dispatches of the op's gradients. Called only if the output depends on trainable parameters. */
  backward?(call: OpCall<S>): DispatchSpec<S>[];
  /** Makes a dispatch of `backward` also sum the loss's metrics; false or absent if no dispatch can. */
  sumOutcomes?(sums: OutcomeSums): boolean;
  readonly reference: ReferenceOp<R>;
}
