/** Slates at random: every item that may be shown equally often in every slot. */

import type { PageContext, PageDispatch, Policy } from "../simulate/policy.ts";
import { randomSlate } from "../simulate/slates.ts";

/** Shows every item that may be shown equally often in every slot. */
export const randomPolicy: Policy = {
  name: "random",
  record: ({ page }: PageContext): readonly PageDispatch[] => [randomSlate(page)],
  prepare: () => [],
};
