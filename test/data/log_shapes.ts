import { makeCsv } from "./synthetic_logs.ts";

interface Page {
  readonly user: string;
  readonly page: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly items: readonly string[];
  readonly clicked: string | null;
}

/** Pages that show 3 or 4 of 7 items in an order other than by id. Every third page has no click. */
const shownPages: readonly Page[] = Array.from({ length: 24 }, (_, k) => {
  const items = Array.from({ length: 3 + k % 2 }, (_, place) => `i${(5 * place + 2 * k) % 7}`);
  return {
    user: `u${k % 6}`,
    page: `p${k}`,
    time: 1_600_000_000 + 3607 * k,
    items,
    clicked: k % 3 === 2 ? null : items[k % items.length] ?? null,
  };
});

export const listExpectedPages = () =>
  shownPages.toSorted((a, b) => a.user < b.user ? -1 : a.user > b.user ? 1 : a.time - b.time).map((
    { user, time, items, clicked },
  ) => ({
    user,
    time: new Date(1000 * time).toISOString().replace("T", " ").slice(0, 19),
    items: [...items],
    clicked,
  }));

const rows = shownPages.flatMap(({ items, clicked, ...page }) =>
  items.map((item, place) => ({ ...page, item, place, clicked: item === clicked }))
);
const clicks = shownPages.flatMap(({ clicked, ...page }) =>
  clicked === null ? [] : [{ ...page, item: clicked }]
);

const json = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
const iso = (time: number) => new Date(1000 * time).toISOString();

const who = ({ user, page, time }: { user: string; page: string; time: number }) => ({
  uid: user,
  request: page,
  ts: time,
});
const shown = ({ item, place, ...row }: (typeof rows)[number]) => ({ ...who(row), sku: item, pos: place });

const onDay = (row: (typeof rows)[number]) => {
  const { ts: _, ...rest } = shown(row);
  const [day = "", clock = ""] = iso(row.time).slice(0, 19).split("T");
  return { ...rest, day, clock: clock.replace(/^0/, "") };
};

export const shapeFiles: Readonly<Record<string, string>> = {
  "log.csv": makeCsv(rows.map((row) => ({ ...shown(row), label: row.clicked ? 1 : 0 }))),
  "days.csv": makeCsv(rows.map((row) => ({ ...onDay(row), label: row.clicked ? 1 : 0 }))),
  "slashes.csv": makeCsv(rows.map((row) => {
    const [, year, month, day, clock = ""] = /^(\d+)-(\d+)-(\d+)T([\d:]{5})/.exec(iso(row.time)) ?? [];
    return { ...shown(row), ts: `${day}/${month}/${year} ${clock}`, label: row.clicked };
  })),
  "log.dat": makeCsv(rows.map((row) => ({ ...shown(row), label: row.clicked ? "yes" : "no" }))).replaceAll(
    ",",
    ";",
  ),
  "ratings.csv": makeCsv(rows.map((row) => ({ ...shown(row), stars: row.clicked ? 4.5 : row.place })))
    .replaceAll(/,3\.?0?$/gm, ",3.5"),
  "products.csv": makeCsv(
    Array.from({ length: 7 }, (_, k) => ({ product_id: `i${k}`, price: 10 + 3 * k, brand: `b${k % 2}` })),
  ),
  "nested.jsonl": json(rows.map(({ user, page, time, item, place, clicked }) => ({
    user: { id: user, country: "x" },
    request: { id: page, at: iso(time) },
    shown: { product: { id: item }, place, clicked },
  }))),
  "pages.jsonl": json(shownPages.map((page) => ({ ...who(page), shown: page.items, clicked: page.clicked }))),
  "index.csv": makeCsv(shownPages.map((page) => ({
    ...who(page),
    shown: page.items.join(" "),
    clicked: page.clicked === null ? -1 : page.items.indexOf(page.clicked),
  }))),
  "marks.csv": makeCsv(shownPages.map((page) => ({
    ...who(page),
    shown: page.items.join(" "),
    clicked: page.items.map((item) => item === page.clicked ? 1 : 0).join(" "),
  }))),
  "objects.jsonl": json(shownPages.map(({ items, clicked, ...page }) => ({
    user: { id: page.user },
    ts: page.time,
    products: items.map((id) => ({ id, clicked: id === clicked })),
  }))),
  "sessions.jsonl": json([...Map.groupBy(shownPages, ({ user }) => user)].map(([uid, pages]) => ({
    uid,
    pages: pages.map(({ time: at, items, clicked }) => ({ at, items, clicked })),
  }))),
  "impressions.csv": makeCsv(rows.map(shown)),
  "clicks.csv": makeCsv(clicks.map(({ item, ...click }) => ({ ...who(click), sku: item }))),
  // The clicks some seconds later, with other column names and another time format.
  "later.csv": makeCsv(
    clicks.map(({ user, item, time }, k) => ({ who: user, what: item, at: iso(time + 5 + k % 60) })),
  ),
  "events.csv": makeCsv([
    ...rows.map((row) => ({ ...shown(row), kind: "view" })),
    ...clicks.map(({ item, ...click }) => ({ ...who(click), sku: item, pos: "", kind: "click" })),
    ...clicks.slice(0, 5).map(({ item, ...click }) => ({ ...who(click), sku: item, pos: "", kind: "hover" })),
  ]),
  // Events with lists: the displayed items, and later the selected item.
  "lists.jsonl": json([
    ...shownPages.map(({ user, time, items }) => ({
      uid: user,
      at: time * 1_000_000,
      name: "view_list",
      shown: items.map((id) => ({ id, price: 1 })),
    })),
    ...clicks.map(({ user, time, item }) => ({
      uid: user,
      at: (time + 11) * 1_000_000,
      name: "select",
      shown: [{ id: item }],
    })),
    { uid: "u1", at: 1_600_000_000_000_000, name: "scroll" },
  ]),
  "drawn.jsonl": json(shownPages.map(({ items, clicked, ...page }) => ({
    ...who(page),
    shown: items,
    hit: clicked,
    chance: 0.25,
    pool: items.length === 3 ? [...items, "i8", "i9"] : [],
  }))),
  "month.csv": makeCsv(rows.map((row) => ({ ...shown(row), uid: `v${row.user}`, label: row.clicked }))),
  "visitors.csv":
    "uid,account,agreed\nvu0,u0,yes\nvu1,u1,no\nvu2,u2,yes\nvu3,u3,no\nvu4,u4,yes\nvu5,u5,yes\n",
};

/** Log that has only clicks: 40 users with 10 clicks each in three weeks. Items lose popularity over time. */
export const clicksOnly = makeCsv(
  Array.from({ length: 400 }, (_, k) => ({
    uid: `u${k % 40}`,
    sku: `i${Math.floor(30 * ((k * 0.618034) % 1) ** 2)}`,
    ts: 1_600_000_000 + 4536 * k,
  })),
);
