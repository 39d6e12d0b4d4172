/** What a model has to beat: figures that need no learning, or only counting. */

import { type ClickLog, NONE, usersOf } from "./click_log.ts";
import { type LogSource, type OnProgress, sourceOf, walk } from "./log_source.ts";
import { type ChoiceFigures, ChoiceSums, type RankingFigures, RankingSums } from "./ranking.ts";

/** A ranking only: it gives no probabilities, so it has no loss. */
export interface RankingBaseline extends RankingFigures {
  /** Always null. */
  nll: null;
}

/** Every utility 0: each item of a page, and no click, equally likely. nll = mean log(1 + K). */
export function randomBaseline(
  log: ClickLog | LogSource,
  users: Iterable<number>,
  onProgress?: OnProgress,
): ChoiceFigures {
  const sums = new ChoiceSums();
  for (const part of walk(sourceOf(log), users, told("Chance", onProgress))) {
    sums.add(part.log, part.users, new Float64Array(part.log.rowItem.length));
  }
  return sums.figures();
}

/** Items ranked by (clicks + 0.1) / (shown + 1), counted on what the train users were shown. */
export function clickRateBaseline(
  log: ClickLog | LogSource,
  users: Iterable<number>,
  onProgress?: OnProgress,
): RankingBaseline {
  const source = sourceOf(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  for (const { log, users } of walk(source, usersOf(source, "train"), told("Counting clicks", onProgress))) {
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
  const sums = new RankingSums();
  for (const { log, users: own } of walk(source, users, told("Click rates", onProgress))) {
    sums.add(log, own, Float64Array.from(log.rowItem, (item) => (clicks[item]! + 0.1) / (shown[item]! + 1)));
  }
  return { nll: null, ...sums.figures() };
}

function told(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}
