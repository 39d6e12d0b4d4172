/** Item ids as features: each item has its own token or, with hashed ids, two tokens chosen by hashes. */

import { getItemsShape, type ItemCatalogue, type ItemsShape, MemoryItems } from "./item_catalogue.ts";
import type { FeatureManifest } from "./manifest.ts";
import type { ItemFeatures } from "./click_log.ts";

type Field = FeatureManifest["tokens"][number];

/** Name of the item-id field in manifests that `deno task data` writes. */
const ITEM_IDS = "item";

const isIds = ({ name, column = null }: Field) => name === ITEM_IDS && column === null;

/** Returns the item-id field; undefined if other fields follow it, or if items have no other features. */
export function findItemIdField(features: FeatureManifest | undefined): Field | undefined {
  const field = features?.tokens.find(isIds);
  if (!features || !field || features.tokens.length + features.dense.length < 2) return undefined;
  const isLast = features.tokens.every(({ first }) => first <= field.first);
  return isLast ? field : undefined;
}

/** Lists the names of all item features: dense features, then token fields. Item ids are the field "item". */
export function listItemFeatures({ dense, tokens }: FeatureManifest): string[] {
  return [...dense, ...tokens].map(({ name }) => name);
}

/** Returns the N of `--hash-items N`; undefined if item ids are not hashed. */
export function getHashSize(features: FeatureManifest | undefined): number | undefined {
  return features?.tokens.find(({ hashed }) => hashed !== undefined)?.hashed;
}

/** Returns a catalogue with only the tokens 0 to `tokens` - 1. @throws Error if no features are left. */
export function removeTokens(items: ItemCatalogue, tokens: number): ItemCatalogue {
  if (items.items) return new MemoryItems(cut(items.items, tokens));
  return new FewerTokens(items, tokens);
}

/** View of a catalogue on disk with only the tokens 0 to `tokens` - 1. */
class FewerTokens implements ItemCatalogue {
  readonly items: undefined = undefined;
  readonly shape: ItemsShape;

  constructor(private readonly whole: ItemCatalogue, private readonly tokens: number) {
    this.shape = shapeWith(whole.shape, tokens);
  }

  /** Numbers of tokens per item. Removed tokens are included, because callers need only an upper bound. */
  get tokenCounts(): Uint32Array {
    return this.tokens > 0 ? this.whole.tokenCounts : new Uint32Array();
  }

  read(ids: Uint32Array): ItemFeatures {
    return cut(this.whole.read(ids), this.tokens);
  }
}

function shapeWith({ kind, count, width }: ItemsShape, tokens: number): ItemsShape {
  if (kind !== "mixed" || (tokens === 0 && width === 0)) throw new Error("expected features besides ids");
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
