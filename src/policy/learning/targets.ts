/** What values are to become, and what pages bring. */

import pageRewardText from "../../../kernels/slates/page_reward.wgsl" with { type: "text" };
import qTargetText from "../../../kernels/slates/q_target.wgsl" with { type: "text" };
import { kernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { PolicyTrainingConfig } from "./config.ts";
import type { NextValue } from "./learner.ts";

const targetKernel = kernel("q_target", qTargetText);
const rewardKernel = kernel("page_reward", pageRewardText);

/** What the values of remembered pages are to become: `wanted` [B], of their outcomes [B] and the values of what can follow. */
export function qTarget(
  { rows, pages, discount, bootstrapAtEnd }: Pick<
    PolicyTrainingConfig,
    "rows" | "pages" | "discount" | "bootstrapAtEnd"
  >,
  { outcome, next, wanted }: { readonly outcome: View; readonly next: NextValue; readonly wanted: View },
): DispatchSpec {
  const { view, stride, first, count } = next;
  return {
    kernel: targetKernel,
    label: "wanted values",
    constants: {
      ...{ T: pages, DISCOUNT: discount, BOOTSTRAP: bootstrapAtEnd },
      ...{ STRIDE: stride, FIRST: first, COUNT: count },
    },
    views: { outcome, next: view, wanted },
    invocations: [rows],
    cost: () => ({ flops: 2 * rows, bytes: (20 + 4 * count) * rows }),
  };
}

/** What a page of all users brought, to `step.slot`. @param views [T, U] outcomes of the episode under way; the ring. */
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
    cost: () => ({ flops: 2 * users, bytes: 16 * users }),
  };
}
