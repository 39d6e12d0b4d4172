/** What a policy did in an environment, and the figures of it, over users and by page. */

import { Bootstrap, type Interval, intervalOf, MOST_GROUPS } from "../figures/bootstrap.ts";

/** Whole episodes of users who were stepped together. Those who left see no more pages. */
export interface EpisodeLog {
  /** U. */
  readonly users: number;
  /** T, the most pages of a user. */
  readonly pages: number;
  /** k. */
  readonly slate: number;
  /** [T, U, k] item numbers. */
  readonly slates: Uint32Array;
  /** [T, U, 4]: the slot that was clicked (k for none), the reward, P(any click) in this environment, 1 where the user was there. */
  readonly outcomes: Float32Array;
}

/** Numbers of an outcome. */
export const OUTCOME = { slot: 0, reward: 1, clickChance: 2, present: 3, size: 4 } as const;

export interface Estimate {
  readonly mean: number;
  /** In which 95 % of the resamples of users are; null for fewer than two users. */
  readonly interval: Interval | null;
}

/** The figures of a policy in an environment. */
export interface EpisodeFigures {
  /** [U] sum of the rewards of a user. */
  readonly returns: Float64Array;
  /** Reward of a user over all pages. */
  readonly return: Estimate;
  /** Reward of a page that was seen. */
  readonly rewardAPage: Estimate;
  /** Clicks of a page that was seen. */
  readonly clickRate: Estimate;
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

/** Resamples of users, as design figures ask for; see {@link resamplesOf}. */
const RESAMPLES = 2000;
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
export function ratioOf(values: Float64Array, over?: Float64Array): Estimate {
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

/** @param items how many the catalogue has. @throws RangeError for arrays that do not fit the sizes. */
export function figuresOf(log: EpisodeLog, items: number): EpisodeFigures {
  checkSizes(log);
  const { users, pages, slate, slates, outcomes } = log;
  const [returns, clicks, seen] = [users, users, users].map((n) => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const shown = new Uint8Array(items);
  const byPage = Array.from({ length: pages }, (_, page): PageFigures => {
    let [present, clicked, reward, chance] = [0, 0, 0, 0];
    for (let user = 0; user < users; user++) {
      const at = OUTCOME.size * (page * users + user);
      if (outcomes[at + OUTCOME.present] === 0) continue;
      const isClick = outcomes[at + OUTCOME.slot]! < slate ? 1 : 0;
      present++;
      clicked += isClick;
      reward += outcomes[at + OUTCOME.reward]!;
      chance += outcomes[at + OUTCOME.clickChance]!;
      returns[user] = returns[user]! + outcomes[at + OUTCOME.reward]!;
      clicks[user] = clicks[user]! + isClick;
      seen[user] = seen[user]! + 1;
      for (let j = 0; j < slate; j++) shown[slates[(page * users + user) * slate + j]!] = 1;
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

function checkSizes({ users, pages, slate, slates, outcomes }: EpisodeLog): void {
  const expected = [pages * users * slate, OUTCOME.size * pages * users];
  const found = [slates.length, outcomes.length];
  if (expected[0] === found[0] && expected[1] === found[1]) return;
  throw new RangeError(
    `expected ${expected.join(" and ")} numbers of ${pages} pages of ${slate} items for ${users} users, got ${
      found.join(" and ")
    }`,
  );
}

export function sum(values: Float64Array | Uint8Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
