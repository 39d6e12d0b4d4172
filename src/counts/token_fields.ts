/** Fields of tokens: which are categories, and what share of the clicks falls on each token. */

import type { ItemTokens } from "../data/click_log.ts";
import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";
import type { TrainCounts } from "./train_counts.ts";

/** A field of tokens: the tokens first .. first + count - 1 are its values. */
export interface TokenField {
  /** What people call it. */
  readonly name: string;
  /** Its first token. */
  readonly first: number;
  /** How many it has. */
  readonly count: number;
}

/** Items whose tokens are read at once. */
const CHUNK = 2 ** 16;

/** A field with nearly a value an item is no category. */
export function isCategory({ count }: Pick<TokenField, "count">, items: ItemsShape): boolean {
  return count > 1 && 2 * count <= items.count;
}

/** Whether a token is of a field. */
export function isIn({ first, count }: Pick<TokenField, "first" | "count">, token: number): boolean {
  return token >= first && token < first + count;
}

/** The tokens of these items. @param ids ascending, each once. @throws Error for items without tokens. */
export function tokensIn(catalogue: ItemCatalogue, ids: Uint32Array): ItemTokens {
  const items = catalogue.read(ids);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
  return items.tokens;
}

/** Goes through the tokens of all items; none for items without tokens. */
export function eachTokens(
  catalogue: ItemCatalogue,
  visit: (item: number, tokens: Uint32Array) => void,
): void {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return;
  for (let first = 0; first < shape.count; first += CHUNK) {
    const ids = Uint32Array.from({ length: Math.min(CHUNK, shape.count - first) }, (_, k) => first + k);
    const tokens = tokensIn(catalogue, ids);
    ids.forEach((id, k) => visit(id, tokens.token.subarray(tokens.first[k], tokens.first[k + 1])));
  }
}

/** [V] share of a field's clicks in the train part that fall on each token, as if each had one click more. */
export function clickShares(
  catalogue: ItemCatalogue,
  { clicks }: TrainCounts,
  fields: readonly Pick<TokenField, "first" | "count">[],
): Float64Array {
  const { shape } = catalogue;
  const shares = new Float64Array(shape.kind === "mixed" ? shape.tokens : 0).fill(1);
  eachTokens(catalogue, (item, own) => {
    if (clicks[item] === 0) return;
    for (const field of fields) {
      const inField = own.filter((token) => isIn(field, token));
      for (const token of inField) shares[token] = shares[token]! + clicks[item]! / inField.length;
    }
  });
  for (const { first, count } of fields) {
    const own = shares.subarray(first, first + count);
    const sum = own.reduce((sum, x) => sum + x, 0);
    own.forEach((x, k) => own[k] = x / sum);
  }
  return shares;
}
