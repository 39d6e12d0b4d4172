/** What a kernel of a recorded program may know of itself: see {@link import("../gpu/access_analysis/scope.ts").IndexScope}. */

import { gridOf, onlySlice, type Program } from "../gpu/program.ts";
import type { IndexScope } from "../gpu/access_analysis/scope.ts";
import { clickDimensions, type ClickSizes } from "./click_sizes.ts";

/** @throws UserError for a grid that the adapter does not take. */
export function indexScopeOf(
  { gpu, dispatches }: Program<ClickSizes>,
  dispatch: number,
  sizes: ClickSizes,
  slice = onlySlice,
): IndexScope {
  const own = dispatches[dispatch];
  if (!own) throw new Error(`there is no dispatch ${dispatch}`);
  return {
    workgroup: own.workgroup,
    grid: gridOf(own, sizes, slice, gpu.maxGrid),
    sizes: clickDimensions.names.map((name) => sizes[name]),
    chunks: clickDimensions.chunks(sizes),
    bytes: Object.fromEntries(Object.entries(own.spec.views).map(([name, { size }]) => [name, size])),
  };
}
