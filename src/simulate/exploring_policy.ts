/** Policies that explore: slates drawn by their scores, with the chance of each. */

import drawnText from "../../kernels/simulate/plackett_luce.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { purposes } from "../data/philox.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import { UserError } from "../user_error.ts";
import type { ItemScores, Policy } from "./policy.ts";
import type { PageBuffers } from "./page_buffers.ts";

const drawnKernel = parseKernel("plackett_luce", drawnText);

/** How slates are drawn by scores: `plackett-luce`, at a temperature above 0. */
export interface Exploration {
  /** What scores are divided by: the higher, the nearer to chance. */
  readonly temperature: number;
}

/** Numbers beyond these are no temperature in float32. */
export const TEMPERATURES = { least: 1e-3, most: 1e6 } as const;

/** Whether a policy has a score for each item. */
export function hasScores(policy: Policy): policy is Policy & Required<Pick<Policy, "scores">> {
  return policy.scores !== undefined;
}

/**
 * A policy whose slates are drawn by the scores of another one (Plackett-Luce), as kernels/simulate/plackett_luce.wgsl has it.
 * @throws UserError for a policy without a score an item, and for no temperature.
 */
export function createExploringPolicy(policy: Policy, { temperature }: Exploration): Policy {
  if (!hasScores(policy)) throw new UserError(describeMissingScores(policy.name));
  if (!(temperature >= TEMPERATURES.least && temperature <= TEMPERATURES.most)) {
    throw new UserError(
      `Expected a temperature of ${TEMPERATURES.least} to ${TEMPERATURES.most}, got ${temperature}.`,
    );
  }
  let chances: View | undefined;
  return {
    name: `${policy.name} at ${temperature}`,
    ...(policy.observes && { observes: policy.observes }),
    record(context) {
      const { page, arena } = context;
      const { before = [], chunk, dispatches, scores, stride } = policy.scores(context);
      chances = arena.allocate("log of chances", 4 * page.pages * page.users * page.slate);
      const draw = recordPlackettLuce(page, { scores, stride, temperature, chances });
      return [...before, { chunk, rows: page.items, dispatches: [...dispatches, draw] }];
    },
    prepare: () => policy.prepare(),
    chances: () => chances,
  };
}

/** What slates are drawn by. */
interface DrawnBy extends Pick<ItemScores, "scores" | "stride"> {
  readonly temperature: number;
  /** [T, U, k] f32: where the logarithms of the chances go. */
  readonly chances: View;
}

/** Slates drawn by scores, one item after another. */
export function recordPlackettLuce(
  page: Pick<PageBuffers, "users" | "slate" | "items" | "masked" | "slates">,
  { scores, stride, temperature, chances }: DrawnBy,
): ClickDispatch {
  const { users: USERS, slate: SLATE, items: ITEMS, masked, slates } = page;
  return {
    kernel: drawnKernel,
    label: "drawn slate",
    constants: { SLATE, USERS, ITEMS, STRIDE: stride, BY: 1 / temperature, SLATE_PURPOSE: purposes.SLATE },
    views: { score: scores, masked, slate: slates, chance: chances },
    invocations: ["users"],
  };
}

/** Why a policy cannot explore by scores. */
export function describeMissingScores(name: string): string {
  return `Expected a policy that scores each item by itself (greedy, popular, random, or a trained gdqn) to draw slates by ` +
    `scores, got ${name}: what it holds of an item depends on the rest of the slate.`;
}
