/**
 * The catalogue stores the features of all items, in memory or in a file. A training step reads only the
 * features of the items in its batch, so a catalogue in a file may be larger than memory.
 */

import type { Clicks, ItemFeatures, ItemTokens } from "./click_log.ts";
import { UserError } from "../user_error.ts";

/** Sizes of the features. `width` is the number of dense features per item or, for one-hot items, `count`. */
export type ItemsShape =
  | { readonly kind: "one-hot" | "dense"; readonly count: number; readonly width: number }
  | { readonly kind: "mixed"; readonly count: number; readonly width: number; readonly tokens: number };

/** Returns V, the number of tokens; undefined for items without tokens. */
export function getTokenCount(items: ItemsShape): number | undefined {
  return items.kind === "mixed" ? items.tokens : undefined;
}

export function getItemsShape(items: ItemFeatures): ItemsShape {
  const { kind, count } = items;
  if (kind === "mixed") return { kind, count, width: items.width, tokens: items.tokens.count };
  return { kind, count, width: kind === "dense" ? items.width : count };
}

/** The features of a log's items, in memory ({@link MemoryItems}) or in a file (`PackedItems`). */
export interface ItemCatalogue {
  /** Sizes of the item features. */
  readonly shape: ItemsShape;
  /** `tokenCounts[n]` is the number of items that have n tokens; empty if the features have no tokens. */
  readonly tokenCounts: Uint32Array;
  /** Features of all items; undefined if the catalogue is in a file. */
  readonly items: ItemFeatures | undefined;
  /** Reads some items' features. @param ids: ascending, distinct. @throws UserError for a damaged file. */
  read(ids: Uint32Array): ItemFeatures;
}

export class MemoryItems implements ItemCatalogue {
  readonly shape: ItemsShape;
  #tokenCounts: Uint32Array | undefined;

  /** @param items: not copied. @throws {UserError} for inconsistent sizes, or a token out of range */
  constructor(readonly items: ItemFeatures) {
    if (items.kind !== "one-hot") checkFeatures(items);
    this.shape = getItemsShape(items);
  }

  get tokenCounts(): Uint32Array {
    return this.#tokenCounts ??= this.items.kind === "mixed" ? countTokens(this.items.tokens) : NO_TOKENS;
  }

  /** Copies the features of some items. For one-hot items, returns the whole catalogue. */
  read(ids: Uint32Array): ItemFeatures {
    const { items } = this;
    if (items.kind === "one-hot") return items;
    const { width } = items;
    const values = new Float32Array(ids.length * width);
    ids.forEach((id, k) => values.set(items.values.subarray(id * width, (id + 1) * width), k * width));
    if (items.kind === "dense") return { kind: "dense", count: ids.length, width, values };
    const { count, first, token } = items.tokens;
    const own = new Uint32Array(ids.length + 1);
    ids.forEach((id, k) => own[k + 1] = (own[k] ?? 0) + (first[id + 1] ?? 0) - (first[id] ?? 0));
    const tokens = new Uint32Array(own[ids.length] ?? 0);
    ids.forEach((id, k) => tokens.set(token.subarray(first[id], first[id + 1]), own[k]));
    return { kind: "mixed", count: ids.length, width, values, tokens: { count, first: own, token: tokens } };
  }
}

function checkFeatures({ count, width, values, ...more }: Exclude<ItemFeatures, { kind: "one-hot" }>): void {
  if (values.length !== count * width) {
    throw new UserError(
      `Expected ${count} items x ${width} features = ${count * width} values, got ${values.length}.`,
    );
  }
  if (!("tokens" in more)) return;
  const { count: V, first, token } = more.tokens;
  const outside = token.find((id) => id >= V);
  if (first.length === count + 1 && first[count] === token.length && outside === undefined) return;
  throw new UserError(
    `Expected ${count} items with ${token.length} tokens in 0..${V - 1}, got ` +
      `${first.length - 1} items with ${first.at(-1)} tokens` +
      (outside === undefined ? "." : `, and token ${outside}.`),
  );
}

export function toCatalogue(items: ItemFeatures | ItemCatalogue): ItemCatalogue {
  return "read" in items ? items : new MemoryItems(items);
}

/** Concatenates the features in `chunks`. */
export function joinItems(
  { kind, width, ...more }: ItemsShape,
  chunks: readonly ItemFeatures[],
): ItemFeatures {
  const count = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  if (kind === "one-hot") return { kind, count };
  const values = new Float32Array(count * width);
  const first = new Uint32Array(count + 1);
  const pairs = chunks.reduce(
    (sum, chunk) => sum + (chunk.kind === "mixed" ? chunk.tokens.token.length : 0),
    0,
  );
  const token = new Uint32Array(pairs);
  let [item, pair] = [0, 0];
  for (const chunk of chunks) {
    if (chunk.kind !== "one-hot") values.set(chunk.values, item * width);
    if (chunk.kind === "mixed") {
      chunk.tokens.first.forEach((start, k) => first[item + k] = pair + start);
      token.set(chunk.tokens.token, pair);
      pair += chunk.tokens.token.length;
    }
    item += chunk.count;
  }
  if (kind === "dense") return { kind, count, width, values };
  const V = "tokens" in more ? more.tokens : 0;
  return { kind, count, width, values, tokens: { count: V, first, token } };
}

const NO_TOKENS = new Uint32Array();

function countTokens({ first }: ItemTokens): Uint32Array {
  let most = 0;
  const sizes = Uint32Array.from(
    { length: first.length - 1 },
    (_, i) => (first[i + 1] ?? 0) - (first[i] ?? 0),
  );
  for (const size of sizes) most = Math.max(most, size);
  const counts = new Uint32Array(most + 1);
  for (const size of sizes) counts[size] = (counts[size] ?? 0) + 1;
  return counts;
}

/** Returns the largest number of tokens that `items` different items of a catalogue can have in total. */
export function boundTokens(tokenCounts: Uint32Array, items: number): number {
  let [left, tokens] = [items, 0];
  for (let size = tokenCounts.length - 1; size > 0 && left > 0; size--) {
    const taken = Math.min(left, tokenCounts[size] ?? 0);
    tokens += size * taken;
    left -= taken;
  }
  return tokens;
}

/**
 * Reads the features of the items that occur in `clicks`, and renumbers these items 0, 1, 2, ... in the order
 * of the catalogue. One-hot items keep their numbers, because the number of a one-hot item is its feature.
 */
export function restrictToOwnItems(clicks: Clicks, catalogue: ItemCatalogue): {
  readonly rowItem: Uint32Array<ArrayBuffer>;
  readonly items: ItemFeatures;
  readonly itemIds?: Uint32Array<ArrayBuffer>;
} {
  const { rowItem } = clicks;
  if (catalogue.shape.kind === "one-hot") return { rowItem, items: catalogue.read(NO_TOKENS) };
  const ids = sortUnique(rowItem);
  return { rowItem: rowItem.map((id) => findSortedIndex(ids, id)), items: catalogue.read(ids), itemIds: ids };
}

/** Returns the index of a number in an ascending array that contains the number. */
export function findSortedIndex(ascending: Uint32Array, number: number): number {
  let [low, high] = [0, ascending.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= number) low = middle;
    else high = middle;
  }
  return low;
}

export function sortUnique(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(numbers).sort().filter((id, k, all) => id !== all[k - 1]);
}
