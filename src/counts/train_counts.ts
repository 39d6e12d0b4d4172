/** How often train users were shown each item and clicked it, and what share of the clicks falls on each token. */

import {
  type ClickLog,
  type Clicks,
  FURTHER_CLICK,
  GIVEN_HISTORY,
  type ItemTokens,
  NONE,
  usersOf,
} from "../data/click_log.ts";
import { PRIOR } from "./columns.ts";
import { type LogSource, type OnProgress, sourceOf, walk } from "../data/log_source.ts";
import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";

/** 8 bytes an item. */
export interface TrainCounts {
  /** Users of the train part. */
  readonly users: number;
  /** [I] how often each item was displayed. */
  readonly shown: Uint32Array;
  /** [I] how often it was clicked. */
  readonly clicks: Uint32Array;
  /** Clicks a display of all items, between 0 and 1. */
  readonly meanRate: number;
  /** Items on the longest page, at least 1. */
  readonly longestPage: number;
}

/** Counts what train users were shown and clicked, a page of several clicks once; events that are given do not count. */
export function countTrain(log: ClickLog | LogSource, onProgress?: OnProgress): TrainCounts {
  const source = sourceOf(log);
  const shown = new Uint32Array(source.items.shape.count);
  const clicks = new Uint32Array(source.items.shape.count);
  const train = usersOf(source, "train");
  let longestPage = 1;
  for (const { log, users } of walk(source, train, told("Counting clicks", onProgress))) {
    for (const user of users) {
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        const given = log.eventGiven?.[event];
        if (given === GIVEN_HISTORY) continue;
        longestPage = Math.max(longestPage, log.eventRows[event + 1]! - log.eventRows[event]!);
        for (
          let row = log.eventRows[event]!;
          given !== FURTHER_CLICK && row < log.eventRows[event + 1]!;
          row++
        ) {
          shown[log.rowItem[row]!]!++;
        }
        const clicked = log.eventClick[event]!;
        if (clicked !== NONE) clicks[log.rowItem[clicked]!]!++;
      }
    }
  }
  const sum = (of: Uint32Array) => of.reduce((sum, n) => sum + n, 0);
  return { users: train.length, shown, clicks, meanRate: (sum(clicks) + 1) / (sum(shown) + 2), longestPage };
}

/** Clicks per display of an item, as if it had had 5 displays more, clicked as the mean item's are: 0 < rate < 1. */
export function rateOf({ shown, clicks, meanRate }: TrainCounts, item: number): number {
  return (clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR);
}

/** Tells of users that are walked through. */
export function told(what: string, onProgress: OnProgress | undefined) {
  return onProgress && ((done: number, all: number) => onProgress(what, done, all));
}

/** A field of tokens: the tokens first .. first + count - 1 are its values. */
export interface TokenField {
  /** What people call it. */
  readonly name: string;
  /** Its first token. */
  readonly first: number;
  /** How many it has. */
  readonly count: number;
  /** Of hashed ids: items that share a token have nothing else in common. */
  readonly hashed?: number;
}

/** Items whose tokens are read at once. */
const CHUNK = 2 ** 16;

/** A field with nearly a value an item is no category, and neither are hashed ids. */
export function isCategory({ count, hashed }: TokenField, items: ItemsShape): boolean {
  return hashed === undefined && count > 1 && 2 * count <= items.count;
}

/** Whether a token is of a field. */
export function isIn({ first, count }: Pick<TokenField, "first" | "count">, token: number): boolean {
  return token >= first && token < first + count;
}

/** The features of the items of a log, and where an item's stand among them: read at once where they are not in memory. */
export function itemsIn(catalogue: ItemCatalogue, { rowItem }: Clicks) {
  if (catalogue.items) return { items: catalogue.items, placeOf: (item: number) => item };
  const ids = rowItem.slice().sort().filter((id, k, all) => id !== all[k - 1]);
  const places = new Map(Array.from(ids, (id, place) => [id, place]));
  return { items: catalogue.read(ids), placeOf: (item: number) => places.get(item) ?? NaN };
}

/** The tokens of these items. @param ids ascending, each once. @throws Error for items without tokens. */
function tokensIn(catalogue: ItemCatalogue, ids: Uint32Array): ItemTokens {
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
