/**
 * Two synthetic logs with a known ground truth: `news` in the layout of MIND, and `shop` with raw item
 * numbers. As in the demo shop, clicks depend only on the user's earlier clicks, so no model can be better
 * than `computeTruthMetrics`. In `news`, pages have 2 to 40 items, users have a history before the log, few
 * items have features, and clicks depend on topics and age. In `shop`, columns have prices over five orders
 * of magnitude, nulls, dates, rare brands and a constant; clicks depend on rating, age, category, and the
 * price relative to the user's usual price.
 */

import { type Cell, formatCsvRow } from "../../src/csv.ts";
import { createRandomStream, type Random } from "../../src/data/random.ts";
import { type LogOptions, logRecipe } from "../../src/data/prepare/prepare_log.ts";
import type { PreparationRecipe } from "../../src/data/prepare/prepare.ts";

export interface MadeRow {
  readonly user: string;
  readonly page: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly item: string;
  /** Position on the page, from 1. */
  readonly position: number;
  readonly clicked: boolean;
  /** True utility of the item. (The option of no click has utility 0.) */
  readonly utility: number;
}

export interface NewsLog {
  readonly rows: readonly MadeRow[];
  /** Features of items: one row per item, with the id in `item`. An unknown value is "". */
  readonly items: readonly Readonly<Record<string, string>>[];
  readonly history: ReadonlyMap<string, readonly string[]>;
}

export interface MadeSizes {
  readonly users: number;
  readonly items: number;
  /** Mean number of pages per user. */
  readonly events: number;
}

const DAY = 86_400_000;
const START = Date.UTC(2024, 2, 1);
const SPAN = 28 * DAY;

interface Item {
  readonly id: string;
  readonly traits: Float64Array;
  readonly appeal: number;
  readonly born: number;
}

interface World extends MadeSizes {
  readonly item: (k: number, random: Random) => readonly [Item, Readonly<Record<string, string>>?];
  readonly pageSize: (random: Random) => number;
  readonly given: number;
  readonly life: number;
  /** Weight of a user's earlier taste in the taste after a click. */
  readonly keeps: number;
  readonly utility: (item: Item, taste: Float64Array, time: number) => number;
}

function simulate(seed: number, kind: string, sizes: Partial<MadeSizes>, usual: World): NewsLog {
  const world = { ...usual, ...sizes };
  const ofItems = createRandomStream(seed, kind, "items");
  const known = Array.from({ length: world.items }, (_, k) => world.item(k, ofItems));
  const items = known.map(([item]) => item);
  const rows: MadeRow[] = [];
  const history = new Map<string, string[]>();
  for (let u = 0; u < world.users; u++) {
    const user = `${kind[0]}${1000 + u}`;
    const random = createRandomStream(seed, kind, "user", u);
    const taste = new Float64Array(items[0]?.traits.length ?? 0);
    const count = around(world.events, random);
    const times = Array.from(
      { length: world.given + count },
      (_, k) => k < world.given ? START + k : START + Math.floor(random.uniform() * SPAN),
    ).sort((a, b) => a - b);
    for (const [k, time] of times.entries()) {
      const page = `${user}-${k}`;
      const shown = draw(items, world, time, random);
      const utilities = shown.map((item) => world.utility(item, taste, time));
      const click = choose(utilities, random);
      if (k < world.given) {
        const item = shown[click];
        if (item) history.set(user, [...history.get(user) ?? [], item.id]);
      } else {
        shown.forEach(({ id }, place) =>
          rows.push({
            user,
            page,
            time,
            item: id,
            position: place + 1,
            clicked: place === click,
            utility: utilities[place] ?? 0,
          })
        );
      }
      const traits = shown[click]?.traits;
      if (traits) taste.forEach((t, j) => taste[j] = world.keeps * t + (1 - world.keeps) * (traits[j] ?? 0));
    }
  }
  return { rows, history, items: known.flatMap(([, about]) => about ? [about] : []) };
}

function draw(items: readonly Item[], { pageSize, life }: World, time: number, random: Random): Item[] {
  const there = items.filter(({ born }) => born <= time && time < born + life);
  const size = Math.min(pageSize(random), there.length);
  return [...random.sampleWithoutReplacement(there.length, size)].flatMap((k) => there[k] ?? []);
}

function choose(utilities: readonly number[], random: Random): number {
  const weights = utilities.map(Math.exp);
  let left = random.uniform() * weights.reduce((sum, weight) => sum + weight, 1);
  const place = weights.findIndex((weight) => (left -= weight) < 0);
  return place < 0 ? utilities.length : place;
}

const oneHot = (size: number, ...places: number[]) => {
  const traits = new Float64Array(size);
  for (const place of places) traits[place] = 1;
  return traits;
};
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, k) => sum + x * (b[k] ?? 0), 0);
const days = (from: number, to: number) => (to - from) / DAY;

const around = (events: number, random: Random) => 1 + random.integer(2 * events - 1);

export function makeNewsLog(seed: number, sizes: Partial<MadeSizes> = {}): NewsLog {
  const topics = 10;
  return simulate(seed, "news", sizes, {
    ...{ users: 600, items: 400, events: 6, given: 8, life: 6 * DAY, keeps: 0.85 },
    item(k, random) {
      const [topic, appeal, id] = [random.integer(topics), 0.8 * random.normal(), `N${100 + k}`];
      const row = { item: id, category: `topic-${topic}`, subcategory: `topic-${topic}-${k % 3}` };
      const about = random.uniform() < 0.05 ? row : undefined;
      // Items appear from two days before the log on.
      const born = START + (random.uniform() * 30 - 2) * DAY;
      return [{ id, traits: oneHot(topics, topic), appeal, born }, about];
    },
    pageSize: (random) => random.uniform() < 0.3 ? 20 + random.integer(21) : 2 + random.integer(10),
    utility: ({ appeal, traits, born }, taste, time) =>
      -1.2 + appeal + 6 * dot(taste, traits) - 0.9 * Math.log1p(days(born, time)),
  });
}

export function makeShopLog(seed: number, sizes: Partial<MadeSizes> = {}): NewsLog {
  const categories = 8;
  return simulate(seed, "shop", sizes, {
    ...{ users: 600, items: 500, events: 10, given: 0, life: Infinity, keeps: 0.7 },
    item(k, random) {
      const category = random.integer(categories);
      const logPrice = 1.7 * random.normal(); // logarithm of price / 30
      const rating = random.uniform() < 0.4 ? undefined : 1 + 4 * random.uniform();
      const stock = Math.floor(Math.exp(2.5 * random.uniform() ** 2 * 3));
      // Most items appeared long before the log, some during the log.
      const born = START + (random.uniform() < 0.3 ? 25 * random.uniform() : -800 * random.uniform()) * DAY;
      const about = {
        item: `sku-${k + 1}`,
        price: random.uniform() < 0.15 ? "" : (30 * Math.exp(logPrice)).toFixed(2),
        rating: rating === undefined ? "" : rating.toFixed(1),
        stock: `${stock}`,
        created: new Date(born).toISOString(),
        category: `category-${category}`,
        brand: random.uniform() < 0.6 ? `brand-${random.integer(6)}` : `brand-${6 + random.integer(150)}`,
        name: `thing ${k + 1} of ${category}`,
        currency: "EUR",
      };
      const traits = Float64Array.of(...oneHot(categories, category), logPrice);
      return [{ id: about.item, traits, appeal: 0.9 * ((rating ?? 3) - 3), born }, about];
    },
    pageSize: () => 10,
    utility({ appeal, traits, born }, taste, time) {
      const gap = (traits[categories] ?? 0) - (taste[categories] ?? 0);
      const match = dot(taste.subarray(0, categories), traits.subarray(0, categories));
      return -0.9 + appeal + 4 * match - 0.5 * gap * gap - 0.35 * Math.log1p(days(born, time) / 7);
    },
  });
}

export function computeTruthMetrics(rows: readonly MadeRow[]): { loss: number; prec1: number } {
  let [events, clicks, loss, prec1] = [0, 0, 0, 0];
  for (const page of Map.groupBy(rows, ({ page }) => page).values()) {
    const clicked = page.find((row) => row.clicked);
    loss += Math.log(page.reduce((sum, { utility }) => sum + Math.exp(utility), 1)) - (clicked?.utility ?? 0);
    events++;
    if (!clicked) continue;
    clicks++;
    if (page.every(({ utility }) => utility <= clicked.utility)) prec1++;
  }
  return { loss: loss / events, prec1: prec1 / clicks };
}

export function makeCsv(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const names = Object.keys(rows[0] ?? {});
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map(formatCsvRow).join("");
}

export function logFiles({ rows, items }: NewsLog): { "log.csv": string; "items.csv": string } {
  return { "log.csv": makeCsv(rows.map(({ utility: _, ...row }) => row)), "items.csv": makeCsv(items) };
}

/** Returns a recipe that prepares the files of {@link logFiles} in a folder. */
export function makeLogRecipe(folder: string, more: LogOptions = {}, log = "log.csv"): PreparationRecipe {
  const columns = { user: "user", item: "item", time: "time", clicked: "clicked", page: "page" };
  return logRecipe({ ...columns, source: `${folder}/${log}`, features: `${folder}/items.csv`, ...more });
}

export function makeMindFiles(
  { rows, items, history }: NewsLog,
): Record<"behaviors.tsv" | "news.tsv", string> {
  const when = (time: number) =>
    new Date(time).toLocaleString("en-US", { timeZone: "UTC" }).replace(",", "").replaceAll("\u202f", " ");
  const lines = [...Map.groupBy(rows, ({ page }) => page).values()].map((page, k) => {
    const [first] = page;
    if (!first) return "";
    const shown = page.map(({ item, clicked }) => `${item}-${clicked ? 1 : 0}`).join(" ");
    return [k + 1, first.user, when(first.time), (history.get(first.user) ?? []).join(" "), shown].join("\t");
  });
  const news = items.map(({ item, category, subcategory }) =>
    [item, category, subcategory, "", "", "", "[]", "[]"].join("\t")
  );
  const text = (lines: readonly string[]) => lines.map((line) => line + "\n").join("");
  return { "behaviors.tsv": text(lines), "news.tsv": text(news) };
}

export async function makeMindRecipe(folder: string): Promise<PreparationRecipe> {
  for (const name of ["mind.sql", "mind_news.sql"]) {
    const text = await Deno.readTextFile(new URL(`../../data/recipes/${name}`, import.meta.url));
    await Deno.writeTextFile(`${folder}/${name}`, text.replaceAll(/'(\w+\.tsv)'/g, `'${folder}/$1'`));
  }
  return logRecipe({ query: `${folder}/mind.sql`, features: `${folder}/mind_news.sql` });
}
