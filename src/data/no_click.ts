/** Whether a log says how often nothing is clicked. */

import { NONE, usersOf } from "./click_log.ts";
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
