/** How often train users were shown each item, and clicked it. */

import { type ClickLog, FURTHER_CLICK, GIVEN_HISTORY, NONE, usersOf } from "../data/click_log.ts";
import { PRIOR } from "./columns.ts";
import { type LogSource, type OnProgress, sourceOf, walk } from "../data/log_source.ts";

/** 8 bytes an item. */
export interface TrainCounts {
  /** Users of the train part. */
  readonly users: number;
  /** [I] how often each item was displayed. */
  readonly shown: Uint32Array;
  /** [I] how often it was clicked. */
  readonly clicks: Uint32Array;
  /** Clicks a display of all items, between 0 and 1. */
  readonly meanRate: number;
  /** Items on the longest page, at least 1. */
  readonly longestPage: number;
}

/** Counts what train users were shown and clicked, a page of several clicks once; events that are given do not count. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = sourceOf(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = usersOf(source, "train");
  let longestPage = 1;
  for (const { log, users } of walk(source, train, told("Counting clicks", onProgress))) {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        const given = log.eventGiven?.[event];
        if (given === GIVEN_HISTORY) continue;
        longestPage = Math.max(longestPage, log.eventRows[event + 1]! - log.eventRows[event]!);
        for (
          let row = log.eventRows[event]!;
          given !== FURTHER_CLICK && row < log.eventRows[event + 1]!;
          row++
        ) {
          shown[log.rowItem[row]!]!++;
        }
        const clicked = log.eventClick[event]!;
        if (clicked !== NONE) clicks[log.rowItem[clicked]!]!++;
      }
    }
  }
  const sum = (of: Uint32Array) => of.reduce((sum, n) => sum + n, 0);
  return { users: train.length, shown, clicks, meanRate: (sum(clicks) + 1) / (sum(shown) + 2), longestPage };
}

/** Clicks per display of an item, as if it had had 5 displays more, clicked as the mean item's are: 0 < rate < 1. */
export function rateOf({ shown, clicks, meanRate }: TrainCounts, item: number): number {
  return (clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR);
}

/** Tells of users that are walked through. */
export function told(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}
