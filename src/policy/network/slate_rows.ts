/** The rows that slates are chosen for, or learned from: users of a page, or remembered rows; and what a network is told of them. */

import inputText from "../../../kernels/slates/state_input.wgsl" with { type: "text" };
import type { Arena } from "../../gpu/arena.ts";
import { inTextures } from "../../gpu/kernel_shapes.ts";
import { type Memory, rowByRow, type View } from "../../gpu/memory.ts";
import { amountOf, type Dimensions, type DimName, extent, type Sizes } from "../../gpu/sizes.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { Tape } from "../../tape/tape.ts";
import { kernel } from "../../gpu/kernel.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { padded, type Tensor } from "../../tape/tensor.ts";

/**
 * Which of a batch's sizes count rows and items, and where their buffers are made. Batches that count both at the same
 * places, as clicks count events and items, share shaders.
 */
export interface SlateRows<S extends Sizes> {
  readonly arena: Arena;
  readonly dimensions: Dimensions<S>;
  readonly rows: DimName<S>;
  readonly items: DimName<S>;
  /** The largest batch. */
  readonly capacity: S;
}

/** Rows of a batch; of the largest by default. */
export function rowsOf<S extends Sizes>({ rows, capacity }: SlateRows<S>, sizes: S = capacity): number {
  return extent(rows, sizes);
}

/** I */
export function itemsOf<S extends Sizes>({ items, capacity }: SlateRows<S>): number {
  return extent(items, capacity);
}

/** Which of `step.size` counts the rows. */
export function rowsIndex<S extends Sizes>({ dimensions, rows }: SlateRows<S>): number {
  return dimensions.index(rows);
}

/** Floats of each row that kernels read. On llvmpipe a texture: numbers of a buffer take as long as their products. */
export function rowMemory<S extends Sizes>(
  { arena, rows, capacity }: SlateRows<S>,
  name: string,
  floats: number,
): Memory {
  const used = { of: rows, times: 4 * floats };
  const bytes = amountOf(used, capacity);
  if (!inTextures(arena.gpu.shapes)) return arena.allocate(name, bytes);
  return arena.allocateTexture(name, bytes, used, rowByRow(bytes));
}

/** For a binding that a kernel writes only with other constants. */
export function unwritten({ arena }: { readonly arena: Arena }): View {
  return arena.allocate("unwritten", 16);
}

/** A tape over such rows. @typeParam R what its references read of a batch */
export function tapeOf<S extends Sizes, R>(rows: SlateRows<S>, parameters: ParameterArena): Tape<S, R> {
  const { arena, dimensions, capacity } = rows;
  return new Tape<S, R>({ arena, dimensions, parameters, capacity, shapes: arena.gpu.shapes });
}

const inputKernel = kernel("state_input", inputText);

/** [R, S + 1] the state, and behind it step.page / T. @param pages T */
export function stateInput<S extends Sizes>(
  rows: SlateRows<S>,
  state: Tensor,
  pages: number,
): { input: Tensor; dispatch: DispatchSpec<S> } {
  const columns = state.columns + 1;
  const stride = padded(columns);
  const view = rowMemory(rows, "state and time", stride);
  return {
    input: { name: "state and time", rows: rows.rows, columns, groups: 1, stride, view, trainable: false },
    dispatch: {
      kernel: inputKernel,
      label: "state and time",
      constants: { M: rowsIndex(rows), S4: state.stride / 4, X4: stride / 4, TIME: state.columns, T: pages },
      views: { state: state.view, input: view },
      invocations: [{ of: rows.rows, times: stride / 4 }],
    },
  };
}
