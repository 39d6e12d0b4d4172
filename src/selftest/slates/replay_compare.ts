/** Episodes of made-up users, and what a replay remembers and recalls of them, beside the same on the host. */

import { type Key, keyOf, mulhi, philox, purposes } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import type { View } from "../../gpu/memory.ts";
import { readViews } from "../../gpu/readback.ts";
import type { Recall } from "../../policy/learning/recall.ts";
import { LEFT, type Replay } from "../../policy/learning/replay.ts";
import { startOf, type StartOptions } from "../../simulate/start.ts";
import type { Checks } from "../finding.ts";
import { type CanaryArena, floats, range } from "../harness.ts";

/** Pages that are drawn. */
export const BATCH = 128;
/** What the words that draw them follow from. */
export const SEED = 12345;
export const ITERATION = 7;

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
function lengthsOf({ pages }: Episode): number[] {
  return range(USERS).map((u) => {
    const left = pages.findIndex(({ alive }) => alive[u] === 0);
    return left < 0 ? pages.length : left + 1;
  });
}

/** States that users start from, and those after each page. */
function statesOf({ start, pages }: Episode): Float32Array<ArrayBuffer>[] {
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

export async function compareRemembered(
  { gpu }: CanaryArena,
  { states, shown, happened, lengths, starts }: Replay,
  episodes: readonly Episode[],
  checks: Checks,
): Promise<void> {
  const held = await readViews(gpu, [states, shown, happened, lengths, starts]);
  const by = { kernels: ["remember"] };
  const wantedStates = episodes.flatMap(statesOf).flatMap((one) => Array.from(one));
  checks.same(floats(held[0]), wantedStates, { ...by, what: "states", columns: STRIDE });
  const pages = episodes.flatMap(({ pages }) => pages);
  const wantedSlates = pages.flatMap(({ slates }) => Array.from(slates));
  checks.same(held[1], wantedSlates, { ...by, what: "slates", columns: SLATE });
  const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? NaN;
  const outcomes = pages.flatMap(({ slots, rewards, alive }) =>
    slots.flatMap((slot, u) => [(slot | (alive[u] ? 0 : LEFT)) >>> 0, bits(rewards[u] ?? NaN)])
  );
  checks.same(held[2], outcomes, { ...by, what: "what happened (slot, bits of the reward)", columns: 2 });
  const pagesOf = episodes.map(lengthsOf);
  checks.same(held[3], pagesOf.flat(), { ...by, what: "pages of users", columns: USERS });
  checks.same(held[4], pagesOf.flatMap(sumsBefore), {
    kernels: ["replay_starts"],
    what: "first pages of users",
    columns: USERS + 1,
  });
}

/** What comes before each of some lengths, and the sum of all. */
function sumsBefore(lengths: readonly number[]): number[] {
  const sums = [0];
  for (const length of lengths) sums.push((sums.at(-1) ?? NaN) + length);
  return sums;
}

export async function compareRecalled(
  { gpu }: CanaryArena,
  recall: Recall,
  whole: View,
  episodes: readonly Episode[],
  checks: Checks,
): Promise<void> {
  const { drawn, before, after, maskBefore, maskAfter, slates, outcome } = recall;
  const views = [drawn, before, after, maskBefore, maskAfter, slates, outcome, whole];
  const [draws, states, nextStates, masks, nextMasks, shown, outcomes, wholes] = await readViews(gpu, views);
  const wanted = drawnOf(pagesSeen(episodes));
  checks.same(draws, wanted.flatMap(({ episode, user, page }) => [episode, page, user, 0]), {
    kernels: ["replay_draw"],
    what: "drawn pages (episode, page, user)",
    columns: 4,
  });
  const statesAfter = (pages: number) =>
    wanted.flatMap((seen) => [...stateOf(episodes, seen, pages), (seen.page + pages) / PAGES]);
  const by = { kernels: ["recall"], tolerance: 2e-7 };
  checks.numbers(floats(states), statesAfter(0), { ...by, what: "states before the pages", columns: STRIDE });
  checks.numbers(floats(nextStates), statesAfter(1), {
    ...by,
    what: "states after the pages",
    columns: STRIDE,
  });
  const wantedWhole = wanted.flatMap((seen) => [...stateOf(episodes, seen, 1), 0]);
  checks.same(floats(wholes), wantedWhole, {
    kernels: ["recall_states"],
    what: "whole states after the pages",
    columns: STRIDE,
  });
  const wantedSlates = wanted.flatMap((seen) => slateOf(episodes, seen));
  checks.same(shown, wantedSlates, { ...by, what: "slates", columns: SLATE });
  const wantedOutcomes = wanted.flatMap((seen) => outcomeOf(episodes, seen));
  checks.same(floats(outcomes), wantedOutcomes, { ...by, what: "outcomes", columns: 4 });
  const masked = { kernels: ["recall_masks"], columns: BATCH };
  checks.same(masks, masksOf(episodes, wanted, recall), { ...masked, what: "what could not be shown" });
  checks.same(nextMasks, masksOf(episodes, wanted, recall, 1), {
    ...masked,
    what: "what can not be shown after",
  });
}

/** The pages that are drawn: a random word is the number of one. */
function drawnOf(seen: readonly UserPage[]): UserPage[] {
  return range(BATCH).map((b) => {
    const [word] = philox([b, ITERATION, 0, purposes.REPLAY], keyOf(SEED));
    return seen[mulhi(word, seen.length)] ?? { episode: NaN, user: NaN, page: NaN };
  });
}

/** (slot, reward, 1; 0 if the user left, page) */
function outcomeOf(episodes: readonly Episode[], { episode, user, page }: UserPage): number[] {
  const { slots, rewards, alive } = episodes[episode]?.pages[page] ?? {};
  return [slots?.[user] ?? NaN, rewards?.[user] ?? NaN, alive?.[user] ?? NaN, page];
}

/** [panels, B] words of what was clicked before pages, or so many pages later, and of what is no item. */
function masksOf(
  episodes: readonly Episode[],
  drawn: readonly UserPage[],
  { options: { repeats } }: Recall,
  later = 0,
): number[] {
  return range(Math.ceil(ITEMS / 32)).flatMap((panel) =>
    drawn.map((seen) => {
      const clicked = repeats ? [] : clickedOf(episodes, seen, seen.page + later, keyOf(SEED));
      let word = 0;
      for (let bit = 0; bit < 32; bit++) {
        const item = 32 * panel + bit;
        if (item >= ITEMS || clicked.includes(item)) word |= 1 << bit;
      }
      return word >>> 0;
    })
  );
}
