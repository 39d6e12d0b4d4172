/** The kinds of made-up logs: what is planted in each, and how large it is. What the numbers mean is in make.ts. */

/** What is known of the items, as columns of items.csv. */
export type Column = "category" | "brand" | "price" | "added";

type Range = readonly [least: number, most: number];

interface Sizes {
  readonly users: number;
  readonly items: number;
  /** Pages of a user, and items of a page: uniform within the range. */
  readonly pages: Range;
  readonly pageSize: Range;
  readonly columns: readonly Column[];
  /** Share of the values in these columns that are missing. */
  readonly missing: number;
}

/** Of what is planted; 0 where it is not. */
interface Effects {
  /** How many kinds of users there are; all users of one are alike. */
  readonly types: number;
  /** Utility of an item that nothing else is said of: it decides how often nothing is clicked. */
  readonly constant: number;
  /** Standard deviations: over items of what all users agree on, over types of what a category adds. */
  readonly strength: number;
  readonly taste: number;
  /** Weight of the product of hidden vectors of the item and the type. */
  readonly similar: number;
  /** How fast utility falls with the squared distance of the logarithm of the price from the type's best one. */
  readonly price: number;
  /** What each place further down takes. */
  readonly place: number;
  /** What a click on the item adds, at any time before; and what is added where it was the last one. */
  readonly again: number;
  readonly last: number;
  /** What an item has that was added just now; a third of it after a month. */
  readonly novelty: number;
  /** After a click a user clicks once more with this probability, whatever is left on the page. */
  readonly goesOn: number;
}

export interface Kind extends Sizes, Effects {
  readonly name: string;
  /** What is planted, for help. */
  readonly about: string;
}

const without = { types: 1, constant: 0, strength: 0, taste: 0, similar: 0, price: 0, place: 0 };
const usual = { ...without, again: 0, last: 0, novelty: 0, goesOn: 0, missing: 0 };

function kind(name: string, about: string, [users, items]: [number, number], own: Partial<Kind>): Kind {
  return { name, about, users, items, pages: [3, 30], pageSize: [10, 10], columns: [], ...usual, ...own };
}

export const kinds: readonly Kind[] = [
  kind("category", "taste by category", [2000, 600], {
    ...{ columns: ["category"], types: 200, constant: -1.8, taste: 1.3 },
  }),
  kind("similarity", "twelve kinds of users like what is alike; nothing is known of the items", [2500, 300], {
    ...{ pages: [5, 25], pageSize: [12, 12], types: 12, constant: -1.5, similar: 0.8 },
  }),
  kind("repeat", "users click again what they clicked, the last one most", [2000, 1000], {
    ...{ constant: -1.8, strength: 0.5, again: 1.5, last: 2 },
  }),
  kind("popularity", "all users like the same", [1500, 3000], {
    ...{ pages: [3, 20], pageSize: [20, 20], constant: -2.5, strength: 1.2 },
  }),
  kind("place", "taste by category, and each place is worth less than the one above it", [2500, 400], {
    ...{ pageSize: [8, 8], columns: ["category"], types: 200, constant: -0.6, taste: 1.2, place: 0.45 },
  }),
  kind("price", "each user has a price that suits them best", [2000, 800], {
    ...{ pageSize: [6, 6], columns: ["price"], types: 60, price: 1.2 },
  }),
  kind(
    "all",
    "all of these but hidden vectors, and novelty; a useless column, missing values",
    [3000, 1500],
    {
      ...{ pages: [3, 20], columns: ["category", "brand", "price", "added"], types: 200, constant: -1.4 },
      ...{
        strength: 0.7,
        taste: 0.9,
        price: 0.4,
        place: 0.25,
        again: 1,
        last: 1.5,
        novelty: 1.2,
        missing: 0.05,
      },
    },
  ),
  kind(
    "several",
    "popularity and category; pages of 4 to 40 items with several clicks or none",
    [1500, 120],
    {
      ...{ pages: [3, 20], pageSize: [4, 40], columns: ["category"], types: 200, constant: -2.8 },
      ...{ strength: 0.6, taste: 1.1, goesOn: 0.4 },
    },
  ),
];
