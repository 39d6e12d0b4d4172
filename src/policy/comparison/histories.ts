/** What a log says of its users, for those who are simulated in their place. */

import { FURTHER_CLICK, NONE, usersOf } from "../../data/click_log.ts";
import { type LogSource, walk } from "../../data/log_source.ts";
import { randomStream } from "../../data/random.ts";

/**
 * The clicks of train users up to and with some of their pages, drawn evenly over all of them.
 * @param most how many, at most. @throws RangeError for a log without a page of a train user.
 */
export function trainHistories(source: LogSource, most: number, seed: number): Uint32Array<ArrayBuffer>[] {
  const found: Uint32Array<ArrayBuffer>[] = [];
  const random = randomStream(seed, "histories");
  let pages = 0;
  for (const { log, users } of walk(source, usersOf(source, "train"))) {
    for (const user of users) {
      const clicks: number[] = [];
      const end = log.userEvents[user + 1]!;
      for (let event = log.userEvents[user]!; event < end; event++) {
        const row = log.eventClick[event]!;
        if (row !== NONE) clicks.push(log.rowItem[row]!);
        // A page ends with its last click.
        if (event + 1 < end && log.eventGiven?.[event + 1] === FURTHER_CLICK) continue;
        // Each page so far is kept with the same probability.
        const place = found.length < most ? found.length : random.integer(pages + 1);
        pages++;
        if (place < most) found[place] = Uint32Array.from(clicks);
      }
    }
  }
  if (pages === 0) throw new RangeError("expected a log with pages of train users");
  return found;
}
