/** What is summed over the events of users, and the figures that are ratios of such sums. */

/** Sums of a group of users. */
const COLUMNS = [
  "events",
  /** Events with a click. */
  "clicks",
  /** Those on pages of two items or more. */
  "longerClicks",
  /** Those on pages with an item that is not clicked. */
  "pairs",
  "rows",
  /** Rows that were clicked: the first click of each page, or where each item is clicked by itself, all of them. */
  "clickedRows",
  "nll",
  "prec1",
  "prec2",
  "longerPrec1",
  "longerPrec2",
  "mrr",
  "ndcg",
  "auc",
  "piPrec1",
  "piPrec2",
  "noClick",
  /** The model's probabilities of no click, and of a click on a displayed item. */
  "pNoClick",
  "pClick",
] as const;
type Column = typeof COLUMNS[number];

/** Place of each column. */
export const column = Object.fromEntries(COLUMNS.map((name, k) => [name, k])) as Readonly<
  Record<Column, number>
>;
export const columns = COLUMNS.length;

/** A figure: a sum, and what it is divided by. */
interface Ratio {
  readonly sum: Column;
  readonly per: Column;
}

/** What a figure is called in result.json. */
export type FigureName =
  | "nll"
  | "prec1"
  | "prec2"
  | "longerPrec1"
  | "longerPrec2"
  | "mrr"
  | "ndcg"
  | "auc"
  | "piPrec1"
  | "piPrec2"
  | "noClick"
  | "pNoClick"
  | "clicked"
  | "pClick";

/**
 * The figures of test users. `longer` are without pages of one item; `auc` is without pages of which all is clicked: share
 * of the other items of a page that are ranked below a clicked one. `pi` are the generator's.
 */
const ratios = {
  nll: { sum: "nll", per: "events" },
  prec1: { sum: "prec1", per: "clicks" },
  prec2: { sum: "prec2", per: "clicks" },
  longerPrec1: { sum: "longerPrec1", per: "longerClicks" },
  longerPrec2: { sum: "longerPrec2", per: "longerClicks" },
  mrr: { sum: "mrr", per: "clicks" },
  ndcg: { sum: "ndcg", per: "clicks" },
  auc: { sum: "auc", per: "pairs" },
  piPrec1: { sum: "piPrec1", per: "clicks" },
  piPrec2: { sum: "piPrec2", per: "clicks" },
  /** Shares of events and of displayed items, and what the model says of them. */
  noClick: { sum: "noClick", per: "events" },
  pNoClick: { sum: "pNoClick", per: "events" },
  clicked: { sum: "clickedRows", per: "rows" },
  pClick: { sum: "pClick", per: "rows" },
} as const satisfies Record<FigureName, Ratio>;
export const figureNames = Object.keys(ratios) as readonly FigureName[];

/** A figure of each row of sums [rows, columns]. */
export function ratioOf(name: FigureName, totals: Float64Array): Float64Array {
  const { sum, per } = ratios[name];
  const [above, below] = [column[sum], column[per]];
  const values = new Float64Array(totals.length / columns);
  for (let row = 0; row < values.length; row++) {
    values[row] = totals[row * columns + above]! / totals[row * columns + below]!;
  }
  return values;
}
