/** Checks that the arrays of a click log fit together, before anything indexes them on the GPU. */

import { type ClickLog, type ItemTokens, NONE, type Split, splits } from "./click_log.ts";
import { UserError } from "../user_error.ts";

/**
 * Throws a {@link UserError} that names the first fault of a log: lengths and starts that do not fit, an
 * event without rows, a clicked row that is not displayed, a given event that is not a single click, an item out of
 * range, a feature that is not finite, a token out of range or twice an item, a needed split without users.
 */
export function checkLog(log: ClickLog, needed: readonly Split[] = splits): void {
  const fail = (fault: string): never => {
    throw new UserError(`The click log "${log.name}" is faulty: ${fault}.`);
  };
  const { items, userSplit, userEvents, eventRows, eventClick, eventGiven, rowItem } = log;
  checkStarts("userEvents", userEvents, "user", userSplit.length, "eventClick", eventClick.length, fail);
  checkStarts("eventRows", eventRows, "event", eventClick.length, "rowItem", rowItem.length, fail);

  if (eventGiven && eventGiven.length !== eventClick.length) {
    fail(`eventGiven has ${eventGiven.length} entries, expected one per event = ${eventClick.length}`);
  }

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
      const given = eventGiven?.[event] ?? 0;
      if (given > 1) fail(`eventGiven of event ${event} is ${given}, expected 0 or 1`);
      if (given === 1 && (end - start !== 1 || click === NONE)) {
        fail(
          `event ${event} of user ${user} is given as history, expected one row, clicked; it has ` +
            `${end - start} rows${click === NONE ? " and no click" : ""}`,
        );
      }
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
