/**
 * A click log in memory: users, the events (pages) of each user in time order, and the rows of each event. A
 * row is a displayed item. In shapes of arrays, U is the number of users, E of events, R of rows, I of items,
 * and F of features per item.
 */

import { UserError } from "../user_error.ts";

// Kernels define NONE, GIVEN and FURTHER with the same values.

/** Code for no click. An event without a click has this code instead of the index of a clicked row. */
export const NONE = 0xffffffff;
/** Code in a batch for the click of a context event, which a model reads as history but never predicts. */
export const GIVEN = 0xfffffffe;
/** A batch stores an additional click on a page as `FURTHER` plus the index of the clicked row. */
export const FURTHER = 0x80000000;

/** Code of a context event: a click stored without its page. Models read the click, but never predict it. */
export const CONTEXT_EVENT = 1;
/** Code of an event that is an additional click on the preceding page. */
export const ADDITIONAL_CLICK = 2;
/**
 * Code of an earlier page in a split by time: a validation or test user saw the page before the validation
 * or test period. A model reads the clicks on such a page as history, but does not predict the clicks.
 */
export const EARLIER_PAGE = 3;

/** Returns true if an event is a page that the user was shown. @param kind: see {@link Clicks.eventKind}. */
export function isPage(kind: number | undefined): boolean {
  return !kind || kind === EARLIER_PAGE;
}

/** Returns true if a click code of a batch is a row index or {@link NONE}. */
export function isPredicted(click: number): boolean {
  return click < FURTHER || click === NONE;
}

/** Part of the data to which a user belongs. In a split by time, a user's pages of each part are one user. */
export type Split = "train" | "validation" | "test";
/** Splits with the codes 0, 1, 2 in {@link Clicks.userSplit}. The paper's files use these codes, too. */
export const splits: readonly Split[] = ["train", "validation", "test"];

/**
 * Tokens of the items. A token is a value of a field (a categorical feature, such as id or category), and has
 * a row in an embedding table. All fields share one table, in which each field has consecutive rows.
 */
export interface ItemTokens {
  /** V, the number of tokens, which are numbered from 0 to V - 1. */
  readonly count: number;
  /** [I+1] `first[i]` is the index in `token` of item i's first token. */
  readonly first: Uint32Array<ArrayBuffer>;
  /** Item i has the distinct tokens token[first[i]] to token[first[i + 1] - 1]. An item may have no token. */
  readonly token: Uint32Array<ArrayBuffer>;
}

/** Features of all items: ids ("one-hot"), vectors ("dense"), or tokens and perhaps vectors ("mixed"). */
export type ItemFeatures =
  | { readonly kind: "one-hot"; readonly count: number }
  | {
    readonly kind: "dense";
    readonly count: number;
    /** F, the number of features per item. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
  }
  | {
    readonly kind: "mixed";
    readonly count: number;
    /** F, the number of dense features per item, which may be 0. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
    readonly tokens: ItemTokens;
  };

/** Pages that users were shown, and the users' clicks on these pages. */
export interface Clicks {
  /** [U] split of each user, as an index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] `userEvents[u]` is the index of user u's first event. */
  readonly userEvents: Uint32Array<ArrayBuffer>;
  /** [E+1] `eventRows[e]` is the index of the first row of event e. */
  readonly eventRows: Uint32Array<ArrayBuffer>;
  /** [E] index of the clicked row of each event, or {@link NONE}. */
  readonly eventClick: Uint32Array<ArrayBuffer>;
  /**
   * [E] 0 for a page whose clicks a model predicts; for other events {@link CONTEXT_EVENT},
   * {@link ADDITIONAL_CLICK} or {@link EARLIER_PAGE}. Absent if a model predicts the clicks of all events.
   * Context events and additional clicks have one row: the clicked item. A page with several clicks is stored
   * as an event with the first click, followed by one event per additional click. The statistics of batch
   * normalisation include the rows of all events.
   */
  readonly eventKind?: Uint8Array<ArrayBuffer>;
  /** [R] number of the item that each row displays. */
  readonly rowItem: Uint32Array<ArrayBuffer>;
  /** [R, X] X context features per row: first those of its item, then of its page. Absent if X is 0. */
  readonly rowFeatures?: Float32Array<ArrayBuffer>;
  /**
   * [E] propensities of each page: one probability of the whole page, or one per item. An item's probability
   * is conditional on the items above it. A page with unknown propensities has [].
   */
  readonly eventPropensities?: readonly (readonly number[])[];
  /** [E] candidate items of each page; [] if the candidates were all items that the user had not clicked. */
  readonly eventCandidates?: readonly (readonly number[])[];
  /** [U] counts of the pages that each user saw before the log begins; absent if no user saw such a page. */
  readonly pastPages?: readonly PastPages[];
}

export const eventLists = ["eventPropensities", "eventCandidates"] as const;
type EventLists = Pick<Clicks, typeof eventLists[number]>;

/** Calls `make` for each name in {@link eventLists}; leaves out a result if all of its lists are empty. */
export function buildEventLists(
  make: (name: typeof eventLists[number]) => readonly (readonly number[])[],
): EventLists {
  const made = eventLists.map((name) => [name, make(name)] as const);
  return Object.fromEntries(made.filter(([, lists]) => lists.some(({ length }) => length > 0)));
}

/** A click log and the features of its items. {@link checkLog} checks that the arrays are consistent. */
export interface ClickLog extends Clicks {
  /** Short name of the log in reports, such as "demo" or a file name. */
  readonly name: string;
  /** Features of the items 0 to I - 1. */
  readonly items: ItemFeatures;
  /** [I] number of each item in the original catalogue; absent if the items were not renumbered. */
  readonly itemIds?: Uint32Array<ArrayBuffer>;
  /** True if the unclicked items of pages are sampled negatives (`data log --pages sampled`). */
  readonly sampledPages?: boolean;
}

/** Counts of a user's pages, displays and clicks before the user's first page in the log. */
export interface PastPages {
  /** Number of pages before the log. */
  readonly pages: number;
  /** Number of pages with a click before the log. */
  readonly clickedPages: number;
  /** Number of displayed items on all pages before the log. */
  readonly displays: number;
  /** Number of clicked items on all pages before the log. */
  readonly clicks: number;
}

/** Returns X, the number of context features per row of a log. */
export function getRowWidth({ rowItem, rowFeatures }: Pick<Clicks, "rowItem" | "rowFeatures">): number {
  return rowFeatures && rowItem.length > 0 ? rowFeatures.length / rowItem.length : 0;
}

export const NO_PAST_PAGES: PastPages = { pages: 0, clickedPages: 0, displays: 0, clicks: 0 };

/** Adds a page to a user's counts and returns the sums. @param e: index of the page's event. */
export function addPastPage(past: PastPages, log: Clicks, e: number): PastPages {
  const clicks = new Set(listClickedRows(log, e).map((row) => log.rowItem[row])).size;
  return {
    pages: past.pages + 1,
    clickedPages: past.clickedPages + (clicks > 0 ? 1 : 0),
    displays: past.displays + (log.eventRows[e + 1] ?? 0) - (log.eventRows[e] ?? 0),
    clicks: past.clicks + clicks,
  };
}

/** Returns the indices of a page's clicked rows, in click order. @param e: index of the page's event. */
export function listClickedRows(log: Clicks, e: number): number[] {
  const { eventRows, eventClick, eventKind, rowItem } = log;
  const click = eventClick[e] ?? NONE;
  const rows = click === NONE ? [] : [click];
  for (let next = e + 1; eventKind?.[next] === ADDITIONAL_CLICK; next++) {
    rows.push(rowItem.indexOf(rowItem[eventRows[next] ?? 0] ?? NONE, eventRows[e]));
  }
  return rows;
}

/** Returns the number of displayed items (rows) in all events of some users. */
export function countUserRows({ userEvents, eventRows }: Clicks, users: ArrayLike<number>): number {
  return Array.from(users).reduce(
    (sum, user) => sum + eventRows[userEvents[user + 1]!]! - eventRows[userEvents[user]!]!,
    0,
  );
}

/** Returns the numbers of all users of a split, in ascending order. */
export function listUsers(
  { userSplit }: Pick<ClickLog, "userSplit">,
  split: Split | "all",
): Uint32Array<ArrayBuffer> {
  const users = new Uint32Array(userSplit.length).map((_, user) => user);
  if (split === "all") return users;
  const code = splits.indexOf(split);
  return users.filter((user) => userSplit[user] === code);
}

/** @throws UserError if arrays are inconsistent, values are invalid, or a split in `needed` has no users. */
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
  const wrong = log.rowFeatures?.findIndex((value) => !Number.isFinite(value)) ?? -1;
  if (!Number.isInteger(getRowWidth(log))) {
    fail(`${log.rowFeatures?.length} context features, expected a multiple of ${rowItem.length} rows`);
  }
  if (wrong >= 0) {
    const row = Math.floor(wrong / getRowWidth(log));
    fail(`a context feature of row ${row} is ${log.rowFeatures?.[wrong]}, expected a finite number`);
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

/** Checks that each context event is one click, and that no additional click repeats an earlier click. */
function checkGiven(
  { userSplit, userEvents, eventRows, eventClick, rowItem }: ClickLog,
  eventKind: Uint8Array,
  fail: (fault: string) => never,
): void {
  if (eventKind.length !== eventClick.length) {
    fail(`eventKind has ${eventKind.length} entries, expected one per event = ${eventClick.length}`);
  }
  for (let user = 0; user < userSplit.length; user++) {
    /** Items of the preceding clicked page that have no click yet. */
    let left = new Set<number>();
    for (let event = userEvents[user]!; event < userEvents[user + 1]!; event++) {
      const start = eventRows[event]!, end = eventRows[event + 1]!, click = eventClick[event]!;
      const given = eventKind[event]!;
      if (given > EARLIER_PAGE) fail(`eventKind of event ${event} is ${given}, expected 0, 1, 2 or 3`);
      if (given === EARLIER_PAGE && userSplit[user] === 0) {
        fail(`event ${event} of train user ${user} is an earlier page, allowed only for validation and test`);
      }
      const what = given === ADDITIONAL_CLICK ? "an additional click" : "a context event";
      if (!isPage(given) && (end - start !== 1 || click === NONE)) {
        fail(
          `event ${event} of user ${user} is ${what}, expected one row, which is clicked; it has ` +
            `${end - start} rows${click === NONE ? " and no click" : ""}`,
        );
      }
      if (given !== ADDITIONAL_CLICK) left = new Set(click === NONE ? [] : rowItem.subarray(start, end));
      if (given === ADDITIONAL_CLICK && !left.has(rowItem[start]!)) {
        fail(
          `event ${event} of user ${user} is an additional click on item ${rowItem[start]}, ` +
            "expected an unclicked item of the preceding clicked page",
        );
      }
      if (click !== NONE) left.delete(rowItem[click]!);
    }
  }
}

/** @throws UserError if a split in `needed` has no users. */
export function checkSplits(name: string, userSplit: Uint8Array, needed: readonly Split[]): void {
  for (const split of needed) {
    if (userSplit.includes(splits.indexOf(split))) continue;
    throw new UserError(
      `${name} has no ${split} users; ${needed.join(", ")} users are needed. ` +
        "Prepare the data again with other --shares, or with more users.",
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
    fail(`${name} has ${starts.length} entries, expected ${count + 1} (one per ${owner}, plus one)`);
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
    fail(`${name} ends at ${starts[count]}, expected ${length}, the length of ${target}`);
  }
}
