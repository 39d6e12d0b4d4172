/** What a policy did in an environment, and the figures of it, over users and by page. */

import { Bootstrap, type Interval, intervalOf, MOST_GROUPS } from "../../figures/bootstrap.ts";

/** An episode of users who were stepped together, by pages. Those who left see no more pages. */
export interface Episodes {
  /** U. */
  readonly users: number;
  /** T, the most pages of a user. */
  readonly pages: number;
  /** k. */
  readonly slate: number;
  /** [T, U, k] item numbers. */
  readonly slates: Uint32Array;
  /** [T, U] the slot that was clicked, k for none. */
  readonly choices: Uint32Array;
  /** [T, U] */
  readonly rewards: Float32Array;
  /** [T, U] P(any click), as those who click have it. */
  readonly probabilities: Float32Array;
  /** [T, U] 1 where the user was there, 0 after the user had left. */
  readonly present: Uint8Array;
}

/** A mean and how far it would differ on other users. */
export interface MeanFigure {
  readonly mean: number;
  /** In which 95 % of the resamples of users are; null for fewer than two users. */
  readonly interval: Interval | null;
}

/** The figures of a policy in an environment. */
export interface EpisodeFigures {
  /** [U] sum of the rewards of a user. */
  readonly returns: Float64Array;
  /** Reward of a user over all pages. */
  readonly return: MeanFigure;
  /** Reward of a page that was seen. */
  readonly rewardAPage: MeanFigure;
  /** Clicks of a page that was seen. */
  readonly clickRate: MeanFigure;
  /** By page, from the first. */
  readonly byPage: readonly PageFigures[];
  /** Share of the catalogue that was displayed at least once. */
  readonly coverage: number;
}

/** All users who saw the n-th page; NaN where nobody did. */
export interface PageFigures {
  readonly users: number;
  readonly clickRate: number;
  readonly reward: number;
  /** Mean of P(any click) in the environment. */
  readonly clickChance: number;
}

/** Resamples of users. */
export const RESAMPLES = 2000;
const bootstraps = new Map<number, Bootstrap>();

/** The same resamples for the same number of users, so that differences are paired. */
function resamplesOf(users: number): Bootstrap {
  const groups = Math.min(users, MOST_GROUPS);
  const known = bootstraps.get(groups) ?? new Bootstrap(groups, RESAMPLES);
  bootstraps.set(groups, known);
  return known;
}

/**
 * The ratio of the sums of two columns over users, e.g. clicks by pages, and its interval.
 * @param over [U]; without it, the mean over users.
 */
export function ratioOf(values: Float64Array, over?: Float64Array): MeanFigure {
  const bootstrap = resamplesOf(values.length);
  const { groups } = bootstrap;
  const sums = new Float64Array(2 * groups);
  values.forEach((value, user) => {
    const place = 2 * (user % groups);
    sums[place] = sums[place]! + value;
    sums[place + 1] = sums[place + 1]! + (over ? over[user]! : 1);
  });
  const totals = bootstrap.totals(sums, 2);
  const resampled = Float64Array.from(
    { length: bootstrap.resamples },
    (_, b) => totals[2 * b]! / totals[2 * b + 1]!,
  );
  return { mean: sum(values) / (over ? sum(over) : values.length), interval: intervalOf(resampled, groups) };
}

/**
 * @param episodes of users who follow one another, with as many pages. @param items how many the catalogue has.
 * @throws RangeError for arrays that do not fit the sizes, or no users.
 */
export function figuresOf(episodes: readonly Episodes[], items: number): EpisodeFigures {
  episodes.forEach(checkSizes);
  const users = episodes.reduce((sum, log) => sum + log.users, 0);
  const pages = episodes[0]?.pages ?? 0;
  if (users === 0 || episodes.some((log) => log.pages !== pages)) {
    throw new RangeError("expected episodes of users with the same number of pages");
  }
  const [returns, clicks, seen] = [
    new Float64Array(users),
    new Float64Array(users),
    new Float64Array(users),
  ];
  const shown = new Uint8Array(items);
  const byPage = Array.from({ length: pages }, (_, page): PageFigures => {
    let [present, clicked, reward, chance, first] = [0, 0, 0, 0, 0];
    for (const log of episodes) {
      for (let user = 0; user < log.users; user++) {
        const at = page * log.users + user;
        if (log.present[at] === 0) continue;
        const isClick = log.choices[at]! < log.slate ? 1 : 0;
        present++;
        clicked += isClick;
        reward += log.rewards[at]!;
        chance += log.probabilities[at]!;
        returns[first + user] = returns[first + user]! + log.rewards[at]!;
        clicks[first + user] = clicks[first + user]! + isClick;
        seen[first + user] = seen[first + user]! + 1;
        for (let j = 0; j < log.slate; j++) shown[log.slates[at * log.slate + j]!] = 1;
      }
      first += log.users;
    }
    return {
      users: present,
      clickRate: clicked / present,
      reward: reward / present,
      clickChance: chance / present,
    };
  });
  return {
    returns,
    return: ratioOf(returns),
    rewardAPage: ratioOf(returns, seen),
    clickRate: ratioOf(clicks, seen),
    byPage,
    coverage: sum(shown) / items,
  };
}

/** @throws RangeError for arrays of other sizes. */
function checkSizes({ users, pages, slate, ...log }: Episodes): void {
  const each = pages * users;
  const expected = { slates: each * slate, choices: each, rewards: each, probabilities: each, present: each };
  for (const [name, length] of Object.entries(expected)) {
    const found = log[name as keyof typeof expected].length;
    if (found === length) continue;
    throw new RangeError(
      `expected ${length} ${name} of ${pages} pages of ${slate} items for ${users} users, got ${found}`,
    );
  }
}

function sum(values: Float64Array | Uint8Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
