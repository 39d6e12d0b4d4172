/** The policies of `simulate`: those that have a name, and trained ones by their folders. */

import type { OnProgress } from "../../data/log_source.ts";
import { policyNamed, policyNames } from "../../policy/named.ts";
import { OpenedPolicy } from "../../policy/open_policy.ts";
import { hasPolicy } from "../../policy/policy_config.ts";
import type { Policy } from "../policy.ts";
import { UserError } from "../../user_error.ts";
import { seenBy } from "../../policy/commands/sight.ts";
import type { SimulateOptions } from "./options.ts";
import type { Simulated } from "./simulated.ts";

/** How many users are stepped together: the more an item costs them, the fewer, so that progress is seen. */
export interface Pace {
  /** Users x items between two looks at the progress, about, on a CPU; Infinity for a policy that does not score all items. */
  readonly scores: number;
  /** Fewer would leave the kernels idle. */
  readonly least: number;
}

const NO_SCORES: Pace = { scores: Infinity, least: 1 };
/** The layers of the utility for each item. */
const BY_UTILITY: Pace = { scores: 2 ** 19, least: 8 };
/** A few operations a unit of the network for each item, for 128 users at a time. */
const BY_VALUES: Pace = { scores: 2 ** 23, least: 128 };

/** What every policy is held against. */
export const RIVALS = ["random", "popular"] as const;

/** A policy that is ready to be shown users. */
export interface ChosenPolicy {
  /** As it is called in tables and files. */
  readonly name: string;
  readonly policy: Policy;
  readonly pace: Pace;
}

/**
 * Looks what is asked for before anything else is opened.
 * @returns the policy of a folder, undefined for one that has a name. @throws UserError for neither.
 */
export async function findPolicy(name: string): Promise<OpenedPolicy | undefined> {
  if (policyNamed(name)) return undefined;
  if (await hasPolicy(name)) return await OpenedPolicy.open(name);
  throw new UserError(
    `Expected a policy, ${policyNames.join(", ")} or the folder of a trained one, got ${
      JSON.stringify(name)
    }. ` +
      "deno task policy train makes one.",
  );
}

/** @throws UserError for a policy that there is not, or that the data say too little for. */
export function namedPolicy(name: string, simulated: Simulated, onProgress?: OnProgress): ChosenPolicy {
  const named = policyNamed(name);
  if (!named) throw new UserError(`Expected a policy, got ${JSON.stringify(name)}.`);
  const { data: { source: log }, known } = simulated;
  const policy = named.make({ log, known, onProgress });
  return { name, policy, pace: named.scoresItems ? BY_UTILITY : NO_SCORES };
}

/** A policy that was trained sees users through whom it was trained on. @throws UserError where those are gone, or have other items. */
export async function trainedPolicy(
  opened: OpenedPolicy,
  simulated: Simulated,
  options: Pick<SimulateOptions, "memoryRows">,
): Promise<ChosenPolicy> {
  const policy = opened.policy(await seenBy(opened, simulated, options));
  simulated.made.keep(policy);
  const byUtility = opened.config.training.algorithm === "slateq"; // beside the values
  return { name: opened.name, policy, pace: byUtility ? BY_UTILITY : BY_VALUES };
}
