/**
 * Losses: the last op of a tape. A loss and its gradient are one dispatch. Both need the same softmax of a page, which is
 * at hand only there, and a dispatch of its own for the gradient would read the page again. So the gradient is made on the
 * way forward, and backward has little left to do.
 */

import sumText from "../../kernels/choice/outcome_sum.wgsl" with { type: "text" };
import subgroupsText from "../../kernels/choice/outcome_sum_subgroups.wgsl" with { type: "text" };
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { chooseSumVariant, type KernelVariant, listSumVariants } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type BatchSizes, resolveDimension } from "../gpu/sizes.ts";
import type { ReferenceOp } from "../tape/reference.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { OutcomeSums, Tensor } from "../tape/tensor.ts";

const sumKernel = parseKernel("outcome_sum", sumText);
const subgroupsKernel = parseKernel("outcome_sum_subgroups", subgroupsText);

/** The texts of the kernels that are timed: timings of other texts do not hold for these. */
export const sumTexts = sumText + subgroupsText;

export interface Loss<S extends BatchSizes, R> {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  /** [events, 4 v]: what each event adds to v vectors of four sums. */
  readonly output: Tensor;
  /** The input that it is differentiated by, with no other use; undefined to evaluate. */
  readonly moved: Tensor | undefined;
  /** Further gradients, made on the way back. */
  readonly backward?: (call: OpCall<S>) => DispatchSpec<S>[];
  /** The dispatch of loss and gradient. @param gradient of `moved`; in an evaluation a few bytes, not to be written. */
  dispatch(call: OpCall<S>, gradient: Memory): DispatchSpec<S>;
  /** [., v] vec4f: where the sums go, at the step's slot; undefined where nobody reads them. */
  readonly ring: View | undefined;
  readonly reference: ReferenceOp<R>;
}

/** @throws Error, when dispatches are made, where something else has a gradient for what is moved. */
export function recordLoss<S extends BatchSizes, R>(tape: Tape<S, R>, loss: Loss<S, R>): Tensor {
  const { op, inputs, output, moved, ring, reference, backward = () => [] } = loss;
  const unused = tape.saved(`${output.name} unused`, 4, 4);
  const forward = (call: OpCall<S>): DispatchSpec<S>[] => {
    const target = moved && call.gradient(moved);
    if (target?.accumulate) throw new Error(`${op}: expected ${moved?.name} to have no other use`);
    const dispatch = loss.dispatch(call, target?.view ?? unused);
    if (!ring || moved?.sumOutcomes?.({ outcome: output, ring })) return [dispatch];
    return [dispatch, outcomeSum(tape, { outcome: output, ring })];
  };
  return tape.record({ op, inputs, output, forward, backward, reference });
}

/** The batch's sums of a loss's output, by the kernel that the variants choose. */
export function outcomeSum<S extends BatchSizes>(
  { dimensions, choice }: Pick<Tape<S>, "dimensions" | "choice">,
  { outcome, ring }: OutcomeSums,
): DispatchSpec<S> {
  const vectors = outcome.columns / 4;
  const rows = dimensions.resolveName(outcome.rows);
  const size = choice.variants.kind === "gpu" ? "GPU_WORKGROUP" : "WORKGROUP";
  const by = (variant: KernelVariant): DispatchSpec<S> => ({
    kernel: variant === "subgroups" ? subgroupsKernel : sumKernel,
    label: `${outcome.name} sum`,
    constants: { M: dimensions.index(rows), VECTORS: vectors },
    views: { outcome: outcome.view, ring },
    invocations: [vectors * getConstant(sumKernel, size)],
    cost: (s) => ({
      flops: 4 * vectors * resolveDimension(rows, s),
      bytes: 16 * vectors * resolveDimension(rows, s),
    }),
  });
  const key = sumKernel.name;
  const variants = listSumVariants(choice);
  const chosen = by(chooseSumVariant(choice, key));
  return variants.length > 1
    ? { ...chosen, choices: [{ key, variants, serial: true, buildDispatch: by }] }
    : chosen;
}
