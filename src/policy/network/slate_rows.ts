/** The rows that slates are chosen for, or learned from: users of a page, or remembered rows. */

import type { Arena } from "../../gpu/arena.ts";
import type { KernelShapes } from "../../gpu/kernel_shapes.ts";
import type { View } from "../../gpu/memory.ts";
import { type Dimensions, type DimName, extent, type Sizes } from "../../gpu/sizes.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { Tape } from "../../tape/tape.ts";

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

/** What kernels are shaped for. */
export function shapesOf({ arena }: { readonly arena: Arena }): KernelShapes {
  return arena.gpu.shapes;
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
