/** A trained policy as the library has it. */

import type { Gpu } from "../gpu/device.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { OpenedPolicy } from "./open_policy.ts";
import type { RankedSlate, RankOptions } from "./rank.ts";

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
   * The slate that it shows a user next. It has values only for users as it was trained on: those who began with clicks where
   * it was trained with `--start`, otherwise those who clicked on pages before this one.
   * @param users whom it was trained on. @param history items that the user clicked, oldest first, by their numbers.
   * @throws UserError for items and pages that there are not, and too few items that are left to show.
   */
  rank(
    gpu: Gpu,
    users: UsersSource,
    history: ArrayLike<number>,
    options?: RankOptions,
  ): Promise<RankedSlate>;
}

/** Opens the folder of a policy that was trained. @throws UserError for a folder without one, or a damaged one. */
export async function openPolicy(path: string): Promise<TrainedPolicy> {
  return await OpenedPolicy.open(path);
}
