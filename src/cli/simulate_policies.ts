/** The policies of `simulate`: those that have a name, another one is a line here, and trained ones by their folders. */

import type { OnProgress } from "../data/log_source.ts";
import { greedyPolicy } from "../policy/greedy.ts";
import { type OpenedPolicy, openPolicy } from "../policy/open_policy.ts";
import { hasPolicy } from "../policy/policy_config.ts";
import { popularity, popularPolicy } from "../policy/popular.ts";
import { randomPolicy } from "../policy/random.ts";
import type { Policy } from "../simulate/policy.ts";
import { UserError } from "../user_error.ts";
import { seenBy } from "./policy_sight.ts";
import type { Simulated } from "./simulated.ts";
import type { SimulatedOptions } from "./simulated_options.ts";

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

/**
 * Looks what is asked for before anything else is opened.
 * @returns the policy of a folder, undefined for one that has a name. @throws UserError for neither.
 */
export async function findPolicy(name: string): Promise<OpenedPolicy | undefined> {
  if (Object.hasOwn(POLICIES, name)) return undefined;
  if (await hasPolicy(name)) return await openPolicy(name);
  throw new UserError(
    `Expected a policy, ${Object.keys(POLICIES).join(", ")} or the folder of a trained one, got ${
      JSON.stringify(name)
    }. ` +
      "deno task policy train makes one.",
  );
}

/** @throws UserError for a policy that there is not, or that the data say too little for. */
export function namedPolicy(name: string, simulated: Simulated, onProgress?: OnProgress): ChosenPolicy {
  const named = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (!named) throw new UserError(`Expected a policy, got ${JSON.stringify(name)}.`);
  const { scores, make } = named;
  return { name, policy: make(simulated, onProgress), scores };
}

/** A policy that was trained sees users through whom it was trained on. @throws UserError where those are gone, or have other items. */
export async function trainedPolicy(
  opened: OpenedPolicy,
  simulated: Simulated,
  options: SimulatedOptions,
): Promise<ChosenPolicy> {
  const policy = opened.policy(await seenBy(opened, simulated, options));
  simulated.made.keep(policy);
  return { name: opened.name, policy, scores: true };
}
