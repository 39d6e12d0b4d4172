/** What a policy shows a user next, by what they clicked. */

import type { Gpu } from "../gpu/device.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { clickChances, tryPolicy } from "./comparison/trial.ts";

/** Whom a slate is for. */
export interface RankRequest {
  /** Items that the user clicked, oldest first; they are not shown again. */
  readonly history: ArrayLike<number>;
  /** k, items of the slate. */
  readonly slate: number;
  /** T, pages that the policy plans for. */
  readonly pages: number;
  /** Which of them this one is, from 0 on; 0 by default. */
  readonly page?: number;
}

/** Where a user stands who is shown a slate. */
export interface RankOptions {
  /** The page that they are shown, from 1 to as many as the policy was trained for; the first by default. */
  readonly page?: number;
}

/** An item of a slate. */
export interface RankedItem {
  /** Its number. */
  readonly item: number;
  /** As the model has it. */
  readonly utility: number;
  /** P(click) on this slate. */
  readonly probability: number;
  /** Of a cascade, Q^j: what it expects of the slate up to and with this item, and of all later pages. */
  readonly value?: number;
}

/** A slate, in the order in which it is shown. */
export interface RankedSlate {
  /** k of them. */
  readonly items: readonly RankedItem[];
  /** P(no click). */
  readonly noClick: number;
  /** The rewards that the policy expects of this page and all later ones, where it has such values. */
  readonly value?: number;
}

/**
 * @param users whom the policy was trained on: through them it sees this user, too.
 * @throws UserError for items that there are not, and a slate larger than what is left to show.
 */
export async function rank(
  gpu: Gpu,
  users: UsersSource,
  policy: Policy,
  { history, slate, pages, page = 0 }: RankRequest,
): Promise<RankedSlate> {
  const clicked = new Set(Array.from(history));
  const items = Array.from({ length: users.itemCount }, (_, item) => item).filter((item) =>
    !clicked.has(item)
  );
  // What was clicked leaves the pool by the list, so that it need not last for all pages.
  const pool = { repeats: true, ...(clicked.size > 0 && { start: [history], pool: { items } }) };
  // A user from this page on.
  const options = { users: 1, slate, pages, firstPage: page, ...pool };
  const [trial] = await tryPolicy(gpu, users, users, policy, options);
  if (!trial?.witness) throw new Error("expected a user");
  const { log, values, witness: { utilities, choice } } = trial;
  const own = utilities.subarray(0, slate);
  const { items: chances, none } = clickChances(own, choice);
  const shown = Array.from(log.slates.subarray(page * slate, (page + 1) * slate), (item, k): RankedItem => ({
    ...{ item, utility: own[k] ?? NaN, probability: chances[k] ?? NaN },
    ...(values?.count === slate && { value: values.values[k] }),
  }));
  const value = values?.values[values.count - 1];
  return { items: shown, noClick: none, ...(value !== undefined && { value }) };
}
