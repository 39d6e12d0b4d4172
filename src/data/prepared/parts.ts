/** Which users a prepared data set must have. */

import { type Split, usersOf } from "../click_log.ts";
import type { LogSource } from "../log_source.ts";
import { UserError } from "../../user_error.ts";

/** @param name of the set, for messages. @throws UserError for a part of the users that nobody is in. */
export function expectParts(name: string, log: Pick<LogSource, "userSplit">, needed: readonly Split[]): void {
  for (const split of needed) {
    if (usersOf(log, split).length > 0) continue;
    throw new UserError(
      `${name} has no ${split} users; ${
        needed.join(", ")
      } users are needed. Prepare the data with other --shares, or from ` +
        "more users.",
    );
  }
}
