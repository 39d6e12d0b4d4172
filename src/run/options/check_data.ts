/** What training asks of its data beside what makes them readable. */

import { NONE } from "../../data/click_log.ts";
import type { LogSource } from "../../data/log_source.ts";
import type { Places } from "../../data/manifest.ts";
import type { ModelConfig } from "../../model/config.ts";
import { UserError } from "../../user_error.ts";

/**
 * @returns what is to be known of pages of one item, which are always ranked right; undefined for others.
 * @throws UserError where each is clicked, too: nothing can be learned.
 */
export function notePages(name: string, { userRows, userEvents, log }: LogSource): string | undefined {
  if ((userRows.at(-1) ?? 0) > (userEvents.at(-1) ?? 0)) return undefined;
  if (log?.eventClick.every((click) => click !== NONE)) {
    throw new UserError(
      `Expected pages of several items in ${name}, found only pages of one item, which is clicked: there is nothing to ` +
        "tell apart, and prec@1 would be 1.000. Prepare a log of clicks with deno task data log --pages sampled.",
    );
  }
  return "Each page shows one item: prec@1, prec@2 and all ranks are always right and say nothing. The loss tells how well " +
    "clicks are foreseen; without learning it is that of the share of clicks.";
}

/** What is known of the order of the items of a page. */
export interface DataOrder {
  readonly kind: "demo" | "paper" | "prepared";
  readonly places?: Places;
}

/** @throws UserError for a model with effects of places, and data that do not say in which order the items of a page stood. */
export function expectPlaces(
  name: string,
  { kind, places }: DataOrder,
  { positions }: Pick<ModelConfig, "positions">,
): void {
  if (positions === 0 || (kind !== "paper" && places !== "arbitrary")) return;
  const why = kind === "paper"
    ? "a file in the paper's layout has no places, and in the paper's own the click is always the last row"
    : "the items of its pages stand in no order that was shown";
  throw new UserError(
    `Expected data whose places are known with --position-effect, got ${name}: ${why}. Prepare the log with deno task ` +
      "data log --position <column>, or leave --position-effect out.",
  );
}
