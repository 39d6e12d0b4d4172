/** Sums of a batch's losses over its events, in a slot of the result ring. */

import sumText from "../../kernels/outcome_sum.wgsl" with { type: "text" };
import { constantOf, kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type Dimensions, extent, type Sizes } from "../gpu/sizes.ts";
import type { Tensor } from "../tape/tensor.ts";

const sumKernel = kernel("outcome_sum", sumText);

/** @param outcome [events, 4 vectors] @param ring [., vectors] vec4f. */
export function outcomeSum<S extends Sizes>(
  dimensions: Dimensions<S>,
  outcome: Tensor,
  ring: View,
): DispatchSpec<S> {
  const vectors = outcome.columns / 4;
  const rows = dimensions.named(outcome.rows);
  return {
    kernel: sumKernel,
    label: `${outcome.name} sum`,
    constants: { M: dimensions.index(rows), VECTORS: vectors },
    views: { outcome: outcome.view, ring },
    invocations: () => [vectors * constantOf(sumKernel, "WORKGROUP")],
    cost: (s) => ({ flops: 4 * vectors * extent(rows, s), bytes: 16 * vectors * extent(rows, s) }),
  };
}
