/** Contexts of simulated pages (values of features such as the hour), drawn from the pages of a log. */

import { listUsers } from "../data/click_log.ts";
import { countScored, type LogSource, walk } from "../data/log_source.ts";
import type { ContextFeature } from "../data/manifest.ts";
import { createRandomStream, mix, type Random } from "../data/random.ts";

/** Maximum number of drawn pages. With 1,024 pages, a feature value's share has a standard error <= 1.6 %. */
const MOST_PAGES = 1024;
/** Maximum number of drawn impressions per item. */
const MOST_PER_ITEM = 16;
/** Maximum number of context values of all impressions together; they take 64 MiB. */
const MOST_VALUES = 2 ** 24;
/** Odd factor in the hash of user, episode and item that selects a row of contexts. */
const FACTOR = 0x9e3779b9;

/** Table of contexts. {@link getRow} selects the same rows as kernels/pw/row_counts.wgsl. */
export class SimulatedContexts {
  /** Number of impression features. They are the first columns of a row, before the page features. */
  readonly ofItem: number;

  /**
   * @param rows - [count + I x perItem, X]: `count` drawn pages, then `perItem` drawn impressions per item
   * @param perItem - 0 if the table would be too large; then items get impression features from drawn pages
   */
  constructor(
    readonly features: readonly ContextFeature[],
    readonly rows: Float32Array<ArrayBuffer>,
    readonly count: number,
    readonly perItem: number,
  ) {
    this.ofItem = features.filter(({ kind }) => kind === "impression").length;
  }

  /**
   * Returns the context features [X] of an item on a user's pages. During an episode, the pages of a user
   * have the same page features, and an item has the same impression features on all pages.
   */
  getRow(user: number, episode: number, item: number): Float32Array<ArrayBuffer> {
    const { rows, count, perItem, features: { length: X }, ofItem: split } = this;
    const session = (user + Math.imul(episode, FACTOR)) >>> 0;
    const hash = mix(Math.imul(session, FACTOR) + item) >>> 0;
    const ofPage = X * (session % count);
    const ofItem = X * (perItem > 0 ? count + perItem * item + hash % perItem : hash % count);
    return Float32Array.of(
      ...rows.subarray(ofItem, ofItem + split),
      ...rows.subarray(ofPage + split, ofPage + X),
    );
  }
}

/**
 * Draws random pages, and random impressions of each item, from the train users of a log. An item without
 * impressions gets those of a random other item. Returns undefined if there are no features or no pages.
 */
export function drawContexts(
  source: LogSource,
  features: readonly ContextFeature[],
): SimulatedContexts | undefined {
  const train = listUsers(source, "train");
  const users = train.length > 0 ? train : listUsers(source, "all");
  const pages = users.reduce((sum, user) => sum + countScored(source, user), 0);
  const X = features.length;
  if (X === 0 || pages === 0) return undefined;
  const count = Math.min(pages, MOST_PAGES);
  const items = source.items.shape.count;
  const perItem = Math.min(MOST_PER_ITEM, Math.floor(MOST_VALUES / (items * X)));
  const rows = new Float32Array(X * (count + items * perItem));
  const ofPages = rows.subarray(0, X * count);
  const listRows = (item: number) => {
    const first = count + item * perItem;
    return rows.subarray(X * first, X * (first + perItem));
  };
  const random = createRandomStream(1, "simulated contexts");
  const shown = new Uint32Array(perItem > 0 ? items : 0); // number of impressions of each item
  let page = 0;
  for (const { log, users: own } of walk(source, users)) {
    const { userEvents, eventRows, eventKind, rowItem, rowFeatures = new Float32Array() } = log;
    const getValues = (row: number) => rowFeatures.subarray(X * row, X * (row + 1));
    for (const user of own) {
      for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
        if (eventKind?.[e]) continue;
        const [row, end] = [eventRows[e]!, eventRows[e + 1]!];
        sampleRow(random, ofPages, page++, getValues(row + random.integer(end - row)));
        for (let r = row; r < end && perItem > 0; r++) {
          sampleRow(random, listRows(rowItem[r]!), shown[rowItem[r]!]!++, getValues(r));
        }
      }
    }
  }
  const known = shown.keys().filter((item) => shown[item]! > 0).toArray();
  shown.forEach((number, item) => {
    const from = number > 0 ? item : known[random.integer(known.length)]!;
    const [own, drawn] = [listRows(item), listRows(from).subarray(0, X * shown[from]!)];
    own.forEach((_, k) => own[k] = drawn[k % drawn.length]!);
  });
  return new SimulatedContexts(features, rows, count, perItem);
}

/**
 * Updates a shuffled random sample with one more row (reservoir sampling). @param sample - [size, X] rows, of
 * which the first min(size, `seen`) are filled. @param seen - number of earlier rows
 */
function sampleRow(random: Random, sample: Float32Array, seen: number, row: Float32Array): void {
  const X = row.length;
  const size = sample.length / X;
  const k = random.integer(seen + 1);
  if (k >= size) return;
  if (seen < size) sample.copyWithin(X * seen, X * k, X * (k + 1));
  sample.set(row, X * k);
}
