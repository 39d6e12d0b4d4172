/** Episodes of made-up users, and what is to be known of them later, in the plainest way. */

import type { Key } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import { startOf, type StartOptions } from "../../simulate/start.ts";
import { range } from "../harness.ts";

export const [USERS, PAGES, SLATE, ITEMS, STRIDE, EPISODES] = [70, 3, 2, 45, 4, 2];
/** Of a state, without padding: the column behind them is how far the episode is. */
export const COLUMNS = 3;

/** What users have clicked before an episode: each draws one. */
export const START: StartOptions = [[], [44, 3, 40], [31, 32]];

/** A page as users saw it. */
export interface Seen {
  readonly states: Float32Array<ArrayBuffer>;
  readonly slates: Uint32Array<ArrayBuffer>;
  /** [U] slot or k, and the reward. */
  readonly slots: readonly number[];
  readonly rewards: Float32Array<ArrayBuffer>;
  readonly alive: Uint32Array<ArrayBuffer>;
}

export interface Episode {
  /** [U, S] states that users start from. */
  readonly start: Float32Array<ArrayBuffer>;
  readonly pages: readonly Seen[];
}

/** The pages of an episode: some users leave after their first page, some after the second. */
export function episodeOf(episode: number): Episode {
  const random = randomStream(9, "replay", episode);
  const states = () =>
    Float32Array.from({ length: USERS * STRIDE }, (_, k) => (k % STRIDE < COLUMNS ? random.normal() : 0));
  const here = new Array<boolean>(USERS).fill(true);
  return {
    start: states(),
    pages: range(PAGES).map(() => {
      const slots = range(USERS).map(() => random.integer(SLATE + 1));
      range(USERS).forEach((u) => here[u] = (here[u] ?? false) && random.uniform() > 0.3);
      return {
        states: states(),
        slates: Uint32Array.from({ length: USERS * SLATE }, () => random.integer(ITEMS)),
        slots,
        rewards: Float32Array.from(slots, (slot) => (slot < SLATE ? random.normal() : 0)),
        alive: Uint32Array.from(here, Number),
      };
    }),
  };
}

/** [U] pages that users saw: who left sees no further ones. */
export function lengthsOf({ pages }: Episode): number[] {
  return range(USERS).map((u) => {
    const left = pages.findIndex(({ alive }) => alive[u] === 0);
    return left < 0 ? pages.length : left + 1;
  });
}

/** States that users start from, and those after each page. */
export function statesOf({ start, pages }: Episode): Float32Array<ArrayBuffer>[] {
  return [start, ...pages.map(({ states }) => states)];
}

/** A page that a user saw. */
export interface UserPage {
  readonly episode: number;
  readonly user: number;
  readonly page: number;
}

/** All of them, in the order of episode, user, page. */
export function pagesSeen(episodes: readonly Episode[]): UserPage[] {
  return episodes.flatMap((one, episode) =>
    lengthsOf(one).flatMap((length, user) => range(length).map((page) => ({ episode, user, page })))
  );
}

/** The user's state so many pages later; 0 for that before the page. */
export function stateOf(
  episodes: readonly Episode[],
  { episode, user, page }: UserPage,
  later: number,
): number[] {
  const one = episodes[episode];
  const states = one && statesOf(one)[page + later];
  return Array.from(states?.subarray(user * STRIDE, user * STRIDE + COLUMNS) ?? []);
}

/** The items shown. */
export function slateOf(episodes: readonly Episode[], { episode, user, page }: UserPage): number[] {
  const slates = episodes[episode]?.pages[page]?.slates;
  return Array.from(slates?.subarray(user * SLATE, (user + 1) * SLATE) ?? []);
}

/** Items that a user clicked before an episode, and on its first pages. @param key of the episode's users */
export function clickedOf(
  episodes: readonly Episode[],
  { episode, user }: Omit<UserPage, "page">,
  pages: number,
  key: Key,
): number[] {
  const before = Array.from(startOf(START, user, episode, key));
  return before.concat(
    range(pages).flatMap((page) => {
      const slot = episodes[episode]?.pages[page]?.slots[user] ?? SLATE;
      return slot < SLATE ? [slateOf(episodes, { episode, user, page })[slot] ?? NaN] : [];
    }),
  );
}
