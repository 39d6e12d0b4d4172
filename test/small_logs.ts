/** Small random logs for tests: odd sizes, pages of one item, events and users without clicks, repeated items. */

import { type ClickLog, type ItemFeatures, NONE } from "../src/data/click_log.ts";
import { randomStream } from "../src/data/random.ts";

export interface SmallLogOptions {
  readonly users: number;
  readonly items: number;
  /** Dense features of this width; 0 for one-hot. */
  readonly width: number;
  readonly maxEvents?: number;
  readonly maxPage?: number;
  readonly noClick?: number;
  /** Share of events that are given as history, anywhere among a user's. */
  readonly given?: number;
}

export function smallLog(seed: number, options: SmallLogOptions): ClickLog {
  const { users, items, width, maxEvents = 4, maxPage = 5, noClick = 0.2, given = 0 } = options;
  const random = randomStream(seed, "small log");
  const userEvents = [0];
  const eventRows = [0];
  const eventClick: number[] = [];
  const rowItem: number[] = [];
  const eventGiven: number[] = [];
  for (let user = 0; user < users; user++) {
    const events = 1 + random.integer(maxEvents);
    for (let e = 0; e < events; e++) {
      const first = rowItem.length;
      const isGiven = given > 0 && random.uniform() < given;
      const page = isGiven ? 1 : 1 + random.integer(maxPage);
      eventGiven.push(isGiven ? 1 : 0);
      for (let k = 0; k < page; k++) rowItem.push(random.integer(items));
      eventClick.push(!isGiven && random.uniform() < noClick ? NONE : first + random.integer(page));
      eventRows.push(rowItem.length);
    }
    userEvents.push(eventClick.length);
  }
  const features: ItemFeatures = width === 0 ? { kind: "one-hot", count: items } : {
    kind: "dense",
    count: items,
    width,
    values: Float32Array.from({ length: items * width }, () => random.normal()),
  };
  return {
    name: "small",
    items: features,
    userSplit: Uint8Array.from({ length: users }, (_, u) => u % 3),
    userEvents: Uint32Array.from(userEvents),
    eventRows: Uint32Array.from(eventRows),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(rowItem),
    ...(given > 0 ? { eventGiven: Uint8Array.from(eventGiven) } : {}),
  };
}

/** 0, 1, ..., n-1 in a random order. */
export function shuffled(seed: number, n: number): number[] {
  return Array.from(randomStream(seed, "shuffle").sampleWithoutReplacement(n, n));
}
