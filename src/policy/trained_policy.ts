/** A trained policy as the library has it. */

import type { Gpu } from "../gpu/device.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { OpenedPolicy } from "./open_policy.ts";
import type { RankedSlate } from "./rank.ts";

/** A policy that was trained by `deno task policy train`. */
export interface TrainedPolicy {
  /** Its folder. */
  readonly path: string;
  /** What it is called in tables: its algorithm. */
  readonly name: string;
  /**
   * The policy on simulated users. Free it by `destroy` when nothing runs any more.
   * @param observes whom it was trained on: it sees users through them, whoever clicks.
   * @throws UserError for another catalogue, and, when it is recorded, for slates or pages that it was not trained for.
   */
  policy(observes: UsersSource): Policy & { destroy(): void };
  /**
   * The slate that it shows a user next, as the first of the pages that it was trained for.
   * @param users whom it was trained on. @param history items that the user clicked, oldest first, by their numbers.
   * @throws UserError for items that there are not, and too few that are left to show.
   */
  rank(gpu: Gpu, users: UsersSource, history: ArrayLike<number>): Promise<RankedSlate>;
}

/** Opens the folder of a policy that was trained. @throws UserError for a folder without one, or a damaged one. */
export async function openPolicy(path: string): Promise<TrainedPolicy> {
  return await OpenedPolicy.open(path);
}
