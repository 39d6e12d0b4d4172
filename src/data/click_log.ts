/**
 * A click log in memory: users, their events (pages) in time order, the displayed rows of each event.
 *
 * Letters as everywhere in this project: U users, E events, R rows (one per event and displayed item),
 * I items, F item features.
 */

import { UserError } from "../user_error.ts";

/** Marks "no click" where the index of a row is expected. The same value as `NONE` in the kernels. */
export const NONE = 0xffffffff;
/** Marks a given event in the place of its clicked row, in a batch. The same value as `GIVEN` in the kernels. */
export const GIVEN = 0xfffffffe;
/**
 * Added to the row of a further click, which is one of the page before it: that stands in the place of the clicked row, in
 * a batch. The same value as `FURTHER` in the kernels.
 */
export const FURTHER = 0x80000000;

/** What {@link Clicks.eventGiven} says of an event of which nothing is predicted: it was clicked before the log begins. */
export const GIVEN_HISTORY = 1;
/** Another click on the page before it: that page's prediction is of all of its clicks. */
export const FURTHER_CLICK = 2;

/** Whether something is predicted of an event of a batch, by what it has in the place of the clicked row. */
export function isPredicted(click: number): boolean {
  return click < FURTHER || click === NONE;
}

/** Which part of the log a user belongs to. All events of a user are in one part. */
export type Split = "train" | "validation" | "test";
/** `splits[k]` is the name of the code k in {@link ClickLog.userSplit}; the paper's files use the same codes. */
export const splits: readonly Split[] = ["train", "validation", "test"];

/**
 * Tokens of the items: ids, categories, whatever has a row of its own in a table. Several fields share the numbers
 * 0 .. count - 1, each from an offset of its own on.
 */
export interface ItemTokens {
  /** V, rows of a token table. */
  readonly count: number;
  /** [I+1] first token of each item. */
  readonly first: Uint32Array<ArrayBuffer>;
  /** [P] the tokens of item i are those from first[i] to first[i + 1], each at most once; there may be none. */
  readonly token: Uint32Array<ArrayBuffer>;
}

/**
 * What is known of the items: nothing but their ids (one-hot), a dense feature vector each, or tokens, beside which
 * there may be dense features (mixed).
 */
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

/** What users were shown and what they clicked, of items that are numbered. */
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
   * [E] 0 for a page to predict, else {@link GIVEN_HISTORY} or {@link FURTHER_CLICK}: one row, clicked, which the encoder is
   * fed as any click, but nothing is predicted of it. Absent: all are predicted. A page of several clicks is an event of
   * its own with the first of them, and behind it one for each of the others, whose item is on the page. Batch
   * normalisation takes their rows into the batch's statistics as any other.
   */
  readonly eventGiven?: Uint8Array<ArrayBuffer>;
  /** [R] the item displayed. */
  readonly rowItem: Uint32Array<ArrayBuffer>;
  /**
   * [E] by which chance each page was shown, of those who drew it: one number for the page as a whole, or one for each of its
   * items in their order, given those before it; none where it is not known. Absent: of no page. A log that stays on disk has none.
   */
  readonly eventPropensities?: readonly (readonly number[])[];
  /** [E] what each page was drawn from; none: from all items, as far as its user had not clicked them. Absent: of no page. */
  readonly eventCandidates?: readonly (readonly number[])[];
}

/** What of {@link Clicks} is a list for each event, and may be absent. */
export const eventLists = ["eventPropensities", "eventCandidates"] as const;
type EventLists = Pick<Clicks, typeof eventLists[number]>;

/** The lists of events from `make`, those without anything in them left out. */
export function buildEventLists(
  make: (name: typeof eventLists[number]) => readonly (readonly number[])[],
): EventLists {
  const made = eventLists.map((name) => [name, make(name)] as const);
  return Object.fromEntries(made.filter(([, lists]) => lists.some(({ length }) => length > 0)));
}

/** A log with the items that it shows. `checkLog` says whether its numbers fit together. */
export interface ClickLog extends Clicks {
  /** Short name for reports, e.g. "demo" or the file's name. */
  readonly name: string;
  /** [I] what is known of the items; rows name them by their number, 0 to I - 1. */
  readonly items: ItemFeatures;
  /** [I] the catalogue's numbers of the items, where the log has numbers of its own. */
  readonly itemIds?: Uint32Array<ArrayBuffer>;
}

/**
 * The rows of a page that were clicked, in the order of the clicks; none without a click.
 * @param e an event that is not given.
 */
export function listClickedRows(log: Clicks, e: number): number[] {
  const { eventRows, eventClick, eventGiven, rowItem } = log;
  const click = eventClick[e] ?? NONE;
  const rows = click === NONE ? [] : [click];
  for (let next = e + 1; eventGiven?.[next] === FURTHER_CLICK; next++) {
    rows.push(rowItem.indexOf(rowItem[eventRows[next] ?? 0] ?? NONE, eventRows[e]));
  }
  return rows;
}

/** The users of one part of the log, in ascending order. */
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
 * Throws a {@link UserError} that names the first fault of a log: lengths and starts that do not fit, an
 * event without rows, a clicked row that is not displayed, a given event that is not a single click, a further click of
 * nothing that its page shows or on what is clicked already, an item out of range, a feature that is not finite, a token
 * out of range or twice an item, a needed split without users.
 */
export function checkLog(log: ClickLog, needed: readonly Split[] = splits): void {
  const fail = (fault: string): never => {
    throw new UserError(`The click log "${log.name}" is faulty: ${fault}.`);
  };
  const { items, userSplit, userEvents, eventRows, eventClick, eventGiven, rowItem } = log;
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
  if (eventGiven) checkGiven(log, eventGiven, fail);
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

/** Whether what is given are single clicks, and further clicks on items of their page that are not clicked yet. */
function checkGiven(
  { userSplit, userEvents, eventRows, eventClick, rowItem }: ClickLog,
  eventGiven: Uint8Array,
  fail: (fault: string) => never,
): void {
  if (eventGiven.length !== eventClick.length) {
    fail(`eventGiven has ${eventGiven.length} entries, expected one per event = ${eventClick.length}`);
  }
  for (let user = 0; user < userSplit.length; user++) {
    /** What the last page shows that is not clicked yet; nothing where there was no click. */
    let left = new Set<number>();
    for (let event = userEvents[user]!; event < userEvents[user + 1]!; event++) {
      const start = eventRows[event]!, end = eventRows[event + 1]!, click = eventClick[event]!;
      const given = eventGiven[event]!;
      if (given > FURTHER_CLICK) fail(`eventGiven of event ${event} is ${given}, expected 0, 1 or 2`);
      const what = given === FURTHER_CLICK ? "a further click" : "given as history";
      if (given > 0 && (end - start !== 1 || click === NONE)) {
        fail(
          `event ${event} of user ${user} is ${what}, expected one row, clicked; it has ` +
            `${end - start} rows${click === NONE ? " and no click" : ""}`,
        );
      }
      if (given < FURTHER_CLICK) left = new Set(click === NONE ? [] : rowItem.subarray(start, end));
      if (given === FURTHER_CLICK && !left.has(rowItem[start]!)) {
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
  /** The last item that has a token, and one more. */
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

/**
 * Checks that `starts` [count + 1] begins at 0, never falls and ends at the length of what it points into.
 */
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
