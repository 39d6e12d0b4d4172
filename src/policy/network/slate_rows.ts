/** The rows that slates are chosen for, or learned from: users of a page, or remembered rows; and what a network is told of them. */

import inputText from "../../../kernels/slates/state_input.wgsl" with { type: "text" };
import type { Arena } from "../../gpu/arena.ts";
import { usesTextures } from "../../gpu/kernel_variants.ts";
import { makeRowLayout, type Memory, type View } from "../../gpu/memory.ts";
import {
  type BatchSizes,
  type Dimensions,
  type DimName,
  evaluateSize,
  resolveDimension,
} from "../../gpu/sizes.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { Tape } from "../../tape/tape.ts";
import { parseKernel } from "../../gpu/kernel.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";

/**
 * Which of a batch's sizes count rows and items, and where their buffers are made. Batches that count both at the same
 * places, as clicks count events and items, share shaders.
 */
export interface SlateRows<S extends BatchSizes> {
  readonly arena: Arena;
  readonly dimensions: Dimensions<S>;
  readonly rows: DimName<S>;
  readonly items: DimName<S>;
  /** The largest batch. */
  readonly capacity: S;
}

/** Rows of a batch; of the largest by default. */
export function countRows<S extends BatchSizes>(
  { rows, capacity }: SlateRows<S>,
  sizes: S = capacity,
): number {
  return resolveDimension(rows, sizes);
}

/** I */
export function countItems<S extends BatchSizes>({ items, capacity }: SlateRows<S>): number {
  return resolveDimension(items, capacity);
}

/** Which of `step.size` counts the rows. */
export function findRowDimension<S extends BatchSizes>({ dimensions, rows }: SlateRows<S>): number {
  return dimensions.index(rows);
}

/** Floats of each row that kernels read. On llvmpipe a texture: numbers of a buffer take as long as their products. */
export function allocateRows<S extends BatchSizes>(
  { arena, rows, capacity }: SlateRows<S>,
  name: string,
  floats: number,
): Memory {
  const used = { of: rows, times: 4 * floats };
  const bytes = evaluateSize(used, capacity);
  if (!usesTextures(arena.gpu.variants)) return arena.allocate(name, bytes);
  return arena.allocateTexture(name, bytes, used, makeRowLayout(bytes));
}

/** For a binding that a kernel writes only with other constants. */
export function allocateUnused({ arena }: { readonly arena: Arena }): View {
  return arena.allocate("unwritten", 16);
}

/** A tape over such rows. @typeParam R what its references read of a batch */
export function createTape<S extends BatchSizes, R>(
  rows: SlateRows<S>,
  parameters: ParameterArena,
): Tape<S, R> {
  const { arena, dimensions, capacity } = rows;
  return new Tape<S, R>({ arena, dimensions, parameters, capacity, variants: arena.gpu.variants });
}

const inputKernel = parseKernel("state_input", inputText);

/** [R, S + 1] the state, and behind it step.page / T. @param pages T */
export function recordStateInput<S extends BatchSizes>(
  rows: SlateRows<S>,
  state: Tensor,
  pages: number,
): { input: Tensor; dispatch: DispatchSpec<S> } {
  const columns = state.columns + 1;
  const stride = padColumns(columns);
  const view = allocateRows(rows, "state and time", stride);
  return {
    input: { name: "state and time", rows: rows.rows, columns, groups: 1, stride, view, trainable: false },
    dispatch: {
      kernel: inputKernel,
      label: "state and time",
      constants: {
        M: findRowDimension(rows),
        S4: state.stride / 4,
        X4: stride / 4,
        TIME: state.columns,
        T: pages,
      },
      views: { state: state.view, input: view },
      invocations: [{ of: rows.rows, times: stride / 4 }],
    },
  };
}
