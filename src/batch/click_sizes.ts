import { computeGrid, type DispatchSpec, onlySlice, type Program } from "../gpu/program.ts";
import { Dimensions } from "../gpu/sizes.ts";
import type { IndexScope } from "../kernel_analysis/values.ts";

/** Sizes of a batch: numbers of users (B), events (E), displayed items (rows, R) and distinct items (D). */
export type ClickSizes = Readonly<Record<"users" | "events" | "rows" | "items", number>>;

export type ClickDispatch = DispatchSpec<ClickSizes>;

export const clickDimensions = new Dimensions<ClickSizes>(["users", "events", "rows", "items"], "rows");

/** Returns the grid, batch sizes and buffer sizes of a dispatch. @throws UserError for too many workgroups */
export function buildIndexScope(
  { gpu, dispatches }: Program<ClickSizes>,
  dispatch: number,
  sizes: ClickSizes,
  slice = onlySlice,
  dimensions = clickDimensions,
): IndexScope {
  const own = dispatches[dispatch];
  if (!own) throw new Error(`expected dispatch < ${dispatches.length}, got ${dispatch}`);
  return {
    workgroup: own.workgroup,
    grid: computeGrid(own, sizes, slice, gpu.maxGrid),
    sizes: dimensions.names.map((name) => sizes[name]),
    chunks: dimensions.countChunks(sizes),
    bytes: Object.fromEntries(Object.entries(own.spec.views).map(([name, { size }]) => [name, size])),
  };
}
