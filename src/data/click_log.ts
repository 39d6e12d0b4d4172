/**
 * A click log in memory: users, their events (pages) in time order, the displayed rows of each event.
 *
 * Array sizes, as everywhere in this project: U users, E events, R rows (one per event and displayed item), I items, F item
 * features.
 */

import { UserError } from "../user_error.ts";

/** Marks "no click" where the index of a row is expected. The same value as `NONE` in the kernels. */
export const NONE = 0xffffffff;
/** Replaces the clicked row of a context event in a batch. The same value as `GIVEN` in the kernels. */
export const GIVEN = 0xfffffffe;
/**
 * Is added to the clicked row of an additional click in a batch, which is a row of the page before it. The same value as
 * `FURTHER` in the kernels.
 */
export const FURTHER = 0x80000000;

/** Code in {@link Clicks.eventKind} of a context event: clicked before the log begins, it sets the state and is not predicted. */
export const CONTEXT_EVENT = 1;
/** Code in {@link Clicks.eventKind} of an additional click on the page before it, whose likelihood covers all of its clicks. */
export const ADDITIONAL_CLICK = 2;

/** Returns true if an event of a batch is predicted. @param click its clicked row, or a mark. */
export function isPredicted(click: number): boolean {
  return click < FURTHER || click === NONE;
}

/** Part of the log that a user belongs to. All events of a user are in one part. */
export type Split = "train" | "validation" | "test";
/** `splits[k]` is the name of the code k in {@link ClickLog.userSplit}; the paper's files use the same codes. */
export const splits: readonly Split[] = ["train", "validation", "test"];

/**
 * Tokens of the items: ids, categories, or any value with a row of its own in a table. Several fields share the numbers 0 ..
 * count - 1, each from its own offset.
 */
export interface ItemTokens {
  /** V, rows of a token table. */
  readonly count: number;
  /** [I+1] first token of each item. */
  readonly first: Uint32Array<ArrayBuffer>;
  /** [P] tokens of item i are those from first[i] to first[i + 1], each at most once; an item may have none. */
  readonly token: Uint32Array<ArrayBuffer>;
}

/** Features of the items: ids alone (one-hot), a dense feature vector per item, or tokens with or without dense features (mixed). */
export type ItemFeatures =
  | { readonly kind: "one-hot"; readonly count: number }
  | {
    readonly kind: "dense";
    readonly count: number;
    /** F, features per item. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
  }
  | {
    readonly kind: "mixed";
    readonly count: number;
    /** F, dense features per item; may be 0. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
    readonly tokens: ItemTokens;
  };

/** Pages that users were shown and what they clicked there, with items by number. */
export interface Clicks {
  /** [U] index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] first event of each user. */
  readonly userEvents: Uint32Array<ArrayBuffer>;
  /** [E+1] first row of each event. */
  readonly eventRows: Uint32Array<ArrayBuffer>;
  /** [E] the row that was clicked, or {@link NONE}. */
  readonly eventClick: Uint32Array<ArrayBuffer>;
  /**
   * [E] 0 for a predicted page, else {@link CONTEXT_EVENT} or {@link ADDITIONAL_CLICK}: one clicked row, which the encoder reads
   * as any click and which is not predicted. Absent: all are predicted. A page with several clicks is one event with the
   * first of them, followed by one event per additional click. Batch normalisation includes the rows of these events in its
   * statistics.
   */
  readonly eventKind?: Uint8Array<ArrayBuffer>;
  /** [R] the displayed item. */
  readonly rowItem: Uint32Array<ArrayBuffer>;
  /**
   * [E] propensity of each page: the probability of the page as a whole, or one per item in their order, each conditional on
   * the items before it; empty where unknown. Absent: unknown for all pages. A log that stays on disk has none.
   */
  readonly eventPropensities?: readonly (readonly number[])[];
  /** [E] items that each page was drawn from; empty: all items that its user had not clicked. Absent: empty for all pages. */
  readonly eventCandidates?: readonly (readonly number[])[];
}

/** Optional fields of {@link Clicks} with a list per event. */
export const eventLists = ["eventPropensities", "eventCandidates"] as const;
type EventLists = Pick<Clicks, typeof eventLists[number]>;

/** Builds the lists of events with `make`, without those that are empty throughout. */
export function buildEventLists(
  make: (name: typeof eventLists[number]) => readonly (readonly number[])[],
): EventLists {
  const made = eventLists.map((name) => [name, make(name)] as const);
  return Object.fromEntries(made.filter(([, lists]) => lists.some(({ length }) => length > 0)));
}

/** A log with the items that it shows. `checkLog` checks that its numbers are consistent. */
export interface ClickLog extends Clicks {
  /** Short name for reports, e.g. "demo" or the file's name. */
  readonly name: string;
  /** [I] features of the items; rows refer to items by number, 0 to I - 1. */
  readonly items: ItemFeatures;
  /** [I] numbers of the items in the catalogue, where the log has its own numbers. */
  readonly itemIds?: Uint32Array<ArrayBuffer>;
}

/** Returns the clicked rows of a page in click order; empty without a click. @param e event that is not a context event. */
export function listClickedRows(log: Clicks, e: number): number[] {
  const { eventRows, eventClick, eventKind, rowItem } = log;
  const click = eventClick[e] ?? NONE;
  const rows = click === NONE ? [] : [click];
  for (let next = e + 1; eventKind?.[next] === ADDITIONAL_CLICK; next++) {
    rows.push(rowItem.indexOf(rowItem[eventRows[next] ?? 0] ?? NONE, eventRows[e]));
  }
  return rows;
}

/** Returns the users of one part of the log, in ascending order. */
export function listUsers(log: Pick<ClickLog, "userSplit">, split: Split): Uint32Array<ArrayBuffer> {
  const code = splits.indexOf(split);
  const users = new Uint32Array(log.userSplit.reduce((count, c) => count + (c === code ? 1 : 0), 0));
  let k = 0;
  log.userSplit.forEach((c, user) => {
    if (c === code) users[k++] = user;
  });
  return users;
}

/**
 * Checks a log. @throws UserError naming the first fault: inconsistent lengths or starts, an event without rows, a clicked
 * row that is not displayed, a context event that is not a single click, an additional click on an item that its page does
 * not show or that is clicked already, an item out of range, a feature that is not finite, a token out of range or repeated,
 * a needed split without users.
 */
export function checkLog(log: ClickLog, needed: readonly Split[] = splits): void {
  const fail = (fault: string): never => {
    throw new UserError(`The click log "${log.name}" is faulty: ${fault}.`);
  };
  const { items, userSplit, userEvents, eventRows, eventClick, eventKind, rowItem } = log;
  checkStarts("userEvents", userEvents, "user", userSplit.length, "eventClick", eventClick.length, fail);
  checkStarts("eventRows", eventRows, "event", eventClick.length, "rowItem", rowItem.length, fail);

  for (let user = 0; user < userSplit.length; user++) {
    if (userSplit[user]! >= splits.length) {
      fail(`userSplit of user ${user} is ${userSplit[user]}, expected 0 (train), 1 (validation) or 2 (test)`);
    }
    for (let event = userEvents[user]!; event < userEvents[user + 1]!; event++) {
      const start = eventRows[event]!, end = eventRows[event + 1]!, click = eventClick[event]!;
      if (start === end) fail(`event ${event} of user ${user} displays no items, expected at least one`);
      if (click !== NONE && (click < start || click >= end)) {
        fail(
          `event ${event} of user ${user}: the clicked row is not displayed; ` +
            `eventClick is ${click}, expected one of the event's rows ${start}..${end - 1} or NONE`,
        );
      }
    }
  }
  if (eventKind) checkGiven(log, eventKind, fail);
  for (const name of eventLists) {
    const { length } = log[name] ?? eventClick;
    if (length !== eventClick.length) {
      fail(`${name} has ${length} entries, expected one per event = ${eventClick.length}`);
    }
  }
  for (let row = 0; row < rowItem.length; row++) {
    if (rowItem[row]! >= items.count) {
      fail(`row ${row} displays item ${rowItem[row]}, but there are ${items.count} items (ids start at 0)`);
    }
  }
  if (items.kind !== "one-hot") {
    const { count, width, values } = items;
    if (values.length !== count * width) {
      fail(`${values.length} feature values, expected ${count} items x ${width} features = ${count * width}`);
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const [item, feature] = [Math.floor(bad / width), bad % width];
      fail(`feature ${feature} of item ${item} is ${values[bad]}, expected a finite number`);
    }
  }
  if (items.kind === "mixed") checkTokens(items.tokens, items.count, fail);
  checkSplits(log.name, userSplit, needed);
}

/** Checks that context events are single clicks, and additional clicks are on items of their page that are not clicked yet. */
function checkGiven(
  { userSplit, userEvents, eventRows, eventClick, rowItem }: ClickLog,
  eventKind: Uint8Array,
  fail: (fault: string) => never,
): void {
  if (eventKind.length !== eventClick.length) {
    fail(`eventKind has ${eventKind.length} entries, expected one per event = ${eventClick.length}`);
  }
  for (let user = 0; user < userSplit.length; user++) {
    /** Items of the last page that are not clicked yet; empty where it has no click. */
    let left = new Set<number>();
    for (let event = userEvents[user]!; event < userEvents[user + 1]!; event++) {
      const start = eventRows[event]!, end = eventRows[event + 1]!, click = eventClick[event]!;
      const given = eventKind[event]!;
      if (given > ADDITIONAL_CLICK) fail(`eventKind of event ${event} is ${given}, expected 0, 1 or 2`);
      const what = given === ADDITIONAL_CLICK ? "a further click" : "given as history";
      if (given > 0 && (end - start !== 1 || click === NONE)) {
        fail(
          `event ${event} of user ${user} is ${what}, expected one row, clicked; it has ` +
            `${end - start} rows${click === NONE ? " and no click" : ""}`,
        );
      }
      if (given < ADDITIONAL_CLICK) left = new Set(click === NONE ? [] : rowItem.subarray(start, end));
      if (given === ADDITIONAL_CLICK && !left.has(rowItem[start]!)) {
        fail(
          `event ${event} of user ${user} is a further click on item ${
            rowItem[start]
          }, expected an item of the clicked ` +
            "page before it that is not clicked yet",
        );
      }
      if (click !== NONE) left.delete(rowItem[click]!);
    }
  }
}

/** @throws UserError for a needed split without users. */
export function checkSplits(name: string, userSplit: Uint8Array, needed: readonly Split[]): void {
  for (const split of needed) {
    if (userSplit.includes(splits.indexOf(split))) continue;
    throw new UserError(
      `${name} has no ${split} users; ${
        needed.join(", ")
      } users are needed. Prepare the data with other --shares, or from ` +
        "more users.",
    );
  }
}

function checkTokens(
  { count, first, token }: ItemTokens,
  items: number,
  fail: (fault: string) => never,
): void {
  if (count < 1) fail(`there are ${count} tokens, expected at least one; without tokens items are dense`);
  checkStarts("tokens.first", first, "item", items, "tokens.token", token.length, fail);
  /** 1 + the last item that has the token. */
  const seen = new Uint32Array(count);
  for (let item = 0; item < items; item++) {
    for (let p = first[item]!; p < first[item + 1]!; p++) {
      const id = token[p]!;
      if (id >= count) fail(`item ${item} has token ${id}, but there are ${count} tokens (ids start at 0)`);
      if (seen[id] === item + 1) {
        fail(`item ${item} has token ${id} twice, expected each token at most once`);
      }
      seen[id] = item + 1;
    }
  }
}

/** Checks that `starts` [count + 1] begins at 0, never falls and ends at the length of what it points into. */
function checkStarts(
  name: string,
  starts: Uint32Array,
  owner: string,
  count: number,
  target: string,
  length: number,
  fail: (fault: string) => never,
): void {
  if (starts.length !== count + 1) {
    fail(`${name} has ${starts.length} entries, expected one per ${owner} and one more = ${count + 1}`);
  }
  if (starts[0] !== 0) fail(`${name} starts at ${starts[0]}, expected 0`);
  for (let i = 0; i < count; i++) {
    if (starts[i + 1]! < starts[i]!) {
      fail(
        `${name} falls from ${starts[i]} to ${starts[i + 1]} after ${owner} ${i}, expected it never to fall`,
      );
    }
  }
  if (starts[count] !== length) {
    fail(`${name} ends at ${starts[count]}, expected the length of ${target}, ${length}`);
  }
}
