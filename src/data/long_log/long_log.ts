/**
 * A log with a row for each displayed item, as `data example` writes it and as `deno task data log` prepares it without
 * features of the items: the same users in the same parts, the same pages, the same tokens.
 */

import { md5 } from "@noble/hashes/legacy.js";
import { badRowsText, expectFew } from "../bad_rows.ts";
import { type ClickLog, NONE, type Split, splits } from "../click_log.ts";
import type { Features, Places } from "../manifest.ts";
import { UserError } from "../../user_error.ts";
import { type LongPages, pagesOf } from "./pages.ts";
import { type ReadRows, readRows } from "./rows.ts";
import { tokensOf } from "./tokens.ts";

export interface LongLog {
  readonly log: ClickLog;
  readonly features: Features;
  readonly places: Places;
  /** How it was understood, and what of it is left out. */
  readonly notes: readonly string[];
}

/** Of the users, by their ids: whoever is in a part stays in it when the log grows. */
const SHARES = { train: 0.8, validation: 0.1 };

/**
 * @param path of the text, for messages; its last part names the log. @param onRead told which share of the text is read.
 * @throws UserError with path and line where there is one.
 */
export async function parseLongLog(
  path: string,
  text: string,
  onRead?: (share: number) => void,
): Promise<LongLog> {
  const read = readRows(path, text, onRead);
  expectFew(read.bad, read.count);
  const pages = pagesOf(read);
  expectClicks(path, pages);
  const clicks = clicksOf(pages);
  expectParts(path, clicks.userSplit);
  const { tokens, field } = await tokensOf(pages.items, clicks);
  const { length: count } = pages.items;
  return {
    log: {
      name: path.split(/[\\/]/).pop() ?? path,
      items: { kind: "mixed", count, width: 0, values: new Float32Array(), tokens },
      ...clicks,
    },
    features: { dense: [], tokens: [field] },
    places: read.hasPositions ? "shown" : "arbitrary",
    notes: notesOf(read, pages),
  };
}

function expectClicks(path: string, { users, clicks }: LongPages): void {
  if (clicks > 0) return;
  const pages = users.reduce((sum, { pages }) => sum + pages.length, 0);
  throw new UserError(
    `${path}: expected clicks, found none on ${
      pages.toLocaleString("en")
    } pages: there is nothing to learn. Is clicked what ` +
      "says so?",
  );
}

function expectParts(path: string, userSplit: Uint8Array): void {
  const [missing] = splits.filter((_, code) => !userSplit.includes(code));
  if (!missing) return;
  throw new UserError(
    `${path}: there are no ${missing} users among its ${userSplit.length}, and ${
      splits.join(", ")
    } users are needed. Users ` +
      "are dealt out by their ids, 80, 10 and 10 %. Give a log of more users, or prepare it with other shares: deno task " +
      "data log --shares.",
  );
}

function clicksOf({ users }: LongPages): Omit<ClickLog, "name" | "items"> {
  const pages = users.flatMap(({ pages }) => pages);
  const eventRows = new Uint32Array(pages.length + 1);
  pages.forEach(({ items }, k) => eventRows[k + 1] = (eventRows[k] ?? 0) + items.length);
  const rowItem = new Uint32Array(eventRows.at(-1) ?? 0);
  pages.forEach(({ items }, k) => rowItem.set(items, eventRows[k]));
  const userEvents = new Uint32Array(users.length + 1);
  users.forEach(({ pages }, k) => userEvents[k + 1] = (userEvents[k] ?? 0) + pages.length);
  return {
    userSplit: Uint8Array.from(users, ({ id }) => splits.indexOf(partOf(id))),
    userEvents,
    eventRows,
    eventClick: Uint32Array.from(
      pages,
      ({ clicked }, k) => clicked === undefined ? NONE : (eventRows[k] ?? 0) + clicked,
    ),
    rowItem,
  };
}

/** By the first 32 bits of the id's MD5, as data/users.sql has it. */
function partOf(id: string): Split {
  const share = new DataView(md5(new TextEncoder().encode(id)).buffer).getUint32(0) / 2 ** 32;
  if (share < SHARES.train) return "train";
  return share < SHARES.train + SHARES.validation ? "validation" : "test";
}

function notesOf({ bad, timeKind }: ReadRows, { repeated, split }: LongPages): string[] {
  const n = (count: number) => count.toLocaleString("en");
  return [
    "There are no features: each item has a token of its own.",
    `Times are read as ${timeKind}.`,
    ...(repeated > 0 ? [`Left out: ${n(repeated)} rows of an item that is on its page already.`] : []),
    ...(split > 0 ? [`Pages with several clicks, split into one page a click: ${n(split)}.`] : []),
    ...(bad.total > 0 ? [`Left out: ${n(bad.total)} rows that cannot be read.\n${badRowsText(bad)}`] : []),
  ];
}
