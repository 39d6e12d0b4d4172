/**
 * The slate that is best for this page alone, as those who click think, or as another model does. With a click as the reward
 * it is the k items of the highest utility: the chance of a click grows with each of them. With the utility as the reward an
 * item of low utility takes clicks from better ones, so the best slate is found by slate_ratio. Effects of places are left out.
 */

import { clickDimensions, type ClickDispatch } from "../batch/click_sizes.ts";
import type { View } from "../gpu/memory.ts";
import type { PageContext, PageDispatch, Policy } from "../simulate/policy.ts";
import { topSlate } from "../simulate/slates.ts";
import { asUsers, type Users, type UsersSource } from "../simulate/users.ts";
import { bestSlate } from "./network/slate_ratio.ts";

/** The greedy policy. @param by the model whose utilities are believed; by default whoever clicks, so that it is greedy in truth. */
export function greedyPolicy(by?: UsersSource): Policy {
  return {
    name: by ? `greedy by ${by.name}` : "greedy",
    ...(by && { observes: by }),
    record(context: PageContext): readonly PageDispatch[] {
      const { page, observer, environment, rules } = context;
      const users = by ? asUsers(observer) : environment;
      const { users: chunk, dispatches, utilities } = users.catalogue();
      const best = rules.reward === "click"
        ? topSlate(page, utilities)
        : ratioSlate(context, users, utilities);
      return [{ chunk, rows: page.items, dispatches: [...dispatches, best] }];
    },
    prepare: () => [],
  };
}

function ratioSlate({ page, arena }: PageContext, { eta }: Users, utilities: View): ClickDispatch {
  const rows = {
    arena,
    dimensions: clickDimensions,
    rows: "users",
    items: "items",
    capacity: page.sizes,
  } as const;
  return bestSlate(rows, {
    label: "greedy slate",
    slate: page.slate,
    eta,
    utilities,
    worthOf: "utility",
    masked: { view: page.masked, stride: page.users },
    slates: page.slates,
    worth: arena.allocate("worth of greedy slates", 4 * page.users),
  });
}
