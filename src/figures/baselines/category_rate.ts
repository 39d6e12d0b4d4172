/** An item's click rate, times how much more often than others the user clicked on its categories so far. */

import type { Clicks } from "../../data/click_log.ts";
import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import { byPage, type Scorer } from "./scorers.ts";
import {
  clickShares,
  isCategory,
  isIn,
  itemsIn,
  rateOf,
  type TokenField,
  type TrainCounts,
} from "../../counts/train_counts.ts";

/** Clicks that everybody's shares weigh as much as. */
const PRIORS = [1, 3, 10, 30, 100];
const MOST_FIELDS = 8;

/**
 * With the share of the train users' clicks that fall on a token p_t, and the user's clicks n_t of n so far, a token's lift
 * is (n_t + a p_t) / ((n + a) p_t), for a prior of `a` clicks. An item's is the mean over its tokens of a field, and the
 * product over fields. Before the first click it is 1.
 *
 * @param fields of the tokens; those with nearly a value an item are no categories. Without any, all tokens are one field.
 * @returns undefined for items without categories.
 */
export function categoryRate(
  catalogue: ItemCatalogue,
  counts: TrainCounts,
  fields: readonly TokenField[],
): Scorer | undefined {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return undefined;
  const all = fields.length > 0 ? fields : [{ name: "tokens", first: 0, count: shape.tokens }];
  const own = all.filter((field) => isCategory(field, shape)).slice(0, MOST_FIELDS);
  if (own.length === 0) return undefined;
  const fieldSets = [...own.map((field) => [field]), ...(own.length > 1 ? [own] : [])];
  const settings = fieldSets.flatMap((set) => PRIORS.map((prior) => ({ set, prior })));
  const shares = clickShares(catalogue, counts, own);
  const texts = settings.map(({ set, prior }) =>
    `by ${set.map(({ name }) => name).join(" and ")}, prior ${prior}`
  );
  return byPage(texts, (log) => {
    const tokensOf = tokensOfItems(catalogue, log);
    return () => {
      const clicks = new UserClicks(own);
      let known = 0;
      return (history) => {
        for (; known < history.length; known++) clicks.add(tokensOf(history[known]!));
        return (item) => {
          const rate = rateOf(counts, item);
          const tokens = tokensOf(item);
          return (setting) => {
            const { set, prior } = settings[setting]!;
            return rate * set.reduce((lift, field) => lift * clicks.lift(tokens, field, prior, shares), 1);
          };
        };
      };
    };
  });
}

/** Clicks of a user so far, by token and field. An item of several tokens in a field gives each its part. */
class UserClicks {
  readonly #ofToken = new Map<number, number>();
  readonly #ofField = new Map<TokenField, number>();

  constructor(private readonly fields: readonly TokenField[]) {}

  add(tokens: Uint32Array): void {
    for (const field of this.fields) {
      const own = tokens.filter((token) => isIn(field, token));
      for (const token of own) this.#ofToken.set(token, (this.#ofToken.get(token) ?? 0) + 1 / own.length);
      if (own.length > 0) this.#ofField.set(field, (this.#ofField.get(field) ?? 0) + 1);
    }
  }

  lift(tokens: Uint32Array, field: TokenField, prior: number, shares: Float64Array): number {
    const all = (this.#ofField.get(field) ?? 0) + prior;
    let [sum, count] = [0, 0];
    for (const token of tokens) {
      if (!isIn(field, token)) continue;
      const share = shares[token]!;
      sum += ((this.#ofToken.get(token) ?? 0) + prior * share) / (all * share);
      count++;
    }
    return count === 0 ? 1 : sum / count;
  }
}

/** Looks up the tokens of items of a log. */
function tokensOfItems(catalogue: ItemCatalogue, log: Clicks): (item: number) => Uint32Array {
  const { items, placeOf } = itemsIn(catalogue, log);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
  const { first, token } = items.tokens;
  return (item) => token.subarray(first[placeOf(item)], first[placeOf(item) + 1]);
}
