/**
 * A log with a row for each displayed item, as `deno task data log` prepares it: the same users in the same parts, the same
 * pages, the same numbers and tokens of the items.
 */

import { md5 } from "@noble/hashes/legacy.js";
import { badRowsText, expectFew } from "../bad_rows.ts";
import { type ClickLog, FURTHER_CLICK, NONE, type Split, splits } from "../click_log.ts";
import type { Features, Places } from "../manifest.ts";
import { UserError } from "../../user_error.ts";
import type { LogColumns } from "./columns.ts";
import { knownItems } from "./features.ts";
import type { ItemFile } from "./item_table.ts";
import { checkPages } from "./page_checks.ts";
import { type LongPages, pagesOf } from "./pages.ts";
import { type ReadRows, readRows } from "./rows.ts";
import type { TableText } from "./table.ts";
import { thousands } from "../../thousands.ts";

export interface LongLog {
  readonly log: ClickLog;
  readonly features: Features;
  readonly places: Places;
  /** How it was understood, and what of it is left out. */
  readonly notes: readonly string[];
}

/** Of the users, by their ids: whoever is in a part stays in it when the log grows. */
const SHARES = { train: 0.8, validation: 0.1 };

export interface LongLogOptions {
  /** Which columns hold what; by default those of `data example`. */
  readonly columns?: LogColumns | undefined;
  /** What is known of the items. */
  readonly items?: ItemFile | undefined;
  /** Told which share of the text is read. */
  readonly onRead?: ((share: number) => void) | undefined;
}

/**
 * @param file the last part of its path names the log.
 * @throws UserError with path and line where there is one.
 */
export async function parseLongLog(
  file: TableText,
  { columns, items, onRead }: LongLogOptions = {},
): Promise<LongLog> {
  const { path } = file;
  const read = readRows(file, columns, onRead);
  expectFew(read.bad, read.count);
  const pages = pagesOf(read);
  const told = checkPages(path, pages, read.columns, read.timeKind);
  const clicks = clicksOf(pages);
  expectParts(path, clicks.userSplit);
  const end = pages.times.reduce((latest, time) => Math.max(latest, time), -Infinity);
  const known = await knownItems(items, pages.items, clicks, end);
  return {
    log: { name: path.split(/[\\/]/).pop() ?? path, items: known.items, ...clicks },
    features: known.features,
    places: read.columns.position === undefined ? "arbitrary" : "shown",
    notes: [...known.notes, ...told, ...notesOf(read, pages)],
  };
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
  /** Of each user: the items of each event, the place of the click, and whether it is a further one. */
  const events = users.map(({ pages }) =>
    pages.flatMap(({ items, clicked: [first, ...further] }) => [
      { items, clicked: first, given: 0 },
      ...further.map((place) => ({ items: [items[place] ?? 0], clicked: 0, given: FURTHER_CLICK })),
    ])
  );
  const all = events.flat();
  const eventRows = new Uint32Array(all.length + 1);
  all.forEach(({ items }, k) => eventRows[k + 1] = (eventRows[k] ?? 0) + items.length);
  const rowItem = new Uint32Array(eventRows.at(-1) ?? 0);
  all.forEach(({ items }, k) => rowItem.set(items, eventRows[k]));
  const userEvents = new Uint32Array(users.length + 1);
  events.forEach((own, k) => userEvents[k + 1] = (userEvents[k] ?? 0) + own.length);
  return {
    userSplit: Uint8Array.from(users, ({ id }) => splits.indexOf(partOf(id))),
    userEvents,
    eventRows,
    ...(all.some(({ given }) => given > 0) ? { eventGiven: Uint8Array.from(all, ({ given }) => given) } : {}),
    eventClick: Uint32Array.from(
      all,
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

function notesOf({ bad, timeKind }: ReadRows, { repeated, several }: LongPages): string[] {
  return [
    `Times are read as ${timeKind}.`,
    ...(repeated > 0
      ? [`Left out: ${thousands(repeated)} rows of an item that is on its page already.`]
      : []),
    ...(several > 0
      ? [
        `Pages with several clicks: ${
          thousands(several)
        }, each click a choice among what was not clicked yet.`,
      ]
      : []),
    ...(bad.total > 0
      ? [`Left out: ${thousands(bad.total)} rows that cannot be read.\n${badRowsText(bad)}`]
      : []),
  ];
}
