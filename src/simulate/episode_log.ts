/** Log of an episode: the displayed slates, and the users' clicks. */

import { buildEventLists, type ClickLog, type ItemFeatures, NONE } from "../data/click_log.ts";
import type { Gpu } from "../gpu/device.ts";
import { readViews } from "../gpu/readback.ts";
import type { LogViews } from "./episode.ts";
import type { View } from "../gpu/memory.ts";
import type { PageBuffers } from "./page_buffers.ts";
import type { PoolPage } from "./pool.ts";

/** Log of one episode of users who were simulated together. */
export interface EpisodeLog {
  /** Number of the episode, which selects the random numbers. */
  readonly episode: number;
  /** Number of the first user in the log. */
  readonly firstUser: number;
  /** U, the number of users in the log. */
  readonly users: number;
  /** T, the number of pages in the episode. */
  readonly pages: number;
  /** k, the number of items in a slate. */
  readonly slate: number;
  /** [pages, users, slots] the shown items. */
  readonly slates: Uint32Array<ArrayBuffer>;
  /** [pages, users] clicked slot, counted from 0; the length of the slate if nothing was clicked. */
  readonly choices: Uint32Array<ArrayBuffer>;
  /** [pages, users] reward of the page. */
  readonly rewards: Float32Array<ArrayBuffer>;
  /** [pages, users] probability of any click on the page, by the click model of the simulated users. */
  readonly probabilities: Float32Array<ArrayBuffer>;
  /** [pages, users] 1 if the user saw the page; 0 if the user had left before. */
  readonly present: Uint8Array<ArrayBuffer>;
  /** [pages, users, slots] log P(item | items in earlier slots), if the policy draws slates at random. */
  readonly logProbabilities?: Float32Array<ArrayBuffer>;
}

/** Yields the pages that a user of the log saw, in order. `at` is an index in the arrays [pages, users]. */
export function* listSeenPages(
  { users, pages, slate: k, slates, choices, present }: EpisodeLog,
  user: number,
): Generator<{ page: number; at: number; slate: Uint32Array<ArrayBuffer>; clicked: number | undefined }> {
  for (let page = 0; page < pages; page++) {
    const at = page * users + user;
    if (!present[at]) return; // a user who has left does not return
    const slate = slates.subarray(at * k, (at + 1) * k);
    yield { page, at, slate, clicked: slate[choices[at] ?? k] };
  }
}

export function createEmptyLog(
  sizes: Pick<EpisodeLog, "episode" | "firstUser" | "users" | "pages" | "slate">,
): EpisodeLog {
  const count = sizes.pages * sizes.users;
  return {
    ...sizes,
    slates: new Uint32Array(count * sizes.slate),
    choices: new Uint32Array(count),
    rewards: new Float32Array(count),
    probabilities: new Float32Array(count),
    present: new Uint8Array(count),
  };
}

/** Reads the log of the last episode. @param chances - buffer of log-probabilities of drawn items */
export async function readLog(
  gpu: Gpu,
  page: PageBuffers,
  views: LogViews,
  { episode, firstUser, users }: Pick<EpisodeLog, "episode" | "firstUser" | "users">,
  chances?: View,
): Promise<EpisodeLog> {
  const all = [views.slates, views.outcomes, ...chances ? [chances] : []];
  const [slateWords, outcomeWords, chanceWords] = await readViews(gpu, all);
  const { pages, slate: k, users: U } = page;
  const outcomes = new Float32Array(outcomeWords?.buffer ?? new ArrayBuffer(0));
  const drawn = chanceWords && new Float32Array(chanceWords.buffer);
  const log = {
    ...createEmptyLog({ episode, firstUser, users, pages, slate: k }),
    ...(drawn && { logProbabilities: new Float32Array(pages * users * k) }),
  };
  for (let t = 0; t < pages; t++) {
    const from = t * U * k;
    log.slates.set(slateWords?.subarray(from, from + users * k) ?? [], t * users * k);
    log.logProbabilities?.set(drawn?.subarray(from, from + users * k) ?? [], t * users * k);
    for (let u = 0; u < users; u++) {
      const [own, at] = [4 * (t * U + u), t * users + u];
      log.choices[at] = outcomes[own] ?? k;
      log.rewards[at] = outcomes[own + 1] ?? 0;
      log.probabilities[at] = outcomes[own + 2] ?? NaN;
      log.present[at] = outcomes[own + 3] ?? 0;
    }
  }
  return log;
}

export interface EpisodeLogOptions {
  readonly name: string;
  readonly items: ItemFeatures;
  /** Returns the split of a user: 0 train, 1 validation, 2 test; by default, user number modulo 3. */
  readonly split?: (user: number) => number;
  /** Returns a user's clicks before an episode. These clicks become context events, which are not scored. */
  readonly getStart?: (user: number, episode: number) => ArrayLike<number>;
  /** Returns the items from which a page was drawn; by default all items that the user had not clicked. */
  readonly listCandidates?: (page: PoolPage) => readonly number[];
  /** Returns the context features [X] of an item on the user's pages; absent if the model has none. */
  readonly getContext?: (user: number, episode: number, item: number) => Float32Array;
}

/** Converts episodes to a click log. Each episode of a simulated user becomes one user of the log. */
export function toClickLog(episodes: readonly EpisodeLog[], options: EpisodeLogOptions): ClickLog {
  const { name, items, split = (user: number) => user % 3, getStart, listCandidates, getContext } = options;
  const userEvents = [0];
  const eventRows = [0];
  const eventClick: number[] = [];
  const eventKind: number[] = [];
  const rowItem: number[] = [];
  const rowFeatures: number[] = [];
  const lists = { eventPropensities: [] as number[][], eventCandidates: [] as (readonly number[])[] };
  const event = (
    click: number,
    given: number,
    chances: number[] = [],
    candidates: readonly number[] = [],
  ) => {
    lists.eventPropensities.push(chances);
    lists.eventCandidates.push(candidates);
    eventClick.push(click);
    eventKind.push(given);
    eventRows.push(rowItem.length);
  };
  for (const log of episodes) {
    const { users, slate: k } = log;
    for (let u = 0; u < users; u++) {
      const start = getStart?.(log.firstUser + u, log.episode) ?? [];
      const clicked = new Set(Array.from(start));
      const show = (item: number) => {
        rowItem.push(item);
        rowFeatures.push(...getContext?.(log.firstUser + u, log.episode, item) ?? []);
      };
      for (let s = 0; s < start.length; s++) {
        show(start[s] ?? 0);
        event(rowItem.length - 1, 1);
      }
      for (const { page, at, slate, clicked: item } of listSeenPages(log, u)) {
        const click = item === undefined ? NONE : rowItem.length + log.choices[at]!;
        slate.forEach(show);
        if (log.logProbabilities) {
          const chances = Array.from(
            log.logProbabilities.subarray(at * k, (at + 1) * k),
            (chance) => Math.min(1, Math.exp(chance)),
          );
          const own = { user: log.firstUser + u, episode: log.episode, page, slate: k, clicked };
          event(click, 0, chances, listCandidates?.(own));
        } else event(click, 0);
        if (item !== undefined) clicked.add(item);
      }
      userEvents.push(eventClick.length);
    }
  }
  const users = userEvents.length - 1;
  return {
    name,
    items,
    userSplit: Uint8Array.from({ length: users }, (_, user) => split(user)),
    userEvents: Uint32Array.from(userEvents),
    eventRows: Uint32Array.from(eventRows),
    eventClick: Uint32Array.from(eventClick),
    ...(eventKind.includes(1) && { eventKind: Uint8Array.from(eventKind) }),
    rowItem: Uint32Array.from(rowItem),
    ...(getContext && { rowFeatures: Float32Array.from(rowFeatures) }),
    ...buildEventLists((name) => lists[name]),
  };
}
