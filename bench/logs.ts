/**
 * `deno task bench logs OUT`: writes synthetic logs as CSV, and prepares each log with `data log`. The users
 * are simulated, so their utilities are known. Users of type t prefer the price exp(best_t). Types and items
 * have hidden vectors h. The utility of item i at position k for a user of type t is:
 *   u_i = constant_t + strength_i + taste_t,category + similar (h_t . h_i) - price (log price_i - best_t)^2
 *         + novelty exp(-age_i / 30 days) - place k + again [i clicked before] + last [i clicked last]
 * Factors without an index are constants of the log. "No click" has utility 0. So the user clicks item a of a
 * page with the probability exp(u_a) / (1 + sum_i exp(u_i)), where the sum is over the items of the page.
 */

import { Argument, type Command } from "commander";
import { createRandomStream, type Random } from "../src/data/random.ts";
import { createSeedOption, folder, parseWholeNumber } from "../src/cli/command_options.ts";
import { quoteShellWord } from "../src/shell_word.ts";
import { formatTable } from "../src/cli/table.ts";
import { allowFolder } from "../src/cli/outputs.ts";
import { makeFolder, writeAtomically, writeFileAtomically } from "../src/files/atomic_write.ts";
import { pathExists } from "../src/files/local_file.ts";
import { UserError } from "../src/user_error.ts";
import {
  createOnlyOption,
  createStudy,
  formatPercentCell,
  printTable,
  runCommand,
  selectMatching,
} from "./study.ts";

interface Options {
  readonly only: RegExp;
  readonly seed: number;
  readonly users?: number;
}

export function createCommand(): Command {
  const own = createStudy(
    "logs",
    "Writes synthetic logs with known causes of clicks. Each log in OUT has NAME.csv, NAME_items.csv " +
      "(if items have features), and a folder NAME, which data log prepares.",
  )
    .addArgument(new Argument("<out>", "output folder").argParser(folder))
    .addOption(createOnlyOption("logs whose name"))
    .addOption(createSeedOption("seed of the logs"))
    .option("--users <n>", "users per log (default: depends on the log)", parseWholeNumber(100, 100_000))
    .addHelpText("after", "\n" + formatTable(["log", "effects"], kinds.map((k) => [k.name, k.about])));
  return own.action((out: string) => logs(out, own.opts<Options>()));
}

async function logs(out: string, options: Options): Promise<void> {
  const chosen = selectMatching(kinds, options.only, "a log");
  allowFolder({ by: "the folder", path: out });
  await makeFolder(out);
  const rows: string[][] = [];
  for (const kind of chosen) rows.push(await makeAndPrepare(`${out}/${kind.name}`, kind, options));
  printTable({ head: HEAD, rows });
}

const HEAD = ["log", "users", "items", "pages", "no click"];

async function makeAndPrepare(to: string, kind: LogKind, options: Options): Promise<string[]> {
  const { seed, users = kind.users } = options;
  if (await pathExists(to)) {
    throw new UserError(`The folder ${to} exists already. Remove it, or name another folder.`);
  }
  const world = makeWorld(kind, createRandomStream(seed, "made log", kind.name, "items"));
  let [pages, clickless] = [0, 0];
  await writeAtomically(`${to}.csv`, async (write) => {
    const encoder = new TextEncoder();
    await write(encoder.encode("user,page,time,position,item,clicked\n"));
    for (let user = 0; user < users; user++) {
      const own = makePages(kind, world, createRandomStream(seed, "made log", kind.name, "user", user));
      const rows = own.flatMap(({ time, items, clicks }, page) =>
        items.map((item, k) =>
          `u${user},u${user}-${page},${time},${k},i${item},${clicks.includes(k) ? 1 : 0}\n`
        )
      );
      await write(encoder.encode(rows.join("")));
      pages += own.length;
      clickless += own.filter(({ clicks }) => clicks.length === 0).length;
    }
  });
  const hasFeatures = kind.columns.length > 0;
  if (hasFeatures) await writeFileAtomically(`${to}_items.csv`, world.itemRows.join("\n") + "\n");
  const args = [
    ...["log", "--source", `${to}.csv`, "--user", "user", "--item", "item", "--time", "time"],
    ...["--clicked", "clicked", "--page", "page", "--position", "position"],
    ...hasFeatures ? ["--features", `${to}_items.csv`] : [],
    ...["--out", to],
  ];
  console.error(`deno task -q data ${args.map(quoteShellWord).join(" ")}`);
  await runCommand("data", args);
  const sizes = [users, kind.items, pages].map((count) => count.toLocaleString("en"));
  return [kind.name, ...sizes, formatPercentCell(clickless / pages)];
}

type ItemColumn = "category" | "brand" | "price" | "added";

type Range = readonly [least: number, most: number];

/** Sizes of a synthetic log, and parameters of its clicks. A parameter of 0 turns its effect off. */
interface LogKind {
  readonly name: string;
  readonly about: string;
  readonly users: number;
  readonly items: number;
  /** Range from which the number of pages per user is drawn; `pageSize`: range of items per page. */
  readonly pages: Range;
  readonly pageSize: Range;
  readonly columns: readonly ItemColumn[];
  /** Share of missing values in the item columns. */
  readonly missing: number;
  /** Number of user types. Users of the same type have the same utilities. */
  readonly types: number;
  /** Constant of the utility: the lower it is, the more pages have no click. */
  readonly constant: number;
  /** Standard deviation of the number that a user type adds to `constant`. */
  readonly rate: number;
  /** Standard deviation of an item's quality, which adds to the item's utility for all users. */
  readonly strength: number;
  /** Standard deviation of the utility that a user type adds to all items of a category. */
  readonly taste: number;
  /** Weight of the dot product of the item's and the type's hidden vectors. */
  readonly similar: number;
  /** Weight of the squared difference between the log price and the best log price of the user's type. */
  readonly price: number;
  /** Utility that an item loses per position further down the page. */
  readonly place: number;
  /** Utility that a clicked item gains on later pages. The most recently clicked item also gains `last`. */
  readonly again: number;
  readonly last: number;
  /** Utility that an item gains when it is added to the catalogue. The gain falls to 1 / e in 30 days. */
  readonly novelty: number;
  /** Probability that the user clicks a further item of the page after a click. */
  readonly goesOn: number;
}

const without = { types: 1, constant: 0, rate: 0, strength: 0, taste: 0, similar: 0, price: 0, place: 0 };
const usual = { ...without, again: 0, last: 0, novelty: 0, goesOn: 0, missing: 0 };

function kind(name: string, about: string, [users, items]: [number, number], own: Partial<LogKind>): LogKind {
  return { name, about, users, items, pages: [3, 30], pageSize: [10, 10], columns: [], ...usual, ...own };
}

export const kinds: readonly LogKind[] = [
  kind("category", "taste by category", [2000, 600], {
    ...{ columns: ["category"], types: 200, constant: -1.8, taste: 1.3 },
  }),
  kind("similarity", "hidden vectors of items and of twelve user types; no item features", [2500, 300], {
    ...{ pages: [5, 25], pageSize: [12, 12], types: 12, constant: -1.5, similar: 0.8 },
  }),
  kind("repeat", "users repeat their clicks, most of all the last one", [2000, 1000], {
    ...{ constant: -1.8, strength: 0.5, again: 1.5, last: 2 },
  }),
  kind("rate", "users differ in how often they click", [1500, 300], {
    ...{ pages: [8, 25], pageSize: [8, 8], types: 300, constant: -1.2, rate: 1.6, strength: 1 },
  }),
  kind("popularity", "all users have the same preferences", [1500, 3000], {
    ...{ pages: [3, 20], pageSize: [20, 20], constant: -2.5, strength: 1.2 },
  }),
  kind("place", "taste by category and position bias", [2500, 400], {
    ...{ pageSize: [8, 8], columns: ["category"], types: 200, constant: -0.6, taste: 1.2, place: 0.45 },
  }),
  kind("price", "each user has a best price", [2000, 800], {
    ...{ pageSize: [6, 6], columns: ["price"], types: 60, price: 1.2 },
  }),
  kind(
    "all",
    "all causes above except hidden vectors, with novelty, a useless column and missing values",
    [3000, 1500],
    {
      ...{ pages: [3, 20], columns: ["category", "brand", "price", "added"], types: 200, constant: -1.4 },
      ...{ strength: 0.7, taste: 0.9, price: 0.4, place: 0.25, again: 1, last: 1.5 },
      ...{ novelty: 1.2, missing: 0.05 },
    },
  ),
  kind(
    "several",
    "popularity and category; pages of 4 to 40 items with any number of clicks",
    [1500, 120],
    {
      ...{ pages: [3, 20], pageSize: [4, 40], columns: ["category"], types: 200, constant: -2.8 },
      ...{ strength: 0.6, taste: 1.1, goesOn: 0.4 },
    },
  ),
];

const CATEGORIES = 8;
const BRANDS = 12;
const WIDTH = 4;
/** Probability of each of the last MOST_AGAIN clicked items to be on the user's next page. */
const SHOWN_AGAIN = 0.7;
const MOST_AGAIN = 3;
const DAY = 86_400;
const START = Date.UTC(2025, 0, 1) / 1000;

interface GeneratedPage {
  readonly time: number;
  readonly items: readonly number[];
  /** Positions of the page's clicked items, in the order of the clicks. */
  readonly clicks: readonly number[];
}

interface World {
  /** [types, items] utility of each item for a user type, without effects of position and earlier clicks. */
  readonly utility: Float64Array;
  /** [items] cumulative sum of display weights. Items are drawn in proportion to their weight. */
  readonly shown: readonly number[];
  /** Lines of the CSV file of items. */
  readonly itemRows: string[];
}

function makeWorld(kind: LogKind, random: Random): World {
  const normals = (n: number) => Array.from({ length: n }, () => random.normal());
  const types = Array.from({ length: kind.types }, () => ({
    taste: normals(CATEGORIES),
    hidden: normals(WIDTH),
    best: 0.8 * random.normal(),
    rate: kind.rate > 0 ? kind.rate * random.normal() : 0,
  }));
  const utility = new Float64Array(kind.types * kind.items);
  const shown: number[] = [];
  const itemRows = [["item", ...kind.columns].join(",")];
  for (let i = 0; i < kind.items; i++) {
    const category = random.integer(CATEGORIES), hidden = normals(WIDTH), age = 365 * random.uniform();
    const [price = 0, strength = 0, weight = 0] = normals(3);
    shown.push((shown.at(-1) ?? 0) + Math.exp(0.8 * weight));
    const same = kind.constant + kind.strength * strength + kind.novelty * Math.exp(-age / 30);
    types.forEach((type, t) => {
      const product = hidden.reduce((sum, h, k) => sum + h * type.hidden[k]!, 0);
      utility[t * kind.items + i] = same + type.rate + kind.taste * type.taste[category]! +
        kind.similar * product -
        kind.price * (price - type.best) ** 2;
    });
    const values: Record<ItemColumn, string> = {
      category: `c${category}`,
      brand: `b${random.integer(BRANDS)}`,
      price: (20 * Math.exp(price)).toFixed(2),
      added: new Date(1000 * (START - DAY * age)).toISOString().slice(0, 10),
    };
    const known = (column: ItemColumn) =>
      kind.missing === 0 || random.uniform() >= kind.missing ? values[column] : "";
    itemRows.push([`i${i}`, ...kind.columns.map(known)].join(","));
  }
  return { utility, shown, itemRows };
}

function makePages(kind: LogKind, { utility, shown }: World, random: Random): GeneratedPage[] {
  const type = random.integer(kind.types);
  const own = utility.subarray(type * kind.items, (type + 1) * kind.items);
  /** Items that the user clicked, the most recent first. */
  let clicked: number[] = [];
  let time = START + 30 * DAY * random.uniform();
  return Array.from({ length: between(kind.pages, random) }, () => {
    time += 60 - DAY * Math.log(1 - random.uniform());
    const size = between(kind.pageSize, random);
    const items = drawItems(size, kind.again > 0 ? clicked : [], shown, random);
    const shift = items.map((item, k) =>
      (clicked.includes(item) ? kind.again : 0) + (clicked[0] === item ? kind.last : 0) - kind.place * k
    );
    const weights = items.map((item, k) => Math.exp(own[item]! + shift[k]!));
    const clicks: number[] = [];
    for (let position = draw([...weights, 1], random); position < size;) {
      clicks.push(position);
      weights[position] = 0;
      if (clicks.length === size || random.uniform() >= kind.goesOn) break;
      position = draw(weights, random);
    }
    const now = clicks.map((position) => items[position]!).reverse();
    clicked = [...now, ...clicked.filter((item) => !now.includes(item))];
    return { time: Math.floor(time), items, clicks };
  });
}

/** Draws and shuffles a page's items: some were clicked recently, the others are drawn by display weight. */
function drawItems(
  size: number,
  clicked: readonly number[],
  shown: readonly number[],
  random: Random,
): number[] {
  const items = new Set<number>();
  for (const item of clicked.slice(0, MOST_AGAIN)) if (random.uniform() < SHOWN_AGAIN) items.add(item);
  while (items.size < size) items.add(firstAbove(shown, random.uniform() * shown.at(-1)!));
  const drawn = [...items];
  return [...random.sampleWithoutReplacement(drawn.length, size)].map((k) => drawn[k]!);
}

/** Returns the first index k with sums[k] > sum. */
function firstAbove(sums: readonly number[], sum: number): number {
  let low = 0, high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > sum) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Draws an index with a probability proportional to its weight. */
function draw(weights: readonly number[], random: Random): number {
  let sum = 0;
  const sums = weights.map((weight) => sum += weight);
  return firstAbove(sums, random.uniform() * sum);
}

function between([least, most]: readonly [number, number], random: Random): number {
  return least + random.integer(most - least + 1);
}
