/** What values are to become, and what pages bring. */

import pageRewardText from "../../kernels/page_reward.wgsl" with { type: "text" };
import qTargetText from "../../kernels/q_target.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { PolicyTrainingConfig } from "./config.ts";

const targetKernel = kernel("q_target", qTargetText);
const rewardKernel = kernel("page_reward", pageRewardText);

/** @param views [B] each: outcomes of remembered pages, the value of what can follow, and what is wanted. */
export function qTarget(
  { rows, pages, discount, bootstrapAtEnd }: PolicyTrainingConfig,
  views: { readonly outcome: View; readonly next: View; readonly wanted: View },
): DispatchSpec {
  return {
    kernel: targetKernel,
    label: "wanted values",
    constants: { T: pages, DISCOUNT: discount, BOOTSTRAP: bootstrapAtEnd },
    views,
    invocations: () => [rows],
    cost: () => ({ flops: 2 * rows, bytes: 24 * rows }),
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
    invocations: () => [1],
    cost: () => ({ flops: 2 * users, bytes: 16 * users }),
  };
}
