/** Metrics of a policy in an environment, in total and by page, with bootstrap intervals over users. */

import { computeInterval, getBootstrap, type Interval, MOST_GROUPS } from "../../metrics/bootstrap.ts";
import { type EpisodeLog, listSeenPages } from "../../simulate/episode_log.ts";
import { computeCoverage, SimulationTotals } from "../../simulate/simulation_metrics.ts";
import type { SimulationMetrics } from "../../simulate/simulation_metrics.ts";

export interface MeanEstimate {
  readonly mean: number;
  /** 95 % interval of `mean` by a bootstrap over users; null for fewer than two users. */
  readonly interval: Interval | null;
}

/** Metrics of the n-th page, averaged over the users who saw it; NaN if no user saw it. */
export interface PageMetrics {
  readonly users: number;
  readonly clickRate: MeanEstimate;
  readonly reward: MeanEstimate;
}

export interface EpisodeMetrics {
  /** [users] sum of the rewards of each user. */
  readonly returns: Float64Array;
  readonly return: MeanEstimate;
  readonly rewardPerPage: MeanEstimate;
  readonly clickRate: MeanEstimate;
  /** Mean number of pages that a user sees. */
  readonly pages: MeanEstimate;
  readonly coverage: number;
  /** Share of clicks that have a negative reward; NaN if there are no clicks. */
  readonly negativeClicks: number;
  readonly byPage: readonly PageMetrics[];
}

const RESAMPLES = 2000;

/** Computes the interval of column `above` divided by column `below`. @param totals - [resamples, columns] */
function computeRatioInterval(
  totals: Float64Array,
  columns: number,
  above: number,
  below: number,
  groups: number,
): Interval | null {
  const ratios = Float64Array.from(
    { length: RESAMPLES },
    (_, b) => totals[b * columns + above]! / totals[b * columns + below]!,
  );
  return computeInterval(ratios, groups);
}

/**
 * Estimates the ratio of two sums over users, for example clicks / pages, with a bootstrap interval.
 * @param values - [users] terms of the numerator. @param over - [users] terms of the denominator; default: 1.
 */
export function estimateRatio(values: Float64Array, over?: Float64Array): MeanEstimate {
  const groups = Math.min(values.length, MOST_GROUPS);
  const sum = (numbers: Float64Array) => numbers.reduce((total, value) => total + value, 0);
  const sums = new Float64Array(2 * groups);
  values.forEach((value, user) => {
    const place = 2 * (user % groups);
    sums[place] = sums[place]! + value;
    sums[place + 1] = sums[place + 1]! + (over ? over[user]! : 1);
  });
  return {
    mean: sum(values) / (over ? sum(over) : values.length),
    interval: computeRatioInterval(getBootstrap(groups, RESAMPLES).totals(sums, 2), 2, 0, 1, groups),
  };
}

/**
 * Computes metrics of all users. @param episodes - one log per group of users, with equal numbers of pages
 * @param items - number of items in the catalogue. @throws RangeError if there are no users.
 */
export function computeEpisodeMetrics(episodes: readonly EpisodeLog[], items: number): EpisodeMetrics {
  const [first] = episodes;
  if (!first) throw new RangeError("expected episodes of users");
  const users = episodes.reduce((sum, log) => sum + log.users, 0);
  const { pages, slate } = first;
  const sums = new SimulationTotals({ users, episodes: 1, pages, slate, items }, 0);
  const groups = new GroupedMetrics(users, pages);
  let firstUser = 0;
  for (const log of episodes) {
    const own = { ...log, episode: 0, firstUser };
    sums.add(own);
    groups.add(own);
    firstUser += log.users;
  }
  return groups.compute(sums.metrics);
}

/** Maximum number of pages per user for which intervals by page are computed; limits the memory. */
const MOST_PAGES = 200;

const PAGE = { seen: 0, clicks: 1, reward: 2, size: 3 } as const;

/** Sums metrics per group of users. The number of groups is limited, to save memory for the sums. */
export class GroupedMetrics {
  readonly #groups: number;
  readonly #columns: number;
  /** [groups, columns]: each metric (column), summed over the users of each group. */
  readonly #sums: Float64Array;
  #negative = 0;

  constructor(users: number, pages: number) {
    this.#groups = Math.min(users, MOST_GROUPS);
    this.#columns = pages > MOST_PAGES ? 0 : PAGE.size * pages;
    this.#sums = new Float64Array(this.#groups * this.#columns);
  }

  add(log: EpisodeLog): void {
    const add = (at: number, value: number) => this.#sums[at] = (this.#sums[at] ?? 0) + value;
    for (let u = 0; u < log.users; u++) {
      const group = ((log.firstUser + u) % this.#groups) * this.#columns;
      for (const { page, at, clicked } of listSeenPages(log, u)) {
        const reward = log.rewards[at] ?? NaN;
        if (clicked !== undefined && reward < 0) this.#negative++;
        if (this.#columns === 0) continue;
        const own = group + PAGE.size * page;
        add(own + PAGE.seen, 1);
        add(own + PAGE.clicks, clicked === undefined ? 0 : 1);
        add(own + PAGE.reward, reward);
      }
    }
  }

  compute(metrics: SimulationMetrics): EpisodeMetrics {
    const { returns } = metrics;
    const [counts, seen] = [Float64Array.from(metrics.clicks), Float64Array.from(metrics.seen)];
    const [columns, groups] = [this.#columns, this.#groups];
    const totals = columns > 0 ? getBootstrap(groups, RESAMPLES).totals(this.#sums, columns) : undefined;
    const ofPage = (page: number, column: number, mean: number): MeanEstimate => {
      if (!totals) return { mean, interval: null };
      const at = PAGE.size * page;
      return { mean, interval: computeRatioInterval(totals, columns, at + column, at + PAGE.seen, groups) };
    };
    return {
      returns,
      return: estimateRatio(returns),
      rewardPerPage: estimateRatio(returns, seen),
      clickRate: estimateRatio(counts, seen),
      pages: estimateRatio(seen),
      byPage: metrics.byPage.map(({ shown, clicks, reward }, page) => ({
        users: shown,
        clickRate: ofPage(page, PAGE.clicks, clicks / shown),
        reward: ofPage(page, PAGE.reward, reward / shown),
      })),
      coverage: computeCoverage(metrics),
      negativeClicks: this.#negative / metrics.clicks.reduce((sum, own) => sum + own, 0),
    };
  }
}
