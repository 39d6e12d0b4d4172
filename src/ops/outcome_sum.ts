/** What the losses of a batch come down to: sums over its events, in a slot of the result ring. */

import sumText from "../../kernels/outcome_sum.wgsl" with { type: "text" };
import { constantOf, kernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { Memory, View } from "../gpu/memory.ts";

const sumKernel = kernel("outcome_sum", sumText);

/** @param outcome [events, vectors] vec4f. @param ring [., vectors] vec4f */
export function outcomeSum(name: string, outcome: Memory, ring: View, vectors: number): DispatchSpec {
  return {
    kernel: sumKernel,
    label: `${name} sum`,
    constants: { VECTORS: vectors },
    views: { outcome, ring },
    invocations: () => [vectors * constantOf(sumKernel, "WORKGROUP")],
    cost: (s) => ({ flops: 4 * vectors * s.events, bytes: 16 * vectors * s.events }),
  };
}
