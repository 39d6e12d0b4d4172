/** Exploring policies draw slates at random by item scores, and log the probabilities of the drawn slates. */

import drawnText from "../../kernels/simulate/plackett_luce.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { purposes } from "../data/philox.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import { UserError } from "../user_error.ts";
import { type ItemScores, type Policy, recordSlates } from "./policy.ts";
import type { PageBuffers } from "./page_buffers.ts";

const drawnKernel = parseKernel("plackett_luce", drawnText);

/** Distribution (Plackett-Luce) from which slates are drawn by item scores. */
export interface Exploration {
  /** Divisor of the scores, above 0. With a higher temperature, the distribution is closer to uniform. */
  readonly temperature: number;
}

/** Smallest and largest temperature for which float32 arithmetic is precise enough. */
export const TEMPERATURES = { least: 1e-3, most: 1e6 } as const;

/**
 * Returns a policy that draws slates by the scores of `policy`, with kernels/simulate/plackett_luce.wgsl.
 * @throws UserError if `policy` has no score per item, or the temperature is out of range.
 */
export function createExploringPolicy(policy: Policy, { temperature }: Exploration): Policy {
  if (!policy.scores) throw new UserError(describeMissingScores(policy.name));
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
      const { before = [], chunk, dispatches, scores, stride } = policy.scores!(context);
      chances = arena.allocate("log of chances", 4 * page.pages * page.users * page.slate);
      const draw = recordPlackettLuce(page, { scores, stride, temperature, logProbabilities: chances });
      return [...before, { chunk, rows: page.items, dispatches: [...dispatches, draw] }];
    },
    prepare: () => policy.prepare?.() ?? [],
    logProbabilities: () => chances,
  };
}

interface DrawnBy extends Pick<ItemScores, "scores" | "stride"> {
  readonly temperature: number;
  /** [pages, users, slots] f32 output: log-probability of each shown item. */
  readonly logProbabilities: View;
}

export function recordPlackettLuce(
  page: Pick<PageBuffers, "users" | "slate" | "items" | "masked" | "slates">,
  { scores, stride, temperature, logProbabilities: chances }: DrawnBy,
): ClickDispatch {
  const constants = { STRIDE: stride, BY: 1 / temperature, SLATE_PURPOSE: purposes.SLATE };
  return recordSlates(drawnKernel, "drawn slate", page, { score: scores, chance: chances }, constants);
}

export function describeMissingScores(name: string): string {
  return "Expected a policy with a score per item (greedy, popular, random, or a trained gdqn) " +
    `to draw slates, got ${name}, whose values depend on the rest of the slate.`;
}
