/** Groups the items of a log by the categories with the most clicks. */

import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import type { TokenFeature } from "../../data/manifest.ts";
import { computeClickShares, forEachItemTokens, isCategory } from "../../counts/train_counts.ts";
import type { TokenField, TrainCounts } from "../../counts/train_counts.ts";
import type { ItemCategories } from "../item_categories.ts";

export type NamedField = TokenField & Pick<TokenFeature, "values" | "column">;

const MOST_CATEGORIES = 8;
const USUAL_NAME = /categor|genre/i;

/**
 * Groups items by a field with named values: preferably one named like "category" or "genre".
 * @returns undefined if no field has named values
 */
export function findItemCategories(
  catalogue: ItemCatalogue,
  counts: Pick<TrainCounts, "clicks">,
  fields: readonly NamedField[],
): ItemCategories | undefined {
  const { shape } = catalogue;
  const named = fields.filter((field) => field.values && field.column !== null && isCategory(field, shape));
  const field = named.find(({ name }) => USUAL_NAME.test(name)) ?? named[0];
  if (!field?.values || shape.kind !== "mixed") return undefined;
  const { name, first, values } = field;
  const shares = computeClickShares(catalogue, counts.clicks, [field]);
  const most = [...values.keys()].sort((a, b) => shares[first + b]! - shares[first + a]!)
    .slice(0, MOST_CATEGORIES);
  const groups = new Uint16Array(shape.count);
  forEachItemTokens(catalogue, (item, tokens) => {
    const own = most.reduce((bits, value, k) => tokens.includes(first + value) ? bits | 1 << k : bits, 0);
    groups[item] = own === 0 ? 1 << most.length : own;
  });
  return { field: name, names: [...most.map((value) => values[value]!), "other"], groups };
}
