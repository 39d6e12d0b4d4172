/** The policies of `simulate`, by their names. Another one is a line here. */

import type { OnProgress } from "../data/log_source.ts";
import { greedyPolicy } from "../policy/greedy.ts";
import { popularity, popularPolicy } from "../policy/popular.ts";
import { randomPolicy } from "../policy/random.ts";
import type { Policy } from "../simulate/policy.ts";
import { UserError } from "../user_error.ts";
import type { Simulated } from "./simulated.ts";

interface Named {
  /** Whether it scores the whole catalogue on every page. */
  readonly scores: boolean;
  make(simulated: Simulated, onProgress?: OnProgress): Policy;
}

const POLICIES: Readonly<Record<string, Named>> = {
  random: { scores: false, make: () => randomPolicy },
  popular: {
    scores: false,
    make: ({ data: { source } }, onProgress) => popularPolicy(popularity(source, onProgress)),
  },
  greedy: { scores: true, make: ({ known }) => greedyPolicy(known) },
};

/** What every policy is held against. */
export const RIVALS = ["random", "popular"] as const;

/** A policy that is ready to be shown users. */
export interface ChosenPolicy {
  /** As it is called in tables and files. */
  readonly name: string;
  readonly policy: Policy;
  readonly scores: boolean;
}

/** Looks at a name before anything is opened. @throws UserError for one that there is not. */
export function expectPolicy(name: string): void {
  if (Object.hasOwn(POLICIES, name)) return;
  throw new UserError(`Expected a policy, ${Object.keys(POLICIES).join(", ")}, got ${JSON.stringify(name)}.`);
}

/** @throws UserError for a policy that there is not, or that the data say too little for. */
export function policyOf(name: string, simulated: Simulated, onProgress?: OnProgress): ChosenPolicy {
  const named = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (!named) throw new UserError(`Expected a policy, got ${JSON.stringify(name)}.`);
  const { scores, make } = named;
  return { name, policy: make(simulated, onProgress), scores };
}
