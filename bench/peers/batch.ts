/** A batch as index arrays, made once before anything is timed: the same for every peer. */

import { type ClickLog, NONE } from "../../src/data/click_log.ts";

/** The letters: B users, E events, R rows, D distinct items, L the most clicks of a user that the encoder sees. */
export interface PeerBatch {
  readonly users: number;
  /** [E+1] first row of each event. */
  readonly eventFirst: Uint32Array<ArrayBuffer>;
  /** [E] the row that was clicked, or NONE. */
  readonly eventClick: Uint32Array<ArrayBuffer>;
  /** [E] where the event's state stands among the [(L+1), B] states, of which the first B are zero. */
  readonly eventState: Uint32Array<ArrayBuffer>;
  /** [R] */
  readonly rowEvent: Uint32Array<ArrayBuffer>;
  /** [R] item of the catalogue. */
  readonly rowItem: Uint32Array<ArrayBuffer>;
  /** [R] place of the row's item among the distinct ones. */
  readonly rowSlot: Uint32Array<ArrayBuffer>;
  /** [D] distinct items, ascending. */
  readonly slotItem: Uint32Array<ArrayBuffer>;
  /** [L, B] item of each user's next click; NONE behind her last. */
  readonly fedItem: Uint32Array<ArrayBuffer>;
  /** [E, m] the last m clicked items before the event, the most recent first; NONE where there are fewer. */
  readonly window: Uint32Array<ArrayBuffer>;
}

/** The arrays of a batch, as they are named in a job's file. */
export const batchArrays = [
  "eventFirst",
  "eventClick",
  "eventState",
  "rowEvent",
  "rowItem",
  "rowSlot",
  "slotItem",
  "fedItem",
  "window",
] as const satisfies readonly (keyof PeerBatch)[];

/** @param lags m, the length of the window. */
export function peerBatch(log: ClickLog, users: ArrayLike<number>, lags: number): PeerBatch {
  const { userEvents, eventRows, rowItem } = log;
  const fed: number[][] = [];
  const eventFirst = [0];
  const eventClick: number[] = [];
  const rowEvent: number[] = [];
  const rowItems: number[] = [];
  const window: number[] = [];
  /** Clicks before each event, and whose they are. */
  const places: [clicks: number, user: number][] = [];
  for (let user = 0; user < users.length; user++) {
    const clicks: number[] = [];
    const [from, to] = [userEvents[users[user] ?? 0] ?? 0, userEvents[(users[user] ?? 0) + 1] ?? 0];
    for (let e = from; e < to; e++) {
      const [first, end] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0];
      const click = log.eventClick[e] ?? NONE;
      const event = places.push([clicks.length, user]) - 1;
      for (let lag = 1; lag <= lags; lag++) window.push(clicks.at(-lag) ?? NONE);
      eventClick.push(click === NONE ? NONE : rowItems.length + click - first);
      for (let row = first; row < end; row++) {
        rowEvent.push(event);
        rowItems.push(rowItem[row] ?? 0);
      }
      eventFirst.push(rowItems.length);
      if (click !== NONE && e + 1 < to) clicks.push(rowItem[click] ?? 0);
    }
    fed.push(clicks);
  }
  const longest = Math.max(...fed.map((clicks) => clicks.length));
  const slotItem = Uint32Array.from(new Set(rowItems)).sort();
  const slotOf = new Map(Array.from(slotItem, (item, slot) => [item, slot]));
  return {
    users: users.length,
    eventFirst: Uint32Array.from(eventFirst),
    eventClick: Uint32Array.from(eventClick),
    eventState: Uint32Array.from(places, ([clicks, user]) => clicks * users.length + user),
    rowEvent: Uint32Array.from(rowEvent),
    rowItem: Uint32Array.from(rowItems),
    rowSlot: Uint32Array.from(rowItems, (item) => slotOf.get(item) ?? 0),
    slotItem,
    fedItem: Uint32Array.from(
      { length: longest * users.length },
      (_, k) => fed[k % users.length]?.[Math.floor(k / users.length)] ?? NONE,
    ),
    window: Uint32Array.from(window),
  };
}

/** Any item will do where there is none: no event looks at what follows from it. */
export function someItem(items: Uint32Array): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(items, (item) => (item === NONE ? 0 : item));
}
