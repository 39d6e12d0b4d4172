/** The rows that slates are chosen for: users of a page, or remembered rows. */

import type { Arena } from "../gpu/arena.ts";
import type { AdapterKind } from "../gpu/kernel_shapes.ts";
import type { View } from "../gpu/memory.ts";
import { type Dimensions, type DimName, extent, type Sizes } from "../gpu/sizes.ts";

/** Which of a batch's sizes counts the rows, and where their buffers are made. */
export interface SlateRows<S extends Sizes> {
  readonly arena: Arena;
  readonly dimensions: Dimensions<S>;
  /** The dimension that counts them. */
  readonly rows: DimName<S>;
  /** R, the most there are. */
  readonly most: number;
}

/** Rows of a batch. */
export function rowsOf<S extends Sizes>({ rows }: SlateRows<S>, sizes: S): number {
  return extent(rows, sizes);
}

/** Which of `step.size` counts the rows. */
export function rowsIndex<S extends Sizes>({ dimensions, rows }: SlateRows<S>): number {
  return dimensions.index(rows);
}

/** What kernels are shaped for. */
export function shapesOf({ arena }: Pick<SlateRows<Sizes>, "arena">): AdapterKind {
  return arena.gpu.shapes.kind;
}

/** For a binding that a kernel writes only with other constants. */
export function unwritten({ arena }: Pick<SlateRows<Sizes>, "arena">): View {
  return arena.allocate("unwritten", 16);
}
