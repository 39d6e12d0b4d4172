/** Whether two data sets are over the same items. */

import type { ItemFeatures } from "../../data/click_log.ts";
import type { DataConfig } from "../../data/sets/dataset.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";

/** Whether both are known to be over the same items by what a run records of them: a shop's seed, a set's checksum. */
export function sameCatalogue(one: DataConfig, other: DataConfig): boolean {
  const of = (data: DataConfig) => data.kind === "demo" ? data.seed : data.sha256;
  return of(one) === of(other);
}

/** As many items with the same ids in the same order and, where they are in memory, the same features. */
export function sameItems(one: OpenedDataset, other: OpenedDataset): boolean {
  const [a, b] = [one.source.items, other.source.items];
  if (a.shape.count !== b.shape.count) return false;
  for (let item = 0; item < a.shape.count; item++) {
    if (one.items.of(item) !== other.items.of(item)) return false;
  }
  return !a.items || !b.items || sameFeatures(a.items, b.items);
}

function sameFeatures(a: ItemFeatures, b: ItemFeatures): boolean {
  if (a.kind === "one-hot" || b.kind === "one-hot") return a.kind === b.kind;
  if (!sameNumbers(a.values, b.values)) return false;
  if (a.kind === "dense" || b.kind === "dense") return a.kind === b.kind;
  return sameNumbers(a.tokens.first, b.tokens.first) && sameNumbers(a.tokens.token, b.tokens.token);
}

/** Whether both have the same numbers at the same places. */
export function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return a.length === b.length;
}
