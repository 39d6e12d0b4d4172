/** Makes small random logs for tests: irregular sizes, pages of one item, pages without click, repeats. */

import { ADDITIONAL_CLICK, EARLIER_PAGE, NONE } from "../data/click_log.ts";
import type { ClickLog, ItemFeatures, ItemTokens } from "../data/click_log.ts";
import { createRandomStream, createZipfDraw, type Random } from "../data/random.ts";

export interface SmallLogOptions {
  readonly users: number;
  readonly items: number;
  /** Number of dense features per item; 0 for one-hot items, and for items that have only tokens. */
  readonly width: number;
  /** Number of tokens. Most items have the first token, no item has the last, and some have no token. */
  readonly tokens?: number;
  readonly maxEvents?: number;
  readonly maxPage?: number;
  readonly noClick?: number;
  /** True if items are drawn by Zipf popularity instead of uniformly; see {@link createZipfDraw}. */
  readonly zipf?: boolean;
  /** Share of context events, which models do not predict. They may be anywhere in a user's history. */
  readonly given?: number;
  /** Share of the pages of validation and test users that models read as history, but do not predict. */
  readonly earlier?: number;
  /** Probability of a further click on a page, after its first click and after each further click. */
  readonly further?: number;
  /** Number of context features per row. */
  readonly rowWidth?: number;
}

export function createSmallLog(seed: number, options: SmallLogOptions): ClickLog {
  const { users, items, width, tokens, maxEvents = 4, maxPage = 5, noClick = 0.2 } = options;
  const { given = 0, earlier = 0, further = 0, rowWidth = 0 } = options;
  const random = createRandomStream(seed, "small log");
  const drawItem = options.zipf ? createZipfDraw(items, random) : () => random.integer(items);
  const userEvents = [0];
  const eventRows = [0];
  const eventClick: number[] = [];
  const rowItem: number[] = [];
  const eventKind: number[] = [];
  for (let user = 0; user < users; user++) {
    const events = 1 + random.integer(maxEvents);
    for (let e = 0; e < events; e++) {
      const first = rowItem.length;
      const isGiven = given > 0 && random.uniform() < given;
      const page = isGiven ? 1 : 1 + random.integer(maxPage);
      const isEarlier = !isGiven && user % 3 > 0 && earlier > 0 && random.uniform() < earlier;
      eventKind.push(isGiven ? 1 : isEarlier ? EARLIER_PAGE : 0);
      for (let k = 0; k < page; k++) rowItem.push(drawItem());
      eventClick.push(!isGiven && random.uniform() < noClick ? NONE : first + random.integer(page));
      eventRows.push(rowItem.length);
      if (isGiven || further === 0 || eventClick.at(-1) === NONE) continue;
      const left = new Set(rowItem.slice(first));
      left.delete(rowItem[eventClick.at(-1) ?? 0] ?? NONE);
      for (const item of left) {
        if (random.uniform() >= further) break;
        eventKind.push(ADDITIONAL_CLICK);
        eventClick.push(rowItem.push(item) - 1);
        eventRows.push(rowItem.length);
      }
    }
    userEvents.push(eventClick.length);
  }
  const values = Float32Array.from({ length: items * width }, () => random.normal());
  const features: ItemFeatures = tokens !== undefined
    ? { kind: "mixed", count: items, width, values, tokens: smallTokens(items, tokens, random) }
    : width === 0
    ? { kind: "one-hot", count: items }
    : { kind: "dense", count: items, width, values };
  return {
    name: "small",
    items: features,
    userSplit: Uint8Array.from({ length: users }, (_, u) => u % 3),
    userEvents: Uint32Array.from(userEvents),
    eventRows: Uint32Array.from(eventRows),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(rowItem),
    ...(eventKind.some((kind) => kind > 0) ? { eventKind: Uint8Array.from(eventKind) } : {}),
    ...(rowWidth > 0 &&
      { rowFeatures: Float32Array.from({ length: rowWidth * rowItem.length }, () => random.normal()) }),
  };
}

/** A page: displayed items, index of the click (-1: no click), and kind of event (see {@link ClickLog}). */
export type TrainingPage = readonly [items: readonly number[], click: number, given?: number];

/** Creates a log from lists of pages, one list per user. */
export function logOfPages(
  items: ItemFeatures,
  users: readonly (readonly TrainingPage[])[],
  split: (user: number) => number = () => 0,
): ClickLog {
  const pages = users.flat();
  const eventRows = computeBorders(pages.map(([{ length }]) => length));
  const eventKind = Uint8Array.from(pages, ([, , given = 0]) => given);
  return {
    name: "pages",
    items,
    userSplit: Uint8Array.from(users, (_, user) => split(user)),
    userEvents: computeBorders(users.map(({ length }) => length)),
    eventRows,
    eventClick: Uint32Array.from(pages, ([, click], e) => click < 0 ? NONE : (eventRows[e] ?? NaN) + click),
    ...(eventKind.some((given) => given > 0) ? { eventKind } : {}),
    rowItem: Uint32Array.from(pages.flatMap(([items]) => items)),
  };
}

function computeBorders(lengths: readonly number[]): Uint32Array<ArrayBuffer> {
  let end = 0;
  return Uint32Array.from([0, ...lengths], (length) => end += length);
}

const HISTORY_ITEMS = 50;

/** Creates a log with one item per page. @param clicks - true if event e of each user has a click */
export function createHistoryLog(
  users: number,
  { events, clicks, width }: {
    readonly events: (user: number) => number;
    readonly clicks: (e: number, user: number) => boolean;
    readonly width: number;
  },
): ClickLog {
  let e = 0;
  const all = Array.from(
    { length: users },
    (_, user) =>
      Array.from({ length: events(user) }, (): TrainingPage => {
        const click = clicks(e, user) ? 0 : -1;
        return [[(e++ * 13) % HISTORY_ITEMS], click];
      }),
  );
  const values = new Float32Array(HISTORY_ITEMS * width);
  return logOfPages({ kind: "dense", count: HISTORY_ITEMS, width, values }, all);
}

/** Creates a batch with `rows` rows. All rows show item 0. */
export function createRowsBatch(rows: number): { log: ClickLog; users: number[] } {
  const pages = Array.from({ length: Math.ceil(rows / 10) }, (_, e): TrainingPage => [
    new Array<number>(Math.min(10, rows - 10 * e)).fill(0),
    -1,
  ]);
  return { log: logOfPages(createOneHotItems(1), [pages]), users: [0] };
}

export const createOneHotItems = (count: number): ItemFeatures => ({ kind: "one-hot", count });

function smallTokens(items: number, count: number, random: Random): ItemTokens {
  const first = [0];
  const token: number[] = [];
  for (let item = 0; item < items; item++) {
    const own = new Set<number>();
    const wanted = random.uniform() < 0.15 ? 0 : random.integer(5);
    for (let k = 0; k < wanted; k++) own.add(random.integer(Math.max(1, count - 1)));
    if (random.uniform() < 0.7) own.add(0);
    token.push(...own);
    first.push(token.length);
  }
  return { count, first: Uint32Array.from(first), token: Uint32Array.from(token) };
}

export function drawPermutation(seed: number, n: number): number[] {
  return Array.from(createRandomStream(seed, "shuffle").sampleWithoutReplacement(n, n));
}
