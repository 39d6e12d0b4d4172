/** Checks that the arrays of a click log fit together, before anything indexes them on the GPU. */

import { type ClickLog, FURTHER_CLICK, type ItemTokens, NONE, type Split, splits } from "./click_log.ts";
import { UserError } from "../user_error.ts";

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
      `The click log "${name}" is faulty: there are no ${split} users; ` +
        `${needed.join(", ")} users are needed.`,
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
