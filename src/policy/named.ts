/** The policies that have a name and are not trained. Another one is a file that implements Policy, and a line here. */

import type { LogSource, OnProgress } from "../data/log_source.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { greedyPolicy } from "./greedy.ts";
import { popularity, popularPolicy } from "./popular.ts";
import { randomPolicy } from "./random.ts";

/** What such a policy may be made of. */
export interface PolicyMaterial {
  readonly log: LogSource;
  /** Whom the policy sees users through; without them, whoever clicks. */
  readonly known: UsersSource | undefined;
  /** Told how much of the log is read. */
  readonly onProgress?: OnProgress;
}

export interface NamedPolicy {
  /** Whether the utilities of all items are computed for every user and page. */
  readonly scoresItems: boolean;
  /** @throws UserError where the log says too little for it. */
  make(material: PolicyMaterial): Policy;
}

const named = {
  greedy: { scoresItems: true, make: ({ known }) => greedyPolicy(known) },
  popular: {
    scoresItems: false,
    make: ({ log, onProgress }) => popularPolicy(popularity(log, onProgress)),
  },
  random: { scoresItems: false, make: () => randomPolicy },
} as const satisfies Readonly<Record<string, NamedPolicy>>;

export type PolicyName = keyof typeof named;
/** In the order of the help. */
export const policyNames = Object.keys(named) as PolicyName[];

/** The policy of a name; undefined for another text. */
export function policyNamed(name: PolicyName): NamedPolicy;
export function policyNamed(name: string): NamedPolicy | undefined;
export function policyNamed(name: string): NamedPolicy | undefined {
  const known = policyNames.find((one) => one === name);
  return known && named[known];
}
