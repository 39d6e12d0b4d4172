/**
 * The slate that is best for this page alone, as those who click think, or as another model does. With a click as the reward
 * it is the k items of the highest utility: the chance of a click grows with each of them.
 */

import type { PageContext, PageDispatch, Policy } from "../simulate/policy.ts";
import { topSlate } from "../simulate/slates.ts";
import type { Users, UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";

/** The greedy policy. @param by the model whose utilities are believed; by default whoever clicks, so that it is greedy in truth. */
export function greedyPolicy(by?: UsersSource): Policy {
  return {
    name: by ? `greedy by ${by.name}` : "greedy",
    ...(by && { observes: by }),
    record({ page, observer, environment }: PageContext): readonly PageDispatch[] {
      const { users, dispatches, utilities } = (by ? asUsers(observer) : environment).catalogue();
      return [{ chunk: users, rows: page.items, dispatches: [...dispatches, topSlate(page, utilities)] }];
    },
    prepare: () => [],
  };
}

/** An observer that was made of a source can be asked what users think. */
function asUsers(observer: PageContext["observer"]): Users {
  if (isUsers(observer)) return observer;
  throw new UserError(`Expected utilities to be greedy by, got ${observer.name}, which has none.`);
}

function isUsers(observer: PageContext["observer"]): observer is Users {
  return "catalogue" in observer;
}
