/** What a model is told of the items: as data/item_features.sql makes it of what is known of them, and of what users were shown. */

import { badRowsText } from "../bad_rows.ts";
import { type ClickLog, type ItemFeatures, splits } from "../click_log.ts";
import type { Features } from "../manifest.ts";
import { UserError } from "../../user_error.ts";
import { columnsOf, numberAt, type NumberColumn, type TokenColumn, tokensAt } from "./item_columns.ts";
import { type ItemFile, type ItemTable, readItems } from "./item_table.ts";
import { featuresOf, meaningsOf, type NumberScale, scaleNotes, scaleOf } from "./scales.ts";
import { sha256Of, tokensOf, type TokenSource } from "./tokens.ts";
import { thousands } from "../../thousands.ts";

export interface KnownItems {
  readonly items: ItemFeatures;
  readonly features: Features;
  /** How columns were understood, and what of them is left out. */
  readonly notes: readonly string[];
}

/** What is said of an item. */
interface Known {
  readonly numbers: readonly (number | undefined)[];
  readonly tokens: readonly (readonly string[])[];
}

/** Where more of what train users were shown has no features, each item has a token of its own. */
const MOST_UNDESCRIBED = 0.33;
const DAY = 86_400_000;

/**
 * @param file of the items; none: they are known by their ids alone. @param ids of the items, in the order of their numbers.
 * @param end of the log, in ms. @throws UserError for what is no table of items.
 */
export async function knownItems(
  file: ItemFile | undefined,
  ids: readonly string[],
  log: Omit<ClickLog, "name" | "items">,
  end: number,
): Promise<KnownItems> {
  const table = file && readItems(file);
  const columns = columnsOf(table?.columns ?? []);
  const known = file && table ? knownOf(file, table, columns, ids, end) : [];
  const trainRows = rowsOf(log, ids.length);
  const train = ids.map((_, item) => item).filter((item) => (trainRows[item] ?? 0) > 0);
  const scales = columns.numbers.map(({ name, isTime }, k) => {
    const values = train.flatMap((item) => known[item]?.numbers[k] ?? []);
    return scaleOf(name, isTime, values, train.length);
  });
  const undescribed = undescribedOf(known, trainRows);
  const withIds = undescribed > MOST_UNDESCRIBED;
  const made = await tokensOf([
    ...columns.tokens.map(({ name, isSplit }, k): TokenSource => ({
      column: name,
      isSplit,
      valuesOf: (item) => known[item]?.tokens[k] ?? [],
    })),
    ...withIds ? [{ column: null, isSplit: false, valuesOf: (item: number) => [ids[item] ?? ""] }] : [],
  ], trainRows);
  const missing = ids.reduce((sum, _, item) => sum + (known[item] ? 0 : 1), 0);
  const notes = [
    ...file ? [] : ["There are no features: each item has a token of its own."],
    ...file && withIds
      ? [
        `${
          (100 * undescribed).toFixed(0)
        } % of the items on the pages of train users have no features: each item has a ` +
        "token of its own.",
      ]
      : [],
    ...columns.notes,
    ...scaleNotes(scales),
    ...made.notes,
    ...file && missing > 0 ? [`Items on pages that have no row of features: ${thousands(missing)}.`] : [],
    ...table && table.bad.total > 0
      ? [
        `Left out: ${thousands(table.bad.total)} rows of the items that cannot be read.\n${
          badRowsText(table.bad)
        }`,
      ]
      : [],
  ];
  const dense = scales.flatMap(meaningsOf);
  const features = { dense, tokens: made.fields };
  const values = valuesOf(scales, known, ids.length, dense.length);
  const shape = { count: ids.length, width: dense.length, values };
  if (made.fields.length > 0) {
    return { items: { kind: "mixed", ...shape, tokens: made.tokens }, features, notes };
  }
  if (dense.length > 0) return { items: { kind: "dense", ...shape }, features, notes };
  const idsSha256 = await sha256Of(ids);
  return { items: { kind: "one-hot", count: ids.length }, features: { ...features, idsSha256 }, notes };
}

/**
 * By the items' numbers; nothing of an item that has no row.
 * @throws UserError for an item that is there with different values, or a number without end.
 */
function knownOf(
  { path }: ItemFile,
  { ids: rowIds }: ItemTable,
  columns: { readonly numbers: readonly NumberColumn[]; readonly tokens: readonly TokenColumn[] },
  ids: readonly string[],
  end: number,
): (Known | undefined)[] {
  const numberOf = new Map(ids.map((id, item) => [id, item]));
  const known = new Array<Known | undefined>(ids.length);
  const texts = new Map<number, string>();
  rowIds.forEach((id, row) => {
    const item = numberOf.get(id);
    if (item === undefined) return;
    const plain = columns.numbers.map((column) => numberAt(column, row));
    expectFinite(path, id, columns.numbers, plain);
    const one = {
      numbers: plain.map((x, k) => x !== undefined && columns.numbers[k]?.isTime ? (end - x) / DAY : x),
      tokens: columns.tokens.map((column) => [...new Set(tokensAt(column, row))]),
    };
    const text = JSON.stringify([plain, columns.tokens.map((column) => column.texts[row])]);
    if (known[item] && texts.get(item) !== text) {
      throw new UserError(
        `${path}: expected one row for each item, found several with different values for the item "${id}". Keep one of them.`,
      );
    }
    known[item] = one;
    texts.set(item, text);
  });
  return known;
}

function expectFinite(
  path: string,
  id: string,
  columns: readonly NumberColumn[],
  numbers: readonly (number | undefined)[],
): void {
  const k = numbers.findIndex((x) => x !== undefined && !(Math.abs(x) <= 3.4028234e38));
  if (k < 0) return;
  throw new UserError(
    `${path}: expected ${columns[k]?.name} to be a number that a 32-bit float holds, found ${
      numbers[k]
    } for the item ` +
      `"${id}". Leave the value empty where it is not known.`,
  );
}

/** How often train users were shown each item. */
function rowsOf(
  { userSplit, userEvents, eventRows, eventGiven, rowItem }: Omit<ClickLog, "name" | "items">,
  items: number,
): Uint32Array {
  const rows = new Uint32Array(items);
  userSplit.forEach((code, user) => {
    if (splits[code] !== "train") return;
    const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
    for (let e = from; e < to; e++) {
      if (eventGiven?.[e]) continue; // a further click displays nothing
      for (const item of rowItem.subarray(eventRows[e], eventRows[e + 1])) rows[item] = (rows[item] ?? 0) + 1;
    }
  });
  return rows;
}

/** The share of what train users were shown of which nothing is known. */
function undescribedOf(known: readonly (Known | undefined)[], trainRows: Uint32Array): number {
  let [all, lacking] = [0, 0];
  trainRows.forEach((rows, item) => {
    all += rows;
    const { numbers = [], tokens = [] } = known[item] ?? {};
    if (numbers.every((x) => x === undefined) && tokens.every(({ length }) => length === 0)) lacking += rows;
  });
  return lacking / all;
}

function valuesOf(
  scales: readonly NumberScale[],
  known: readonly (Known | undefined)[],
  items: number,
  width: number,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(items * width);
  for (let item = 0; item < items; item++) {
    values.set(scales.flatMap((scale, k) => featuresOf(scale, known[item]?.numbers[k])), item * width);
  }
  return values;
}
