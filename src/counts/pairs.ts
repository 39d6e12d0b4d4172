/** Which items are clicked by the same users. */

import { type Clicks, NONE, usersOf } from "../data/click_log.ts";
import { type LogSource, type OnProgress, walk } from "../data/log_source.ts";
import { PairCounts } from "./pair_counts.ts";
import { told } from "./train_counts.ts";

/** Pairs of all users, at most, that are counted. */
const MOST_PAIRS = 20_000_000;
/** Different items of a user, at most. */
const MOST_CLICKS = 500;

/** Pairs of items that train users clicked. */
export interface ClickPairs {
  /** [I] users who clicked an item, among their latest. */
  readonly users: Uint32Array;
  /** Of items that at least {@link least} users clicked. */
  readonly pairs: PairCounts;
  /**
   * 1 where there is room for all pairs. By their items' users and not by how often they occur: one more user, who is to be left
   * out later, could lift a pair that would have been forgotten over a limit on that, and so tell what this user clicked.
   */
  readonly least: number;
}

/**
 * Counts them; clicks that are given count, too.
 * @param latest see {@link latestFor}. @param pairs to count in, of another size than usual.
 */
export function countPairs(
  source: LogSource,
  latest: number,
  onProgress?: OnProgress,
  pairs = new PairCounts(),
): ClickPairs {
  const train = usersOf(source, "train");
  const users = new Uint32Array(source.items.shape.count);
  const each = (what: string, take: (items: number[]) => void) => {
    for (const { log, users: places } of walk(source, train, told(what, onProgress))) {
      for (const user of places) take(latestClicks(log, user, latest));
    }
  };
  each("Counting users of items", (items) => items.forEach((item) => users[item]!++));
  let least = 1;
  each("Counting pairs of clicks", (items) => {
    const kept = items.filter((item) => users[item]! >= least);
    kept.forEach((item, k) => {
      for (let other = 0; other < k; other++) pairs.add(item, kept[other]!);
    });
    while (pairs.isFull) {
      least += 1 + (least >> 2);
      pairs.keep((a, b) => Math.min(users[a]!, users[b]!) >= least);
    }
  });
  return { users, pairs, least };
}

/** Different items of a user, the latest clicked first. */
export function latestClicks(log: Clicks, user: number, most: number): number[] {
  const found = new Set<number>();
  for (let e = log.userEvents[user + 1]! - 1; e >= log.userEvents[user]! && found.size < most; e--) {
    const click = log.eventClick[e]!;
    if (click !== NONE) found.add(log.rowItem[click]!);
  }
  return [...found];
}

/**
 * Different items of a user, the latest clicked, whose pairs are counted: fewer where there would be too many pairs, as if each
 * event had a click on another item.
 */
export function latestFor(source: LogSource): number {
  const { userEvents } = source;
  const train = usersOf(source, "train");
  for (let latest = MOST_CLICKS; latest > 2; latest = Math.floor(0.8 * latest)) {
    let pairs = 0;
    for (const user of train) {
      const clicks = Math.min(latest, userEvents[user + 1]! - userEvents[user]!);
      pairs += clicks * (clicks - 1) / 2;
    }
    if (pairs <= MOST_PAIRS) return latest;
  }
  return 2;
}
