/** Computes count features, and counts of items per user, in f64. (GPU: kernels/pw/row_counts.wgsl.) */

import type { CountsConfig, OwnCounts } from "./count_columns.ts";
import {
  countTableWidth,
  countTokenSlots,
  countWidth,
  LAGS,
  OWN_WORDS,
  packOwn,
  packPast,
  PRIOR,
  SIMILARITY_FLOOR,
  unpackOwn,
  unpackPast,
  USER_PRIOR,
} from "./count_columns.ts";
import type { Clicks, PastPages } from "../data/click_log.ts";
import {
  addPastPage,
  countUserRows,
  getRowWidth,
  isPage,
  listClickedRows,
  NO_PAST_PAGES,
  NONE,
  splits,
} from "../data/click_log.ts";
import { findLatestClicks } from "./train_counts.ts";

/** Counts over all train users. count_columns.ts describes the rows of the table `items`. */
export interface CountTables {
  readonly config: CountsConfig;
  /** Table of counts, [I, {@link countTableWidth}]. */
  readonly items: Float32Array<ArrayBuffer>;
  /** Clicks per display over all items. An item without displays gets this click rate. */
  readonly meanRate: number;
  /** Share of train users' pages that have a click; above 0 and below 1. */
  readonly pageRate: number;
  /** Number of items on the longest train page, to which the feature "page length" is clipped. */
  readonly longestPage: number;
  /** A pair of items is counted only if at least this number of users clicked each of the two items. */
  readonly leastUsers: number;
}

/** Clicks of a user before a page. */
export interface PageHistory {
  /** Items that the user clicked, latest click first. Only the first {@link LAGS} entries are used. */
  readonly recent: ArrayLike<number>;
  readonly clicks: number;
  readonly past: PastPages;
}

/** Count settings of a log. `latest` is absent if the tables of counts do not include the log's users. */
export type LogWithCounts = Partial<Pick<CountsConfig, "latest" | "sampledPages" | "rowFeatures">>;

/** Own counts of users who are not in the tables of counts: nothing is subtracted from the tables. */
export const NO_OWN_COUNTS: OwnCounts = { passed: 0, shown: 0, clicks: 0, paired: false, inPairs: false };

/**
 * Writes a displayed item's count features (not standardised) to the array `to`, starting at index `at`.
 * @param pageLength - number of items on the page. @param own - the user's own counts of the item
 */
export function writeItemCounts(
  tables: CountTables,
  item: number,
  { recent, clicks, past }: PageHistory,
  pageLength: number,
  own: OwnCounts,
  to: Float64Array,
  at: number,
): void {
  const { config, items, meanRate, pageRate, longestPage } = tables;
  const width = countTableWidth(config);
  const row = item * width;
  const displays = Math.max(0, items[row]! - own.shown);
  const clicked = Math.max(0, items[row + 1]! - own.clicks);
  const lags = Math.min(LAGS, recent.length);
  let repeats = 0;
  for (let lag = 0; lag < lags; lag++) repeats += recent[lag] === item ? 1 : 0;
  to[at] = Math.log((clicked + PRIOR * meanRate) / ((displays + PRIOR) * meanRate));
  to[at + 1] = Math.log(1 + displays);
  to[at + 2] = Math.log(computeSimilarity(tables, item, recent, lags, own) + SIMILARITY_FLOOR);
  to[at + 3] = Math.log(1 + repeats);
  to[at + 4] = lags > 0 && recent[0] === item ? 1 : 0;
  to[at + 5] = Math.log(1 + own.passed);
  let slot = 0;
  config.fields.forEach(({ slots }, field) => {
    to[at + 6 + field] = Math.log(
      computeLift(items, width, row + 4 + 2 * slot, 4 + 2 * slot, slots, recent, lags),
    );
    slot += slots;
  });
  const last = at + 6 + config.fields.length;
  to[last] = Math.log(1 + clicks);
  to[last + 1] = Math.log(Math.min(pageLength, longestPage));
  const unclicked = past.pages - past.clickedPages + PRIOR * (1 - pageRate);
  to[last + 2] = Math.log((past.clickedPages + PRIOR * pageRate) * (1 - pageRate) / (unclicked * pageRate));
  const rate = USER_PRIOR * meanRate;
  to[last + 3] = Math.log((past.clicks + rate) / ((past.displays + USER_PRIOR) * meanRate));
}

/** Sums an item's cosines with recently clicked items. Cosine = common users / sqrt(users_a x users_b). */
function computeSimilarity(
  { config, items, leastUsers }: CountTables,
  item: number,
  recent: ArrayLike<number>,
  lags: number,
  { paired, inPairs }: OwnCounts,
): number {
  const width = countTableWidth(config);
  const first = item * width + 4 + 2 * countTokenSlots(config.fields);
  const { neighbours } = config;
  const users = items[item * width + 2]! - (inPairs ? 1 : 0);
  // Without this user's clicks, the item would have too few users, and its pairs would not be counted.
  if (paired && users < leastUsers) return 0;
  const cutoff = items[item * width + 3]!;
  let sum = 0;
  for (let lag = 0; lag < lags; lag++) {
    const other = recent[lag]!;
    if (other === item || isRepeated(recent, lag)) continue;
    let [low, high] = [0, neighbours];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[first + middle]! < other) low = middle + 1;
      else high = middle;
    }
    if (low === neighbours || items[first + low] !== other) continue;
    const both = Math.max(0, items[first + neighbours + low]! - (inPairs ? 1 : 0));
    const others = items[other * width + 2]! - (paired ? 1 : 0);
    // Without this user's clicks, the other item might not be among the item's neighbours.
    if (paired && (others < leastUsers || computeCoclickSimilarity(both, Math.max(1, others)) <= cutoff)) {
      continue;
    }
    sum += both / Math.sqrt(Math.max(1, users) * Math.max(1, others));
  }
  return sum;
}

/** Returns the score by which an item's neighbours are ranked; - 0.5 penalises few common users. */
export function computeCoclickSimilarity(both: number, usersOfOther: number): number {
  return (both - 0.5) / Math.sqrt(usersOfOther);
}

function isRepeated(recent: ArrayLike<number>, lag: number): boolean {
  for (let k = 0; k < lag; k++) if (recent[k] === recent[lag]) return true;
  return false;
}

/**
 * Returns the mean lift of the item's tokens in a field; 1 for an item without tokens. A token's lift is its
 * share of the user's recent clicks, divided by its share of all clicks.
 */
function computeLift(
  items: Float32Array,
  width: number,
  own: number,
  within: number,
  slots: number,
  recent: ArrayLike<number>,
  lags: number,
): number {
  const found = new Array<number>(slots).fill(0);
  let clicks = 0;
  for (let lag = 0; lag < lags; lag++) {
    const at = recent[lag]! * width + within;
    let count = 0;
    for (let s = 0; s < slots; s++) if (items[at + 2 * s]! >= 0) count++;
    if (count === 0) continue;
    clicks++;
    for (let s = 0; s < slots; s++) {
      for (let t = 0; t < slots; t++) {
        if (items[own + 2 * s]! >= 0 && items[own + 2 * s] === items[at + 2 * t]) found[s]! += 1 / count;
      }
    }
  }
  let [sum, count] = [0, 0];
  for (let s = 0; s < slots; s++) {
    if (items[own + 2 * s]! < 0) continue;
    const share = items[own + 2 * s + 1]!;
    sum += (found[s]! + PRIOR * share) / ((clicks + PRIOR) * share);
    count++;
  }
  return count === 0 ? 1 : sum / count;
}

const TRAIN = splits.indexOf("train");

/** Packs each row's counts, [R, {@link OWN_WORDS}]: the user's counts of the item, and of earlier pages. */
export function packOwnCounts(log: Clicks, counted: LogWithCounts): Uint32Array<ArrayBuffer> {
  const own = new Uint32Array(OWN_WORDS * log.rowItem.length);
  for (let user = 0; user < log.userSplit.length; user++) writeOwnCounts(log, user, counted, own);
  return own;
}

function writeOwnCounts(log: Clicks, user: number, counted: LogWithCounts, own: Uint32Array): void {
  const { userEvents, eventRows, eventKind, rowItem, userSplit } = log;
  // The tables include only pages of train users.
  const latest = userSplit[user] === TRAIN ? counted.latest : undefined;
  const { sampledPages } = counted;
  const [from, end] = [userEvents[user]!, userEvents[user + 1]!];
  const passed = new Map<number, number>();
  const shown = new Map<number, number>();
  const clicks = new Map<number, number>();
  let past = log.pastPages?.[user] ?? NO_PAST_PAGES;
  for (let e = from; e < end; e++) {
    if (!isPage(eventKind?.[e])) continue;
    const clicked = new Set(listClickedRows(log, e).map((row) => rowItem[row]!));
    const words = packPast(past);
    // Only earlier pages are counted: if a page shows an item twice, row 2 must not reveal row 1's click.
    for (let row = eventRows[e]!; row < eventRows[e + 1]!; row++) {
      own.set([passed.get(rowItem[row]!) ?? 0, ...words], OWN_WORDS * row);
    }
    if (!sampledPages) past = addPastPage(past, log, e);
    for (let row = eventRows[e]!; row < eventRows[e + 1]!; row++) {
      const item = rowItem[row]!;
      if (!clicked.has(item)) passed.set(item, (passed.get(item) ?? 0) + 1);
      if (latest === undefined) continue;
      shown.set(item, (shown.get(item) ?? 0) + 1);
      if (clicked.has(item)) clicks.set(item, (clicks.get(item) ?? 0) + 1);
    }
  }
  const inPairs = latest === undefined ? undefined : new Set(findLatestClicks(log, user, latest));
  for (let row = eventRows[from]!; row < eventRows[end]!; row++) {
    const item = rowItem[row]!;
    own[OWN_WORDS * row] = packOwn({
      passed: sampledPages ? 0 : own[OWN_WORDS * row]!,
      shown: sampledPages ? 0 : shown.get(item) ?? 0,
      clicks: clicks.get(item) ?? 0,
      paired: inPairs !== undefined,
      inPairs: inPairs?.has(item) ?? false,
    });
  }
}

/** Returns X, the number of context features per row. @throws Error if the log has another number */
export function expectRowFeatures(
  log: Clicks,
  { rowFeatures = 0 }: Pick<CountsConfig, "rowFeatures">,
): number {
  if (getRowWidth(log) === rowFeatures || log.rowItem.length === 0) return rowFeatures;
  throw new Error(`expected ${rowFeatures} context features per row, got ${getRowWidth(log)}`);
}

/**
 * Returns count features [rows, C] of all rows of some users, user by user, before standardising. Features of
 * events that are not predicted are 0. @param latest - see {@link LogWithCounts}
 */
export function computeCountFeatures(
  log: Clicks,
  users: ArrayLike<number>,
  tables: CountTables,
  latest: number | undefined,
): Float64Array {
  const { userEvents, eventRows, eventClick, eventKind, rowItem } = log;
  const C = countWidth(tables.config);
  const X = expectRowFeatures(log, tables.config);
  const rows = countUserRows(log, users);
  const counts = new Float64Array(C * rows);
  let at = 0;
  const own = new Uint32Array(OWN_WORDS * rowItem.length);
  const counted = { latest, sampledPages: tables.config.sampledPages };
  for (const user of Array.from(users)) {
    writeOwnCounts(log, user, counted, own);
    let recent: number[] = [];
    let clicks = 0;
    for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
      const [first, end] = [eventRows[e]!, eventRows[e + 1]!];
      for (let row = first; row < end; row++, at += C) {
        if (eventKind?.[e]) continue;
        const [word = 0, pages = 0, displays = 0] = own.subarray(OWN_WORDS * row);
        const history = { recent, clicks, past: unpackPast(pages, displays) };
        writeItemCounts(tables, rowItem[row]!, history, end - first, unpackOwn(word), counts, at);
        if (log.rowFeatures) counts.set(log.rowFeatures.subarray(X * row, X * (row + 1)), at + C - X);
      }
      if (eventClick[e] === NONE) continue;
      recent = [rowItem[eventClick[e]!]!, ...recent.slice(0, LAGS - 1)];
      clicks++;
    }
  }
  return counts;
}
