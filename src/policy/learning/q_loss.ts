/** Targets and loss of Q-values, and the reward of pages. */

import pageRewardText from "../../../kernels/slates/page_reward.wgsl" with { type: "text" };
import qTargetText from "../../../kernels/slates/q_target.wgsl" with { type: "text" };
import { parseKernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { PolicyTrainingConfig } from "./policy_training_config.ts";
import type { NextValue } from "./learner.ts";
import lossText from "../../../kernels/slates/q_loss.wgsl" with { type: "text" };
import type { BatchSizes } from "../../gpu/sizes.ts";
import { recordLoss } from "../../ops/loss.ts";
import { add, getAt, makeMatrix, type ReferenceOp } from "../../tape/reference.ts";
import type { Tape } from "../../tape/tape.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";
import type { SlateBatch } from "../network/slate_value.ts";
import { findRowDimension, type SlateRows } from "../network/slate_rows.ts";

const targetKernel = parseKernel("q_target", qTargetText);
const rewardKernel = parseKernel("page_reward", pageRewardText);

/** Computes targets [rows] of replayed pages: the reward plus the discounted value of the next page. */
export function qTarget(
  { rows, pages, discount, bootstrapAtEnd }: Pick<
    PolicyTrainingConfig,
    "rows" | "pages" | "discount" | "bootstrapAtEnd"
  >,
  { outcome, next, targets }: { readonly outcome: View; readonly next: NextValue; readonly targets: View },
): DispatchSpec {
  const { view, stride, first, count } = next;
  return {
    kernel: targetKernel,
    label: "target values",
    constants: {
      ...{ T: pages, DISCOUNT: discount, BOOTSTRAP: bootstrapAtEnd },
      ...{ STRIDE: stride, FIRST: first, COUNT: count },
    },
    views: { outcome, next: view, wanted: targets },
    invocations: [rows],
  };
}

/** Stores the sum of a page's rewards in `ring` at `step.slot`. @param views - `outcome`: [pages, users] */
export function pageReward(
  { users }: Pick<PolicyTrainingConfig, "users">,
  views: { readonly outcome: View; readonly ring: View },
): DispatchSpec {
  return {
    kernel: rewardKernel,
    label: "rewards of the page",
    constants: { USERS: users },
    views,
    invocations: [1],
  };
}

const lossKernel = parseKernel("q_loss", lossText);

/** Q-values in the loss: "each" Q-value of a slate, their "sum", or the Q-value of the user's choice. */
export type QCounts = "each" | "sum" | "outcome";

export interface QLossBatch extends SlateBatch {
  readonly targets: readonly number[];
  /** [rows] index of the clicked slot, or the slate size if there was no click. */
  readonly outcome: readonly number[];
  /** [rows, columns] target of each Q-value; undefined if all Q-values of a row have the same target. */
  readonly chained?: readonly (readonly number[])[];
}

export interface QLoss {
  /** [rows, columns] Q-values of the shown slates. */
  readonly q: Tensor;
  readonly counts: QCounts;
  /** [rows] f32 target of each row's slate value. */
  readonly targets: View;
  /** [rows] vec4f; the first component is the clicked slot, or the slate size if there was no click. */
  readonly outcome: View;
  /** [rows, stride] column c is the target of Q-value c - 1; the last Q-value's target is in `targets`. */
  readonly chained?: { readonly view: View; readonly stride: number };
  /** True for the Huber loss, which is linear for TD errors above 1. */
  readonly huber?: boolean;
  /** Ring buffer; element `step.slot` becomes (sum of losses, sum of the shown slates' Q-values, 0, 0). */
  readonly ring: View | undefined;
}

/** Records the loss op, whose output [rows, 4] has (loss, Q-value of the shown slate, 0, 0) in each row. */
export function qLoss<S extends BatchSizes, R extends QLossBatch>(
  tape: Tape<S, R>,
  rows: SlateRows<S>,
  { q, counts, targets, outcome, chained, huber = false, ring }: QLoss,
): Tensor {
  const output = tape.tensor("loss of values", rows.rows, 4);
  return recordLoss(tape, {
    op: "q_loss",
    inputs: [q],
    output,
    target: q,
    dispatch: (call, gradient) => ({
      kernel: lossKernel,
      label: call.label,
      constants: {
        M: findRowDimension(rows),
        COLUMNS: q.columns,
        STRIDE: padColumns(q.columns),
        CHAINED_STRIDE: chained?.stride ?? 1,
        CHAINED: chained !== undefined,
        CHOICE: counts === "outcome",
        SUM: counts === "sum",
        HUBER: huber,
      },
      views: {
        q: q.view,
        wanted: targets,
        chained: chained?.view ?? targets,
        outcome,
        loss: output.view,
        gradient,
      },
      invocations: [rows.rows],
    }),
    ring,
    reference: qLossReference({ counts, huber }),
  });
}

/** Returns the f64 reference of the loss, with the gradient of the mean loss. */
function qLossReference({ counts, huber }: Pick<QLoss, "counts" | "huber">): ReferenceOp<QLossBatch> {
  const off = (d: number): [loss: number, slope: number] =>
    huber && Math.abs(d) > 1 ? [2 * Math.abs(d) - 1, 2 * Math.sign(d)] : [d * d, 2 * d];
  return ([q], { targets, outcome, chained }) => {
    if (!q) throw new Error("q_loss: expected values");
    const last = q.columns - 1;
    const slopes = makeMatrix(q.rows, q.columns);
    const output = makeMatrix(q.rows, 4);
    for (let row = 0; row < q.rows; row++) {
      const y = (c: number) => (c < last ? chained?.[row]?.[c + 1] : undefined) ?? targets[row] ?? NaN;
      const first = row * q.columns;
      if (counts === "sum") {
        const value = q.data.subarray(first, first + q.columns).reduce((sum, own) => sum + own, 0);
        const [loss, slope] = off(value - (targets[row] ?? NaN));
        output.data.set([loss, value], 4 * row);
        slopes.data.fill(slope / q.rows, first, first + q.columns);
        continue;
      }
      const shown = counts === "outcome" ? outcome[row] ?? NaN : last;
      for (let c = counts === "outcome" ? shown : 0; c <= shown; c++) {
        const [loss, slope] = off(getAt(q, row, c) - y(c));
        add(output, row, 0, loss);
        slopes.data[first + c] = slope / q.rows;
      }
      output.data[4 * row + 1] = getAt(q, row, shown);
    }
    return { output, backward: () => [slopes] };
  };
}
