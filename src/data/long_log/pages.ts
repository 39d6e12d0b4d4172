/** The pages of a log with a row for each displayed item, as data/log_pages.sql and data/page_rows.sql make them. */

import { md5 } from "@noble/hashes/legacy.js";
import type { Names, ReadRows } from "./rows.ts";
import { byCodePoint } from "./order.ts";

export interface LongPage {
  readonly time: number;
  /** The page's id. */
  readonly id: string;
  /** Numbers of the items, in the order in which they were shown. */
  readonly items: readonly number[];
  /** The places of the clicked ones in `items`, in an order that is drawn: the log does not say it. */
  readonly clicked: readonly number[];
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
  /** Pages with several clicks. */
  readonly several: number;
  readonly clicks: number;
  /** Of the pages: their times, and how many show more than one item. */
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
  let [several, clicks, longer] = [0, 0, 0];
  const times: number[] = [];
  const users = [...found].map(([user, pages]): LongUser => ({
    id: rows.users.texts[user] ?? "",
    pages: [...pages].map(([page, building]) => {
      const draw = (item: number) =>
        drawn([rows.users.texts[user] ?? "", String(building.time), ids[item] ?? ""]);
      const made = pageOf(rows.pages.texts[page] ?? "", building, draw);
      if (made.clicked.length > 1) several++;
      if (building.shown.size > 1) longer++;
      times.push(building.time);
      clicks += made.clicked.length;
      return made;
    }).sort((a, b) => a.time - b.time || byCodePoint(a.id, b.id)),
  }));
  users.sort((a, b) => byCodePoint(a.id, b.id));
  return { users, items: ids, repeated, several, clicks, times, longer };
}

/** @param draw what orders the clicked items */
function pageOf(id: string, { time, shown }: Building, draw: (item: number) => string): LongPage {
  const sorted = [...shown].sort(([a, one], [b, other]) => one.place - other.place || a - b);
  const items = sorted.map(([item]) => item);
  const clicked = sorted.flatMap(([, { clicked }], place) => clicked ? [place] : []);
  if (clicked.length < 2) return { time, id, items, clicked };
  const order = new Map(clicked.map((place) => [place, draw(items[place] ?? 0)]));
  return {
    time,
    id,
    items,
    clicked: clicked.sort((a, b) => (order.get(a) ?? "") < (order.get(b) ?? "") ? -1 : 1),
  };
}

/** Ordered as the hash's digits are. */
const drawn = (parts: readonly string[]) =>
  String.fromCharCode(...md5(new TextEncoder().encode(parts.join("\x1f"))));

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
