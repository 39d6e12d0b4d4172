/** How often train users were shown each item, and clicked it. */

import { type ClickLog, NONE, usersOf } from "../data/click_log.ts";
import { type LogSource, type OnProgress, sourceOf, walk } from "../data/log_source.ts";

/** 8 bytes an item. */
export interface TrainCounts {
  /** Users of the train part. */
  readonly users: number;
  /** [I] how often each item was displayed. */
  readonly shown: Uint32Array;
  /** [I] how often it was clicked. */
  readonly clicks: Uint32Array;
}

/** Counts what train users were shown and clicked; events that are given do not count. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = sourceOf(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = usersOf(source, "train");
  for (const { log, users } of walk(source, train, told("Counting clicks", onProgress))) {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        if (log.eventGiven?.[event]) continue;
        for (let row = log.eventRows[event]!; row < log.eventRows[event + 1]!; row++) {
          shown[log.rowItem[row]!]!++;
        }
        const clicked = log.eventClick[event]!;
        if (clicked !== NONE) clicks[log.rowItem[clicked]!]!++;
      }
    }
  }
  return { users: train.length, shown, clicks };
}

/** Clicks per display of an item, (clicks + 0.1) / (shown + 1): below 1, and 0.1 for an item that was never shown. */
export function rateOf({ shown, clicks }: TrainCounts, item: number): number {
  return (clicks[item]! + 0.1) / (shown[item]! + 1);
}

/** Tells of users that are walked through. */
export function told(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}
