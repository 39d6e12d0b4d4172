/** Whether a log says how often nothing is clicked: nothing else says how high utilities are. */

import { NONE, usersOf } from "./click_log.ts";
import { UserError } from "../user_error.ts";
import { type LogSource, walk } from "./log_source.ts";

/** Whether users were ever shown a page and clicked nothing; of the train users, where there are some. */
export function hasPagesWithoutClick(source: LogSource): boolean {
  const train = usersOf(source, "train");
  const users = train.length > 0 ? train : Uint32Array.from(source.userSplit, (_, user) => user);
  for (const { log, users: places } of walk(source, users)) {
    for (const user of places) {
      for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
        if (log.eventClick[e] === NONE && !log.eventGiven?.[e]) return true;
      }
    }
  }
  return false;
}

/** @throws UserError for a log with a click on every page: the level of utilities, which plans rest on, is not known there. */
export function expectPagesWithoutClick(source: LogSource): void {
  if (hasPagesWithoutClick(source)) return;
  throw new UserError(
    `Expected a log that has pages without a click, to plan, got ${source.name}, where there is a click on every page. So its ` +
      "model ranks the items of a page, but how high their utilities are, and how often nothing is clicked, was never seen: a " +
      "plan would be made for what the model happens to say of it. Show what ranks best: deno task recommend.",
  );
}
