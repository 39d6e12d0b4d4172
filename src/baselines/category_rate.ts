/** An item's click rate, times how much more often than others the user clicked on its categories so far. */

import type { Clicks, ItemTokens } from "../data/click_log.ts";
import type { ItemCatalogue } from "../data/item_catalogue.ts";
import { rowsIn, type Scorer, visitPages } from "./scorer.ts";
import { rateOf, type TrainCounts } from "./train_counts.ts";

/** A field of tokens: the tokens first .. first + count - 1 are its values. */
export interface TokenField {
  /** What people call it. */
  readonly name: string;
  /** Its first token. */
  readonly first: number;
  /** How many it has. */
  readonly count: number;
}

/** Clicks that everybody's shares weigh as much as. */
const PRIORS = [1, 3, 10, 30, 100];
const MOST_FIELDS = 8;
/** Items whose tokens are read at once. */
const CHUNK = 2 ** 16;

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
  const own = all.filter(({ count }) => count > 1 && 2 * count <= shape.count).slice(0, MOST_FIELDS);
  if (own.length === 0) return undefined;
  const fieldSets = [...own.map((field) => [field]), ...(own.length > 1 ? [own] : [])];
  const settings = fieldSets.flatMap((set) => PRIORS.map((prior) => ({ set, prior })));
  const shares = clickShares(catalogue, counts, own);
  return {
    settings: settings.map(({ set, prior }) =>
      `by ${set.map(({ name }) => name).join(" and ")}, prior ${prior}`
    ),
    score(log, users, chosen) {
      const scores = chosen.map(() => new Float64Array(rowsIn(log, users)));
      const tokensOf = tokenReader(catalogue, log);
      let clicks = new UserClicks(own);
      let known = 0;
      visitPages(log, users, ({ row, items, history }) => {
        for (; known < history.length; known++) clicks.add(tokensOf(history[known]!));
        items.forEach((item, k) => {
          const rate = rateOf(counts, item);
          const tokens = tokensOf(item);
          chosen.forEach((setting, s) => {
            const { set, prior } = settings[setting]!;
            const lift = set.reduce(
              (product, field) => product * clicks.lift(tokens, field, prior, shares),
              1,
            );
            scores[s]![row + k] = rate * lift;
          });
        });
      }, () => [clicks, known] = [new UserClicks(own), 0]);
      return scores;
    },
  };
}

const isIn = ({ first, count }: TokenField, token: number) => token >= first && token < first + count;

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

/** [V] share of a field's clicks in the train part that fall on each token, as if each had one click more. */
function clickShares(
  catalogue: ItemCatalogue,
  { clicks }: TrainCounts,
  fields: readonly TokenField[],
): Float64Array {
  const { shape } = catalogue;
  const shares = new Float64Array(shape.kind === "mixed" ? shape.tokens : 0).fill(1);
  for (let first = 0; first < shape.count; first += CHUNK) {
    const ids = Uint32Array.from({ length: Math.min(CHUNK, shape.count - first) }, (_, k) => first + k);
    const tokens = tokensIn(catalogue, ids);
    ids.forEach((id, k) => {
      if (clicks[id] === 0) return;
      const own = tokens.token.subarray(tokens.first[k], tokens.first[k + 1]);
      for (const field of fields) {
        const inField = own.filter((token) => isIn(field, token));
        for (const token of inField) shares[token] = shares[token]! + clicks[id]! / inField.length;
      }
    });
  }
  for (const { first, count } of fields) {
    const own = shares.subarray(first, first + count);
    const sum = own.reduce((sum, x) => sum + x, 0);
    own.forEach((x, k) => own[k] = x / sum);
  }
  return shares;
}

function tokensIn(catalogue: ItemCatalogue, ids: Uint32Array): ItemTokens {
  const items = catalogue.read(ids);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind}`);
  return items.tokens;
}

/** Looks up the tokens of items of a log: they are read at once where they are not in memory. */
function tokenReader(catalogue: ItemCatalogue, log: Clicks): (item: number) => Uint32Array {
  const whole = catalogue.items;
  if (whole?.kind === "mixed") {
    const { first, token } = whole.tokens;
    return (item) => token.subarray(first[item], first[item + 1]);
  }
  const ids = log.rowItem.slice().sort().filter((id, k, all) => id !== all[k - 1]);
  const places = new Map(Array.from(ids, (id, place) => [id, place]));
  const { first, token } = tokensIn(catalogue, ids);
  return (item) => {
    const place = places.get(item) ?? NaN;
    return token.subarray(first[place], first[place + 1]);
  };
}
