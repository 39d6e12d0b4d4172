/** The pages of a log with a row for each displayed item, as data/log_pages.sql and data/split_clicks.sql make them. */

import type { Names, ReadRows } from "./rows.ts";
import { byCodePoint } from "./order.ts";

/** A page, or what is left of one that had several clicks: all of it, and one of the clicks. */
export interface LongPage {
  readonly time: number;
  /** The page's id. */
  readonly id: string;
  /** Numbers of the items, in the order in which they were shown. */
  readonly items: readonly number[];
  /** The place of the clicked one in `items`; undefined for no click. */
  readonly clicked: number | undefined;
}

export interface LongUser {
  readonly id: string;
  /** In the order of time. */
  readonly pages: readonly LongPage[];
}

export interface LongPages {
  /** In the order of their ids. */
  readonly users: readonly LongUser[];
  /** Ids of the items, in their order: an item's number is its place. */
  readonly items: readonly string[];
  readonly repeated: number;
  /** Pages with several clicks, as the log has them. */
  readonly split: number;
  readonly clicks: number;
  /** Of the pages as the log has them: their times, and how many show more than one item. */
  readonly times: readonly number[];
  readonly longer: number;
}

interface Shown {
  place: number;
  clicked: boolean;
}

interface Building {
  time: number;
  readonly shown: Map<number, Shown>;
}

export function pagesOf({ rows, timeKind }: ReadRows): LongPages {
  const { numbers, ids } = numbered(rows.items, rows.item.filter((_, k) => rows.kind[k] === timeKind));
  /** By user, and page of the user. */
  const found = new Map<number, Map<number, Building>>();
  let repeated = 0;
  rows.user.forEach((user, k) => {
    if (rows.kind[k] !== timeKind) return;
    const pages = entry(found, user, () => new Map<number, Building>());
    const page = entry(pages, rows.page[k] ?? 0, () => ({ time: Infinity, shown: new Map<number, Shown>() }));
    page.time = Math.min(page.time, rows.time[k] ?? 0);
    const item = numbers[rows.item[k] ?? 0] ?? 0;
    if (page.shown.has(item)) repeated++;
    const shown = entry(page.shown, item, () => ({ place: Infinity, clicked: false }));
    shown.place = Math.min(shown.place, rows.place[k] ?? 0);
    shown.clicked ||= rows.clicked[k] ?? false;
  });
  let [split, clicks, longer] = [0, 0, 0];
  const times: number[] = [];
  const users = [...found].map(([user, pages]): LongUser => ({
    id: rows.users.texts[user] ?? "",
    pages: [...pages].flatMap(([page, building]) => {
      const made = pagesOfClicks(rows.pages.texts[page] ?? "", building);
      if (made.length > 1) split++;
      if (building.shown.size > 1) longer++;
      times.push(building.time);
      clicks += made.filter(({ clicked }) => clicked !== undefined).length;
      return made;
    }).sort(inOrder),
  }));
  users.sort((a, b) => byCodePoint(a.id, b.id));
  return { users, items: ids, repeated, split, clicks, times, longer };
}

/** One for each click of the page, or the page alone where there is none. */
function pagesOfClicks(id: string, { time, shown }: Building): LongPage[] {
  const sorted = [...shown].sort(([a, one], [b, other]) => one.place - other.place || a - b);
  const items = sorted.map(([item]) => item);
  const clicked = sorted.flatMap(([, { clicked }], place) => clicked ? [place] : []);
  if (clicked.length === 0) return [{ time, id, items, clicked: undefined }];
  return clicked.map((place) => ({ time, id, items, clicked: place }));
}

/** Pages at one time go by their ids, and those of one page by the item that is clicked. */
function inOrder(a: LongPage, b: LongPage): number {
  return a.time - b.time || byCodePoint(tieOf(a), tieOf(b));
}

function tieOf({ id, items, clicked }: LongPage): string {
  const item = clicked === undefined ? 0 : (items[clicked] ?? 0) + 1;
  return `${id}\x1f${String(item).padStart(10, "0")}`;
}

/** Those of the names that are used, in the order of their texts. */
function numbered(names: Names, used: readonly number[]): { numbers: Uint32Array; ids: string[] } {
  const sorted = [...new Set(used)].sort((a, b) => byCodePoint(names.texts[a] ?? "", names.texts[b] ?? ""));
  const numbers = new Uint32Array(names.texts.length);
  sorted.forEach((name, number) => numbers[name] = number);
  return { numbers, ids: sorted.map((name) => names.texts[name] ?? "") };
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
