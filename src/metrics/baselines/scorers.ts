/** Scorers of the baselines. A scorer computes scores of items from click counts. */

import { type Clicks, countUserRows, NONE } from "../../data/click_log.ts";
import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import type { ClickPairs, TokenField, TrainCounts } from "../../counts/train_counts.ts";
import {
  computeClickShares,
  isCategory,
  isIn,
  readLogItems,
  smoothedClickRate,
} from "../../counts/train_counts.ts";
import { computeLogitUtilities, fitCounts } from "../../counts/logit.ts";
import { buildCountsConfig, countTables, type TrainUserCounts } from "../../counts/count_tables.ts";
import type { LogSource, OnProgress } from "../../data/log_source.ts";

export interface BaselineScorer {
  /** Descriptions of the settings to try. Without validation users, the first setting is used. */
  readonly settings: readonly string[];
  /**
   * Scores the items that were displayed to users, by these users' clicks on earlier pages.
   * @param log - log whose item numbers are those of the catalogue.
   * @param users - indices of the users in the log.
   * @param chosen - indices in `settings`.
   * @returns one array per setting: positive scores of all items on the users' pages, user by user
   */
  score(log: Clicks, users: ArrayLike<number>, chosen: readonly number[]): Float64Array[];
  /** Returns the scoring formula for an index in `settings`; absent for the logit. */
  readonly formula?: (setting: number) => BaselineFormula;
}

/** Formula of a baseline's scores: its name and its constants. */
export type BaselineFormula =
  | { readonly name: "random" | "clickRate" }
  /** Ranks recently clicked items (of the last `clicks` clicks) first; see {@link createLastClickScorer}. */
  | { readonly name: "lastClick"; readonly clicks: number }
  | ({ readonly name: "categoryRate"; readonly shares: Float64Array } & CategorySetting)
  | ({ readonly name: "itemKnn"; readonly neighbours: ClickPairs } & KnnSetting);

interface CategorySetting {
  readonly fields: readonly TokenField[];
  /** Number of pseudo-clicks in the prior. */
  readonly prior: number;
}

interface KnnSetting {
  /** Maximum number of latest clicked items with which a displayed item is compared. */
  readonly clicks: number;
  /** Weight of the similarity; see {@link WEIGHTS}. */
  readonly weight: number;
  /** True if an item that the user clicked counts as similar to itself. */
  readonly again: boolean;
}

type ItemScore = (setting: number) => number;
/** Scores a page's items. @param history - items of earlier clicks (incl. context events), oldest first */
type PageScores = (history: readonly number[]) => (item: number) => ItemScore;

/** Creates a scorer. @param ofUser - called per log; returns a function that is called per user */
function createPageScorer(
  settings: readonly string[],
  ofUser: (log: Clicks) => () => PageScores,
): BaselineScorer {
  return {
    settings,
    score(log, users, chosen) {
      const scores = chosen.map(() => new Float64Array(countUserRows(log, users)));
      const pagesOf = ofUser(log);
      let to = 0;
      for (const user of Array.from(users)) {
        const history: number[] = [];
        const scoresOn = pagesOf();
        for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
          const scoreOf = scoresOn(history);
          for (let row = log.eventRows[e]!; row < log.eventRows[e + 1]!; row++, to++) {
            const score = scoreOf(log.rowItem[row]!);
            for (let s = 0; s < chosen.length; s++) scores[s]![to] = score(chosen[s]!);
          }
          const click = log.eventClick[e]!;
          if (click !== NONE) history.push(log.rowItem[click]!);
        }
      }
      return scores;
    },
  };
}

/** Gives all items the same score. */
export const chance: BaselineScorer = {
  settings: [""],
  score: (log, users, chosen) => chosen.map(() => new Float64Array(countUserRows(log, users)).fill(1)),
  formula: () => ({ name: "random" }),
};

/** Scores items by their clicks per impression. */
export function createClickRateScorer(counts: TrainCounts): BaselineScorer {
  const scorer = createPageScorer([""], () => () => () => (item) => {
    const rate = smoothedClickRate(counts, item);
    return () => rate;
  });
  return { ...scorer, formula: () => ({ name: "clickRate" }) };
}

/** Settings of the last-click baseline: how many latest clicked items are ranked first. */
const AGAIN = [1, 3, 10, Infinity];

/** Ranks the items of the user's latest clicks first, beginning with the latest click. */
export function createLastClickScorer(counts: TrainCounts): BaselineScorer {
  const settings = AGAIN.map((n) =>
    n === 1 ? "the last click" : n === Infinity ? "all clicks" : `the last ${n} clicks`
  );
  const scorer = createPageScorer(settings, () => () => {
    // Index of the user's latest click on each item.
    const latest = new Map<number, number>();
    let known = 0;
    return (history) => {
      for (; known < history.length; known++) latest.set(history[known]!, known);
      return (item) => {
        const index = latest.get(item);
        return (setting) =>
          index !== undefined && history.length - index <= AGAIN[setting]!
            ? 1 + index
            : smoothedClickRate(counts, item);
      };
    };
  });
  return { ...scorer, formula: (setting) => ({ name: "lastClick", clicks: AGAIN[setting]! }) };
}

/** Settings of the category-rate baseline: numbers of pseudo-clicks in the prior. */
const PRIORS = [1, 3, 10, 30, 100];
const MOST_FIELDS = 8;

/**
 * Scores an item by its click rate times the user's preference for the item's categories.
 *
 * Let p_t be the share of the train users' clicks on items with token t. The user has n clicks so far, n_t of
 * them on items with token t. With a prior of `a` clicks, the lift of token t is (n_t + a p_t) / ((n + a)
 * p_t). The lift of an item in a field is the mean lift of its tokens. The lifts of several fields are
 * multiplied. Before the user's first click every lift is 1.
 *
 * @param fields - item fields whose values are tokens. A field is used if it has 2 or more values, at most
 * one value per 2 items, and no hashed ids. If `fields` is empty, all tokens count as one field.
 * @returns undefined for items without categories
 */
export function createCategoryRateScorer(
  catalogue: ItemCatalogue,
  counts: TrainCounts,
  fields: readonly TokenField[],
): BaselineScorer | undefined {
  const { shape } = catalogue;
  if (shape.kind !== "mixed") return undefined;
  const all = fields.length > 0 ? fields : [{ name: "tokens", first: 0, count: shape.tokens }];
  const own = all.filter((field) => isCategory(field, shape)).slice(0, MOST_FIELDS);
  if (own.length === 0) return undefined;
  const fieldSets = [...own.map((field) => [field]), ...(own.length > 1 ? [own] : [])];
  const settings = fieldSets.flatMap((fields) => PRIORS.map((prior): CategorySetting => ({ fields, prior })));
  const shares = computeClickShares(catalogue, counts.clicks, own);
  const texts = settings.map(({ fields, prior }) =>
    `by ${fields.map(({ name }) => name).join(" and ")}, prior ${prior}`
  );
  const scorer = createPageScorer(texts, (log) => {
    const tokensOf = tokensOfItems(catalogue, log);
    return () => {
      const clicks = new UserClicks(own);
      let known = 0;
      return (history) => {
        for (; known < history.length; known++) clicks.add(tokensOf(history[known]!));
        return (item) => {
          const rate = smoothedClickRate(counts, item);
          const tokens = tokensOf(item);
          return (setting) => {
            const { fields, prior } = settings[setting]!;
            return rate * fields.reduce((lift, field) => lift * clicks.lift(tokens, field, prior, shares), 1);
          };
        };
      };
    };
  });
  return { ...scorer, formula: (setting) => ({ name: "categoryRate", shares, ...settings[setting]! }) };
}

/** A user's clicks by token and field. A click on an item with n tokens in a field adds 1/n to each token. */
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

function tokensOfItems(catalogue: ItemCatalogue, log: Clicks): (item: number) => Uint32Array {
  const { items, findItemIndex: placeOf } = readLogItems(catalogue, log);
  if (items.kind !== "mixed") throw new Error(`expected items with tokens, got ${items.kind} items`);
  const { first, token } = items.tokens;
  return (item) => token.subarray(first[placeOf(item)], first[placeOf(item) + 1]);
}

/** Tried values of `clicks` in {@link KnnSetting}. */
const CLICKS = [1, 5, 20];
/**
 * Weights of similarity. A finite weight multiplies an item's click rate by 1 + weight * mean similarity.
 * Infinity ranks items by their mean similarity, and items without similarity by their click rate.
 */
const WEIGHTS = [Infinity, 3, 30];
/** Tried values of `again` in {@link KnnSetting}. */
const ITSELF = [false, true];

const SETTINGS = CLICKS.flatMap((clicks) =>
  WEIGHTS.flatMap((weight) => ITSELF.map((again): KnnSetting => ({ clicks, weight, again })))
);

/**
 * Scores an item by its similarity to the items that the user clicked (item-based nearest neighbours). The
 * similarity of items i and j is the cosine n_ij / sqrt(n_i n_j): n_ij users clicked both items, n_i clicked
 * i, and n_j clicked j.
 */
export function createItemKnnScorer(neighbours: ClickPairs, counts: TrainCounts): BaselineScorer {
  const settings = SETTINGS.map(({ clicks, weight, again }) =>
    [
      clicks === 1 ? "the last click" : `the last ${clicks} clicks`,
      weight === Infinity ? "ranked before the click rate" : `weight ${weight}`,
      ...(again ? ["an item counts as its own neighbour"] : []),
    ].join(", ")
  );
  const scorer = createPageScorer(settings, () => () => (history) => {
    const recent = listLatest(history, CLICKS.at(-1)!);
    return (item) => {
      const rate = smoothedClickRate(counts, item);
      const similarity = similarities(item, recent, neighbours);
      return (setting) => {
        const { clicks, weight, again } = SETTINGS[setting]!;
        const mean = similarity[2 * CLICKS.indexOf(clicks) + (again ? 1 : 0)]!;
        return weight < Infinity ? rate * (1 + weight * mean) : mean > 0 ? 1 + mean : rate;
      };
    };
  });
  return { ...scorer, formula: (setting) => ({ name: "itemKnn", neighbours, ...SETTINGS[setting]! }) };
}

/** Returns mean similarities to the last n clicks, for n in CLICKS: without and with clicks on `item`. */
function similarities(item: number, recent: readonly number[], { users, pairs }: ClickPairs): number[] {
  const found: number[] = [];
  let [sum, own, k] = [0, 0, 0];
  for (const clicks of CLICKS) {
    for (; k < Math.min(clicks, recent.length); k++) {
      const other = recent[k]!;
      if (other === item) own = 1;
      else {
        const both = pairs.get(item, other);
        if (both > 0) sum += both / Math.sqrt(users[item]! * users[other]!);
      }
    }
    const count = Math.max(1, Math.min(clicks, recent.length));
    found.push(sum / count, (sum + own) / count);
  }
  return found;
}

/** Returns up to `most` different items that were clicked last, latest first. */
function listLatest(history: readonly number[], most: number): number[] {
  const found = new Set<number>();
  for (let k = history.length - 1; k >= 0 && found.size < most; k--) found.add(history[k]!);
  return [...found];
}

/** Number of positions whose effects the logit learns separately. Later positions share the last effect. */
export const LOGIT_POSITIONS = 20;
/** Fixed seed for the logit's sample of a large log's pages, so that all runs have the same logit. */
export const LOGIT_SEED = 1;

/**
 * Scores an item by exp(u), where u is the utility of a conditional logit with count features as inputs.
 * @param placed - true if the items of a page are in the order in which they were shown
 */
export function createLogitScorer(
  source: LogSource,
  fields: readonly TokenField[],
  placed: boolean,
  counted: TrainUserCounts,
  onProgress?: OnProgress,
): BaselineScorer | undefined {
  const config = buildCountsConfig(source, fields);
  if (!config) return undefined; // the catalogue is too large for the tables of counts
  const tables = countTables(source, config, onProgress, counted);
  onProgress?.("Fitting the logit on counts", 0, 1);
  const fitted = fitCounts(source, tables, {
    dense: true,
    positions: placed ? LOGIT_POSITIONS : 0,
    seed: LOGIT_SEED,
  });
  return {
    settings: [""],
    score(log, users, chosen) {
      const scores = computeLogitUtilities(fitted, source, log, users, tables).map(Math.exp);
      return chosen.map(() => scores);
    },
  };
}
