/** Records losses, the last ops of a tape. One dispatch computes loss and gradient: both need a softmax. */

import sumText from "../../kernels/choice/outcome_sum.wgsl" with { type: "text" };
import subgroupsText from "../../kernels/choice/outcome_sum_subgroups.wgsl" with { type: "text" };
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { type KernelVariant, listSumVariants } from "../gpu/kernel_variants.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import { type BatchSizes, getSize } from "../gpu/sizes.ts";
import type { ReferenceOp } from "../tape/reference.ts";
import { dispatchVariant } from "./op.ts";
import type { OpCall } from "../tape/node.ts";
import type { Tape } from "../tape/tape.ts";
import type { OutcomeSums, Tensor } from "../tape/tensor.ts";

const sumKernel = parseKernel("outcome_sum", sumText);
const subgroupsKernel = parseKernel("outcome_sum_subgroups", subgroupsText);

/** Sources of the kernels that sum losses. If a source changes, autotuning measures again. */
export const sumTexts = sumText + subgroupsText;

export interface Loss<S extends BatchSizes, R> {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  /** Losses and metrics [events, 4 * v]; their sums over events are v vec4f. */
  readonly output: Tensor;
  /** Input whose gradient the loss computes. No other op may read this input. Undefined in an evaluation. */
  readonly target: Tensor | undefined;
  readonly backward?: (call: OpCall<S>) => DispatchSpec<S>[];
  /** Returns the dispatch of loss and gradient. @param gradient - gradient of `target`, if any */
  dispatch(call: OpCall<S>, gradient: Memory): DispatchSpec<S>;
  /** Ring buffer [steps, v] of vec4f for the sums of each step; undefined if the sums are not needed. */
  readonly ring: View | undefined;
  readonly reference: ReferenceOp<R>;
}

/** Records a loss. If another op also reads `loss.target`, building the dispatches throws an Error. */
export function recordLoss<S extends BatchSizes, R>(tape: Tape<S, R>, loss: Loss<S, R>): Tensor {
  const { op, inputs, output, target, ring, reference, backward = () => [] } = loss;
  const unused = tape.saved(`${output.name} unused`, 4, 4);
  const forward = (call: OpCall<S>): DispatchSpec<S>[] => {
    const gradient = target && call.gradient(target);
    if (gradient?.accumulate) throw new Error(`expected only the op ${op} to read ${target?.name}`);
    const dispatch = loss.dispatch(call, gradient?.view ?? unused);
    if (!ring) return [dispatch];
    const sums = { outcome: output, ring };
    const isSummedLater = target && tape.nodes.toReversed().some((node) => node.sumOutcomes?.(sums));
    return isSummedLater ? [dispatch] : [dispatch, outcomeSum(tape, sums)];
  };
  return tape.record({ op, inputs, output, forward, backward, reference });
}

/** Returns the dispatch that sums a loss's output [events, 4 * v] over the events of the batch. */
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
    cost: (s) => ({ flops: 4 * vectors * getSize(rows, s), bytes: 16 * vectors * getSize(rows, s) }),
  });
  const variants = listSumVariants(choice);
  const sums = { key: sumKernel.name, variants, serial: true, buildDispatch: by };
  const dispatch = dispatchVariant(choice.variants.sum, sums);
  return variants.length > 1 ? dispatch : { ...dispatch, choices: undefined };
}
