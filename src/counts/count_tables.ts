import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import type { CountField, CountsConfig } from "./count_columns.ts";
import {
  countTableWidth,
  countTokenSlots,
  maxNeighbours,
  maxTokenSlots,
  MOST_FIELDS,
  NO_ITEM,
} from "./count_columns.ts";
import { computeCoclickSimilarity, type CountTables } from "./page_counts.ts";
import type { ClickPairs, TokenField, TrainCounts } from "./train_counts.ts";
import {
  chooseLatestLimit,
  computeClickShares,
  countPairs,
  countTrain,
  forEachItemTokens,
  isCategory,
  isIn,
} from "./train_counts.ts";

/** Largest number of tokens of a field that the table of counts stores per item. */
const SLOTS_PER_FIELD = 4;

const known = new WeakMap<LogSource, CountTables>();

/** Builds the count features' config; null for too many items. Without `fields`, all tokens are one field. */
export function buildCountsConfig(source: LogSource, fields: readonly TokenField[]): CountsConfig | null {
  const { items } = source;
  const categories = selectCountFields(items.shape, fields).slice(0, MOST_FIELDS);
  const most = mostTokens(items, categories);
  const room = maxTokenSlots(items.shape);
  const counted: CountField[] = [];
  categories.forEach(({ first, count }, k) => {
    const slots = Math.min(SLOTS_PER_FIELD, room - countTokenSlots(counted), most[k] ?? 0);
    if (slots > 0) counted.push({ first, count, slots });
  });
  const neighbours = maxNeighbours(items.shape, counted);
  if (neighbours === 0) return null;
  return {
    ...{ fields: counted, neighbours, latest: chooseLatestLimit(source) },
    ...(source.sampledPages ? { sampledPages: true } : {}),
    ...(source.rowWidth > 0 ? { rowFeatures: source.rowWidth } : {}),
  };
}

function selectCountFields(shape: ItemsShape, fields: readonly TokenField[]): readonly TokenField[] {
  if (shape.kind !== "mixed") return [];
  const all = fields.length > 0 ? fields : [{ name: "tokens", first: 0, count: shape.tokens }];
  return all.filter((field) => isCategory(field, shape));
}

function mostTokens(items: ItemCatalogue, fields: readonly TokenField[]): number[] {
  const most = fields.map(() => 0);
  if (fields.length === 0) return most;
  forEachItemTokens(items, (_, tokens) => {
    fields.forEach((field, k) => {
      let own = 0;
      for (const token of tokens) own += isIn(field, token) ? 1 : 0;
      most[k] = Math.max(most[k]!, own);
    });
  });
  return most;
}

export interface TrainUserCounts {
  readonly counts: TrainCounts;
  readonly pairs: ClickPairs;
}

/** Builds the tables of counts of a log's train users. @param counted - counts from an earlier call */
export function countTables(
  source: LogSource,
  config: CountsConfig,
  onProgress?: OnProgress,
  counted?: TrainUserCounts,
): CountTables {
  const found = known.get(source);
  if (found && JSON.stringify(found.config) === JSON.stringify(config)) return found;
  const { counts, pairs } = counted ?? {
    counts: countTrain(source, onProgress),
    pairs: countPairs(source, config.latest, onProgress),
  };
  const width = countTableWidth(config);
  const items = new Float32Array(source.items.shape.count * width);
  const unshown = estimateUnshownItem(counts.shown, counts.clicks);
  for (let item = 0, at = 0; at < items.length; item++, at += width) {
    const isShown = counts.shown[item]! > 0;
    items[at] = isShown ? counts.shown[item]! : unshown.shown;
    items[at + 1] = isShown ? counts.clicks[item]! : unshown.clicks;
    items[at + 2] = pairs.users[item]!;
  }
  writeTokens(items, source.items, config, counts.clicks);
  writeNeighbours(items, config, pairs);
  const { meanRate, pageRate, longestPage } = counts;
  const tables = { config, items, meanRate, pageRate, longestPage, leastUsers: pairs.least };
  known.set(source, tables);
  return tables;
}

/** Rare items are the items with the fewest displays, which together have this share of all displays. */
const RARE = 0.01;

/**
 * Estimates displays and clicks of an item that train users never saw. The estimate is one display less than
 * the most displayed rare item has, with clicks at the average rate.
 */
export function estimateUnshownItem(
  shown: ArrayLike<number>,
  clicks: ArrayLike<number>,
): { readonly shown: number; readonly clicks: number } {
  const ascending = Float64Array.from(shown).sort();
  const displays = ascending.reduce((sum, n) => sum + n, 0);
  if (displays === 0) return { shown: 0, clicks: 0 };
  let rest = RARE * displays;
  const others = (ascending.find((n) => (rest -= n) <= 0) ?? 1) - 1;
  const clicked = Array.from(clicks).reduce((sum, n) => sum + n, 0);
  return { shown: others, clicks: Math.fround(others * clicked / displays) };
}

/** Returns `table` with a row for each new item of `catalogue`, filled by {@link estimateUnshownItem}. */
export function extendTable(
  table: Float32Array<ArrayBuffer>,
  config: CountsConfig,
  catalogue: ItemCatalogue,
): Float32Array<ArrayBuffer> {
  const width = countTableWidth(config);
  const [known, count] = [table.length / width, catalogue.shape.count];
  if (known >= count) return table;
  const extended = new Float32Array(count * width);
  extended.set(table);
  const neighbours = 4 + 2 * countTokenSlots(config.fields);
  const [shown = [], clicks = []] = [0, 1].map((column) => table.filter((_, k) => k % width === column));
  const item = clicks.findIndex((n) => !Number.isInteger(n));
  const unshown = item < 0
    ? estimateUnshownItem(shown, clicks)
    : { shown: shown[item]!, clicks: clicks[item]! };
  for (let at = known * width; at < extended.length; at += width) {
    extended.set([unshown.shown, unshown.clicks, 0, -1], at);
    extended.fill(NO_ITEM, at + neighbours, at + neighbours + config.neighbours);
  }
  const counted = Float64Array.from(
    { length: count },
    (_, k) => Number.isInteger(clicks[k]) ? clicks[k]! : 0,
  );
  writeTokens(extended, catalogue, config, counted, known);
  return extended;
}

/** Writes items' tokens and each token's share of clicks. @param first - number of the first item to write */
function writeTokens(
  items: Float32Array,
  catalogue: ItemCatalogue,
  config: CountsConfig,
  clicks: ArrayLike<number>,
  first = 0,
): void {
  if (config.fields.length === 0) return;
  const width = countTableWidth(config);
  const shares = computeClickShares(catalogue, clicks, config.fields);
  forEachItemTokens(catalogue, (item, tokens) => {
    if (item < first) return;
    let at = item * width + 4;
    for (const field of config.fields) {
      const own = tokens.filter((token) => isIn(field, token));
      for (let slot = 0; slot < field.slots; slot++, at += 2) {
        const token = own[slot] ?? -1;
        items[at] = token;
        items[at + 1] = shares[token] ?? 0;
      }
    }
  });
}

/** Writes each item's M nearest items (by cosine), and the largest similarity of the remaining items. */
function writeNeighbours(items: Float32Array, config: CountsConfig, { users, pairs }: ClickPairs): void {
  const width = countTableWidth(config);
  const { neighbours: M } = config;
  const neighboursOffset = 4 + 2 * countTokenSlots(config.fields);
  const degree = new Uint32Array(users.length + 1);
  pairs.forEach((a, b) => {
    degree[a + 1]!++;
    degree[b + 1]!++;
  });
  for (let item = 0; item < users.length; item++) degree[item + 1]! += degree[item]!;
  const end = degree.slice();
  const other = new Uint32Array(degree.at(-1)!);
  const both = new Uint32Array(other.length);
  pairs.forEach((a, b, count) => {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      other[end[from]!] = to;
      both[end[from]!++] = count;
    }
  });
  const similarity = (k: number) => computeCoclickSimilarity(both[k]!, users[other[k]!]!);
  for (let item = 0; item < users.length; item++) {
    const from = degree[item]!;
    let own = Array.from({ length: end[item]! - from }, (_, k) => from + k);
    let cutoff = -1;
    if (own.length > M) {
      own.sort((a, b) => similarity(b) - similarity(a));
      cutoff = similarity(own[M]!);
      own = own.slice(0, M).filter((index) => similarity(index) > cutoff);
    }
    items[item * width + 3] = cutoff;
    own.sort((a, b) => other[a]! - other[b]!);
    const at = item * width + neighboursOffset;
    for (let k = 0; k < M; k++) {
      const index = own[k];
      items[at + k] = index === undefined ? NO_ITEM : other[index]!;
      items[at + M + k] = index === undefined ? 0 : both[index]!;
    }
  }
}
