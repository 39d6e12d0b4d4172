/**
 * Item ids: the tokens by which items are known one by one, beside the features that they share. A model may leave them out,
 * without another data set.
 */

import { getItemsShape, type ItemCatalogue, type ItemsShape, MemoryItems } from "./item_catalogue.ts";
import type { FeatureManifest } from "./manifest.ts";
import type { ItemFeatures } from "./click_log.ts";

type Field = FeatureManifest["tokens"][number];

/** What `deno task data` calls their field. */
const ITEM_IDS = "item";

const isIds = ({ name, column = null }: Field) => name === ITEM_IDS && column === null;

/** The item ids of a set that knows more of its items than these; they are the last of its tokens. */
export function findItemIdField(features: FeatureManifest | undefined): Field | undefined {
  const field = features?.tokens.find(isIds);
  if (!features || !field || features.tokens.length + features.dense.length < 2) return undefined;
  const isLast = features.tokens.every(({ first }) => first <= field.first);
  return isLast ? field : undefined;
}

/** N of a set whose item ids are hashed to twice N tokens. */
export function getHashSize(features: FeatureManifest | undefined): number | undefined {
  return features?.tokens.find(({ hashed }) => hashed !== undefined)?.hashed;
}

/** What of a data set says something of its items. */
export interface ItemData {
  readonly source: { readonly items: { readonly shape: ItemsShape } };
  readonly features: FeatureManifest | undefined;
}

/** What of the items may help a model that does not know it yet. */
export function describeUnusedFeatures({ source: { items: { shape } }, features }: ItemData): string {
  const knowsIds = shape.kind === "one-hot" || features?.tokens.some(isIds);
  return knowsIds ? "more features of the items" : "item ids beside the features";
}

/**
 * @param tokens how many are left, from 0 on.
 * @throws Error for items that would be known by nothing.
 */
export function removeTokens(items: ItemCatalogue, tokens: number): ItemCatalogue {
  if (items.items) return new MemoryItems(cut(items.items, tokens));
  return new FewerTokens(items, tokens);
}

/** The same of a catalogue in a file. */
class FewerTokens implements ItemCatalogue {
  readonly items: undefined = undefined;
  readonly shape: ItemsShape;

  constructor(private readonly whole: ItemCatalogue, private readonly tokens: number) {
    this.shape = shapeWith(whole.shape, tokens);
  }

  /** Those of the whole catalogue: no item has more. */
  get tokenCounts(): Uint32Array {
    return this.tokens > 0 ? this.whole.tokenCounts : new Uint32Array();
  }

  read(ids: Uint32Array): ItemFeatures {
    return cut(this.whole.read(ids), this.tokens);
  }
}

function shapeWith({ kind, count, width }: ItemsShape, tokens: number): ItemsShape {
  if (kind !== "mixed" || (tokens === 0 && width === 0)) throw new Error("items would be known by nothing");
  return tokens > 0 ? { kind, count, width, tokens } : { kind: "dense", count, width };
}

function cut(items: ItemFeatures, most: number): ItemFeatures {
  const { kind, count, width } = shapeWith(getItemsShape(items), most);
  if (items.kind !== "mixed") throw new Error("items without tokens");
  const { values, tokens } = items;
  if (kind === "dense") return { kind, count, width, values };
  const first = new Uint32Array(count + 1);
  const token: number[] = [];
  for (let item = 0; item < count; item++) {
    for (const id of tokens.token.subarray(tokens.first[item], tokens.first[item + 1])) {
      if (id < most) token.push(id);
    }
    first[item + 1] = token.length;
  }
  return {
    kind: "mixed",
    count,
    width,
    values,
    tokens: { count: most, first, token: Uint32Array.from(token) },
  };
}
