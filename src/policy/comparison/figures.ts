/** What a policy did in an environment, and the figures of it, over users and by page, with how far they would differ on other users. */

import { Bootstrap, type Interval, intervalOf, MOST_GROUPS } from "../../figures/bootstrap.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { coverage, FigureSums, type SimulationFigures } from "../../simulate/figures.ts";

/** An episode of users who were stepped together, whoever they are. */
export type Episodes = Omit<EpisodeLog, "episode" | "firstUser">;

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
  const sums = new FigureSums({ users, episodes: 1, pages, slate: episodes[0]?.slate ?? 0, items }, 0);
  let firstUser = 0;
  for (const log of episodes) {
    sums.add({ ...log, episode: 0, firstUser }, 0);
    firstUser += log.users;
  }
  const { returns, ...counts } = sums.figures;
  const [clicks, seen] = [Float64Array.from(counts.clicks), Float64Array.from(counts.seen)];
  return {
    returns,
    return: ratioOf(returns),
    rewardAPage: ratioOf(returns, seen),
    clickRate: ratioOf(clicks, seen),
    byPage: counts.byPage.map((page) => ({
      users: page.shown,
      clickRate: page.clicks / page.shown,
      reward: page.reward / page.shown,
      clickChance: page.predicted / page.shown,
    })),
    coverage: coverage(counts),
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

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** All users who saw the n-th page; NaN where nobody did. */
export interface CurvePage {
  readonly users: number;
  readonly clickRate: MeanFigure;
  readonly reward: MeanFigure;
}

export interface PolicyFigures {
  /** Rewards of a user, all pages together. */
  readonly return: MeanFigure;
  /** Clicks a page that was seen. */
  readonly clickRate: MeanFigure;
  /** Reward a page that was seen. */
  readonly rewardAPage: MeanFigure;
  /** Pages that a user saw until they left. */
  readonly pages: MeanFigure;
  /** From the first page. */
  readonly byPage: readonly CurvePage[];
  /** Share of the catalogue that was shown at least once to somebody. */
  readonly coverage: number;
  /** Share of the clicks whose reward was below 0; NaN without a click. */
  readonly negativeClicks: number;
}

/** Of longer episodes the pages have no intervals: the sums that they need grow with the pages. */
const MOST_PAGES = 200;

/** Columns of the sums: of a user's whole episode, and of each page. */
const WHOLE = { users: 0, return: 1, clicks: 2, seen: 3, size: 4 } as const;
const PAGE = { seen: 0, clicks: 1, reward: 2, size: 3 } as const;

/** Adds up episodes as they come, by groups of users: memory does not grow with the users. */
export class FigureGroups {
  readonly #groups: number;
  readonly #columns: number;
  /** [groups, columns] */
  readonly #sums: Float64Array;
  /** [pages, 3] of all groups. */
  readonly #byPage: Float64Array;
  #clicks = 0;
  #negative = 0;

  /** @param users all of them. */
  constructor(users: number, private readonly pages: number) {
    this.#groups = Math.min(users, MOST_GROUPS);
    this.#columns = WHOLE.size + (pages > MOST_PAGES ? 0 : PAGE.size * pages);
    this.#sums = new Float64Array(this.#groups * this.#columns);
    this.#byPage = new Float64Array(PAGE.size * pages);
  }

  add(log: EpisodeLog): void {
    const { users, pages, slate, choices, rewards, present } = log;
    for (let u = 0; u < users; u++) {
      const at = ((log.firstUser + u) % this.#groups) * this.#columns;
      const add = (column: number, value: number) => {
        if (column < this.#columns) this.#sums[at + column] = (this.#sums[at + column] ?? 0) + value;
        const page = column - WHOLE.size;
        if (page >= 0) this.#byPage[page] = (this.#byPage[page] ?? 0) + value;
      };
      add(WHOLE.users, 1);
      for (let t = 0; t < pages; t++) {
        const place = t * users + u;
        if (!present[place]) break; // who has left stays away
        const clicked = (choices[place] ?? slate) < slate ? 1 : 0;
        const reward = rewards[place] ?? NaN;
        this.#clicks += clicked;
        if (clicked && reward < 0) this.#negative++;
        const page = WHOLE.size + PAGE.size * t;
        add(page + PAGE.seen, 1);
        add(page + PAGE.clicks, clicked);
        add(page + PAGE.reward, reward);
        add(WHOLE.seen, 1);
        add(WHOLE.clicks, clicked);
        add(WHOLE.return, reward);
      }
    }
  }

  /** @param figures of the same episodes. */
  figures(figures: Pick<SimulationFigures, "itemShown">): PolicyFigures {
    const [columns, groups] = [this.#columns, this.#groups];
    const bootstrap = new Bootstrap(groups, RESAMPLES);
    const totals = bootstrap.totals(this.#sums, columns);
    const all = new Float64Array(columns);
    this.#sums.forEach((value, k) => all[k % columns] = (all[k % columns] ?? 0) + value);
    const ratio = (of: number, over: number): MeanFigure => {
      const one = (sums: Float64Array, row: number) =>
        (sums[row * columns + of] ?? NaN) / (sums[row * columns + over] ?? NaN);
      const resampled = Float64Array.from({ length: bootstrap.resamples }, (_, b) => one(totals, b));
      return { mean: one(all, 0), interval: intervalOf(resampled, groups) };
    };
    const ofPage = (t: number, column: number): MeanFigure => {
      const [at, seen] = [PAGE.size * t, PAGE.seen];
      if (this.pages <= MOST_PAGES) return ratio(WHOLE.size + at + column, WHOLE.size + at + seen);
      return { mean: (this.#byPage[at + column] ?? NaN) / (this.#byPage[at + seen] ?? NaN), interval: null };
    };
    return {
      return: ratio(WHOLE.return, WHOLE.users),
      clickRate: ratio(WHOLE.clicks, WHOLE.seen),
      rewardAPage: ratio(WHOLE.return, WHOLE.seen),
      pages: ratio(WHOLE.seen, WHOLE.users),
      byPage: Array.from({ length: this.pages }, (_, t) => ({
        users: this.#byPage[PAGE.size * t + PAGE.seen] ?? 0,
        clickRate: ofPage(t, PAGE.clicks),
        reward: ofPage(t, PAGE.reward),
      })),
      coverage: coverage(figures),
      negativeClicks: this.#negative / this.#clicks,
    };
  }
}
