/** What training asks of its data beside what makes them readable. */

import { NONE } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Dataset } from "../run/dataset.ts";
import { UserError } from "../user_error.ts";
import { say } from "./run_stages.ts";

/** Says that pages of one item are always ranked right. @throws UserError where each is clicked, too: nothing can be learned. */
export function checkPages(name: string, { userRows, userEvents, log }: LogSource): void {
  if ((userRows.at(-1) ?? 0) > (userEvents.at(-1) ?? 0)) return;
  if (log?.eventClick.every((click) => click !== NONE)) {
    throw new UserError(
      `Expected pages of several items in ${name}, found only pages of one item, which is clicked: there is nothing to ` +
        "tell apart, and prec@1 would be 1.000. Prepare a log of clicks with deno task data log --pages sampled.",
    );
  }
  say(
    "Each page shows one item: prec@1, prec@2 and all ranks are always right and say nothing. The loss tells how well " +
      "clicks are foreseen; without learning it is that of the share of clicks.",
  );
}

/** @throws UserError for a model with effects of places, and data that do not say in which order the items of a page stood. */
export function expectPlaces(
  name: string,
  { config, places }: Dataset,
  { positions }: Pick<ModelConfig, "positions">,
): void {
  if (positions === 0 || (config.kind !== "paper" && places !== "arbitrary")) return;
  const why = config.kind === "paper"
    ? "a file in the paper's layout has no places, and in the paper's own the click is always the last row"
    : "the items of its pages stand in no order that was shown";
  throw new UserError(
    `Expected data whose places are known with --position-effect, got ${name}: ${why}. Prepare the log with deno task ` +
      "data log --position <column>, or leave --position-effect out.",
  );
}
