/** Contexts of simulated pages: values of the context features, drawn from the pages of a log. */

import { listUsers } from "../data/click_log.ts";
import { countScored, type LogSource, walk } from "../data/log_source.ts";
import type { ContextFeature } from "../data/manifest.ts";
import { createRandomStream, mix } from "../data/random.ts";

/** Maximum number of drawn contexts, so that a category's share has a standard error of at most 1.6 %. */
const MOST_CONTEXTS = 1024;
/** Odd factor in the hash of user, episode and item that selects a context. */
const FACTOR = 0x9e3779b9;

/** Table of contexts. kernels/pw/row_counts.wgsl selects the same rows for a page as {@link getRow}. */
export class SimulatedContexts {
  /** D, the number of contexts. */
  readonly count: number;
  /** Number of impression features. In a row, they come before the page features. */
  readonly ofItem: number;

  /** @param rows - [D, X] contexts: impression features of an item, then page features of its page. */
  constructor(readonly features: readonly ContextFeature[], readonly rows: Float32Array<ArrayBuffer>) {
    this.count = rows.length / features.length;
    this.ofItem = features.filter(({ kind }) => kind === "impression").length;
  }

  /**
   * Returns the context features [X] of an item on a user's pages. During an episode, the pages of a user
   * have the same page features, and an item has the same impression features on all pages.
   */
  getRow(user: number, episode: number, item: number): Float32Array<ArrayBuffer> {
    const { rows, count, features: { length: X }, ofItem: split } = this;
    const session = (user + Math.imul(episode, FACTOR)) >>> 0;
    const ofPage = X * (session % count);
    const ofItem = X * ((mix(Math.imul(session, FACTOR) + item) >>> 0) % count);
    return Float32Array.of(
      ...rows.subarray(ofItem, ofItem + split),
      ...rows.subarray(ofPage + split, ofPage + X),
    );
  }
}

/**
 * Draws contexts from pages of a log's train users (no context events). Each context has the features of a
 * page and of one of its items. Equal logs give equal contexts. @returns undefined if there are no features
 * or no pages
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
  const random = createRandomStream(1, "simulated contexts");
  const sample = random.sampleWithoutReplacement(pages, Math.min(pages, MOST_CONTEXTS));
  const rows = new Float32Array(X * sample.length);
  // Pages are read in the order of the log, and have random positions in the table.
  const order = Array.from(sample.keys()).sort((a, b) => sample[a]! - sample[b]!);
  let [k, first] = [0, 0];
  const drawn = Map.groupBy(order, (position) => {
    while (sample[position]! >= first + countScored(source, users[k]!)) {
      first += countScored(source, users[k++]!);
    }
    sample[position]! -= first;
    return users[k]!;
  });
  const positions = drawn.values();
  for (const { log, users: owners } of walk(source, drawn.keys())) {
    for (const owner of owners) {
      const [from, to] = log.userEvents.subarray(owner, owner + 2);
      const events = Array.from({ length: to! - from! }, (_, e) => from! + e).filter((e) =>
        !log.eventKind?.[e]
      );
      for (const position of positions.next().value ?? []) {
        const [row, end] = log.eventRows.subarray(events[sample[position]!], events[sample[position]!]! + 2);
        const at = X * (row! + random.integer(end! - row!));
        rows.set(log.rowFeatures!.subarray(at, at + X), X * position);
      }
    }
  }
  return new SimulatedContexts(features, rows);
}
